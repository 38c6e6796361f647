import hashlib
from pathlib import Path

from venvstacks.building.install import find_overlaps
from venvstacks.building.installed import Row, read_installed, write_record
from venvstacks.building.layer_layout import Layout

SITE = "lib/python3.12/site-packages"


def install(prefix: Path, name: str, files: dict[str, bytes], commands: str = "") -> None:
    site = prefix / SITE
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(commands)
    rows = [Row(path, f"sha256={hashlib.sha256(content).hexdigest()}") for path, content in files.items()]
    write_record(info / "RECORD", rows, SITE)


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
    assert find_overlaps(read_installed(tmp_path, SITE), layout) == {
        "bin/own": ("alpha", "zeta"),
        f"{SITE}/x.py": ("alpha", "beta", "zeta"),
    }


def test_entry_points_that_are_no_commands_leave_scripts_shipped(tmp_path: Path) -> None:
    layout = Layout("", SITE, "bin", "include")
    for name, content in (("alpha", b"1"), ("beta", b"2")):
        install(tmp_path, name, {"bin/tool": content}, "[plugins]\ntool = a:b\n")
    assert find_overlaps(read_installed(tmp_path, SITE), layout) == {"bin/tool": ("alpha", "beta")}


def test_programs_of_commands_overlap_nothing_on_windows_either(tmp_path: Path) -> None:
    layout = Layout("", SITE, "bin", "include")
    for name, content in (("alpha", b"1"), ("beta", b"2")):
        install(tmp_path, name, {"bin/tool.exe": content}, "[console_scripts]\ntool = a:b\n")
    assert find_overlaps(read_installed(tmp_path, SITE), layout) == {}
