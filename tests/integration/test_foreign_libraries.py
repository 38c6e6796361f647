"""Libraries across layers for macOS and Windows, with files that are headers only; nothing of them is executed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import venvstacks
from fakes.building import Project, application, framework, runtime
from fakes.foreign_pythons import list_of_all
from fakes.native_files import BUNDLE, macho, pe
from venvstacks.definition.loading import load_stack
from venvstacks.errors import FindingsError

MACOS, WINDOWS = "macosx_arm64", "win_amd64"
DYNLIB = "share/venv/dynlib"


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    project = Project(tmp_path / "it's a $project", root, policy="never")
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(tmp_path / "pythons", root)
    return project


def build(project: Project, platform: str, **options: bool) -> None:
    project.events.clear()
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.build(stack, platforms=[platform], options=project.options(**options))


def macos_wheels(project: Project) -> None:
    tag = "py3-none-macosx_11_0_arm64"
    library = macho("arm64", name="@rpath/libone.dylib", needed=["/usr/lib/libSystem.B.dylib"])
    module = macho("arm64", kind=BUNDLE, needed=["@rpath/libone.dylib"], rpaths=["@loader_path/../lib"])
    project.wheel("one", tag=tag, files={"one/__init__.py": "", "one/lib/libone.dylib": library})
    project.wheel("fast", tag=tag, files={"fast/__init__.py": "", "fast/m.so": module})


def define_macos(project: Project) -> Path:
    macos_wheels(project)
    project.define(
        runtime("base", platforms=[MACOS]),
        framework("a", "one", versioned=True),
        framework("plain", on=["a"]),
        application("app", "fast", on=["plain"]),
        application("above", "fast", on=["a"], dynlib_exclude=["m.so"]),
    )
    project.lock()
    build(project, MACOS)
    return project.built / MACOS


def test_macos_layers_that_need_it_start_through_a_launcher(project: Project, tmp_path: Path) -> None:
    built = define_macos(project)
    for plain in ("framework-a", "framework-plain", "app-above"):
        assert (built / plain / "bin" / "python").is_symlink()
    link = built / "framework-a" / DYNLIB / "libone.dylib"
    assert link.is_symlink()
    assert link.exists()
    programs = [path for path in (built / "app-app" / "bin").iterdir() if path.name.startswith("python")]
    assert len(programs) == 3
    assert {path.read_bytes() for path in programs} == {programs[0].read_bytes()}
    site = next((built / "app-app").glob("lib/*/site-packages"))
    assert (site / "fast" / "m.so").read_bytes() == macho(
        "arm64", kind=BUNDLE, needed=["@rpath/libone.dylib"], rpaths=["@loader_path/../lib"]
    )
    # a stand-in for Python that tells how it was started
    base = built / "base" / "bin" / "python"
    base.unlink()
    base.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nenv\n')
    base.chmod(0o755)
    launcher = built / "app-app" / "bin" / "python3"
    (tmp_path / "link to it").symlink_to(launcher)
    for program, cwd in ((launcher, tmp_path), (tmp_path / "link to it", tmp_path), (Path("bin/python3"), None)):
        for before in ({}, {"DYLD_LIBRARY_PATH": "/x y:/z"}, {"DYLD_LIBRARY_PATH": ""}):
            env = {"PATH": "/usr/bin:/bin", **before}
            where = cwd or built / "app-app"
            done = subprocess.run(
                [program, "-m", "a b"], cwd=where, env=env, capture_output=True, text=True, check=True
            )
            started, *rest = done.stdout.splitlines()
            assert Path(started).resolve() == base.resolve()
            assert rest[:2] == ["-m", "a b"]
            told = dict(line.partition("=")[::2] for line in rest[2:])
            first, *others = told["DYLD_LIBRARY_PATH"].split(":")
            assert Path(first).resolve() == link.parent.resolve()
            assert ":".join(others) == before.get("DYLD_LIBRARY_PATH", "")
            assert Path(told["__PYVENV_LAUNCHER__"]) == launcher
            saved = told["_VENVSTACKS_DYLD_LIBRARY_PATH"]
            assert saved == "".join(f"={value}" for value in before.values())


@pytest.mark.parametrize("before", [None, "", "/x:/y"])
def test_macos_children_see_the_environment_of_before(project: Project, before: str | None) -> None:
    built = define_macos(project)
    site = next((built / "app-app").glob("lib/*/site-packages"))
    code = (
        "import os, runpy, sys\nsys.platform = 'darwin'\n"
        f"sys.prefix = {os.fspath(built / 'app-app')!r}\n"
        f"runpy.run_path({os.fspath(site / '_venvstacks_activate.py')!r})['activate']()\n"
        "print({n: v for n, v in os.environ.items() if 'DYLD' in n})\n"
    )
    env = {
        "DYLD_LIBRARY_PATH": "/set/by/launcher",
        "_VENVSTACKS_DYLD_LIBRARY_PATH": "" if before is None else f"={before}",
    }
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str({} if before is None else {"DYLD_LIBRARY_PATH": before})


def test_macos_needs_that_nobody_meets(project: Project) -> None:
    macos_wheels(project)
    project.define(runtime("base", platforms=[MACOS]), application("app", "fast"))
    project.lock()
    with pytest.raises(FindingsError, match=r"fast 1 needs libone\.dylib, .*m\.so") as caught:
        build(project, MACOS, strict=True)
    assert 'dynlib_allow_missing = ["libone.dylib"]' in caught.value.message


def windows_wheels(project: Project) -> None:
    tag = "py3-none-win_amd64"
    library = pe("amd64", name="one.dll", needed=["KERNEL32.dll", "api-ms-win-crt-heap-l1-1-0.dll"])
    module = pe("amd64", needed=["ONE.dll", "python3.dll", "VCRUNTIME140.dll"])
    project.wheel("one", tag=tag, files={"one/__init__.py": "", "one/bin/one.dll": library})
    project.wheel("fast", tag=tag, files={"fast/__init__.py": "", "fast/m.pyd": module})


def test_windows_processes_are_told_of_folders_with_dlls(project: Project) -> None:
    windows_wheels(project)
    project.define(
        runtime("base", platforms=[WINDOWS], dynlib_allow_missing=["python*.dll", "vcruntime*.dll"]),
        framework("a", "one", versioned=True),
        application("app", "fast", on=["a"], dynlib_allow_missing=["Python*.dll", "VCRUNTIME*.dll"]),
    )
    project.lock()
    build(project, WINDOWS)
    layer = project.built / WINDOWS / "app-app"
    configuration = json.loads((layer / "share/venv/metadata/venvstacks_layer.json").read_text())
    assert configuration["dynlib_dirs"] == ["../framework-a@1/Lib/site-packages/one/bin"]
    assert '"../framework-a@1/Lib/site-packages/one/bin",' in (
        layer / "Lib" / "site-packages" / "_venvstacks_activate.py"
    ).read_text(encoding="utf-8")
    assert not (project.built / WINDOWS / "framework-a" / DYNLIB).exists()
    build(project, WINDOWS)
    assert project.changed() == []


def test_windows_needs_that_nobody_meets(project: Project) -> None:
    windows_wheels(project)
    project.define(runtime("base", platforms=[WINDOWS]), application("app", "fast"))
    project.lock()
    with pytest.raises(FindingsError, match=r"fast 1 needs ONE\.dll.*m\.pyd"):
        build(project, WINDOWS, strict=True)
    shutil.rmtree(project.built)
