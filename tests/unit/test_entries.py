from pathlib import Path

import pytest

from fakes.built_layers import make_tree
from venvstacks.entries import BYTECODE_FOLDER, Entry, EntryKind, batches, is_bytecode, scan


def paths(folder: Path, *bytecode: str) -> list[str]:
    return [entry.path for entry in scan(folder, bytecode=frozenset(bytecode))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tree(
        tmp_path / "tree",
        {
            "a/__pycache__/one.cpython-311.pyc": b"1",
            "a/__pycache__/one.cpython-311.opt-1.pyc": b"12",
            "a/__pycache__/deep/two.pyc": b"",
            "a/one.py": b"",
            "b/__pycache__/three.pyc": b"",
            "__pycache__/top.pyc": b"1",
        },
    )


def test_bytecode_that_python_writes_by_itself_is_left_out(folder: Path) -> None:
    assert paths(folder) == ["a", "a/one.py", "b"]


def test_bytecode_that_is_asked_for_is_listed_with_its_folder(folder: Path) -> None:
    wanted = ("a/__pycache__/one.cpython-311.pyc", "__pycache__/top.pyc", "b/__pycache__/gone.pyc")
    assert paths(folder, *wanted) == [
        *("__pycache__", "__pycache__/top.pyc"),
        *("a", "a/__pycache__", "a/__pycache__/one.cpython-311.pyc", "a/one.py", "b"),
    ]
    (top,) = (entry for entry in scan(folder, bytecode={*wanted}) if entry.path == "__pycache__/top.pyc")
    assert (top.type, top.size, top.executable) == (EntryKind.FILE, 1, False)


def test_a_link_in_the_place_of_bytecode_is_none(folder: Path) -> None:
    path = folder / "__pycache__" / "top.pyc"
    path.unlink()
    path.symlink_to("elsewhere")
    assert paths(folder, "__pycache__/top.pyc") == paths(folder)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("__pycache__/a.pyc", True),
        ("lib/package/__pycache__/a.pyc", True),
        ("__pycache__", False),
        ("lib/__pycache__/deep/a.pyc", False),
        ("lib/x__pycache__/a.pyc", False),
        ("a.pyc", False),
    ],
)
def test_bytecode_is_known_by_its_folder(path: str, *, expected: bool) -> None:
    assert is_bytecode(path) is expected
    assert BYTECODE_FOLDER == "__pycache__"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([0], [[0]]),
        ([1] * 7, [[1, 1, 1], [1, 1, 1], [1]]),
        ([4, 6, 1, 10, 99, 0], [[4, 6], [1, 10], [99], [0]]),
    ],
)
def test_batches_end_with_so_many_entries_or_bytes(sizes: list[int], expected: list[list[int]]) -> None:
    entries = [Entry(f"f{number}", EntryKind.FILE, size) for number, size in enumerate(sizes)]
    divided = [*batches(entries, 3, 10)]
    assert [[entry.size for entry in batch] for batch in divided] == expected
    assert [entry for batch in divided for entry in batch] == entries
