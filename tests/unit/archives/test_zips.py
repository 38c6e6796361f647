import io
import zipfile
from pathlib import Path

import pytest

from venvstacks.archives import zips
from venvstacks.archives.members import Member, members_of
from venvstacks.archives.zips import ZipWriter
from venvstacks.trees import Entry, EntryKind


def written(members: list[tuple[Member, bytes]], mtime: int = 1_700_000_000) -> bytes:
    out = bytearray()
    writer = ZipWriter(out.extend, mtime, 6)
    for member, content in members:
        writer.begin(member)
        writer.data(content[:10])
        writer.data(content[10:])
        writer.end()
    writer.close()
    return bytes(out)


def file(name: str, content: bytes) -> tuple[Member, bytes]:
    return members_of([Entry(name, EntryKind.FILE, len(content))], "top")[1], content


def test_more_members_than_16_bits_count() -> None:
    data = written([file(f"f{number}", b"") for number in range(70_000)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    assert (len(names), names[0], names[-1]) == (70_000, "top/f0", "top/f69999")


def test_sizes_and_offsets_beyond_32_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zips, "LIMIT_32", 50)  # stands for 4 GiB: every long field is in use
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 50)
    packed = bytes(range(256)) * 4
    data = written([file("small", b"1234567890123"), file("big", packed)])
    fixed = data.replace(b"\x32\0\0\0", b"\xff\xff\xff\xff")
    (tmp_path / "long.zip").write_bytes(fixed)
    with zipfile.ZipFile(tmp_path / "long.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("top/small") == b"1234567890123"
        assert archive.read("top/big") == packed
        assert archive.getinfo("top/big").extract_version == 45
        assert archive.getinfo("top/small").extract_version == 20


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
        assert archive.infolist()[0].date_time == expected
