import base64
import hashlib
from pathlib import Path

import pytest

from fakes.built_layers import make_tree
from venvstacks.building.bytecode import _chunks, modules_of, record_bytecode
from venvstacks.building.installed import read_installed, read_record
from venvstacks.building.layer_layout import layer_layout
from venvstacks.definition.stack import LayerKind
from venvstacks.entries import Entry, EntryKind
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.13.0")
POSIX = layer_layout(LayerKind.RUNTIME, TARGETS["linux_x86_64"], PYTHON)
WINDOWS = layer_layout(LayerKind.RUNTIME, TARGETS["win_amd64"], PYTHON)


def files(*paths: str) -> list[Entry]:
    return [Entry(path, EntryKind.FILE, 10) for path in paths]


def test_a_runtime_has_a_standard_library_and_packages() -> None:
    entries = files(
        "lib/python3.13/os.py",
        "lib/python3.13/json/__init__.py",
        "lib/python3.13/site-packages/alpha/__init__.py",
        "lib/python3.13/site-packages/alpha/data.txt",
        "lib/python3.13/site-packages/alpha.pyi",
        "lib/python3.12/os.py",
        "bin/tool.py",
        "postinstall.py",
    )
    assert modules_of(entries, POSIX, LayerKind.RUNTIME) == [
        (entries[0], "os.py"),
        (entries[1], "json/__init__.py"),
        (entries[2], "alpha/__init__.py"),
    ]


def test_other_layers_have_packages_only() -> None:
    entries = files("lib/python3.13/os.py", "lib/python3.13/site-packages/app.py")
    assert modules_of(entries, POSIX, LayerKind.APPLICATION) == [(entries[1], "app.py")]


def test_the_windows_layout() -> None:
    entries = files("Lib/os.py", "Lib/site-packages/alpha/part.py", "Scripts/tool.py", "Tools/x.py")
    names = [name for _, name in modules_of(entries, WINDOWS, LayerKind.RUNTIME)]
    assert names == ["os.py", "alpha/part.py"]
    names = [name for _, name in modules_of(entries, WINDOWS, LayerKind.FRAMEWORK)]
    assert names == ["alpha/part.py"]


def test_links_and_folders_are_no_modules() -> None:
    place = "lib/python3.13/site-packages"
    entries = [
        Entry(f"{place}/a.py", EntryKind.SYMLINK, target="b.py"),
        Entry(f"{place}/c.py", EntryKind.FOLDER),
    ]
    assert modules_of(entries, POSIX, LayerKind.FRAMEWORK) == []


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], []), ([0, 0], [2]), ([1 << 20, 1], [1, 1]), ([1, 1 << 20, 1, 1], [2, 2]), ([5 << 20] * 3, [1, 1, 1])],
)
def test_parts_are_of_about_the_same_work_and_lose_nothing(sizes: list[int], expected: list[int]) -> None:
    modules = [(Entry(f"{number}.py", EntryKind.FILE, size), "") for number, size in enumerate(sizes)]
    chunks = [*_chunks(modules)]
    assert [len(chunk) for chunk in chunks] == expected
    assert [module for chunk in chunks for module in chunk] == modules


def test_packages_have_their_bytecode_in_their_records(tmp_path: Path) -> None:
    site = "lib/python3.13/site-packages"
    record = b"../../../share/tool.py,,\nalpha.py,sha256=x,1\nalpha.txt,sha256=y,2\n"
    layer = make_tree(
        tmp_path / "layer",
        {
            f"{site}/alpha-1.dist-info/RECORD": record,
            f"{site}/beta-1.dist-info/RECORD": b"beta/__init__.py,sha256=z,3\n",
            f"{site}/__pycache__/alpha.cpython-313.pyc": b"bytecode",
            f"{site}/__pycache__/of_nobody.cpython-313.pyc": b"bytecode",
        },
    )
    before = (layer / site / "beta-1.dist-info" / "RECORD").stat()
    made = {f"{site}/{name}.py": f"{site}/__pycache__/{name}.cpython-313.pyc" for name in ("alpha", "of_nobody")}
    record_bytecode(layer, POSIX, read_installed(layer, site), made)
    rows = {row.path: row for row in read_record(layer / site / "alpha-1.dist-info" / "RECORD", site)}
    compiled = f"{site}/__pycache__/alpha.cpython-313.pyc"
    assert list(rows) == ["share/tool.py", compiled, f"{site}/alpha.py", f"{site}/alpha.txt"]
    row = rows[compiled]
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"bytecode").digest()).rstrip(b"=").decode()
    assert (row.digest, row.size) == (f"sha256={digest}", "8")
    after = (layer / site / "beta-1.dist-info" / "RECORD").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
