import os
from pathlib import Path

import pytest

from venvstacks.building.layer_layout import Layout, layer_layout, venv_launchers
from venvstacks.building.overlaps import find_overlaps
from venvstacks.building.records import Row, from_site, read_record, row_of, to_site, write_record
from venvstacks.definition.stack import LayerKind
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.13.0", freethreaded=True)
SITE = "lib/python3.12/site-packages"


def test_a_record_survives_reading_and_writing(tmp_path: Path) -> None:
    record = tmp_path / "RECORD"
    rows = (row_of('a "quoted", name.py', b"x"), row_of("b.py", b""), Row("x.dist-info/RECORD", "", ""))
    write_record(record, reversed(rows))
    assert read_record(record) == rows
    assert record.read_bytes().startswith(
        b'"a ""quoted"", name.py",sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\n'
    )


def test_a_shared_record_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a,,\n")
    os.link(tmp_path / "cache", tmp_path / "RECORD")
    write_record(tmp_path / "RECORD", ())
    assert (tmp_path / "cache").read_text() == "a,,\n"


@pytest.mark.parametrize(
    ("written", "in_layer"),
    [("a/b.py", f"{SITE}/a/b.py"), ("../../../bin/tool", "bin/tool"), ("a/../../x", "lib/python3.12/x")],
)
def test_paths_are_read_relative_to_site_packages(written: str, in_layer: str) -> None:
    assert from_site(written, SITE) == in_layer
    assert from_site(to_site(in_layer, SITE), SITE) == in_layer


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
    mine = Layout("", "site", "scripts", "include/site/python3.12", data="data")
    windows = layer_layout(LayerKind.FRAMEWORK, TARGETS["win_amd64"], PYTHON)
    assert mine.translate("site/a.py", windows) == "Lib/site-packages/a.py"
    assert mine.translate("scripts/tool", windows) == "Scripts/tool"
    assert mine.translate("include/site/python3.12/x/y.h", windows) == "Include/x/y.h"
    assert mine.translate("data/share/x", windows) == "share/x"
    assert mine.translate("data", windows) == ""
    assert mine.translate("site-other/x", windows) == "site-other/x"


def test_windows_takes_other_spellings_for_the_same_folder() -> None:
    mine = Layout("", "site", "scripts", "include/site/python3.12", data="data")
    windows = layer_layout(LayerKind.FRAMEWORK, TARGETS["win_amd64"], PYTHON)
    linux = layer_layout(LayerKind.FRAMEWORK, TARGETS["linux_x86_64"], PYTHON)
    assert mine.translate("data/lib/x.lib", windows) == "Lib/x.lib"
    assert mine.translate("data/INCLUDE/x.h", windows) == "Include/x.h"
    assert mine.translate("data/library/x", windows) == "library/x"
    assert mine.translate("data/LIB/x", linux) == "LIB/x"
    # what is no script is not put among the scripts
    assert mine.translate("data/bin/x.dll", windows) == "bin/x.dll"


def test_launchers_have_the_names_of_their_python() -> None:
    assert venv_launchers(PythonVersion("cpython", "3.12.9"))["python.exe"] == "Lib/venv/scripts/nt/python.exe"
    assert (
        venv_launchers(PythonVersion("cpython", "3.13.0"))["python.exe"] == "Lib/venv/scripts/nt/venvlauncher.exe"
    )
    free = venv_launchers(PythonVersion("cpython", "3.14.0", freethreaded=True))
    assert free["pythonw.exe"] == "Lib/venv/scripts/nt/venvwlaunchert.exe"


def install(prefix: Path, name: str, files: dict[str, bytes], commands: str = "") -> None:
    site = prefix / SITE
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(commands)
    write_record(info / "RECORD", [row_of(to_site(path, SITE), content) for path, content in files.items()])


def test_files_of_several_packages_are_found_where_they_differ(tmp_path: Path) -> None:
    commands = "[console_scripts]\ntool = a:b\n"
    layout = Layout("", SITE, "bin", "include")
    install(
        tmp_path,
        "Zeta",
        {f"{SITE}/x.py": b"1", f"{SITE}/same.py": b"", "bin/tool": b"1", "bin/own": b"1"},
        commands,
    )
    install(
        tmp_path,
        "alpha",
        {f"{SITE}/x.py": b"2", f"{SITE}/same.py": b"", "bin/tool": b"2", "bin/own": b"2"},
        commands,
    )
    install(tmp_path, "beta", {f"{SITE}/x.py": b"3", f"{SITE}/y.py": b"3"})
    script, module = find_overlaps(tmp_path, layout)
    assert (script.path, script.losers, script.winner) == ("bin/own", ("alpha",), "zeta")
    assert (module.path, module.losers, module.winner) == (f"{SITE}/x.py", ("alpha", "beta"), "zeta")
    assert module.describe("framework 'fw'", layout, layout) == (
        "Packages 'alpha', 'beta' and 'zeta' of framework 'fw' all install x.py: that of 'zeta' is kept."
    )
