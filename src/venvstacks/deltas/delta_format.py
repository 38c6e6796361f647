"""What a delta holds (described in the reference, *Deltas*)."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from venvstacks.archives.index import ContentHash, Count, IndexEntry, Sha256, describe_schema

LARGEST_CONTENT = 16 << 20
"""Bytes of the largest content of a frame. What is written now has half as much."""

LARGEST_PREFIX = 64 << 20
"""Bytes of the most that a frame may need of old files. What is written now has half as much."""

HIGHEST_PREFIX_RATIO = 16
"""How many bytes of old files may be read for each byte of new content, on the whole."""

SMALLEST_PREFIX = 8
"""Bytes of the shortest prefix that the codec takes."""


SHORT = 16
"""Hexadecimal digits that the header has of the hashes of kept files."""

ShortOrFull = Annotated[str, Meta(pattern=f"^([0-9a-f]{{{SHORT}}}|[0-9a-f]{{64}})?$", max_length=64)]


class DeltaEntry(IndexEntry, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A file, folder or symbolic link of the new layer.

    Hashes of kept files take most of a header, and none of them is needed to know whether the result is right: the
    content hash says that, for which all of them are computed. The first digits say which file is wrong.

    Attributes:
        path: POSIX path relative to the layer's folder.
        type: What it is.
        mode: Permission bits.
        size: Bytes of a file's content.
        target: Where a symbolic link points, as written in it.
        sha256: Hash of a file's content: of a kept file the first digits, of a new one all of them.
        frame: Number of the frame in which a new file's content begins, counted from 1; it goes on in those that
            follow. 0 for kept files: they are in the old layer already, or empty.
        offset: Where the content begins in that frame, in uncompressed bytes.
    """

    sha256: ShortOrFull = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An old file that new content is decompressed against.

    Attributes:
        path: POSIX path relative to the old layer's folder.
        size: In bytes.
        sha256: Of its content, 64 hexadecimal digits.
    """

    path: str
    size: Count
    sha256: Sha256


class Stretch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of an old file.

    Attributes:
        source: Number of the file among the sources.
        start: Where the part begins, in bytes.
        size: Of the part, in bytes.
    """

    source: Count
    start: Count
    size: Count


class DeltaFrame(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A zstd frame with new content.

    Attributes:
        size: Of the frame as it is in the delta, in bytes.
        content_size: Of what it holds, in bytes.
        sha256: Of its bytes as they are in the delta, 64 hexadecimal digits.
        prefix: What the decompressor has to be given as prefix: parts of old files, put together.
    """

    size: Count
    content_size: Count
    sha256: Sha256
    prefix: tuple[Stretch, ...] = ()


class DeltaHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a delta makes, of what.

    Attributes:
        layer_name: Build name of the layer.
        target_platform: Target name.
        old_content_hash: Of the old layer.
        content_hash: Of the new layer.
        install_target: Name of the new layer's folder.
        archive: File name of the archive with the whole new layer.
        mtime: The time of every entry of the new layer, seconds since 1970.
        sources: Old files that frames need.
        frames: In the order of the delta.
        entries: Of the new layer, folders first.
        moved: Path of a kept file -> its path in the old layer, where they differ.
    """

    layer_name: str
    target_platform: str
    old_content_hash: ContentHash
    content_hash: ContentHash
    install_target: str
    archive: str
    mtime: Count
    sources: tuple[Source, ...] = ()
    frames: tuple[DeltaFrame, ...] = ()
    entries: tuple[DeltaEntry, ...]
    moved: dict[str, str] = {}


def header_schema() -> dict[str, Any]:
    """Return the JSON Schema of a header's JSON."""
    return describe_schema("Header of a venvstacks delta", DeltaHeader, DeltaFrame, DeltaEntry, Source, Stretch)
