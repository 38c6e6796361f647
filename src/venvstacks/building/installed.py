"""What is installed in a layer: distributions and their RECORD files (standard: *Recording installed projects*).

A layer's RECORD files are read once, when its packages have been installed. Whoever moves, changes or removes
files then writes those RECORD files again that name them, and passes the changed value on.
"""

import base64
import csv
import hashlib
import io
import os
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoints, PathDistribution
from pathlib import Path

from packaging.utils import canonicalize_name

from venvstacks.entries import BYTECODE_FOLDER

_BYTECODE = f"/{BYTECODE_FOLDER}/"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a RECORD file: POSIX path relative to the layer, ``sha256=BASE64``, size in bytes as decimal text.

    The last two may be empty.
    """

    path: str
    digest: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution.

    ``name`` is normalised, ``info`` the name of its folder in site-packages, ``version`` as that folder has it.
    """

    name: str
    version: str
    info: str
    entry_points: EntryPoints
    rows: tuple[Row, ...]


Installed = tuple[Distribution, ...]
"""What is installed in a folder, sorted by ``info``."""


def read_installed(folder: Path, site: str) -> Installed:
    """Read what is installed in a folder; ``site`` is that of packages, relative to it."""
    return tuple(
        Distribution(
            name_of(info),
            info.name.removesuffix(".dist-info").partition("-")[2],
            info.name,
            PathDistribution(info).entry_points,
            read_record(info / "RECORD", site),
        )
        for info in info_folders(folder / site)
    )


def info_folders(site_folder: Path) -> tuple[Path, ...]:
    """Return the ``.dist-info`` folders in a site-packages folder, sorted."""
    return tuple(path for path in sorted(site_folder.glob("*.dist-info")) if path.is_dir())


def name_of(info: Path) -> str:
    """Return the normalised name of the distribution that a ``.dist-info`` folder describes."""
    return canonicalize_name(info.name.removesuffix(".dist-info").partition("-")[0])


def read_record(record: Path, site: str) -> tuple[Row, ...]:
    """Read a RECORD file; there is none in a folder that no installer made."""
    from installer.records import parse_record_file  # noqa: PLC0415 - brings all that parses mail with it

    if not record.is_file():
        return ()
    with record.open(encoding="utf-8", newline="") as file:
        return tuple(Row(from_site(path, site), digest, size) for path, digest, size in parse_record_file(file))


def write_record(record: Path, rows: Iterable[Row], site: str) -> None:
    """Write a RECORD file, sorted by path, in place of the old one.

    The file may be shared with uv's cache through a hard link, so it is replaced, not rewritten.
    """
    text = io.StringIO()
    lines = sorted(((to_site(row.path, site), row.digest, row.size) for row in rows), key=lambda line: line[0])
    csv.writer(text, lineterminator="\n").writerows(lines)
    replace_file(record, text.getvalue().encode())


def update_records(folder: Path, site: str, installed: Installed, written: Mapping[str, str]) -> Installed:
    """Write those RECORD files again that name files which have changed, or to which others were added.

    ``written`` leads from a file that a distribution has to the one that was written: the same, or a new one.
    """
    updated = []
    for each in installed:
        if files := dict.fromkeys(written[row.path] for row in each.rows if row.path in written):
            kept = (row for row in each.rows if row.path not in files)
            rows = (*kept, *(row_of(file, folder / file) for file in files))
            write_record(folder / site / each.info / "RECORD", rows, site)
            updated.append(replace(each, rows=rows))
        else:
            updated.append(each)
    return tuple(updated)


def replace_file(path: Path, content: bytes, *, executable: bool = False) -> None:
    """Put a new file in the place of one that may be shared through hard links."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)


def row_of(path: str, file: Path) -> Row:
    """Describe a file, however big, as a RECORD line."""
    with file.open("rb", buffering=0) as content:
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
    return path.removeprefix(f"{site}/") if path.startswith(f"{site}/") else posixpath.relpath(path, site)


def distributions_by_path(installed: Installed) -> Callable[[str], str | None]:
    """Return which distribution a file belongs to, by its path; bytecode belongs to that of its module."""
    names = {row.path: distribution.name for distribution in installed for row in distribution.rows}

    def distribution_of(path: str) -> str | None:
        if (name := names.get(path)) is None and _BYTECODE in path:
            parent, _, file = path.rpartition(_BYTECODE)
            return names.get(f"{parent}/{file.partition('.')[0]}.py")
        return name

    return distribution_of
