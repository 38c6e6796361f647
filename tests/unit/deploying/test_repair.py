"""Whatever is damaged in a deployment becomes whole again; little is fetched, and nothing deleted."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from fakes.archiving import facts
from fakes.built_layers import make_tree
from fakes.handmade_deployments import APPLICATION, RUNTIME, Handmade, make_deployment, rewrite
from venvstacks.archives.index import decode_index, encode_index
from venvstacks.deploying.repair import prepare_repair
from venvstacks.deploying.repair_plan import Origin, RepairPlan, topmost
from venvstacks.deploying.repair_run import Repaired, run_repair
from venvstacks.deploying.verify import verify_deployment
from venvstacks.errors import ReleaseError, StoreError, VenvstacksError
from venvstacks.stores.interface import blob_name
from venvstacks.work import Work


class Nowhere:
    """Origins of a deployment whose releases are all gone."""

    def find(self, layer_id: str) -> Origin:
        raise ReleaseError(f"No release has {layer_id}.")


def prepare(deployed: Handmade) -> RepairPlan:
    return prepare_repair(deployed.home.root, deployed, Work(jobs=2))


def repair(deployed: Handmade) -> Repaired:
    return run_repair(prepare(deployed), Work(jobs=2))


def is_whole(deployed: Handmade) -> bool:
    return verify_deployment(deployed.home.root, Work(jobs=2)).is_whole


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def empty(path: Path) -> None:
    """Empty a folder."""
    shutil.rmtree(path)
    path.mkdir()


def become_link(path: Path, target: str) -> None:
    """Put a link in the place of something, which is moved away."""
    path.rename(path.with_name("moved-away"))
    path.symlink_to(target)


def become_folder(path: Path) -> None:
    """Put a folder with something in it in the place of a file or link."""
    path.unlink()
    make_tree(path, {"mine.txt": b"mine"})


def become_file(path: Path) -> None:
    """Put a file in the place of a folder."""
    shutil.rmtree(path)
    path.write_bytes(b"")


@dataclass(frozen=True)
class Damage:
    """Something that is done to a deployment.

    Attributes:
        do: Does it.
        moved: Names of what is moved away when it is repaired.
        fetches: Whether something has to be fetched.
    """

    do: Callable[[Handmade], object]
    moved: tuple[str, ...] = ()
    fetches: bool = False


DAMAGES = {
    "content": Damage(lambda d: cut(d.layer(RUNTIME) / "lib/random.bin"), fetches=True),
    "missing": Damage(lambda d: (d.layer(APPLICATION) / "pkg/core.py").unlink(), fetches=True),
    "empty file": Damage(lambda d: (d.layer(APPLICATION) / "pkg/__init__.py").write_bytes(b"?")),
    "time": Damage(lambda d: os.utime(d.layer(APPLICATION) / "hello.py", (1 << 32, 1 << 32))),
    "mode": Damage(lambda d: (d.layer(RUNTIME) / "bin/python").chmod(0o600)),
    "folder's mode": Damage(lambda d: (d.layer(RUNTIME) / "lib").chmod(0o700)),
    "folder is missing": Damage(lambda d: shutil.rmtree(d.layer(RUNTIME) / "lib"), fetches=True),
    "link is missing": Damage(lambda d: (d.layer(RUNTIME) / "lib/libx.so").unlink()),
    "link is a folder": Damage(lambda d: become_folder(d.layer(RUNTIME) / "lib/libx.so"), ("libx.so",)),
    "file is a folder": Damage(
        lambda d: become_folder(d.layer(APPLICATION) / "hello.py"), ("hello.py",), fetches=True
    ),
    "folder is a link": Damage(
        lambda d: become_link(d.layer(APPLICATION) / "pkg", "moved-away"), ("moved-away", "pkg"), fetches=True
    ),
    "added": Damage(lambda d: make_tree(d.layer(APPLICATION) / "pkg/new", {"a": b"1"}), ("new",)),
    "added beside": Damage(lambda d: make_tree(d.layer(APPLICATION).parent, {"x.txt": b"1"}), ("x.txt",)),
    "link to a layer": Damage(lambda d: (d.layer(APPLICATION).parent / RUNTIME).unlink()),
    "link leads elsewhere": Damage(
        lambda d: become_link(d.layer(APPLICATION).parent / RUNTIME, "/"), ("moved-away",)
    ),
    "folder for a link": Damage(lambda d: become_folder(d.layer(APPLICATION).parent / RUNTIME), (RUNTIME,)),
    "no index": Damage(lambda d: d.home.place(d.release.layer(RUNTIME)).index.unlink(), fetches=True),
    "index is damaged": Damage(lambda d: cut(d.home.place(d.release.layer(RUNTIME)).index), fetches=True),
    "no layer": Damage(lambda d: shutil.rmtree(d.layer(RUNTIME)), (".layer",), fetches=True),
    "no layer and no index": Damage(lambda d: shutil.rmtree(d.layer(RUNTIME).parent), fetches=True),
    "layer is a file": Damage(lambda d: become_file(d.layer(RUNTIME)), (RUNTIME,), fetches=True),
    "layer is empty": Damage(lambda d: empty(d.layer(RUNTIME)), fetches=True),
    "launcher": Damage(lambda d: cut(d.home.programs / "hello")),
    "launcher is a folder": Damage(lambda d: become_folder(d.home.programs / "hello"), ("hello",)),
    "generation's launcher": Damage(lambda d: shutil.rmtree(d.home.generation(1) / "bin")),
    "current": Damage(lambda d: d.home.current.unlink()),
    "current is damaged": Damage(lambda d: d.home.current.write_bytes(b"../..\n")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_repaired(tmp_path: Path, name: str) -> None:
    deployed, damage = make_deployment(tmp_path), DAMAGES[name]
    layers = {target: facts(deployed.layer(target)) for target in (RUNTIME, APPLICATION)}
    damage.do(deployed)
    assert not is_whole(deployed)
    requests = len(deployed.store.asked)

    done = repair(deployed)

    assert verify_deployment(deployed.home.root, Work(jobs=2)).findings == ()
    assert {target: facts(deployed.layer(target)) for target in (RUNTIME, APPLICATION)} == layers
    assert (len(deployed.store.asked) > requests) == damage.fetches
    if "no layer" in name or name == "layer is a file":
        assert len(done.moved) <= 1  # what was left of it is kept
    else:
        assert sorted(path.name for path in done.moved) == sorted(damage.moved)
    assert all(os.path.lexists(path) for path in done.moved)
    assert not deployed.home.downloads.exists() or not list(deployed.home.downloads.iterdir())
    assert prepare(deployed).is_empty


def test_nothing_to_repair(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    plan = prepare(deployed)
    assert plan.is_empty
    assert plan.bytes == 0
    assert run_repair(plan, Work()).moved == ()
    assert deployed.store.asked == []


def test_only_the_frames_of_damaged_files_are_fetched(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    cut(deployed.layer(RUNTIME) / "lib/os.py")
    archive = deployed.release.layer(RUNTIME).archive
    plan = prepare(deployed)
    assert 0 < plan.bytes < archive.size / 10
    before = deployed.store.traffic.received
    run_repair(plan, Work(jobs=2))
    assert deployed.store.traffic.received - before == plan.bytes


def test_twins_are_left_alone(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    names = ("hello.py", "pkg/core.py", "bin/python")
    for number, name in enumerate(names):
        os.link(deployed.layer(APPLICATION) / name, tmp_path / str(number))
    (tmp_path / "0").write_bytes(b"other")
    os.utime(tmp_path / "1", (1 << 32, 1 << 32))
    (tmp_path / "2").chmod(0o600)
    repair(deployed)
    assert is_whole(deployed)
    assert (tmp_path / "0").read_bytes() == b"other"
    assert (tmp_path / "1").stat().st_mtime == 1 << 32
    assert (tmp_path / "2").stat().st_mode & 0o777 == 0o600


def test_file_that_is_in_use_stays_as_it_is_for_who_uses_it(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    path = deployed.layer(APPLICATION) / "hello.py"
    path.write_bytes(b"other")
    with path.open("rb") as used:
        repair(deployed)
        assert used.read() == b"other"
    assert path.read_bytes() == b"print('hello')\n"


def test_bytecode_of_what_was_damaged_is_moved_away(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    layer = deployed.layer(APPLICATION)
    make_tree(
        layer,
        {
            "__pycache__/hello.cpython-312.pyc": b"1",
            "pkg/__pycache__/core.cpython-312.pyc": b"2",
            "pkg/__pycache__/__init__.cpython-312.opt-1.pyc": b"3",
            "hello.py": b"print('HELLO')\n",
        },
    )
    done = repair(deployed)
    assert [path.name for path in done.moved] == ["hello.cpython-312.pyc"]
    assert (layer / "pkg/__pycache__/core.cpython-312.pyc").exists()


def test_what_was_moved_away_is_kept_apart(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    for content in (b"1", b"2"):
        (deployed.layer(APPLICATION) / "mine.txt").write_bytes(content)
        repair(deployed)
    assert sorted(path.read_bytes() for path in deployed.home.added.rglob("mine.txt")) == [b"1", b"2"]
    place = deployed.layer(APPLICATION).relative_to(deployed.home.root)
    assert (deployed.home.added / "1" / place / "mine.txt").is_file()


def test_what_no_release_has_any_more_is_left_and_told(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    cut(deployed.layer(RUNTIME) / "lib/os.py")
    (deployed.layer(APPLICATION) / "mine.txt").write_bytes(b"")
    plan = prepare_repair(deployed.home.root, Nowhere(), Work(jobs=2))
    assert [(found.path.rpartition("/")[2], found.detail.partition(":")[0]) for found in plan.left] == [
        ("os.py", "content")
    ]
    assert "No release has" in plan.left[0].detail
    run_repair(plan, Work(jobs=2))
    assert not (deployed.layer(APPLICATION) / "mine.txt").exists()


def test_damaged_documents_are_told(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    rewrite(deployed.home.document, keep="all")
    plan = prepare(deployed)
    assert [found.path for found in plan.left] == ["deployment.json"]
    assert plan.is_empty


def test_damaged_generation_that_is_the_only_one(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    cut(deployed.home.generation(1) / "generation.json")
    plan = prepare(deployed)
    assert [found.path for found in plan.left] == ["generations/1/generation.json", "current"]
    assert plan.is_empty


def test_damaged_generation_with_an_earlier_one(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    shutil.copytree(deployed.home.generation(1), deployed.home.generation(2))
    deployed.home.current.write_bytes(b"generations/2\n")
    cut(deployed.home.generation(2) / "generation.json")
    plan = prepare(deployed)
    assert [number for _, number in plan.switches] == [1]
    run_repair(plan, Work(jobs=2))
    assert deployed.home.current.read_bytes() == b"generations/1\n"


@pytest.mark.parametrize("lacking", [RUNTIME, APPLICATION])
def test_index_that_the_store_lacks_concerns_its_layer_alone(tmp_path: Path, lacking: str) -> None:
    deployed = make_deployment(tmp_path)
    for layer in deployed.release.layers:
        deployed.home.place(layer).index.unlink()
    del deployed.store.contents[blob_name(deployed.release.layer(lacking).index.sha256)]
    done = repair(deployed)
    place = deployed.home.place(deployed.release.layer(lacking))
    assert [found.path for found in done.plan.left] == [place.index.relative_to(deployed.home.root).as_posix()]
    left = verify_deployment(deployed.home.root, Work(jobs=2)).findings
    assert [found.path for found in left] == [found.path for found in done.plan.left]


@pytest.mark.parametrize("blob", ["archive", "index"])
def test_wrong_bytes_in_the_store_are_refused(tmp_path: Path, blob: str) -> None:
    deployed = make_deployment(tmp_path)
    layer = deployed.release.layer(RUNTIME)
    cut(deployed.layer(RUNTIME) / "lib/os.py")
    if blob == "index":
        deployed.home.place(layer).index.unlink()
    name = blob_name(getattr(layer, blob).sha256)
    deployed.store.contents[name] = deployed.store.contents[name][::-1]
    before = facts(deployed.layer(RUNTIME))
    if blob == "index":
        assert [found.path.rpartition("/")[2] for found in prepare(deployed).left] == ["index.zst"]
    else:
        with pytest.raises(VenvstacksError, match="frame"):
            repair(deployed)
    assert facts(deployed.layer(RUNTIME)) == before


def test_store_that_has_less(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    cut(deployed.layer(RUNTIME) / "lib/os.py")
    (deployed.layer(RUNTIME) / "mine.txt").write_bytes(b"")
    plan = prepare(deployed)
    deployed.store.contents.clear()
    with pytest.raises(StoreError):
        run_repair(plan, Work(jobs=2))
    assert (deployed.layer(RUNTIME) / "mine.txt").exists()  # nothing is changed before everything is there
    assert not list(deployed.home.root.rglob(".venvstacks-tmp-*"))


def test_index_with_other_frames_is_fetched_again(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    layer = deployed.release.layer(RUNTIME)
    place = deployed.home.place(layer)
    right = place.index.read_bytes()
    index = decode_index(right, "index")
    frames = tuple(msgspec.structs.replace(frame, sha256="0" * 64) for frame in index.frames)
    place.index.write_bytes(encode_index(msgspec.structs.replace(index, frames=frames)))
    cut(deployed.layer(RUNTIME) / "lib/os.py")
    repair(deployed)
    assert place.index.read_bytes() == right
    assert is_whole(deployed)


def test_topmost() -> None:
    assert list(topmost(["a/b", "a", "a/b/c", "d/e", "a"])) == ["a", "d/e"]
