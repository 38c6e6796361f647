"""RECORD files that stay true when files move, change or go (standard: *Recording installed projects*)."""

import base64
import csv
import hashlib
import io
import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a RECORD file.

    Attributes:
        path: As written: POSIX, relative to site-packages.
        digest: ``sha256=BASE64``, or empty.
        size: In bytes as decimal text, or empty.
    """

    path: str
    digest: str
    size: str


def read_record(record: Path) -> tuple[Row, ...]:
    """Read a RECORD file."""
    from installer.records import parse_record_file  # noqa: PLC0415 - brings all that parses mail with it

    with record.open(encoding="utf-8", newline="") as file:
        return tuple(Row(*line) for line in parse_record_file(file))


def write_record(record: Path, rows: Iterable[Row]) -> None:
    """Write a RECORD file, sorted by path, in place of the old one.

    The file may be shared with uv's cache through a hard link, so it is replaced, not rewritten.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((row.path, row.digest, row.size) for row in sorted(rows, key=lambda row: row.path))
    replace_file(record, text.getvalue().encode())


def replace_file(path: Path, content: bytes, *, executable: bool = False) -> None:
    """Put a new file in the place of one that may be shared through hard links."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)


def row_of(path: str, content: bytes) -> Row:
    """Describe a file's content as a RECORD line."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return Row(path, f"sha256={digest}", str(len(content)))


def row_of_file(path: str, file: Path) -> Row:
    """Describe a file, however big, as a RECORD line."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
    encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return Row(path, f"sha256={encoded}", str(file.stat().st_size))


def from_site(path: str, site: str) -> str:
    """Return a RECORD path (relative to site-packages) relative to the layer."""
    if not path.startswith((".", "/")) and "/." not in path and "//" not in path and "\\" not in path:
        return f"{site}/{path}"  # as nearly all are; the rest takes ten times as long
    return posixpath.normpath(posixpath.join(site, path.replace(os.sep, "/")))


def to_site(path: str, site: str) -> str:
    """Return a path relative to the layer as RECORD writes it."""
    return posixpath.relpath(path, site)


def info_folders(site_folder: Path) -> tuple[Path, ...]:
    """Return the ``.dist-info`` folders in a site-packages folder, sorted."""
    return tuple(path for path in sorted(site_folder.glob("*.dist-info")) if path.is_dir())
