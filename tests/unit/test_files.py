import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from venvstacks import files
from venvstacks.files import (
    TEMPORARY_PREFIX,
    atomic_path,
    canonical_json,
    explain_os_error,
    file_sha256,
    json_hash,
    remove_leftovers,
    remove_tree,
    replace_tree,
    write_bytes,
    write_text,
)


def test_atomic_path_makes_the_folder_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        temporary.write_text("new")
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["b"]
    assert path.read_text() == "new"


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"file": "old"}


def test_files_with_the_same_content_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_bytes(path, b"1")
    before = path.stat()
    assert not write_bytes(path, b"1")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert write_text(path, "ü\n")
    assert path.read_bytes() == b"\xc3\xbc\n"
    assert path.stat().st_ino != before.st_ino  # replaced, never edited in place


def test_canonical_json_is_sorted_plain_and_ends_with_a_line_feed() -> None:
    text = canonical_json({"b": [1], "a": "🐸"})
    assert text == '{\n  "a": "🐸",\n  "b": [\n    1\n  ]\n}\n'
    assert json.loads(text) == {"a": "🐸", "b": [1]}
    assert json_hash({"a": 1, "b": 2}) == json_hash({"b": 2, "a": 1})
    assert json_hash(None) == "sha256:38e0b9de817f645c4bec37c0d4a3e58baecccb040f5718dc069a72c7385a0bed"


def test_file_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permissions"),
        (errno.EIO, None),
    ],
)
def test_errors_of_the_system_get_one_message(number: int, hint: str | None) -> None:
    error = explain_os_error(OSError(number, os.strerror(number), "some/file"), "write the lock")
    assert error.message == f"Cannot write the lock: {os.strerror(number)} (some/file)"
    assert (hint in (error.hint or "")) if hint else error.hint is None


def test_errors_without_a_number_keep_their_words() -> None:
    assert explain_os_error(OSError("odd"), "go on").message == "Cannot go on: odd"


def test_remove_tree_takes_everything_away(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    (tree / "link").symlink_to(outside)
    os.mkfifo(tree / "fifo")
    remove_tree(tree)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept", "outside"]
    remove_tree(tree)  # nothing to do
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    for name in ("dangling", "fifo", "file"):
        remove_tree(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]


class _Denied:
    """Refuses to remove entries of folders that are not writable, as the system does for all but root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, forever: bool = False) -> None:
        self.forever = forever
        self.calls = 0
        for name in ("unlink", "rmdir"):
            monkeypatch.setattr(os, name, self._guarded(getattr(os, name)))

    def _guarded(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: str | Path, *, dir_fd: int | None = None) -> None:
            self.calls += 1
            parent = os.fstat(dir_fd) if dir_fd is not None else os.stat(os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH116, PTH120
            if self.forever or not parent.st_mode & 0o200:
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return real(path, dir_fd=dir_fd)

        return call


def test_remove_tree_overcomes_read_only_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    (tree / "a" / "file").touch()
    for folder in (tree / "a" / "b", tree / "a", tree):
        folder.chmod(0o555)
    denied = _Denied(monkeypatch)
    remove_tree(tree)
    assert not tree.exists()
    assert denied.calls > 4


def test_remove_tree_leaves_what_holds_the_tree_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "held" / "tree"
    tree.mkdir(parents=True)
    tree.parent.chmod(0o555)
    _Denied(monkeypatch)
    with pytest.raises(PermissionError):
        remove_tree(tree)
    assert tree.parent.stat().st_mode & 0o777 == 0o555
    tree.parent.chmod(0o755)


def test_remove_tree_gives_up_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "file").touch()
    with monkeypatch.context() as patch:
        _Denied(patch, forever=True)
        with pytest.raises(PermissionError):
            remove_tree(tree)
    assert (tree / "a" / "file").exists()


def test_other_errors_are_not_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()

    def busy(path: str, **_: int | None) -> None:
        raise OSError(errno.EBUSY, "busy", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", busy)
        with pytest.raises(OSError, match="busy"):
            remove_tree(tmp_path / "tree")


def test_replace_tree(tmp_path: Path) -> None:
    for name in ("new", "newer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        replace_tree(tmp_path / name, tmp_path / "place")
        assert [path.name for path in (tmp_path / "place").iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_replace_tree_puts_the_old_one_back(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "old").touch()
    with pytest.raises(FileNotFoundError):
        replace_tree(tmp_path / "absent", tmp_path / "place")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "place",
        "place/old",
    ]


def test_remove_leftovers(tmp_path: Path) -> None:
    (tmp_path / files.temporary_beside(tmp_path / "x").name).mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}file").touch()
    (tmp_path / "kept").touch()
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "absent")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_names_in_a_folder_are_flushed_where_that_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    files.flush_folder(tmp_path)
    assert len(flushed) == 1

    def refuse(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))  # as on some network file systems
    files.flush_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        files.flush_folder(tmp_path)


def test_all_is_written_by_a_system_that_takes_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    with (tmp_path / "a").open("wb") as file:
        for data in (b"12345678", memoryview(b"9"), b""):
            files.write_all(file.fileno(), data)
    assert (tmp_path / "a").read_bytes() == b"123456789"
