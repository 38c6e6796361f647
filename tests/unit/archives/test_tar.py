import hashlib
import io
import tarfile

import pytest

from venvstacks.archives.members import members_of
from venvstacks.archives.tar import TarWriter, tar_header
from venvstacks.trees import Entry, EntryKind


def header_of(entry: Entry, mtime: int = 0) -> bytes:
    return tar_header(members_of([entry], "top")[1], mtime)


def read(header: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(header + bytes(1024))) as archive:
        info = archive.next()
        assert info is not None
        return info


@pytest.mark.parametrize(
    ("path", "blocks"),
    [
        ("a", 1),
        ("n" * 96, 1),  # with `top/` a name of 100 bytes
        ("n" * 97, 1),
        ("d/" + "n" * 100, 1),
        ("d/" + "n" * 101, 3),  # one part of more than 100 bytes fits no field
        ("d" * 151 + "/n", 1),  # with `top/` a prefix of 155 bytes
        ("d" * 152 + "/n", 3),
        ("é", 3),
    ],
)
def test_pax_records_stand_only_where_ustar_has_no_room(path: str, blocks: int) -> None:
    header = header_of(Entry(path, EntryKind.FILE))
    assert len(header) == blocks * 512
    assert read(header).name == f"top/{path}"


@pytest.mark.parametrize("length", range(85, 115))
def test_pax_records_count_their_own_length(length: int) -> None:
    path = "é" * length
    assert read(header_of(Entry(path, EntryKind.FILE))).name == f"top/{path}"


@pytest.mark.parametrize("folder", ["d" * 94, "d" * 95, "d" * 96, "d" * 97, f"{'d' * 60}/{'e' * 60}"])
def test_folder_names(folder: str) -> None:
    info = read(header_of(Entry(folder, EntryKind.FOLDER)))
    assert (info.name, info.isdir()) == (f"top/{folder}", True)


def test_sizes_beyond_ustar() -> None:
    assert read(header_of(Entry("a", EntryKind.FILE, size=8**11 - 1))).size == 8**11 - 1
    header = header_of(Entry("a", EntryKind.FILE, size=8**11))
    assert b"13 size=8589934592\n" not in header
    assert b"19 size=8589934592\n" in header
    info = tarfile.TarInfo.frombuf(header[-512:], "utf-8", "strict")
    assert (info.name, info.size) == ("top/a", 0)


@pytest.mark.parametrize("target", ["t" * 100, "t" * 101, "🐸"])
def test_link_targets(target: str) -> None:
    info = read(header_of(Entry("a", EntryKind.SYMLINK, link_target=target)))
    assert (info.linkname, info.issym(), info.mode) == (target, True, 0o777)


def test_stream_is_as_ever() -> None:
    # Another hash means other archives for all users: raise WRITER_REVISION with it.
    entries = [
        Entry("bin", EntryKind.FOLDER),
        Entry("bin/python", EntryKind.FILE, 3, executable=True),
        Entry("bin/🐸", EntryKind.SYMLINK, link_target="python"),
    ]
    stream = bytearray()
    writer = TarWriter(stream.extend, 1_700_000_000)
    for member in members_of(entries, "app"):
        writer.begin(member)
        if member.entry.kind is EntryKind.FILE:
            writer.data(b"abc")
        writer.end()
    writer.close()
    assert len(stream) == 10240
    assert hashlib.sha256(stream).hexdigest() == "d923a398856542b5e02a4559ad3a65eedb3e752f2d82156486677f460a330076"
