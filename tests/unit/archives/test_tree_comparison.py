"""Every way in which a folder can differ from what an archive holds."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.archiving import MTIME, pack, unpack
from fakes.built_layers import make_tree
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import ArchiveIndex
from venvstacks.archives.pool import frame_pool
from venvstacks.archives.tree_comparison import Change, compare_tree, tree_difference
from venvstacks.work import Work


def make_layer(tmp_path: Path) -> tuple[Path, ArchiveIndex]:
    """Unpack a small archive; return the folder and the index."""
    source = make_tree(
        tmp_path / "source",
        {"pkg/__init__.py": b"", "pkg/core.py": b"one = 1\n", "!bin/tool": b"#!/bin/sh\n", "link": "bin/tool"},
    )
    archive = tmp_path / "app.tar.zst"
    pack(source, archive, ArchiveFormat.TAR_ZST)
    unpack(archive, tmp_path / "layer")
    return tmp_path / "layer", read_index(archive)[0]


def differences(folder: Path, index: ArchiveIndex) -> list[tuple[str, str]]:
    """Compare, and return paths and changes."""
    with frame_pool(Work(jobs=2)) as pool:
        return [(found.path, str(found.change)) for found in compare_tree(folder, index, pool)]


def describe(folder: Path, index: ArchiveIndex) -> str | None:
    """Return the first difference in words."""
    with frame_pool(Work(jobs=2)) as pool:
        return tree_difference(folder, index, pool)


def test_same_folder(tmp_path: Path) -> None:
    folder, index = make_layer(tmp_path)
    assert differences(folder, index) == []
    assert describe(folder, index) is None


def flip(path: Path) -> None:
    """Change a file, and neither its size nor its time."""
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, (MTIME, MTIME))


def replace_by_link(path: Path) -> None:
    """Move a folder away, and lead to it by a link."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("damage", "expected", "words"),
    [
        (lambda f: flip(f / "pkg/core.py"), [("pkg/core.py", "content")], "holds another 'pkg/core.py'"),
        (lambda f: (f / "pkg/core.py").unlink(), [("pkg/core.py", "missing")], "lacks 'pkg/core.py'"),
        (lambda f: (f / "link").unlink(), [("link", "missing")], "lacks 'link'"),
        (lambda f: os.utime(f / "pkg/core.py", (1, 1)), [("pkg/core.py", "time")], "holds another 'pkg/core.py'"),
        (
            lambda f: shutil.rmtree(f / "pkg"),
            [("pkg", "missing"), ("pkg/__init__.py", "missing"), ("pkg/core.py", "missing")],
            "lacks 'pkg'",
        ),
        (
            lambda f: replace_by_link(f / "pkg"),
            [("elsewhere", "added"), ("pkg", "kind"), ("pkg/__init__.py", "missing"), ("pkg/core.py", "missing")],
            "holds 'elsewhere', which the archive does not",
        ),
        (
            lambda f: make_tree(f / "new/sub", {"a": b""}),
            [("new", "added")],
            "holds 'new', which the archive does not",
        ),
        (
            lambda f: make_tree(f, {"pkg/__pycache__/core.cpython-312.pyc": b""}),
            [("pkg/__pycache__/core.cpython-312.pyc", "bytecode")],
            None,
        ),
        (
            lambda f: make_tree(f, {"pkg/__pycache__/other.cpython-312.pyc": b""}),
            [("pkg/__pycache__/other.cpython-312.pyc", "added")],
            None,
        ),
        (shutil.rmtree, [("", "missing")], "is not a folder"),
        (replace_by_link, [("", "kind")], "is not a folder"),
    ],
)
def test_what_is_different(
    tmp_path: Path, damage: Callable[[Path], object], expected: list[tuple[str, str]], words: str | None
) -> None:
    folder, index = make_layer(tmp_path)
    damage(folder)
    assert differences(folder, index) == expected
    assert describe(folder, index) == words


def test_modes_and_kinds(tmp_path: Path) -> None:
    folder, index = make_layer(tmp_path)
    (folder / "bin/tool").chmod(0o644)
    (folder / "bin").chmod(0o700)
    (folder / "link").unlink()
    (folder / "link").symlink_to("pkg")
    (folder / "pkg/__init__.py").unlink()
    (folder / "pkg/__init__.py").mkdir()
    make_tree(folder / "pkg/__init__.py", {"inside": b""})
    assert differences(folder, index) == [
        ("bin", "mode"),
        ("bin/tool", "mode"),
        ("link", "content"),
        ("pkg/__init__.py", "kind"),
    ]


def test_unreadable_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, index = make_layer(tmp_path)

    def refuse(path: str) -> os.stat_result:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr("venvstacks.archives.tree_comparison.os.lstat", refuse)
    with frame_pool(Work(jobs=2)) as pool:
        found = list(compare_tree(folder, index, pool))
        assert {each.change for each in found} == {Change.UNREADABLE}
        assert len(found) == len(index.entries)
        with pytest.raises(OSError, match="Input/output"):
            tree_difference(folder, index, pool)
