import pytest

from venvstacks.building.layer_layout import Layout, layer_layout, venv_launchers
from venvstacks.definition.stack import LayerKind
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.13.0", freethreaded=True)
SCHEME = Layout("", "site", "scripts", "include/site/python3.12", data="data")
LINUX = layer_layout(LayerKind.FRAMEWORK, TARGETS["linux_x86_64"], PYTHON)
WINDOWS = layer_layout(LayerKind.FRAMEWORK, TARGETS["win_amd64"], PYTHON)


@pytest.mark.parametrize(
    ("kind", "target", "layout"),
    [
        (
            LayerKind.RUNTIME,
            "linux_x86_64",
            Layout("bin/python", "lib/python3.13t/site-packages", "bin", "include/site/python3.13t"),
        ),
        (
            LayerKind.RUNTIME,
            "win_amd64",
            Layout("python.exe", "Lib/site-packages", "Scripts", "Include", folds_case=True),
        ),
        (
            LayerKind.APPLICATION,
            "win_amd64",
            Layout("Scripts/python.exe", "Lib/site-packages", "Scripts", "Include", folds_case=True),
        ),
    ],
)
def test_layouts_follow_the_target(kind: LayerKind, target: str, layout: Layout) -> None:
    assert layer_layout(kind, TARGETS[target], PYTHON) == layout


def test_paths_are_translated_between_layouts() -> None:
    assert SCHEME.translate("site/a.py", WINDOWS) == "Lib/site-packages/a.py"
    assert SCHEME.translate("scripts/tool", WINDOWS) == "Scripts/tool"
    assert SCHEME.translate("include/site/python3.12/x/y.h", WINDOWS) == "Include/x/y.h"
    assert SCHEME.translate("data/share/x", WINDOWS) == "share/x"
    assert SCHEME.translate("data", WINDOWS) == ""
    assert SCHEME.translate("site-other/x", WINDOWS) == "site-other/x"


def test_windows_takes_other_spellings_for_the_same_folder() -> None:
    assert SCHEME.translate("data/lib/x.lib", WINDOWS) == "Lib/x.lib"
    assert SCHEME.translate("data/INCLUDE/x.h", WINDOWS) == "Include/x.h"
    assert SCHEME.translate("data/library/x", WINDOWS) == "library/x"
    assert SCHEME.translate("data/LIB/x", LINUX) == "LIB/x"
    # what is no script is not put among the scripts
    assert SCHEME.translate("data/bin/x.dll", WINDOWS) == "bin/x.dll"


def test_launchers_have_the_names_of_their_python() -> None:
    assert venv_launchers(PythonVersion("cpython", "3.12.9"))["python.exe"] == "Lib/venv/scripts/nt/python.exe"
    assert (
        venv_launchers(PythonVersion("cpython", "3.13.0"))["python.exe"] == "Lib/venv/scripts/nt/venvlauncher.exe"
    )
    free = venv_launchers(PythonVersion("cpython", "3.14.0", freethreaded=True))
    assert free["pythonw.exe"] == "Lib/venv/scripts/nt/venvwlaunchert.exe"
