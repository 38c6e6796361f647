"""An archive's index: which frame holds which part of which entry (see the reference, *Frames and indexes*)."""

import hashlib
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from venvstacks.archives import codecs
from venvstacks.documents import DocumentError, Numbered, parse_json
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError

FORMAT = 1
"""Version of the index's form; readers refuse newer ones."""

FETCH_AGAIN = "fetch the archive and its index again, from where they were published"

LARGEST_INDEX = 32 << 20
"""Bytes of the largest index file that is read."""

_LARGEST_TEXT = 128 << 20  # bytes of its JSON: room for half a million entries
_LEVEL = 3  # of the compression; most of it are hashes, which do not become smaller

Count = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
FileSha256 = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", max_length=64)]
ContentHash = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$", max_length=71)]


class Frame(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A part of an archive that can be fetched, verified and decompressed by itself.

    Attributes:
        offset: Where it begins in the archive file, in bytes.
        size: Its size there, in bytes.
        content_size: Its uncompressed size, in bytes.
        sha256: Hash of its bytes as they are in the archive, 64 hexadecimal digits.
    """

    offset: Count
    size: Count
    content_size: Count
    sha256: Sha256


class IndexEntry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A file, folder or symbolic link of an archive.

    Attributes:
        path: POSIX path relative to the layer's folder.
        type: What it is.
        mode: Permission bits.
        size: Bytes of a file's content.
        target: Where a symbolic link points, as written in it.
        sha256: Hash of a file's content, 64 hexadecimal digits.
        frame: Number of the frame in which a file's content begins; it goes on in those that follow.
        offset: Where the content begins in that frame, in uncompressed bytes.
    """

    path: str
    type: EntryKind
    mode: Count
    size: Count = 0
    target: str = ""
    sha256: FileSha256 = ""
    frame: Count = 0
    offset: Count = 0


class ArchiveIndex(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an archive holds, and where.

    Attributes:
        format: Version of this form.
        archive: File name of the archive.
        archive_size: Of the archive file, in bytes.
        codec: ``zstd``, ``xz``, ``gzip`` (tar archives) or ``deflate`` (zip).
        layer_name: Build name of the layer.
        install_target: The only top-level folder of the archive.
        target_platform: Target name.
        mtime: The time of every entry, seconds since 1970.
        content_hash: Of everything that unpacking makes, ``sha256:HEX``.
        differs_in_case: Whether names differ in nothing but case: then only file systems that distinguish such
            names can hold the layer.
        frames: In the order of the archive.
        entries: Folders first; all in the order of the archive.
    """

    format: Count
    archive: str
    archive_size: Count
    codec: codecs.Codec
    layer_name: str
    install_target: str
    target_platform: str
    mtime: Count
    content_hash: ContentHash
    differs_in_case: bool = False
    frames: tuple[Frame, ...]
    entries: tuple[IndexEntry, ...]

    def pieces(self, entry: IndexEntry) -> Iterator[tuple[int, int, int]]:
        """Return where a file's content is: number of a frame, where in its content, and how many bytes."""
        left, number, start = entry.size, entry.frame, entry.offset
        while left:
            size = min(left, self.frames[number].content_size - start)
            yield number, start, size
            left, number, start = left - size, number + 1, 0


def content_hash(entries: Iterable[IndexEntry], mtime: int) -> str:
    """Hash what unpacking an archive makes, whatever its format, codec, level and the name of its folder.

    Args:
        entries: All entries, in any order.
        mtime: Their time, seconds since 1970.

    Returns:
        ``sha256:HEX``.
    """
    lines = [
        (entry.path, entry.type, f"{entry.mode:o}", str(entry.size), entry.target, entry.sha256)
        for entry in sorted(entries, key=lambda entry: entry.path)
    ]
    text = b"%d\n%s" % (mtime, msgspec.json.Encoder().encode_lines(lines))
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def encode_index(index: ArchiveIndex) -> bytes:
    """Return the content of an index file: the same for equal indexes."""
    return codecs.compress_text(msgspec.json.encode(index), _LEVEL)


def decode_index(data: bytes, name: str) -> ArchiveIndex:
    """Read the content of an index file of this name; whether it makes sense is not looked at.

    Raises:
        ArchiveError: It is damaged, or of a newer version.
    """
    try:
        text = codecs.decompress_text(data, _LARGEST_TEXT)
        version = parse_json(text, Numbered).format
        if version <= FORMAT:
            return parse_json(text, ArchiveIndex)
    except (DocumentError, codecs.CodecError) as error:
        raise ArchiveError(f"The index {name} is damaged: {error}.", hint=FETCH_AGAIN) from error
    raise ArchiveError(
        f"The index {name} has format {version}, and this venvstacks knows formats up to {FORMAT}.",
        hint="use the version of venvstacks that made it, or a newer one",
    )


def index_schema() -> dict[str, Any]:
    """Return the JSON Schema of an index's JSON."""
    return describe_schema("Index of a venvstacks archive", ArchiveIndex, Frame, IndexEntry)


def describe_schema(title: str, kind: type[msgspec.Struct], *parts: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a kind and its parts, with descriptions from their docstrings.

    msgspec would take the docstrings as they are, and since Python 3.13 those are no longer indented.
    """
    schema = msgspec.json.schema(kind)
    for each in (kind, *parts):
        model = schema["$defs"][each.__name__]
        fields = model.get("properties") or dict(zip(each.__struct_fields__, model["prefixItems"], strict=True))
        model["description"], _, attributes = inspect.cleandoc(each.__doc__ or "").partition("\n\nAttributes:\n")
        for text in re.split(r"\n(?=    \w)", attributes):
            name, _, description = text.strip().partition(": ")
            fields[name]["description"] = " ".join(description.split()).replace("``", "`")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}
