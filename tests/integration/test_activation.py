"""A layer's layers below are found before anything else runs, whatever the environment and packages bring."""

import json
import shutil
from functools import cache
from pathlib import Path

import pytest

from fakes.building import SITE, Project, application, framework, output, run, runtime

PATH = "import json, sys; print(json.dumps(sys.path))"
USES_ALL = "import low, mid, top, sys; print(low.__file__, mid.__file__, top.__file__, sep='\\n')"
NAMES = (" venvstacks.pth", "!first.pth", "0.pth", "00_venvstacks.pth", "A.pth", "a.pth")


@cache
def built_stack(root: Path) -> Path:
    """Build a stack whose packages bring .pth files that need what is below; no test changes it."""
    project = Project(root / "activation", root)
    project.wheel("low", files={"low.py": "", "low.pth": "low_more\n", "low_more/more.py": "name = 'low'\n"})
    project.wheel(
        "mid",
        files={
            "mid.py": "",
            "A.pth": "import low; import sys; sys.told = [*getattr(sys, 'told', []), 'mid']\nmid_more\n",
            "mid_more/more.py": "name = 'mid'\n",
        },
    )
    hooks = {name: f"import low, mid, sys; sys.told.append({name!r})\n" for name in NAMES}
    project.wheel(
        "top", files={"top.py": "", **hooks, "z.pth": "top_more\n", "top_more/other.py": "", "space/one.py": ""}
    )
    project.define(
        runtime("base", "low"), framework("one", "mid"), application("app", "top", on=["one"]), application("else")
    )
    project.build()
    return project.built


@pytest.fixture
def stack(root: Path) -> Path:
    return built_stack(root)


def python(stack: Path, layer: str = "app-app") -> Path:
    return stack / layer / "bin" / "python"


def test_layers_below_are_there_before_any_other_pth_file(stack: Path) -> None:
    told = json.loads(output(python(stack), "-B", "-c", "import json, sys; print(json.dumps(sys.told))"))
    # those below are read once, a layer's own twice, as Python does in any virtual environment
    assert told == ["mid", *NAMES, *NAMES]


def test_paths_of_pth_files_stand_behind_their_layer(stack: Path) -> None:
    path = json.loads(output(python(stack), "-B", "-c", PATH))
    layers = [("app-app", "top_more"), ("framework-one", "mid_more"), ("base", "low_more")]
    expected = [str(stack / layer / SITE / more) for layer, name in layers for more in ("", name)]
    assert path[-6:] == expected
    assert len({*path}) == len(path)
    assert output(python(stack), "-B", "-c", "import more; print(more.name)") == "mid"


@pytest.mark.parametrize("flags", [[], ["-I"], ["-s"], ["-P"]])
def test_modules_on_pythonpath_hide_no_layers(stack: Path, tmp_path: Path, flags: list[str]) -> None:
    """As opentelemetry-instrument, profilers and IDEs start programs."""
    (tmp_path / "sitecustomize.py").write_text("import low, mid, top\nimport sys; sys.customized = True\n")
    (tmp_path / "_venvstacks_activate.py").write_text("def activate(): pass\n")
    code = f"{USES_ALL}; print(hasattr(sys, 'customized'))"
    places = output(python(stack), "-B", *flags, "-c", code, PYTHONPATH=str(tmp_path)).splitlines()
    layers = [("base", "low"), ("framework-one", "mid"), ("app-app", "top")]
    assert places[:3] == [str(stack / layer / SITE / f"{name}.py") for layer, name in layers]
    assert places[3] == str("-I" not in flags)


@pytest.mark.parametrize("layer", ["app-app", "framework-one", "base", "app-else"])
def test_other_layers_on_pythonpath_are_not_taken_for_ones_own(stack: Path, layer: str) -> None:
    """As a program inherits it that another application starts."""
    added = str(stack / layer / SITE)
    path = json.loads(output(python(stack), "-B", "-c", PATH, PYTHONPATH=added))
    assert path[1] == added
    assert {str(stack / name / SITE) for name in ("app-app", "framework-one", "base")} <= {*path}
    assert len({*path}) == len(path)
    assert output(python(stack), "-B", "-c", USES_ALL, PYTHONPATH=added)


def test_another_python_takes_a_layer_for_a_folder_with_packages(stack: Path) -> None:
    for layer in ("base", "app-else"):
        code = f"import site; site.addsitedir({str(stack / 'framework-one' / SITE)!r}); import mid; {PATH}"
        path = json.loads(output(python(stack, layer), "-B", "-c", code))
        one = [entry for entry in path if "framework-one" in entry]
        assert one == [str(stack / "framework-one" / SITE / more) for more in ("", "mid_more")]
        assert len({*path}) == len(path)


def test_a_pth_file_that_imports_a_framework_starts_it(tmp_path: Path, root: Path) -> None:
    """As those of coverage do."""
    project = Project(tmp_path / "project", root)
    project.wheel("cover", files={"cover/__init__.py": "import atexit\natexit.register(print, 'measured')\n"})
    project.wheel("cover-children", files={"cover_children.pth": "import cover\n"}, requires=["cover"])
    project.write("app.py", "print('hello')\n")
    project.define(runtime("base"), framework("fw", "cover"), application("app", "cover-children", on=["fw"]))
    project.build()
    assert output(python(project.built), "-m", "app").splitlines() == ["hello", "measured"]


def test_one_of_two_frameworks_is_enough(tmp_path: Path, root: Path) -> None:
    project = Project(tmp_path / "project", root)
    project.wheel("six", files={"six.py": ""})
    project.define(
        runtime("base"),
        framework("gpu", "six"),
        framework("cpu", "six"),
        application("app", "six", on=["gpu", "cpu"]),
    )
    project.build()
    program, layer = python(project.built), project.built / "app-app"
    for missing, found in (("gpu", "cpu"), ("cpu", "gpu")):
        folder = project.built / f"framework-{missing}"
        away = folder.rename(tmp_path / "away")
        six = project.site(f"framework-{found}") / "six.py"
        assert output(program, "-B", "-c", "import six; print(six.__file__)") == str(six)
        assert output(python(project.built, "base"), layer / "postinstall.py", "--no-compile") == ""
        away.rename(folder)
    for name in ("gpu", "cpu"):
        (project.built / f"framework-{name}").rename(tmp_path / name)
    said = [f"there is no {project.site(f'framework-{name}')}" for name in ("gpu", "cpu")]
    done = run(program, "-B", "-c", "pass")
    assert [line.rpartition(": ")[2] for line in done.stderr.splitlines()] == said
    done = run(python(project.built, "base"), layer / "postinstall.py", "--no-compile")
    assert done.returncode == 1
    assert all(words.removeprefix("there is no ") in done.stderr for words in said)


def test_packages_in_parts(tmp_path: Path, root: Path) -> None:
    """Distributions that bring one package stand in two layers, as those of NVIDIA and of Qt do."""
    project = Project(tmp_path / "project", root)
    init = "name = 'runs'\n"
    project.wheel(
        "essentials",
        files={
            "empty/__init__.py": "",
            "empty/sub/__init__.py": "",
            "empty/sub/one.py": "",
            "qt/__init__.py": init,
            "qt/core.py": "from qt import name\n",
            "cloud/__init__.py": "name = 1\n",
        },
    )
    project.wheel(
        "addons",
        files={
            "empty/__init__.py": "",
            "empty/sub/__init__.py": "# nothing\n",
            "empty/sub/two.py": "",
            "qt/web.py": "from qt import core, name\n",
            "cloud/__init__.py": "name = 2\n",
            "cloud/web.py": "",
        },
    )
    project.define(runtime("base"), framework("one", "essentials"), application("app", "addons", on=["one"]))
    project.build()
    (warning,) = project.warnings()
    assert warning == (
        "Package 'cloud' is in application 'app' ('addons') and in framework 'one' ('essentials'), with different "
        "code in __init__.py: only the part in application 'app' can be imported. If these are parts of one "
        "package, put them into one layer."
    )
    code = "import empty.sub.one, empty.sub.two, qt.web, qt.core, cloud.web; print(qt.name, *qt.__path__)"
    one, app = project.site("framework-one"), project.site("app-app")
    assert output(python(project.built), "-B", "-c", code) == f"runs {app}/qt {one}/qt"
    (tmp_path / "link").symlink_to(project.built / "app-app")
    assert (
        output(tmp_path / "link" / "bin" / "python", "-B", "-c", code)
        == f"runs {tmp_path}/link/{SITE}/qt {one}/qt"
    )
    (tmp_path / "qt").mkdir()
    (tmp_path / "qt" / "__init__.py").touch()
    code = "import qt; print(*qt.__path__)"
    assert output(python(project.built), "-B", "-c", code, PYTHONPATH=str(tmp_path)) == str(tmp_path / "qt")
    assert not (one / "_venvstacks_packages.py").exists(), "what needs no hook has none"

    project.build()
    assert project.changed() == []
    project.define(runtime("base"), framework("one"), application("app", "addons", on=["one"]))
    project.build()
    assert not (app / "_venvstacks_packages.py").exists()


BUILD = """
import os, shlex, subprocess, sys, sysconfig
os.chdir(sys.path[0])
get = sysconfig.get_config_var
name = "small" + get("EXT_SUFFIX")
flags = [*shlex.split(get("LDSHARED")), *shlex.split(get("CFLAGS")), get("CCSHARED"), "-I" + get("INCLUDEPY")]
subprocess.run([*flags, "small.c", "-o", name, "-L" + get("LIBDIR")], check=True)
import small
print(small.answer(), get("LIBDIR"), get("prefix"), get("BINDIR"), sep="\\n")
"""
SMALL = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "small", NULL, -1, methods};
PyMODINIT_FUNC PyInit_small(void) { return PyModule_Create(&module); }
"""


@pytest.mark.parametrize("layer", ["base", "app-else"])
def test_extension_modules_are_built_against_a_runtime_that_was_moved(
    stack: Path, tmp_path: Path, layer: str
) -> None:
    moved = tmp_path / "moved"
    for name in ("base", "app-else"):
        shutil.copytree(stack / name, moved / name, symlinks=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "small.c").write_text(SMALL)
    (tmp_path / "work" / "build.py").write_text(BUILD)
    said = output(python(moved, layer), tmp_path / "work" / "build.py").splitlines()
    assert said == ["42", *(str(moved / "base" / name) for name in ("lib", "", "bin"))]
