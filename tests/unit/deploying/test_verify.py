"""A deployment is compared with what was published: layers, links, launchers, documents."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.built_layers import make_tree
from fakes.handmade_deployments import APPLICATION, RUNTIME, Handmade, make_deployment, rewrite
from venvstacks.deploying.verify import VerifyReport, verify_deployment
from venvstacks.errors import DeploymentError
from venvstacks.work import Work


def verify(deployed: Handmade) -> VerifyReport:
    """Verify with two threads."""
    return verify_deployment(deployed.home.root, Work(jobs=2))


def findings(deployed: Handmade) -> list[tuple[str, str, str]]:
    """Return what is found, with the IDs of layers replaced by their names."""
    names = {layer.id: layer.layer_name for layer in deployed.release.layers}
    found = []
    for each in verify(deployed).findings:
        path = each.path
        for layer_id, name in names.items():
            path = path.replace(layer_id, name.upper())
        found.append((path, str(each.problem), each.detail))
    return found


@pytest.mark.parametrize("product", ["", "other"])
def test_whole_deployment(tmp_path: Path, product: str) -> None:
    deployed = make_deployment(tmp_path, product=product)
    report = verify(deployed)
    assert report.findings == ()
    assert report.is_whole
    assert {layer.facts.layer_name for layer in report.layers} == {"app-hello", "cpython-3.12"}
    assert report.read > 50_000


def test_no_deployment(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="no deployment in"):
        verify_deployment(tmp_path, Work())


def test_bytecode_is_told_apart(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    make_tree(deployed.layer(APPLICATION), {"__pycache__/hello.cpython-312.pyc": b"", "pkg/note.txt": b""})
    report = verify(deployed)
    assert report.bytecode == 1
    assert [found.path.rpartition("/")[2] for found in report.findings] == ["note.txt"]


def damage_generation(deployed: Handmade) -> None:
    """Let the document of the generation end early."""
    path = deployed.home.generation(1) / "generation.json"
    path.write_bytes(path.read_bytes()[:50])


def other_index(deployed: Handmade) -> None:
    """Exchange the indexes of two layers."""
    shutil.copy(
        deployed.home.place(deployed.release.layer(RUNTIME)).index,
        deployed.home.place(deployed.release.layer(APPLICATION)).index,
    )


def relink(deployed: Handmade, target: str) -> None:
    """Let the link to the runtime lead elsewhere."""
    link = deployed.layer(APPLICATION).parent / RUNTIME
    link.unlink()
    link.symlink_to(target)


LAUNCHER = "layers/APP-HELLO"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda d: (d.layer(APPLICATION) / "hello.py").write_bytes(b"?"),
            [(f"{LAUNCHER}/{APPLICATION}/hello.py", "changed", "content")],
        ),
        (
            lambda d: (d.layer(APPLICATION) / "pkg/core.py").unlink(),
            [(f"{LAUNCHER}/{APPLICATION}/pkg/core.py", "missing", "")],
        ),
        (
            lambda d: (d.layer(APPLICATION) / "evil.py").write_bytes(b""),
            [(f"{LAUNCHER}/{APPLICATION}/evil.py", "added", "")],
        ),
        (
            lambda d: (d.layer(APPLICATION).parent / "other").mkdir(),
            [(f"{LAUNCHER}/other", "added", "")],
        ),
        (
            lambda d: (d.layer(APPLICATION).parent / RUNTIME).unlink(),
            [(f"{LAUNCHER}/{RUNTIME}", "missing", "link")],
        ),
        (
            lambda d: relink(d, f"../{'0' * 32}/{RUNTIME}"),
            [(f"{LAUNCHER}/{RUNTIME}", "changed", "link")],
        ),
        (
            lambda d: relink(d, str(d.layer(RUNTIME))),  # would lead to the old place if all of it were moved
            [(f"{LAUNCHER}/{RUNTIME}", "changed", "link")],
        ),
        (
            lambda d: shutil.rmtree(d.layer(APPLICATION)),
            [(f"{LAUNCHER}/{APPLICATION}", "missing", "")],
        ),
        (
            lambda d: d.home.place(d.release.layer(APPLICATION)).index.unlink(),
            [(f"{LAUNCHER}/.layer/index.zst", "missing", "No such file or directory")],
        ),
        (
            other_index,
            [(f"{LAUNCHER}/.layer/index.zst", "changed", f"it describes another state of {RUNTIME}")],
        ),
        (
            lambda d: (d.home.programs / "hello").unlink(),
            [("bin/hello", "missing", "")],
        ),
        (
            lambda d: (d.home.programs / "hello").chmod(0o644),
            [("bin/hello", "changed", "mode")],
        ),
        (
            lambda d: (d.home.generation(1) / "start/hello").write_bytes(b""),
            [("generations/1/start/hello", "changed", "content")],
        ),
        (
            lambda d: d.home.current.unlink(),
            [("current", "missing", "names no generation")],
        ),
        (
            lambda d: d.home.current.write_bytes(b"generations/7\n"),
            [("current", "changed", "names generation 7, which is not there")],
        ),
        (
            lambda d: rewrite(d.home.document, keep="all"),
            [("deployment.json", "changed", "is damaged")],
        ),
        (
            damage_generation,
            [
                ("generations/1/generation.json", "changed", "is damaged"),
                ("current", "changed", "names generation 1, which is not there"),
            ],
        ),
    ],
)
def test_what_is_found(
    tmp_path: Path, damage: Callable[[Handmade], object], expected: list[tuple[str, str, str]]
) -> None:
    deployed = make_deployment(tmp_path)
    damage(deployed)
    found = findings(deployed)
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    for (_, _, detail), (_, _, wanted) in zip(found, expected, strict=True):
        assert wanted in detail
        assert bool(wanted) == bool(detail)


def test_nothing_is_changed(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    (deployed.layer(APPLICATION) / "hello.py").write_bytes(b"?")
    before = {path: path.lstat().st_mtime_ns for path in deployed.home.root.rglob("*")}
    verify(deployed)
    assert {path: path.lstat().st_mtime_ns for path in deployed.home.root.rglob("*")} == before


def test_layer_that_two_generations_need_is_read_once(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    shutil.copytree(deployed.home.generation(1), deployed.home.generation(2))
    assert len(verify(deployed).layers) == 2


def test_json(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path)
    (deployed.layer(APPLICATION) / "hello.py").unlink()
    shown = verify(deployed).as_json()
    assert shown["whole"] is False
    assert [layer["whole"] for layer in shown["layers"]] == [True, False]
    path = deployed.layer(APPLICATION).relative_to(deployed.home.root).as_posix()
    assert shown["findings"] == [{"path": f"{path}/hello.py", "problem": "missing", "detail": ""}]
