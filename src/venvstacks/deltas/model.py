"""What a delta holds (described in the reference, *Deltas*)."""

from typing import Any

import msgspec

from venvstacks.archives.index import ContentHash, Count, IndexEntry, Sha256

SUFFIX = ".vdelta"
"""How the file names of deltas end."""

LARGEST_CONTENT = 16 << 20
"""Bytes of the largest content of a frame. What is written now has half as much."""

LARGEST_PREFIX = 64 << 20
"""Bytes of the most that a frame may need of old files. What is written now has half as much."""

HIGHEST_PREFIX_RATIO = 16
"""How many bytes of old files may be read for each byte of new content, on the whole."""

SMALLEST_PREFIX = 8
"""Bytes of the shortest prefix that the codec takes."""


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
        size: Of the frame as it stands in the delta, in bytes.
        content_size: Of what it holds, in bytes.
        sha256: Of its bytes as they stand in the delta, 64 hexadecimal digits.
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
        entries: Of the new layer, folders first. A file's ``frame`` counts from 1, and ``offset`` says where in it
            the content begins; a file with frame 0 is in the old layer already, or empty.
        moved: Path of a file of the new layer -> its path in the old layer, where they differ.
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
    entries: tuple[IndexEntry, ...]
    moved: dict[str, str] = {}


def header_schema() -> dict[str, Any]:
    """Give the JSON Schema of a header's JSON."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Header of a venvstacks delta",
        **msgspec.json.schema(DeltaHeader),
    }
