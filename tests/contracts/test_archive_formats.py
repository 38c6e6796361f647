"""What holds for every archive format."""

import os
import random
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from fakes.archive_reading import read_archive, stream
from fakes.archiving import MTIME, facts, pack, small_frames, unpack
from fakes.built_layers import make_tree
from venvstacks import files
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.entries import EntryKind, scan
from venvstacks.errors import PublishError, UsageError
from venvstacks.processes import Cancellation, CancelledError

DEEP = "/".join(["a-quite-long-folder-name-0123456789"] * 9)

CONTENT: dict[str, bytes | str | None] = {
    "!bin/python": b"#!/bin/sh\n",
    "bin/python3": "python",
    "bin/up": "../../cpython@3.12/bin/python",
    "empty-folder": None,
    "empty-file": b"",
    "lib/data-1": b"after lib-data by its bytes",
    "lib-data": b"1",
    "lib/big.bin": random.Random(1).randbytes((1 << 20) + 17),  # noqa: S311 - incompressible is enough
    "lib/aligned.bin": bytes(1 << 20),
    "lib/🐸/ünï.txt": "grün".encode(),
    "lib/🐸.link": "🐸/ünï.txt",
    "x" * 101: b"name over 100 bytes",
    f"{'d' * 90}/{'e' * 90}/in-two-fields": b"",
    f"{DEEP}/deep.txt": b"path over 255 bytes",
    "long.link": f"{DEEP}/deep.txt",
    "é" * 60: b"few characters, over 100 bytes",
}

formats = pytest.mark.parametrize("kind", ArchiveFormat)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree", CONTENT)


@formats
def test_standard_readers_find_everything(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    archive = tmp_path / f"out.{kind}"
    pack(tree, archive, kind)
    expected_time = (2024, 3, 1, 12, 0, 0) if kind is ArchiveFormat.ZIP else MTIME
    read = read_archive(archive, kind)
    assert {member.time for member in read.values()} == {expected_time}
    found = {name.removeprefix("app@1/"): member for name, member in read.items() if name != "app@1"}
    for name, value in CONTENT.items():
        assert found[name.lstrip("!")].content == value
    expected_modes = {
        entry.path: {"file": 0o755 if entry.executable else 0o644, "folder": 0o755, "symlink": 0o777}[entry.type]
        for entry in scan(tree)
    }
    assert {name: member.mode for name, member in found.items()} == expected_modes
    assert found["bin/python"].mode == 0o755


@formats
def test_folders_come_first_and_groups_stand_together(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    archive = tmp_path / f"out.{kind}"
    pack(tree, archive, kind, group_of=lambda path: "data" if "data" in path else None)
    read = read_archive(archive, kind)
    names = list(read)
    assert names[0] == "app@1"
    assert all(name.startswith("app@1/") for name in names[1:])
    folders = [name for name, member in read.items() if member.content is None]
    assert names[: len(folders)] == folders == sorted(folders)
    others = [name.removeprefix("app@1/") for name in names[len(folders) :]]
    assert others[:2] == ["lib-data", "lib/data-1"]
    assert others[2:] == sorted(others[2:], key=lambda name: (name.partition("/")[0], name))


@formats
def test_unpacking_gives_the_same_tree(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    archive = tmp_path / f"out.{kind}"
    pack(tree, archive, kind, profile=small_frames(kind))
    umask = os.umask(0o077)
    try:
        unpack(archive, tmp_path / "new" / "app")
    finally:
        os.umask(umask)
    assert facts(tmp_path / "new" / "app") == facts(tree)
    found = [tmp_path / "new" / "app", *(tmp_path / "new" / "app").rglob("*")]
    assert {path.lstat().st_mtime_ns for path in found} == {MTIME * 10**9}
    modes = {path.lstat().st_mode & 0o7777 for path in found if not path.is_symlink()}
    assert modes == {0o644, 0o755}
    assert os.listdir(tmp_path / "new") == ["app"]  # noqa: PTH208 - hidden names count


@formats
def test_any_file_can_be_read_by_itself(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    archive = tmp_path / f"out.{kind}"
    pack(tree, archive, kind, profile=small_frames(kind))
    with open_archive(archive) as reader:
        assert len(reader.index.frames) > 10
        for entry in reversed(reader.index.entries):
            if entry.type is EntryKind.FILE:
                assert b"".join(reader.content(entry)) == (tree / entry.path).read_bytes()


@formats
def test_cached_frames_give_the_same_bytes(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    cache = FrameCache(tmp_path / "cache")
    profile = small_frames(kind, scale=1 << 14)
    written = [
        pack(tree, tmp_path / f"{number}.{kind}", kind, profile=profile, cache=each, jobs=number + 1)
        for number, each in enumerate((None, cache, cache))
    ]
    assert cache.measure()[0] > 3
    assert len({each.archive.sha256 for each in written}) == 1
    assert len({each.content_hash for each in written}) == 1


@pytest.mark.parametrize("kind", [each for each in ArchiveFormat if each is not ArchiveFormat.ZIP])
def test_tar_extracts_the_same_tree(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    archive = tmp_path / f"out.{kind}"
    pack(tree, archive, kind)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(
        ["tar", "-xf", "-"],
        input=stream(archive, kind),
        cwd=out,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    extracted = scan(out / "app@1")
    assert {entry.changed_ns for entry in extracted if entry.type is EntryKind.FILE} == {MTIME * 10**9}
    assert facts(out / "app@1") == facts(tree)


def test_zip_extracts_the_same_content(tree: Path, tmp_path: Path) -> None:
    pack(tree, tmp_path / "out.zip", ArchiveFormat.ZIP)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path)
    for name, value in CONTENT.items():
        path = tmp_path / "app@1" / name.lstrip("!")
        # This reader writes links as files; that they are links is seen above.
        content = None if path.is_dir() else path.read_bytes()
        assert content == (value.encode() if isinstance(value, str) else value)


@formats
def test_bytes_depend_on_the_content_alone(
    tmp_path: Path, kind: ArchiveFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list(CONTENT)
    first = make_tree(tmp_path / "first", {name: CONTENT[name] for name in names})
    digest = pack(first, tmp_path / f"first.{kind}", kind)
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    time.tzset()
    umask = os.umask(0o077)
    try:
        second = make_tree(tmp_path / "elsewhere" / "second", {name: CONTENT[name] for name in reversed(names)})
        for entry in scan(second):
            path = second / entry.path
            if entry.type is not EntryKind.SYMLINK:
                os.utime(path, (5, 5))
            if entry.type is EntryKind.FILE:
                path.chmod(0o700 if entry.executable else 0o400)
        (second / "hardlink-source").hardlink_to(second / "lib-data")
        (second / "lib-data").unlink()
        (second / "hardlink-source").rename(second / "lib-data")
        again = pack(second, tmp_path / f"second.{kind}", kind)
    finally:
        os.umask(umask)
        monkeypatch.undo()
        time.tzset()
    assert again.archive.sha256 == digest.archive.sha256
    assert again.content_hash == digest.content_hash
    assert (tmp_path / f"first.{kind}").read_bytes() == (tmp_path / f"second.{kind}").read_bytes()


@formats
def test_hard_links_are_files(tmp_path: Path, kind: ArchiveFormat) -> None:
    tree = make_tree(tmp_path / "tree", {"one": b"content"})
    (tree / "two").hardlink_to(tree / "one")
    pack(tree, tmp_path / "out", kind)
    found = read_archive(tmp_path / "out", kind)
    assert found["app@1/one"].content == found["app@1/two"].content == b"content"


@formats
def test_content_matters(tmp_path: Path, kind: ArchiveFormat) -> None:
    one = pack(make_tree(tmp_path / "one", {"file": b"1"}), tmp_path / "1", kind)
    two = pack(make_tree(tmp_path / "two", {"file": b"2"}), tmp_path / "2", kind)
    executable = pack(make_tree(tmp_path / "three", {"!file": b"1"}), tmp_path / "3", kind)
    assert len({one.archive.sha256, two.archive.sha256, executable.archive.sha256}) == 3
    assert len({one.content_hash, two.content_hash, executable.content_hash}) == 3


@formats
def test_digest_is_that_of_the_file(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    archive = tmp_path / f"out.{kind}"
    digest = pack(tree, archive, kind)
    assert (digest.archive.name, digest.archive.size) == (archive.name, archive.stat().st_size)
    assert digest.archive.sha256 == files.file_sha256(archive)
    index = archive.with_name(f"{archive.name}.index.zst")
    assert (digest.index.name, digest.index.size) == (index.name, index.stat().st_size)
    assert digest.index.sha256 == files.file_sha256(index)


def test_content_hash_is_the_same_in_every_format_and_level(tree: Path, tmp_path: Path) -> None:
    hashes = {
        pack(tree, tmp_path / f"out.{kind}", kind, level=level).content_hash
        for kind in ArchiveFormat
        for level in (1, None)
    }
    assert len(hashes) == 1


@formats
def test_levels_change_the_file(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    default = pack(tree, tmp_path / "default", kind)
    assert pack(tree, tmp_path / "fast", kind, level=1).archive.sha256 != default.archive.sha256


@formats
def test_impossible_level_is_refused(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    with pytest.raises(UsageError, match=rf"levels of {kind.value} are \d to \d+, not 23"):
        pack(tree, tmp_path / "out", kind, level=23)
    assert not (tmp_path / "out").exists()


@formats
@pytest.mark.parametrize(
    ("now", "how"),
    [
        (b"", ": it had 7 bytes when the layer was built"),
        (b"longer than it was", ": it had 7 bytes when the layer was built"),
        (b"CONTENT", ""),
    ],
)
def test_changed_file_is_refused(tmp_path: Path, kind: ArchiveFormat, now: bytes, how: str) -> None:
    tree = make_tree(tmp_path / "tree", {"lib/file": b"content"})
    entries = scan(tree)
    (tree / "lib/file").write_bytes(now)
    os.utime(tree / "lib/file", (1, 1))
    destination = tmp_path / "out" / "archive"
    with pytest.raises(PublishError) as caught:
        pack(tree, destination, kind, entries=entries)
    assert caught.value.message == f"'lib/file' changed while it was archived{how}."
    assert list(destination.parent.iterdir()) == []


@formats
def test_cancelling_leaves_the_old_file(tree: Path, tmp_path: Path, kind: ArchiveFormat) -> None:
    destination = tmp_path / "out" / "archive"
    destination.parent.mkdir()
    destination.write_bytes(b"old")
    handled: list[int] = []
    cancellation = Cancellation()

    def progress(size: int) -> None:
        handled.append(size)
        if sum(handled) >= 1 << 20:
            cancellation.cancel()

    with pytest.raises(CancelledError):
        pack(tree, destination, kind, progress=progress, cancellation=cancellation, jobs=1)
    assert [path.name for path in destination.parent.iterdir()] == ["archive"]
    assert destination.read_bytes() == b"old"
    assert sum(handled) < 2 << 20


@formats
def test_work_is_cancelled_within_a_file(tmp_path: Path, kind: ArchiveFormat) -> None:
    tree = make_tree(tmp_path / "tree", {"large": bytes(4 << 20)})
    handled: list[int] = []
    cancellation = Cancellation()

    def progress(size: int) -> None:
        handled.append(size)
        cancellation.cancel()

    with pytest.raises(CancelledError):
        pack(tree, tmp_path / "out", kind, level=1, progress=progress, cancellation=cancellation)
    assert 0 < sum(handled) <= 2 << 20


@formats
@pytest.mark.parametrize("warm", [False, True])
def test_progress_adds_up(tree: Path, tmp_path: Path, kind: ArchiveFormat, *, warm: bool) -> None:
    cache = FrameCache(tmp_path / "cache")
    handled: list[int] = []
    for _ in range(1 + warm):
        handled.clear()
        pack(tree, tmp_path / "out", kind, level=1, progress=handled.append, cache=cache)
    assert sum(handled) == sum(entry.size for entry in scan(tree))
    assert warm or max(handled) <= 1 << 20
