"""Launchers of packages' commands on Windows: the programs in ``Scripts`` find the Python beside them."""

import json
import tarfile
from importlib.metadata import EntryPoint
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from targets.foreign import Run
from targets.windows import Windows, windows_path
from venvstacks.building.launchers import launcher
from venvstacks.platforms.targets import TARGETS

TOOL = """
import json, multiprocessing, os, sys

def main():
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # whose workers import the launcher
        squares = pool.map(abs, [-1, -2])
    path = os.environ["PATH"].split(";")
    print(json.dumps([sys.argv, sys.prefix, sys.executable, squares, path[0], path[-1], sys.flags.isolated]))
    return 7

if __name__ == "__main__":
    sys.exit(main())
"""
CONFIGURATION = {"bin_dirs": ["../framework 🐸/Scripts"]}
ARGUMENTS = ["a b", 'say "hi"', "", "x&y", "%PATH%", "c^d", "tail\\", "ü🐸"]


@pytest.fixture
def layer(windows: Windows, tmp_path: Path) -> Path:
    """Put together a layer with two launchers, on a runtime."""
    with tarfile.open(url2pathname(urlsplit(windows.download.url).path)) as archive:
        archive.extractall(tmp_path, filter="data")
    runtime, layer = tmp_path / "python", tmp_path / "app with späce 🐸"
    site, scripts = layer / "Lib" / "site-packages", layer / "Scripts"
    site.mkdir(parents=True)
    scripts.mkdir()
    (site / "tool.py").write_text(TOOL)
    (layer / "pyvenv.cfg").write_text(f"home = {windows_path(runtime)}\n")
    for name, source in (("python.exe", "venvlauncher.exe"), ("pythonw.exe", "venvwlauncher.exe")):
        (scripts / name).write_bytes((runtime / "Lib" / "venv" / "scripts" / "nt" / source).read_bytes())
    for is_gui, group in ((False, "console_scripts"), (True, "gui_scripts")):
        point = EntryPoint(f"tool-{is_gui}", "tool:main", group)
        name, content = launcher(point, TARGETS["win_amd64"], CONFIGURATION)
        (scripts / name).write_bytes(content)
    isolated = {**CONFIGURATION, "isolated": True}
    name, content = launcher(EntryPoint("app", "tool", "console_scripts"), TARGETS["win_amd64"], isolated)
    (scripts / name).write_bytes(content)
    return layer


@pytest.mark.parametrize(("is_gui", "python"), [(False, "python.exe"), (True, "pythonw.exe")])
def test_win_amd64(layer: Path, run_windows: Run, python: str, *, is_gui: bool) -> None:
    program = layer / "Scripts" / f"tool-{is_gui}.exe"
    done = run_windows(program, *ARGUMENTS, check=False)
    argv, prefix, executable, squares, first, last, isolated = json.loads(done.stdout)
    assert done.returncode == 7
    assert (first, isolated) == (windows_path(layer / "Scripts"), 0)
    assert last == windows_path(layer.parent / "framework 🐸" / "Scripts")
    assert argv == [windows_path(program).removesuffix(".exe"), *ARGUMENTS]
    assert (prefix, executable) == (windows_path(layer), windows_path(layer / "Scripts" / python))
    assert squares == [1, 2]


def test_an_application_itself(layer: Path, run_windows: Run) -> None:
    program = layer / "Scripts" / "app.exe"
    done = run_windows(program, *ARGUMENTS, check=False)
    argv, prefix, _, squares, first, _, isolated = json.loads(done.stdout)
    assert done.returncode == 7
    assert argv == [windows_path(layer / "Lib" / "site-packages" / "tool.py"), *ARGUMENTS]
    assert (prefix, first, isolated) == (windows_path(layer), windows_path(layer / "Scripts"), 1)
    assert squares == [1, 2]
