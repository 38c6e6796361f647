"""A built stack behaves as virtual environments do, wherever it lies."""

import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from fakes.building import SITE, Project, application, framework, output, run, runtime
from fakes.pythons import own_python, start, tree
from venvstacks.platforms.compatibility import PythonVersion

DEBIAN = Path("/usr/bin/python3.11")
LAYERS = ("base", "framework-🦎", "framework-two words", "app-🐸")

MAIN = """
import multiprocessing, subprocess, sys
import below, inside, top

def square(number):
    return number * number, sys.prefix, below.__name__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(square, [3]) == [(9, sys.prefix, "below")])
    child = [sys.executable, "-c", "import sys, below, inside, top; print(sys.prefix)"]
    print(subprocess.run(child, capture_output=True, text=True).stdout.strip() == sys.prefix)
    print(sys.argv[1:])
"""
STATE = """
import json, site, sys, sysconfig
print(json.dumps({
    "prefix": sys.prefix, "exec_prefix": sys.exec_prefix, "base_prefix": sys.base_prefix,
    "base_exec_prefix": sys.base_exec_prefix, "executable": sys.executable, "path": sys.path,
    "purelib": sysconfig.get_path("purelib"), "scripts": sysconfig.get_path("scripts"),
    "stdlib": sysconfig.get_path("stdlib"), "flags": list(sys.flags),
    "sites": site.getsitepackages() if "site" in sys.argv else None,
    "user": site.ENABLE_USER_SITE,
}))
"""


def hook(name: str) -> str:
    return f"import sys; sys.hooks = [*getattr(sys, 'hooks', []), {name!r}]\n"


@cache
def built_stack(root: Path) -> Path:
    """Build a stack of four layers that no test changes."""
    project = Project(root / "stack" / "a 🐍 project", root)
    project.wheel(
        "below", files={"below.py": "", "below.pth": hook("pth below"), "sitecustomize.py": hook("base")}
    )
    package = {
        "__init__.py": "from . import part\nfrom sitecustomize.part import name\n" + hook("two"),
        "part.py": "name = 1\n",
    }
    files = {f"sitecustomize/{name}": text for name, text in package.items()}
    project.wheel("two", files={"two.py": "", "two.pth": hook("pth two"), **files})
    project.wheel(
        "inside",
        files={"inside/__init__.py": "", "inside.pth": hook("pth inside"), "sitecustomize.py": hook("one")},
    )
    project.wheel(
        "top",
        files={
            "top.py": "",
            "top.pth": hook("pth top"),
            "sitecustomize.py": hook("app"),
            "usercustomize.py": hook("user"),
        },
        data={"scripts/top-tool": "#!python\nimport sys, below\nprint(sys.prefix)\n"},
    )
    project.write("main.py", MAIN)
    project.define(
        runtime("base", "below"),
        framework("🦎", "inside"),
        framework("two words", "two"),
        application("🐸", "top", on=["🦎", "two words"], launch_module="main.py"),
    )
    project.build()
    for cache_folder in [*project.built.rglob("__pycache__")]:
        shutil.rmtree(cache_folder)
    return project.built


@pytest.fixture
def stack(root: Path) -> Path:
    return built_stack(root)


@pytest.fixture
def copied(stack: Path, tmp_path: Path) -> Path:
    """Return a copy of the layers that a test may change."""
    folder = tmp_path / "copied stack"
    for name in LAYERS:
        shutil.copytree(stack / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns(".*"))
    return folder


def python(folder: Path, layer: str = "app-🐸") -> Path:
    return folder / layer / "bin" / "python"


def works(folder: Path, **environ: str) -> None:
    """Ensure that the application runs, with all that it starts."""
    program = python(folder)
    printed = output(program, "-B", "-m", "main", "an argument", PYTHONDONTWRITEBYTECODE="1", **environ)
    assert printed.splitlines() == ["True", "True", "['an argument']"]
    assert output(program.with_name("top-tool"), PYTHONDONTWRITEBYTECODE="1") == str(folder / "app-🐸")


def test_it_runs_where_it_was_built(stack: Path) -> None:
    works(stack)


def test_it_runs_after_it_was_moved(copied: Path, tmp_path: Path) -> None:
    moved = tmp_path / "another" / "place: 'quoted' & \"so\""
    moved.parent.mkdir()
    works(copied.rename(moved))


def test_it_runs_unpacked_from_an_archive(copied: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "stack.tar", "w") as archive:
        archive.add(copied, ".")
    with tarfile.open(tmp_path / "stack.tar") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    works(tmp_path / "unpacked")


def test_it_runs_through_a_link_to_its_folder(stack: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(stack)
    assert output(
        python(tmp_path / "link"), "-B", "-c", "import below, inside, top, two; print(top.__file__)"
    ) == str(tmp_path / "link" / "app-🐸" / SITE / "top.py")


@pytest.mark.parametrize("links", [1, 2])
def test_it_runs_through_links_to_the_application(copied: Path, tmp_path: Path, links: int) -> None:
    """From elsewhere, where no runtime lies beside it, with all that it starts."""
    target = copied / "app-🐸"
    for number in range(links):
        link = tmp_path / "else" / str(number) / "app"
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.relpath(target, link.parent))
        target = link
    program = target / "bin" / "python"
    assert output(program, "-B", "-m", "main", "x").splitlines() == ["True", "True", "['x']"]
    state = json.loads(output(program, "-B", "-I", "-c", STATE))
    assert (state["prefix"], state["base_prefix"]) == (str(target), str(copied / "base"))
    lower = [str(copied / name / SITE) for name in ("framework-🦎", "framework-two words", "base")]
    assert state["path"][-4:] == [str(target / SITE), *lower]
    assert all(entry.startswith(str(copied / "base" / "lib")) for entry in state["path"][:-4])
    code = "import json, os, runpy, sys; print(os.__file__, runpy.__file__, json.__file__, sys._base_executable)"
    assert output(program, "-B", "-c", code).count(f"{copied}/base/") == len(("os", "runpy", "json", "base"))
    assert run(program, "-m", "venv", "--without-pip", tmp_path / "venv").returncode == 0
    code = "import sys; print(sys.base_prefix)"
    assert output(tmp_path / "venv" / "bin" / "python", "-c", code) == str(copied / "base")


@pytest.fixture
def read_only(copied: Path) -> Iterator[Path]:
    folders = [copied, *(path for path in copied.rglob("*") if path.is_dir() and not path.is_symlink())]
    for folder in folders:
        folder.chmod(0o555)
    yield copied
    for folder in folders:
        folder.chmod(0o755)


def test_it_runs_read_only_and_writes_nothing(read_only: Path) -> None:
    before = tree(read_only)
    works(read_only)
    assert tree(read_only) == before


@pytest.mark.parametrize("flags", [[], ["-I"], ["-S"], ["-s"], ["-E"], ["-I", "-S"]])
def test_python_sees_itself_as_in_a_virtual_environment(stack: Path, tmp_path: Path, flags: list[str]) -> None:
    """The same questions to a layer and to a real virtual environment made from its runtime."""
    start(python(stack, "base"), "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    answers = []
    for folder in (stack / "app-🐸", tmp_path / "venv"):
        program = folder / "bin" / "python"
        answer: dict[str, Any] = json.loads(
            output(program, "-B", *flags, "-c", STATE, "" if "-S" in flags else "site")
        )
        if "-S" in flags:  # without `site`, nothing tells Python that its base is a link
            text = json.dumps(answer, ensure_ascii=False)
            answer = json.loads(text.replace(str(folder / "share" / "venv" / "base"), str(stack / "base")))
        below = [str(stack / name / SITE) for name in LAYERS]
        answer["path"] = [path for path in answer["path"] if path not in below[:3]]
        if "-S" in flags:
            answer["path"] = [path for path in answer["path"] if path != str(stack / "base" / SITE)]
        answers.append(json.loads(json.dumps(answer).replace(json.dumps(str(folder))[1:-1], "HERE")))
    assert answers[0] == answers[1]
    assert answers[0]["executable"] == "HERE/bin/python"
    assert answers[0]["prefix"] == (str(stack / "base") if "-S" in flags else "HERE")


def test_the_path_leads_through_the_layers_in_order(stack: Path) -> None:
    path = json.loads(output(python(stack), "-B", "-c", "import json, sys; print(json.dumps(sys.path))"))
    sites = [entry for entry in path if entry.endswith("site-packages")]
    order = ("app-🐸", "framework-🦎", "framework-two words", "base")
    assert sites == [str(stack / name / SITE) for name in order]


def test_hooks_of_packages_in_all_layers_run(stack: Path) -> None:
    code = "import json, sys; print(json.dumps(sys.hooks))"
    hooks = json.loads(output(python(stack), "-B", "-c", code))
    assert hooks == [  # as in any virtual environment, site reads its own .pth files twice
        *("pth below", "pth two", "pth inside", "pth top", "pth top"),
        *("app", "user"),
    ]
    assert json.loads(output(python(stack), "-B", "-s", "-c", code))[-1] == "app"
    assert json.loads(output(python(stack, "base"), "-B", "-c", code)) == ["pth below", "base"]


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py"])
@pytest.mark.parametrize("error", ["raise ValueError('broken')", "import nothing_like_this", "syntax error"])
def test_hooks_that_fail_are_reported_and_end_nothing(copied: Path, name: str, error: str) -> None:
    (copied / "app-🐸" / SITE / name).write_text(error)
    done = run(python(copied), "-c", "import below, sys; print(sys.hooks[-1])")
    assert done.returncode == 0
    assert done.stdout.strip() in {"app", "user"}
    assert f"Error in {name.removesuffix('.py')}" in done.stderr
    assert error.rpartition("(")[0].removeprefix("raise ") in done.stderr or "Error" in done.stderr


def test_a_missing_layer_is_named(copied: Path) -> None:
    shutil.rmtree(copied / "framework-🦎")
    done = run(python(copied), "-c", "import below, top; print('runs')")
    assert done.stdout == "runs\n"
    missing = copied / "framework-🦎" / SITE
    assert done.stderr == f"venvstacks: a layer is missing beside this one: there is no {missing}\n"


@pytest.mark.parametrize("layer", ["base", "app-🐸"])
def test_virtual_environments_are_made_from_layers(copied: Path, tmp_path: Path, layer: str) -> None:
    venv = tmp_path / "venv"
    pip = [] if layer == "base" else ["--without-pip"]
    assert run(python(copied, layer), "-m", "venv", *pip, venv).returncode == 0
    code = "import sys, ssl; print(sys.prefix, sys.base_prefix)"
    assert output(venv / "bin" / "python", "-c", code) == f"{venv} {copied / 'base'}"
    if layer == "base":
        assert str(venv) in output(venv / "bin" / "python", "-m", "pip", "--version")


def postinstall(folder: Path, layer: str, *arguments: str) -> CompletedProcess[str]:
    return run(python(folder, "base"), folder / layer / "postinstall.py", *arguments)


def bytecode(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.pyc")}


def test_postinstall_compiles_once(copied: Path) -> None:
    before = tree(copied / "framework-🦎")
    assert postinstall(copied, "framework-🦎", "--no-compile").returncode == 0
    assert tree(copied / "framework-🦎") == before
    for _ in range(2):
        done = postinstall(copied, "framework-🦎")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        compiled = bytecode(copied / "framework-🦎")
        assert any(path.name.startswith("_venvstacks_activate.") for path in compiled)
        if before:
            first, before = compiled, {}
    assert bytecode(copied / "framework-🦎") == first
    works(copied)


def test_postinstall_of_a_runtime_compiles_its_standard_library(copied: Path) -> None:
    assert postinstall(copied, "base").returncode == 0
    assert any(path.name.startswith("argparse.") for path in bytecode(copied / "base"))


@pytest.mark.parametrize(("missing", "named"), [("framework-🦎", SITE), ("base", "bin/python")])
def test_postinstall_names_the_layer_that_is_missing(copied: Path, missing: str, named: str) -> None:
    (copied / missing).rename(copied / "elsewhere")
    program = copied / "elsewhere" / "bin" / "python" if missing == "base" else python(copied, "base")
    before = tree(copied / "app-🐸")
    done = run(program, copied / "app-🐸" / "postinstall.py")
    assert done.returncode == 1
    assert done.stderr.startswith("app-🐸 cannot be finished, these parts of other layers are missing: ")
    assert str(copied / missing / named) in done.stderr
    assert tree(copied / "app-🐸") == before


def test_postinstall_says_how_it_is_used(copied: Path) -> None:
    done = postinstall(copied, "base", "--frobnicate")
    assert done.returncode == 2
    assert "python postinstall.py [--no-compile]" in done.stderr


def test_a_stack_on_debians_interpreter(tmp_path: Path, root: Path) -> None:
    assert DEBIAN.exists(), f"this test needs Debian's {DEBIAN}: apt-get install python3.11"
    release = start(DEBIAN, "-c", "import platform; print(platform.python_version())")
    project = Project(tmp_path / "project", root)
    project.environ = {"PATH": "/usr/bin:/bin", "PYENV_ROOT": "/nowhere"}
    for name in ("below", "inside", "top"):
        project.wheel(
            name, files={f"{name}.py": "", "sitecustomize.py": hook(name), f"{name}.pth": hook(f"pth {name}")}
        )
    project.define(
        runtime("base", "below", version=release),
        framework("one", "inside"),
        application("app", "top", on=["one"]),
    )
    project.build(quick=False)
    moved = project.built.rename(tmp_path / "moved")
    code = (
        "import json, sys, below, inside, top;"
        "print(json.dumps([sys.hooks, sys.prefix, sys.base_prefix, sys.path]))"
    )
    hooks, prefix, base, path = json.loads(output(moved / "app-app" / "bin" / "python", "-c", code))
    assert [*dict.fromkeys(hooks)] == ["pth below", "pth inside", "pth top", "top"]
    assert (prefix, base) == (str(moved / "app-app"), str(moved / "base"))
    assert not [entry for entry in path if entry.startswith(("/usr", str(Path.home() / ".local")))]
    assert output(moved / "base" / "bin" / "python", "-c", "import below; print(below.__name__)") == "below"


def test_the_tools_own_interpreter_leaves_no_trace(stack: Path) -> None:
    """Neither the path of a virtual environment that runs the tests nor that of its base is in what runs."""
    path = json.loads(output(python(stack), "-B", "-c", "import json, sys; print(json.dumps(sys.path))"))
    assert not [
        entry for entry in path if entry.startswith((sys.prefix, sys.base_prefix)) and sys.base_prefix != "/usr"
    ]
    assert own_python() == PythonVersion(
        "cpython", output(python(stack), "-c", "import platform; print(platform.python_version())")
    )
    assert os.path.lexists(stack / "app-🐸" / "pyvenv.cfg")
