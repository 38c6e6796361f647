"""Data and programs of layers below, found under the prefix of the layer that was started."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.building import Project, application, framework, output, runtime
from fakes.foreign_pythons import list_of_all


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "a project", root)


def wheels(project: Project) -> None:
    """Make packages that share folders: from the runtime up to the application."""
    project.wheel("low", data={"data/share/doc/low.txt": "low"})
    base = {
        "data/share/tool/templates/a": "base",
        "data/share/tool/only/x": "base",
        "data/etc/tool/base.json": "{}",
    }
    program = {"scripts/native": b"\x7fELF no script"}
    project.wheel("base-tool", data={**base, "data/share/base/y": "base", **program})
    upper = {"data/share/tool/templates/a": "upper", "data/share/tool/templates/b": "upper"}
    script = "#!python\nimport sys; print(sys.prefix)\n"
    project.wheel("upper-tool", data={**upper, "scripts/native": b"\x7fELF upper", "scripts/where.py": script})
    big = b"".join(sha256(bytes([n % 256, n // 256])).digest() for n in range(2000))  # so that a delta pays
    project.wheel("own", data={"data/share/tool/templates/c": big, "data/share/base": "a file"})


def define(project: Project, **fields: Any) -> None:
    project.define(
        runtime("base", "low", **fields),
        framework("lower", "base-tool", **fields),
        framework("upper", "upper-tool", on=["lower"], **fields),
        application("app", "own", on=["upper"], **fields),
        application("plain", on=["lower"], **fields),
    )


def links(layer: Path) -> dict[str, str]:
    """Return what a layer shows of others."""
    found = {
        path.relative_to(layer).as_posix(): path for top in ("bin", "etc", "share") for path in _all(layer / top)
    }
    return {
        name: os.readlink(path)  # noqa: PTH115
        for name, path in sorted(found.items())
        if path.is_symlink() and "bin/python" not in name and "share/venv" not in name
    }


def _all(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*"))]


def test_layers_show_what_those_below_install(project: Project) -> None:
    wheels(project)
    define(project)
    project.build()
    assert links(project.built / "app-plain") == {
        "bin/native": "../../framework-lower/bin/native",
        "etc": "../framework-lower/etc",
        "share/base": "../../framework-lower/share/base",
        "share/doc": "../../base/share/doc",
        "share/tool": "../../framework-lower/share/tool",
    }
    below = {
        "etc": "../framework-lower/etc",
        "share/doc": "../../base/share/doc",
        "share/tool/only": "../../../framework-lower/share/tool/only",
    }
    assert links(project.built / "framework-upper") == {
        **below,
        "share/base": "../../framework-lower/share/base",
    }
    assert links(project.built / "app-app") == {
        **below,
        "bin/native": "../../framework-upper/bin/native",
        "bin/where.py": "../../framework-upper/bin/where.py",
        "share/tool/templates/a": "../../../../framework-upper/share/tool/templates/a",
        "share/tool/templates/b": "../../../../framework-upper/share/tool/templates/b",
    }
    app = project.built / "app-app"
    assert (app / "share" / "base").read_text() == "a file", "of the layer itself"
    records = [*project.site("app-app").glob("*/RECORD")]
    assert [record.parent.name for record in records] == ["own-1.dist-info"]
    assert "framework" not in records[0].read_text()
    assert output(app / "bin" / "where.py") == str(project.built / "framework-upper")


def test_what_changes_below_matters_only_if_it_is_shown_otherwise(project: Project, tmp_path: Path) -> None:
    """And links are shipped: in archives, deltas and exports, also without the layers that they lead to."""
    wheels(project)
    define(project)
    project.build()
    first = published(project)
    (unpacked,) = venvstacks.unpack([first["app-app"]], tmp_path / "alone")
    assert links(unpacked.path) == links(project.built / "app-app")
    assert not (unpacked.path / "etc").exists(), "nobody minds a missing layer"

    data = {"data/share/tool/only/x": "2", "data/share/tool/only/new": "2", "data/etc/tool/base.json": "{2}"}
    same = {"data/share/base/y": "base", "scripts/native": b"\x7fELF no script"}
    project.wheel("base-tool", "2", data={**data, **same})
    project.lock(reset=["framework-lower"])
    project.build()
    assert project.changed() == ["framework-lower"], "nothing above refers to what changed"
    assert (project.built / "app-app" / "share" / "tool" / "only" / "new").read_text() == "2"
    assert set(published(project)) == {"framework-lower"}

    project.wheel("base-tool", "3", data={**data, **same, "data/share/fresh/z": "3"})
    project.lock(reset=["framework-lower"])
    project.build()
    assert project.changed() == ["app-app", "app-plain", "framework-lower", "framework-upper"]
    third = published(project)
    assert set(third) == {"app-app", "app-plain", "framework-lower", "framework-upper"}
    (delta,) = third["app-app"].parent.glob("app-app*.vdelta")
    patched = venvstacks.patch(unpacked.path, delta, tmp_path / "patched" / "app-app")
    assert links(patched.path) == links(project.built / "app-app")
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    venvstacks.export(stack, options=project.options())
    assert (project.folder / "_export" / "app-plain" / "share" / "fresh" / "z").read_text() == "3"
    shutil.rmtree(project.folder / "_build" / "framework-upper")
    project.build()
    assert project.changed() == ["framework-upper"]
    assert not published(project)


def published(project: Project) -> dict[str, Path]:
    """Publish, with deltas; give the archives that were made."""
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    wanted = [layer.build_name for layer in stack.layers if layer.build_name != "base"]
    (done,) = venvstacks.publish(stack, include=wanted, options=project.options(), deltas=1)
    return {archive.layer: archive.path for archive in done.layers if archive.created}


def test_layers_for_windows_hold_copies_of_data(project: Project) -> None:
    wheels(project)
    project.policy = "never"
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(project.folder / "pythons", project.root)
    define(project, platforms=["win_amd64"])
    project.lock()
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    venvstacks.build(stack, platforms=["win_amd64"], options=project.options())
    app = project.built / "win_amd64" / "app-app"
    assert (app / "share" / "tool" / "templates" / "a").read_text() == "upper"
    assert (app / "share" / "tool" / "only" / "x").read_text() == "base"
    assert (app / "share" / "base").read_text() == "a file"
    assert (app / "etc" / "tool" / "base.json").read_text() == "{}"
    assert not (app / "Scripts" / "native").exists()
    data = {"data/share/tool/only/x": "changed"}
    project.wheel("base-tool", "2", data=data)
    project.lock(reset=["framework-lower"])
    venvstacks.build(stack, platforms=["win_amd64"], options=project.options())
    assert (app / "share" / "tool" / "only" / "x").read_text() == "changed"
    assert (app / "share" / "tool" / "templates" / "a").read_text() == "upper"


def test_data_is_there_whichever_of_two_frameworks_is(project: Project) -> None:
    for name, own in (("torch-gpu", "gpu"), ("torch-cpu", "cpu")):
        data = {"data/share/torch/kernels": "the same", f"data/share/{own}": own, "data/share/torch/build": own}
        project.wheel(name, data=data)
    project.wheel("common")
    project.define(
        runtime("base"),
        framework("gpu", "torch-gpu", "common"),
        framework("cpu", "torch-cpu", "common"),
        application("app", "common", on=["gpu", "cpu"]),
    )
    project.build()
    app = project.built / "app-app"
    configuration = json.loads((app / "share" / "venv" / "metadata" / "venvstacks_layer.json").read_text())
    assert sorted(configuration["optional_layers"]) == ["framework-cpu", "framework-gpu"]
    assert links(app) == {
        "share/cpu": "../../framework-cpu/share/cpu",
        "share/gpu": "../../framework-gpu/share/gpu",
        "share/torch/build": "../../../framework-gpu/share/torch/build",
    }
    assert (app / "share" / "torch" / "kernels").read_text() == "the same"
    assert "kernels" not in "".join(path.read_text() for path in app.rglob("RECORD"))
    shutil.rmtree(project.built / "framework-gpu")
    done = output(app / "bin" / "python", app / "postinstall.py", "--no-compile")
    assert done == ""
