"""Frames come from the cache where they may, and files are read as seldom as they may."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fakes.archiving import pack, small_frames, unpack
from fakes.built_layers import make_tree
from venvstacks.archives import codecs, hashing, packing
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.entries import Entry

KIB = 1 << 10
SIZES = {"large": 900 * KIB, "a": 40 * KIB, "b": 41 * KIB, "tiny": 5}
PROFILE = small_frames(ArchiveFormat.TAR_ZST, scale=16 * KIB)  # frames of 64 KiB, files cut every 256 KiB
LONG_AGO = 1_600_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = make_tree(
        tmp_path / "tree", {f"{name}/{name}": os.urandom(size // 2) * 2 for name, size in SIZES.items()}
    )
    for name in SIZES:
        os.utime(tree / name / name, (LONG_AGO, LONG_AGO))
    return tree


class Watch:
    """Counts what is compressed and what is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compressed = 0
        self.read: Counter[str] = Counter()
        monkeypatch.setattr(packing, "compress", self._compress)
        for module in (packing, hashing):
            monkeypatch.setattr(module, "read_part", self._read)

    def _compress(self, *args: Any, **options: Any) -> bytes:
        self.compressed += 1
        return codecs.compress(*args, **options)

    def _read(self, folder: Path, entry: Entry, start: int, size: int) -> tuple[bytes, int]:
        self.read[entry.path] += size
        return READ_PART(folder, entry, start, size)

    def clear(self) -> None:
        self.compressed = 0
        self.read.clear()


READ_PART = hashing.read_part


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_files_of_one_frame_are_read_once_and_larger_ones_twice(tree: Path, tmp_path: Path, watch: Watch) -> None:
    pack(tree, tmp_path / "x.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE)
    assert watch.read == {"large/large": 2 * SIZES["large"], "a/a": SIZES["a"], "b/b": SIZES["b"], "tiny/tiny": 4}


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_unchanged_frames_are_neither_read_nor_compressed(
    tree: Path, tmp_path: Path, watch: Watch, kind: ArchiveFormat
) -> None:
    cache = FrameCache(tmp_path / "cache")
    profile = small_frames(kind, scale=16 * KIB)
    first = pack(tree, tmp_path / f"1.{kind}", kind, profile=profile, cache=cache)
    watch.clear()
    second = pack(tree, tmp_path / f"2.{kind}", kind, profile=profile, cache=cache)
    assert second.archive.sha256 == first.archive.sha256
    # what is tiny is not worth a place in the cache: `tiny`, and in tar the start, the folders and the end
    assert watch.compressed == (1 if kind is ArchiveFormat.ZIP else 4)
    assert {path for path, size in watch.read.items() if size > 4 * KIB} == set()


def test_one_changed_file_costs_its_frames_only(tree: Path, tmp_path: Path, watch: Watch) -> None:
    cache = FrameCache(tmp_path / "cache")
    pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    (tree / "a/a").write_bytes(os.urandom(40 * KIB))
    watch.clear()
    pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    assert watch.compressed == 5
    assert watch.read == {"a/a": SIZES["a"], "tiny/tiny": 4}
    unpack(tmp_path / "2.tar.zst", tmp_path / "out")
    assert (tmp_path / "out/a/a").read_bytes() == (tree / "a/a").read_bytes()


@pytest.mark.parametrize("name", ["a", "large"])
def test_replaced_files_are_read_even_if_size_and_time_are_the_same(tree: Path, tmp_path: Path, name: str) -> None:
    cache = FrameCache(tmp_path / "cache")
    pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    other = tree / name / "other"
    other.write_bytes(os.urandom(SIZES[name]))
    os.utime(other, (LONG_AGO, LONG_AGO))
    other.replace(tree / name / name)
    pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    unpack(tmp_path / "2.tar.zst", tmp_path / "out")
    assert (tmp_path / "out" / name / name).read_bytes() == (tree / name / name).read_bytes()


def test_what_was_changed_a_moment_ago_is_not_taken_for_settled(tree: Path, tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    (tree / "a/a").write_bytes(b"1" * 40 * KIB)
    info = (tree / "a/a").stat()
    pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    (tree / "a/a").write_bytes(b"2" * 40 * KIB)
    os.utime(tree / "a/a", ns=(info.st_mtime_ns, info.st_mtime_ns))  # as a coarse clock would have it
    pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    unpack(tmp_path / "2.tar.zst", tmp_path / "out")
    assert (tmp_path / "out/a/a").read_bytes() == b"2" * 40 * KIB


def test_what_is_reentryed_wrongly_of_a_file_does_not_reach_the_archive(tree: Path, tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    # Written in place, and the time put back: nothing but the content tells.
    (tree / "a/a").write_bytes(b"2" * 40 * KIB)
    os.utime(tree / "a/a", (LONG_AGO, LONG_AGO))
    # Another level, so that the content is needed.
    profile = small_frames(ArchiveFormat.TAR_ZST, 3, scale=16 * KIB)
    pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=profile, cache=cache)
    unpack(tmp_path / "2.tar.zst", tmp_path / "out")
    assert (tmp_path / "out/a/a").read_bytes() == b"2" * 40 * KIB


@pytest.mark.parametrize("level", [1, 3])
def test_levels_do_not_share_frames(tree: Path, tmp_path: Path, watch: Watch, level: int) -> None:
    cache = FrameCache(tmp_path / "cache")
    pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    watch.clear()
    profile = small_frames(ArchiveFormat.TAR_ZST, level, scale=16 * KIB)
    pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=profile, cache=cache)
    assert (watch.compressed > 5) is (level != PROFILE.level)


def test_codec_versions_do_not_share_frames(
    tree: Path, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FrameCache(tmp_path / "cache")
    pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    monkeypatch.setattr(packing, "codec_identity", lambda _: "zstd 99")
    watch.clear()
    pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    assert watch.compressed > 5


def test_another_time_changes_the_first_frame_alone(tree: Path, tmp_path: Path) -> None:
    digests = []
    for mtime in (1, 2):
        archive = tmp_path / f"{mtime}.tar.zst"
        pack(tree, archive, ArchiveFormat.TAR_ZST, profile=PROFILE, mtime=mtime)
        with open_archive(archive) as reader:
            digests.append([frame.sha256 for frame in reader.index.frames])
    assert [one == two for one, two in zip(*digests, strict=True)] == [False] + [True] * (len(digests[0]) - 1)


def test_damaged_cache_entries_are_made_again(tree: Path, tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    first = pack(tree, tmp_path / "1.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    for path in cache.folder.rglob("*"):
        if path.is_file():
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
    again = pack(tree, tmp_path / "2.tar.zst", ArchiveFormat.TAR_ZST, profile=PROFILE, cache=cache)
    assert again.archive.sha256 == first.archive.sha256
