"""The index of an archive: which frame holds which part of which entry (described in the reference, *Archives*)."""

import hashlib
from collections.abc import Iterable

import msgspec

from venvstacks.trees import EntryKind

FORMAT = 1
"""Version of the index's form; readers refuse newer ones."""

SUFFIX = ".index.zst"
"""What is added to an archive's file name to name its index."""


class Frame(msgspec.Struct, frozen=True):
    """A part of an archive that can be fetched, verified and decompressed by itself.

    Attributes:
        offset: Where it begins in the archive file, in bytes.
        size: Its size there, in bytes.
        content_size: Its uncompressed size, in bytes.
        sha256: Hash of its bytes as they stand in the archive, 64 hexadecimal digits.
    """

    offset: int
    size: int
    content_size: int
    sha256: str


class IndexEntry(msgspec.Struct, frozen=True, omit_defaults=True):
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
    mode: int
    size: int = 0
    target: str = ""
    sha256: str = ""
    frame: int = 0
    offset: int = 0


class ArchiveIndex(msgspec.Struct, frozen=True, kw_only=True):
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
        content_hash: Of everything that unpacking makes: see :func:`content_hash`.
        frames: In the order of the archive.
        entries: Folders first; all in the order of the archive.
    """

    format: int
    archive: str
    archive_size: int
    codec: str
    layer_name: str
    install_target: str
    target_platform: str
    mtime: int
    content_hash: str
    frames: tuple[Frame, ...]
    entries: tuple[IndexEntry, ...]


def content_hash(entries: Iterable[IndexEntry], mtime: int) -> str:
    """Hash what unpacking an archive makes, whatever its format, codec, level and the name of its folder.

    Args:
        entries: All entries, in any order.
        mtime: Their time, seconds since 1970.

    Returns:
        ``sha256:HEX``.
    """
    digest = hashlib.sha256(b"%d\n" % mtime)
    for entry in sorted(entries, key=lambda entry: entry.path):
        fields = [entry.path, entry.type, f"{entry.mode:o}", str(entry.size), entry.target, entry.sha256]
        digest.update(msgspec.json.encode(fields) + b"\n")
    return f"sha256:{digest.hexdigest()}"
