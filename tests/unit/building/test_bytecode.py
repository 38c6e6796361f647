import pytest

from venvstacks.building.bytecode import _chunks, modules_of
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
