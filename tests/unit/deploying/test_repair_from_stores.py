"""Repairing deployments from the stores that they came from."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.pushed_stores import APPLICATION, RUNTIME, PushedStore, make_store, publish
from venvstacks.deploying.hold import hold_deployment
from venvstacks.errors import BusyError, DeploymentError
from venvstacks.events import silent
from venvstacks.options import Options
from venvstacks.trust.repository import change_catalog


@pytest.fixture
def store(tmp_path: Path) -> PushedStore:
    made = make_store(tmp_path / "store")
    made.push("1", "1")
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deployed"


def deploy(store: PushedStore, root: Path, **settings: Any) -> venvstacks.Deployed:
    return venvstacks.deploy(store.address, to=root, root=store.root, **settings)


def python_of(root: Path, target: str) -> Path:
    """Return the interpreter of a layer."""
    return next(
        path for path in (root / "layers").glob(f"*/{target}/bin/python") if not path.parents[1].is_symlink()
    )


def test_signed_store(store: PushedStore, root: Path) -> None:
    deploy(store, root)
    python = python_of(root, RUNTIME)
    before = python.read_bytes()
    python.write_bytes(b"?")
    assert [found.detail for found in venvstacks.verify_deployment(root).findings] == ["content"]
    plan = venvstacks.plan_repair(root)
    assert plan.bytes > 0
    assert python.read_bytes() == b"?"
    done = venvstacks.repair_deployment(root)
    assert (done.plan.left, done.moved) == ((), ())
    assert python.read_bytes() == before
    assert venvstacks.verify_deployment(root).is_whole


def test_output_folder(tmp_path: Path, root: Path) -> None:
    venvstacks.deploy(str(publish(tmp_path / "published")), to=root)
    python_of(root, RUNTIME).unlink()
    assert venvstacks.repair_deployment(root).plan.left == ()
    assert venvstacks.verify_deployment(root).is_whole


def test_output_folder_that_was_published_again(tmp_path: Path, root: Path) -> None:
    published = publish(tmp_path / "published")
    venvstacks.deploy(str(published), to=root)
    shutil.rmtree(published)
    publish(published, {APPLICATION: "2"})
    python_of(root, RUNTIME).unlink()
    application = python_of(root, APPLICATION)
    application.unlink()
    left = venvstacks.repair_deployment(root).plan.left
    assert [found.path for found in left] == [application.relative_to(root).as_posix()]
    assert "has no release with this layer any more" in left[0].detail


def test_release_that_is_gone_whose_layers_others_have(store: PushedStore, root: Path) -> None:
    deploy(store, root)
    store.push("2", {APPLICATION: "2"})
    change_catalog(store.store, store.signers, lambda catalog: catalog.without("1"), files={})
    python_of(root, RUNTIME).unlink()
    assert venvstacks.repair_deployment(root).plan.left == ()
    assert venvstacks.verify_deployment(root).is_whole


def test_all_products_and_generations(tmp_path: Path, store: PushedStore, root: Path) -> None:
    deploy(store, root)
    store.push("2", {APPLICATION: "2"})
    venvstacks.deploy(to=root)
    other = make_store(tmp_path / "other")
    other.push("7", {APPLICATION: "7"}, applications=())
    venvstacks.deploy(other.address, to=root, root=other.root)
    pythons = list((root / "layers").glob(f"*/{APPLICATION}/bin/python"))
    assert len(pythons) == 3
    for python in pythons:
        python.write_bytes(b"?")
    (root / "bin" / "two").unlink()
    (root / "products" / "other" / "bin" / "hello").unlink()
    assert len(venvstacks.verify_deployment(root / "products" / "other").findings) == 5
    assert venvstacks.repair_deployment(root).plan.left == ()
    assert venvstacks.verify_deployment(root).findings == ()


def test_layer_of_products_of_which_one_store_is_gone(tmp_path: Path, store: PushedStore, root: Path) -> None:
    deploy(store, root)
    other = make_store(tmp_path / "other")
    other.push("7", {APPLICATION: "7"}, applications=())
    venvstacks.deploy(other.address, to=root, root=other.root)
    shutil.rmtree(store.folder)
    python_of(root, RUNTIME).unlink()
    assert venvstacks.repair_deployment(root).plan.left == ()
    python = root / "layers"
    assert python.is_dir()
    assert venvstacks.verify_deployment(root).is_whole


def test_store_that_is_gone(store: PushedStore, root: Path) -> None:
    deploy(store, root)
    shutil.rmtree(store.folder)
    python_of(root, RUNTIME).unlink()
    os.utime(python_of(root, APPLICATION), (1, 1))  # for this, nothing is needed
    left = venvstacks.repair_deployment(root).plan.left
    assert [found.path.rpartition("/")[2] for found in left] == ["python"]
    assert str(store.folder) in left[0].detail


def test_deployment_that_was_moved_and_copied(tmp_path: Path, store: PushedStore, root: Path) -> None:
    deploy(store, root)
    moved, copied = tmp_path / "elsewhere" / "moved", tmp_path / "copied"
    moved.parent.mkdir()
    root.rename(moved)
    shutil.copytree(moved, copied, symlinks=True)
    for place in (moved, copied):
        assert venvstacks.verify_deployment(place).findings == ()
        python_of(place, RUNTIME).unlink()
        assert venvstacks.repair_deployment(place).plan.left == ()
        assert venvstacks.verify_deployment(place).is_whole


def test_trust_that_was_removed(store: PushedStore, root: Path) -> None:
    deploy(store, root)
    shutil.rmtree(root / "trust")
    python_of(root, RUNTIME).unlink()
    left = venvstacks.repair_deployment(root).plan.left
    assert len(left) == 1
    assert "who may sign" in left[0].detail


def test_one_run_at_a_time(store: PushedStore, root: Path) -> None:
    deploy(store, root)
    with hold_deployment(root, wait=True, observe=silent), pytest.raises(BusyError):
        venvstacks.repair_deployment(root, options=Options(wait=False))


def test_no_deployment(root: Path) -> None:
    with pytest.raises(DeploymentError, match="no deployment"):
        venvstacks.repair_deployment(root)
    assert not root.exists()


def test_deploying_again_after_a_repair_of_everything(store: PushedStore, root: Path) -> None:
    deploy(store, root)
    shutil.rmtree(root / "layers")
    assert venvstacks.repair_deployment(root).plan.left == ()
    assert venvstacks.verify_deployment(root).is_whole
    assert not venvstacks.deploy(to=root).changed
