"""Reading archives with the standard library, to compare them with the folders they were made of."""

import gzip
import io
import lzma
import stat
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from venvstacks.archives.formats import ArchiveFormat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@dataclass(frozen=True)
class Read:
    """A member as a reader sees it; content is a link's target, and None for a folder."""

    content: bytes | str | None
    mode: int
    time: tuple[int, ...] | float


def stream(path: Path, format: ArchiveFormat) -> bytes:  # noqa: A002
    """Return the tar stream in an archive."""
    packed = path.read_bytes()
    match format:
        case ArchiveFormat.TAR_GZ:
            return gzip.decompress(packed)
        case ArchiveFormat.TAR_XZ:
            return lzma.decompress(packed)
        case _:
            return zstd.decompress(packed)


def read_archive(path: Path, format: ArchiveFormat) -> dict[str, Read]:  # noqa: A002
    """Return an archive's members under their names, in order."""
    return _read_zip(path) if format is ArchiveFormat.ZIP else read_tar(stream(path, format))


def read_tar(stream: bytes) -> dict[str, Read]:
    found: dict[str, Read] = {}
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        for info in archive:
            assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")
            content: bytes | str | None = info.linkname if info.issym() else None
            if info.isfile():
                file = archive.extractfile(info)
                assert file is not None
                content = file.read()
            assert info.name not in found
            found[info.name] = Read(content, info.mode, info.mtime)
    return found


def _read_zip(path: Path) -> dict[str, Read]:
    found: dict[str, Read] = {}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            assert info.create_system == 3
            assert info.flag_bits & 0x800
            mode = info.external_attr >> 16
            content: bytes | str | None = None
            if stat.S_ISLNK(mode):
                content = archive.read(info).decode()
            elif not info.is_dir():
                assert stat.S_ISREG(mode)
                content = archive.read(info)
            name = info.filename.removesuffix("/")
            assert name not in found
            found[name] = Read(content, stat.S_IMODE(mode), info.date_time)
    return found
