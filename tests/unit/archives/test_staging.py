import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import filelock  # noqa: F401 - it looks at sys.platform when it is imported, which is before the tests change it
import pytest

from venvstacks import files
from venvstacks.archives import staging
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.staging import new_tree, remove_abandoned
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError

MTIME = 1_700_000_000
WHAT = "The delta x"
CONTENTS = {"bin/run": b"#!/bin/sh\n", "lib/a": b"abc", "lib/empty": b""}


def entries() -> list[IndexEntry]:
    return [
        IndexEntry("bin", EntryKind.FOLDER, 0o755),
        IndexEntry("lib", EntryKind.FOLDER, 0o755),
        *(
            IndexEntry(path, EntryKind.FILE, 0o755 if "bin" in path else 0o644, len(data), "", files.sha256(data))
            for path, data in CONTENTS.items()
        ),
        IndexEntry("lib/link", EntryKind.SYMLINK, 0o777, target="a"),
    ]


def write(destination: Path, contents: dict[str, Iterable[bytes]], *, replace: bool = False) -> None:
    with new_tree(destination, entries(), MTIME, WHAT, replace=replace) as tree:
        for entry in entries():
            if entry.path in contents:
                tree.write(entry, contents[entry.path])


def pieces() -> dict[str, Iterable[bytes]]:
    return {path: [data[:2], data[2:]] for path, data in CONTENTS.items()}


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000, 0o777 & ~0o700])
def test_trees_have_modes_and_times_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "app", pieces())
    finally:
        os.umask(before)
    assert {path: (tmp_path / "app" / path).read_bytes() for path in CONTENTS} == CONTENTS
    found = [tmp_path / "app", *(tmp_path / "app").rglob("*")]
    assert {path.lstat().st_mtime_ns for path in found} == {MTIME * 10**9}
    modes = {path.name: oct(path.lstat().st_mode & 0o7777) for path in found if not path.is_symlink()}
    assert modes == {
        **dict.fromkeys(["app", "bin", "lib", "run"], "0o755"),
        **dict.fromkeys(["a", "empty"], "0o644"),
    }
    assert os.readlink(tmp_path / "app/lib/link") == "a"  # noqa: PTH115 - the text counts
    assert os.listdir(tmp_path) == ["app"]  # noqa: PTH208 - hidden names count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lib/a": [b"abd"]}, "the content of 'lib/a' does not match its index"),
        ({"lib/a": [b"ab"]}, "the content of 'lib/a' does not match its index"),
        ({"lib/a": [b"abcd"]}, "the content of 'lib/a' does not match its index"),
        ({"lib/empty": [b"x"]}, "the content of 'lib/empty' does not match its index"),
        ({"lib/a": None}, "the content of 'lib/a' is not there"),
        ({"lib/empty": None}, "the content of 'lib/empty' is not there"),
    ],
)
def test_wrong_contents_leave_nothing(
    tmp_path: Path, change: dict[str, Iterable[bytes] | None], message: str
) -> None:
    changed = {path: data for path, data in {**pieces(), **change}.items() if data is not None}
    with pytest.raises(ArchiveError) as caught:
        write(tmp_path / "app", changed)
    assert caught.value.message == f"The delta x is damaged: {message}."
    assert list(tmp_path.iterdir()) == []


def test_content_given_twice(tmp_path: Path) -> None:
    twice = [entries()[3], entries()[3]]

    def give() -> None:
        with new_tree(tmp_path / "app", entries(), 0, WHAT) as tree:
            for entry in twice:
                tree.write(entry, [b"abc"])

    with pytest.raises(ArchiveError, match="'lib/a' is there twice"):
        give()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_beyond_the_size(tmp_path: Path) -> None:
    sizes: list[int] = []

    def content() -> Iterator[bytes]:
        yield b"abc"
        for _ in range(100):
            yield bytes(1000)
        sizes.extend(path.stat().st_size for path in tmp_path.glob("*/lib/a"))

    with pytest.raises(ArchiveError, match="the content of 'lib/a'"):
        write(tmp_path / "app", {**pieces(), "lib/a": content()})
    assert sizes == [3]


def test_entries_are_checked_once_more(tmp_path: Path) -> None:
    bad = [IndexEntry("../x", EntryKind.FILE, 0o644, 1, "", "0" * 64)]
    with pytest.raises(ArchiveError, match=r"The delta x is refused: the path '../x' leads out of its folder\."):
        new_tree(tmp_path / "app", bad, 0, WHAT).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "mine").write_text("mine")
    with pytest.raises(FileExistsError):
        write(tmp_path / "app", pieces())
    assert [path.name for path in (tmp_path / "app").iterdir()] == ["mine"]
    write(tmp_path / "app", pieces(), replace=True)
    assert sorted(path.name for path in (tmp_path / "app").iterdir()) == ["bin", "lib"]
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


def test_errors_of_the_caller_leave_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "app", pieces())
    with pytest.raises(KeyboardInterrupt), new_tree(tmp_path / "app", entries(), 0, WHAT, replace=True):
        raise KeyboardInterrupt
    assert (tmp_path / "app/lib/a").read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


def test_file_systems_without_case_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clashing = [IndexEntry(path, EntryKind.FILE, 0o644, 0, "", files.sha256(b"")) for path in ("a", "A")]
    assert staging._ignores_case(tmp_path) is False
    monkeypatch.setattr(staging, "_ignores_case", lambda _: True)
    with pytest.raises(ArchiveError, match="'a' and 'A' are one name on the file system of") as caught:
        new_tree(tmp_path / "app", clashing, 0, WHAT).__enter__()
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


HOLD = """
import filelock
import sys
from pathlib import Path
from venvstacks.archives.staging import new_tree
sys.platform = sys.argv[2]
with new_tree(Path(sys.argv[1]), [], 0, "it"):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("platform", sorted({sys.platform, "win32"}))
def test_only_what_no_run_is_at_work_on_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    program: list[str | Path] = [sys.executable, "-c", HOLD, tmp_path / "app", platform]
    held = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def present() -> list[Path]:
        return sorted(path for path in tmp_path.iterdir() if path.suffix != ".lock")  # on Windows these go as well

    try:
        assert held.stdout is not None
        assert held.stdout.readline() == b"ready\n"
        (busy,) = present()
        abandoned = tmp_path / f"{files.TEMPORARY_PREFIX}0"
        (abandoned / "lib").mkdir(parents=True)
        (tmp_path / "other").mkdir()
        remove_abandoned(tmp_path)
        assert present() == sorted([busy, tmp_path / "other"])
        held.kill()
        held.wait()
        remove_abandoned(tmp_path)
        assert present() == [tmp_path / "other"]
    finally:
        held.kill()
        held.communicate()
    remove_abandoned(tmp_path / "absent")
