import hashlib
import io
import tarfile

import pytest

from venvstacks.archives.tar import padding, stream_end, stream_start, tar_header
from venvstacks.entries import EntryKind


def header_of(path: str, kind: EntryKind = EntryKind.FILE, *, size: int = 0, target: str = "") -> bytes:
    return tar_header(f"top/{path}", kind, 0o644, size=size, target=target)


def read(stream: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(stream + bytes(1024))) as archive:
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
    header = header_of(path)
    assert len(header) == blocks * 512
    assert read(header).name == f"top/{path}"


@pytest.mark.parametrize("length", range(85, 115))
def test_pax_records_count_their_own_length(length: int) -> None:
    path = "é" * length
    assert read(header_of(path)).name == f"top/{path}"


@pytest.mark.parametrize("folder", ["d" * 94, "d" * 95, "d" * 96, "d" * 97, f"{'d' * 60}/{'e' * 60}"])
def test_folder_names(folder: str) -> None:
    info = read(header_of(folder, EntryKind.FOLDER))
    assert (info.name, info.isdir()) == (f"top/{folder}", True)


def test_sizes_beyond_ustar() -> None:
    assert read(header_of("a", size=8**11 - 1)).size == 8**11 - 1
    header = header_of("a", size=8**11)
    assert b"13 size=8589934592\n" not in header
    assert b"19 size=8589934592\n" in header
    info = tarfile.TarInfo.frombuf(header[-512:], "utf-8", "strict")
    assert (info.name, info.size) == ("top/a", 0)


@pytest.mark.parametrize("target", ["t" * 100, "t" * 101, "🐸"])
def test_link_targets(target: str) -> None:
    info = read(header_of("a", EntryKind.SYMLINK, target=target))
    assert (info.linkname, info.issym()) == (target, True)


@pytest.mark.parametrize("mtime", [0, 1_709_294_401, 2**40])
def test_time_stands_once_and_counts_for_all(mtime: int) -> None:
    assert read(header_of("a")).mtime == 315532800
    assert read(stream_start(mtime) + header_of("a")).mtime == mtime
    assert read(stream_start(mtime) + header_of("é")).mtime == mtime


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_padding(size: int) -> None:
    assert (size + len(padding(size))) % 512 == 0
    assert len(padding(size)) < 512


@pytest.mark.parametrize("size", [0, 512, 10240 - 1024, 10240 - 512, 10240])
def test_streams_end_with_whole_records(size: int) -> None:
    end = stream_end(size)
    assert (size + len(end)) % 10240 == 0
    assert 1024 <= len(end) < 10240 + 1024
    assert not any(end)


def test_bytes_are_as_ever() -> None:
    # Another hash means other archives for all users: raise WRITER_REVISION with it.
    stream = stream_start(1_700_000_000) + b"".join(
        [
            tar_header("app", EntryKind.FOLDER, 0o755),
            tar_header("app/bin/python", EntryKind.FILE, 0o755, size=3) + b"abc" + padding(3),
            tar_header("app/bin/🐸", EntryKind.SYMLINK, 0o777, target="python"),
        ]
    )
    stream += stream_end(len(stream))
    assert len(stream) == 10240
    assert hashlib.sha256(stream).hexdigest() == "86238aae2459f959bccffdd0baebe024c11827343cfd5a128bb7e67e8aaf7224"
