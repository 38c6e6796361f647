"""Archives that are damaged or forged are refused; what is read is what was packed."""

import gc
import lzma
import re
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.archiving import MTIME, pack, small_frames, unpack
from fakes.built_layers import make_tree
from fakes.manifests import archive_manifest, place_manifest
from venvstacks import files
from venvstacks.archives.archive_reader import open_archive, read_index
from venvstacks.archives.codecs import Codec, compress
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_layout import tar_parts
from venvstacks.archives.index import ArchiveIndex, Frame, IndexEntry, content_hash, decode_index, encode_index
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError

CONTENT: dict[str, bytes | str | None] = {
    "bin": None,
    "!bin/python": b"#!/bin/sh\n",
    "bin/python3": "python",
    "lib/large": bytes(range(256)) * 200,
    "lib/small": b"small",
    "lib/empty": b"",
}
formats = pytest.mark.parametrize("kind", ArchiveFormat)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree", CONTENT)


def packed(tree: Path, kind: ArchiveFormat = ArchiveFormat.TAR_ZST) -> Path:
    archive = tree.with_name(f"x.{kind}")
    pack(tree, archive, kind, profile=small_frames(kind))
    return archive


def index_of(archive: Path) -> ArchiveIndex:
    return decode_index(archive.with_name(f"{archive.name}.index.zst").read_bytes(), "it")


def forge(archive: Path, change: Callable[[ArchiveIndex], ArchiveIndex], *, rehash: bool = True) -> None:
    """Change an index as somebody would who knows how it is made."""
    index = change(index_of(archive))
    if rehash:
        index = msgspec.structs.replace(index, content_hash=content_hash(index.entries, index.mtime))
    archive.with_name(f"{archive.name}.index.zst").write_bytes(encode_index(index))


def with_entry(path: str, **changes: Any) -> Callable[[ArchiveIndex], ArchiveIndex]:
    def change(index: ArchiveIndex) -> ArchiveIndex:
        entries = tuple(
            msgspec.structs.replace(each, **changes) if each.path == path else each for each in index.entries
        )
        return msgspec.structs.replace(index, entries=entries)

    return change


def with_frame(number: int, **changes: Any) -> Callable[[ArchiveIndex], ArchiveIndex]:
    def change(index: ArchiveIndex) -> ArchiveIndex:
        frames = list(index.frames)
        frames[number] = msgspec.structs.replace(frames[number], **changes)
        return msgspec.structs.replace(index, frames=tuple(frames))

    return change


def refused(archive: Path) -> str:
    """Return the message with which an archive is refused, and ensure that nothing of it was left."""
    destination = archive.parent / "out" / "app"
    with pytest.raises(ArchiveError) as caught:
        unpack(archive, destination)
    out = archive.parent / "out"
    assert not out.exists() or list(out.iterdir()) == []
    return caught.value.message


def make_tar(
    archive: Path,
    entries: list[IndexEntry],
    contents: dict[str, bytes],
    *,
    top: str = "app@1",
    **changes: Any,
) -> None:
    """Write an archive of one frame, whatever it holds, with an index that describes it truly."""
    stream = b""
    places: dict[str, int] = {}
    for part in tar_parts(entries, top, MTIME):
        if isinstance(part, bytes):
            stream += part
        else:
            places[part.entry.path] = len(stream)
            stream += contents[part.entry.path]
    data = compress(Codec.ZSTD, 1, len(stream), [stream])
    archive.write_bytes(data)
    listed = tuple(
        msgspec.structs.replace(
            entry,
            offset=places.get(entry.path, 0),
            sha256=files.sha256(contents.get(entry.path, b"")) if entry.type is EntryKind.FILE else "",
        )
        for entry in entries
    )
    facts: dict[str, Any] = {
        "format": 1,
        "archive": archive.name,
        "archive_size": len(data),
        "codec": Codec.ZSTD,
        "layer_name": "app",
        "install_target": top,
        "target_platform": "linux_x86_64",
        "mtime": MTIME,
        "content_hash": content_hash(listed, MTIME),
        "frames": (Frame(0, len(data), len(stream), files.sha256(data)),),
        "entries": listed,
    }
    index = ArchiveIndex(**{**facts, **changes})
    archive.with_name(f"{archive.name}.index.zst").write_bytes(encode_index(index))


def file(path: str, content: bytes = b"x") -> IndexEntry:
    return IndexEntry(path, EntryKind.FILE, 0o644, len(content))


def test_archives_of_other_makers_are_read(tmp_path: Path) -> None:
    entries = [IndexEntry("lib", EntryKind.FOLDER, 0o755), file("lib/a", b"abc"), file("b", b"")]
    make_tar(tmp_path / "x.tar.zst", entries, {"lib/a": b"abc"})
    unpack(tmp_path / "x.tar.zst", tmp_path / "out")
    assert (tmp_path / "out/lib/a").read_bytes() == b"abc"
    assert (tmp_path / "out/b").read_bytes() == b""


HOSTILE: list[tuple[list[IndexEntry], str]] = [
    ([file("/tmp/x")], "the path '/tmp/x' is absolute"),  # noqa: S108 - nothing is put there
    ([file("../x")], "the path '../x' leads out of its folder"),
    ([file("a"), file("a")], "'a' is there twice"),
    ([file("a"), file("A")], "'a' and 'A' are one name where case does not count"),
    ([IndexEntry("a", EntryKind.SYMLINK, 0o777, target="/etc")], "the link 'a' is absolute (it leads to '/etc')"),
    (
        [IndexEntry("a", EntryKind.SYMLINK, 0o777, target="../../x")],
        "the link 'a' leads out of the stack (to '../../x')",
    ),
    (
        [IndexEntry("a", EntryKind.SYMLINK, 0o777, target="b"), file("a/x")],
        "'a/x' lies in 'a', which is a symlink",
    ),
    ([IndexEntry("a", EntryKind.FILE, 0o4755, 1)], "'a' has the mode 4755, which no file of a layer has"),
]


@pytest.mark.parametrize(("entries", "message"), HOSTILE, ids=[message for _, message in HOSTILE])
def test_hostile_entries_are_refused_by_name(tmp_path: Path, entries: list[IndexEntry], message: str) -> None:
    make_tar(tmp_path / "x.tar.zst", entries, {entry.path: b"x" for entry in entries})
    assert refused(tmp_path / "x.tar.zst") == f"The index x.tar.zst.index.zst is refused: {message}."


@pytest.mark.parametrize("top", ["..", ".", "a/b", "/x", ""])
def test_hostile_folders_are_refused(tmp_path: Path, top: str) -> None:
    make_tar(tmp_path / "x.tar.zst", [file("a")], {"a": b"x"}, top=top)
    assert f"{top!r} cannot be the name of a layer's folder" in refused(tmp_path / "x.tar.zst")


def test_names_that_differ_in_case_are_unpacked_where_that_was_foreseen(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.zst", [file("a"), file("A")], {"a": b"x", "A": b"y"}, differs_in_case=True)
    unpack(tmp_path / "x.tar.zst", tmp_path / "out")
    assert (tmp_path / "out/a").read_bytes() != (tmp_path / "out/A").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_entry("lib/small", size=10**15), "frames contain less than there is"),
        (with_entry("lib/large", size=10**6), "frames contain less than there is"),
        (with_entry("lib/small", offset=0), "'lib/small' is declared to be where it cannot be"),
        (with_entry("lib/small", frame=0), "'lib/small' is declared to be where it cannot be"),
        (with_entry("lib/small", sha256=""), "the hash of 'lib/small' is not there"),
        (with_entry("lib", sha256="0" * 64), "the hash of 'lib' is there"),
        (with_frame(1, content_size=0), "frame 1 is declared to contain 0 bytes"),
        (with_frame(1, content_size=10**9), "frame 1 is declared to contain 1000000000 bytes"),
        (with_frame(1, size=10**9), "frame 1 is declared to have 1000000000 bytes"),
        (with_frame(1, size=1), "frame 2 is declared to begin at"),
        (with_frame(1, offset=0), "frame 1 is declared to begin at 0"),
        (with_frame(-1, size=2), "its frames end at"),
        (lambda index: msgspec.structs.replace(index, mtime=2**50), "the time 1125899906842624 is too late"),
        (lambda index: msgspec.structs.replace(index, layer_name="a\x1b[2J"), "cannot be the name of a layer"),
        (lambda index: msgspec.structs.replace(index, layer_name=""), "cannot be the name of a layer"),
        (lambda index: msgspec.structs.replace(index, target_platform="x" * 256), "cannot be the name of a layer"),
        (lambda index: msgspec.structs.replace(index, archive="../x"), "cannot be the name of an archive"),
        (lambda index: msgspec.structs.replace(index, archive_size=1), "its frames end at"),
        (lambda index: msgspec.structs.replace(index, frames=index.frames[:-1]), "its frames end at"),
        (lambda index: msgspec.structs.replace(index, frames=()), "its frames end at 0"),
    ],
)
def test_indexes_that_contradict_themselves_are_refused(
    tree: Path, change: Callable[[ArchiveIndex], ArchiveIndex], message: str
) -> None:
    archive = packed(tree)
    forge(archive, change)
    with pytest.raises(ArchiveError, match=message) as caught:
        read_index(archive)
    assert caught.value.message.startswith("The index x.tar.zst.index.zst is refused: ")


def test_content_hash_must_be_that_of_the_entries(tree: Path) -> None:
    archive = packed(tree)
    forge(archive, with_entry("bin/python", mode=0o644), rehash=False)
    assert "its content hash is not that of its entries" in refused(archive)


@formats
def test_forged_entries_contradict_headers_or_contents(tree: Path, kind: ArchiveFormat) -> None:
    archive = packed(tree, kind)
    forge(archive, with_entry("lib/small", sha256="0" * 64))
    assert (
        refused(archive)
        == f"The archive {archive.name} is damaged: the content of 'lib/small' does not match its index."
    )
    packed(tree, kind)
    forge(archive, with_entry("lib/large", sha256="0" * 64))
    assert "'lib/large'" in refused(archive)
    packed(tree, kind)
    forge(archive, with_entry("lib/empty", sha256="0" * 64))
    assert "'lib/empty'" in refused(archive)


@pytest.mark.parametrize(
    "change",
    [
        with_entry("bin/python", mode=0o644),
        with_entry("bin/python3", target="pythom"),
        with_entry("lib/small", size=4),  # all else stays in its place, as contents are padded
        with_entry("lib/small", size=6),
        lambda index: msgspec.structs.replace(index, install_target="app@2"),
        lambda index: msgspec.structs.replace(index, mtime=MTIME + 1),
    ],
)
def test_headers_of_a_tar_stream_are_compared(tree: Path, change: Callable[[ArchiveIndex], ArchiveIndex]) -> None:
    archive = packed(tree)
    forge(archive, change)
    assert "contradicts the index" in refused(archive)


@formats
def test_frames_that_hold_more_than_the_index_says(tree: Path, kind: ArchiveFormat) -> None:
    archive = packed(tree, kind)
    index = index_of(archive)
    number = next(entry.frame for entry in index.entries if entry.path == "lib/large")
    frame = index.frames[number]
    bomb = compress(index.codec, 1, 50 << 20, [bytes(50 << 20)])
    data = archive.read_bytes()
    archive.write_bytes(data[: frame.offset] + bomb + data[frame.offset + frame.size :])

    def change(index: ArchiveIndex) -> ArchiveIndex:
        frames = list(index.frames)
        frames[number] = msgspec.structs.replace(frame, size=len(bomb), sha256=files.sha256(bomb))
        for later in range(number + 1, len(frames)):
            moved = frames[later].offset + len(bomb) - frame.size
            frames[later] = msgspec.structs.replace(frames[later], offset=moved)
        return msgspec.structs.replace(index, frames=tuple(frames), archive_size=archive.stat().st_size)

    forge(archive, change)
    assert " more than the " in refused(archive) or "is declared to have" in refused(archive)


def test_archives_made_to_fill_disks_are_refused(tree: Path) -> None:
    archive = packed(tree)

    def change(index: ArchiveIndex) -> ArchiveIndex:
        size = index.archive_size
        frames = (*index.frames, *(Frame(size + number, 1, 90_000_000, "0" * 64) for number in range(50)))
        return msgspec.structs.replace(index, frames=frames, archive_size=size + 50)

    forge(archive, change)
    assert re.search(r"would become 4\.5 GB, which looks like an archive made to fill disks", refused(archive))


@formats
def test_damaged_frames_are_not_decompressed(tree: Path, kind: ArchiveFormat) -> None:
    archive = packed(tree, kind)
    frame = index_of(archive).frames[2]
    data = bytearray(archive.read_bytes())
    data[frame.offset + frame.size // 2] ^= 1
    archive.write_bytes(data)
    assert refused(archive) == (
        f"The archive {archive.name} is damaged: frame 2 is not the one that the index describes."
    )


def test_archive_of_another_size(tree: Path) -> None:
    archive = packed(tree)
    size = archive.stat().st_size
    archive.write_bytes(archive.read_bytes() + b"x")
    assert refused(archive) == f"The archive x.tar.zst has {size + 1} bytes, and its index says {size}."


def test_missing_index_is_explained(tree: Path) -> None:
    archive = packed(tree)
    archive.with_name("x.tar.zst.index.zst").unlink()
    with pytest.raises(
        ArchiveError, match=r"The archive x.tar.zst has no index: .*x.tar.zst.index.zst is not there."
    ) as e:
        read_index(archive)
    assert "open the archive with tar or unzip" in str(e.value.hint)


def test_missing_archive_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"There is no archive .*absent\.tar\.zst\."):
        read_index(tmp_path / "absent.tar.zst")


def describe(archive: Path, **changes: Any) -> Path:
    index = archive.with_name(f"{archive.name}.index.zst")
    facts = {
        "archive_name": archive.name,
        "archive_index_name": index.name,
        "archive_index_size": index.stat().st_size,
        "archive_index_hashes": {"sha256": files.file_sha256(index)},
    }
    return place_manifest(archive.parent, archive_manifest("app", **{**facts, **changes}))


def test_index_is_compared_with_the_manifest_beside_it(tree: Path) -> None:
    archive = packed(tree)
    manifest = describe(archive)
    read_index(archive)
    forge(archive, lambda index: msgspec.structs.replace(index, layer_name="bpp"))
    assert refused(archive) == (
        f"The index x.tar.zst.index.zst is not the one that {manifest} describes: it was damaged or exchanged."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"archive_index_name": "other"},
        {"archive_index_size": 1},
        {"archive_index_hashes": {"sha256": "0" * 64}},
        {"archive_index_hashes": {"md5": ""}},
    ],
)
def test_every_fact_of_the_manifest_counts(tree: Path, change: dict[str, Any]) -> None:
    archive = packed(tree)
    describe(archive, **change)
    assert "is not the one that" in refused(archive)


def test_manifests_of_other_archives_and_of_older_versions_do_not_count(tree: Path) -> None:
    archive = packed(tree)
    describe(archive, archive_name="y.tar.zst", archive_index_size=1)
    place_manifest(archive.parent, archive_manifest("old", archive_name=archive.name))
    (archive.parent / "__venvstacks__/env_metadata/bad.json").write_text("{")
    read_index(archive)


@formats
def test_files_are_read_piece_by_piece(tree: Path, kind: ArchiveFormat) -> None:
    with open_archive(packed(tree, kind)) as reader:
        entries = {entry.path: entry for entry in reader.index.entries}
        pieces = list(reader.content(entries["lib/large"]))
        assert b"".join(pieces) == CONTENT["lib/large"]
        assert len(pieces) > 3
        assert list(reader.content(entries["lib/empty"])) == []


def test_frames_and_index_are_freed_with_the_reader(tree: Path) -> None:
    gc.disable()
    try:
        with open_archive(packed(tree)) as reader:
            for entry in reader.index.entries:
                assert entry.type is not EntryKind.FILE or len(b"".join(reader.content(entry))) == entry.size
        alive = weakref.ref(reader)
        del reader
        assert alive() is None
    finally:
        gc.enable()


def test_last_piece_comes_only_if_the_content_is_right(tree: Path) -> None:
    archive = packed(tree)
    forge(archive, with_entry("lib/large", sha256="0" * 64))
    with open_archive(archive) as reader:
        (entry,) = (each for each in reader.index.entries if each.path == "lib/large")
        got: list[bytes] = []
        with pytest.raises(ArchiveError, match="the content of 'lib/large'"):
            got.extend(reader.content(entry))
        assert 0 < sum(map(len, got)) < entry.size


def test_frames_are_plain_members_of_their_formats(tree: Path) -> None:
    readers: dict[ArchiveFormat, Callable[[bytes], bytes]] = {
        ArchiveFormat.TAR_XZ: lzma.decompress,
        ArchiveFormat.TAR_GZ: lambda data: zlib.decompress(data, 31),
    }
    for kind, read in readers.items():
        archive = packed(tree, kind)
        data = archive.read_bytes()
        for frame in index_of(archive).frames:
            assert len(read(data[frame.offset : frame.offset + frame.size])) == frame.content_size
