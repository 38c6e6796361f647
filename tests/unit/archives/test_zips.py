import io
import os
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from venvstacks.archives import zips
from venvstacks.archives.archive_plan import plan_archive
from venvstacks.archives.codecs import Codec, compress
from venvstacks.archives.formats import ArchiveFormat, profile_for
from venvstacks.archives.frame_layout import Slice
from venvstacks.archives.zips import combine_crcs
from venvstacks.entries import Entry, EntryKind
from venvstacks.files import sha256


def file(name: str, content: bytes) -> tuple[Entry, bytes]:
    return Entry(name, EntryKind.FILE, len(content)), content


def written(files: list[tuple[Entry, bytes]], mtime: int = 1_700_000_000, cut: int = 10) -> bytes:
    contents = {entry.path: content for entry, content in files}
    profile = replace(profile_for(ArchiveFormat.ZIP), cut=cut)
    entries = [entry for entry, _ in files]
    plan = plan_archive(entries, "top", mtime=mtime, profile=profile, group_of=lambda _: None, windows=False)
    packed = []
    for (part,) in plan.frames:
        assert isinstance(part, Slice)
        end = part.start + part.size
        piece = contents[part.entry.path][part.start : end]
        data = compress(Codec.DEFLATE, 6, part.size, [piece], last=end == part.entry.size)
        packed.append((data, sha256(data), zlib.crc32(piece)))
    out = bytearray()
    for frame in zips.write_zip(out.extend, plan, packed):
        assert sha256(bytes(out[frame.offset : frame.offset + frame.size])) == frame.sha256
    return bytes(out)


@pytest.mark.parametrize("cut", [1, 7, 100, 1000])
def test_contents_in_several_parts(cut: int) -> None:
    contents = {"a": b"0123456789" * 10, "b": b"", "c": os.urandom(150), "d": b"x"}
    data = written([file(name, content) for name, content in contents.items()], cut=cut)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(f"top/{name}") for name in contents} == contents


def test_more_members_than_16_bits_count() -> None:
    data = written([file(f"f{number:05}", b"") for number in range(70_000)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    assert (len(names), names[:2], names[-1]) == (70_001, ["top/", "top/f00000"], "top/f69999")


def test_sizes_and_offsets_beyond_32_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zips, "LIMIT_32", 80)  # stands for 4 GiB: every long field is in use
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 80)
    packed = bytes(range(256)) * 4
    data = written([file("a-small", b"1234567890123"), file("big", packed)], cut=1 << 20)
    fixed = data.replace(b"\x50\0\0\0", b"\xff\xff\xff\xff")
    (tmp_path / "long.zip").write_bytes(fixed)
    with zipfile.ZipFile(tmp_path / "long.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("top/a-small") == b"1234567890123"
        assert archive.read("top/big") == packed
        assert archive.getinfo("top/big").extract_version == 45
        assert archive.getinfo("top/a-small").extract_version == 20


@pytest.mark.parametrize(
    ("mtime", "expected"),
    [
        (0, (1980, 1, 1, 0, 0, 0)),
        (315532800, (1980, 1, 1, 0, 0, 0)),
        (1_709_294_401, (2024, 3, 1, 12, 0, 0)),
        (2**40, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_times_are_utc_within_what_zip_can_say(mtime: int, expected: tuple[int, ...]) -> None:
    with zipfile.ZipFile(io.BytesIO(written([file("a", b"")], mtime))) as archive:
        assert {info.date_time for info in archive.infolist()} == {expected}


@pytest.mark.parametrize("sizes", [(0, 0), (0, 5), (5, 0), (1, 1), (100, 70_000), (70_000, 100)])
def test_checksums_of_parts_give_that_of_the_whole(sizes: tuple[int, int]) -> None:
    one, two = map(os.urandom, sizes)
    assert combine_crcs(zlib.crc32(one), zlib.crc32(two), len(two)) == zlib.crc32(one + two)
