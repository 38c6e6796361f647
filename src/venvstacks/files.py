"""Files that are whole or absent: atomic writes, canonical JSON, hashes, removal.

Everything is written beside its final name, flushed and renamed over it, so that a process killed at any
moment leaves the old file or the new one.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from venvstacks.errors import FilesystemError

if sys.platform == "linux":
    import fcntl

TEMPORARY_PREFIX = ".venvstacks-tmp-"
"""What unfinished files and folders are called; whatever bears it may be removed by the next run."""

_FICLONE = 0x40049409


def explain_os_error(error: OSError, doing: str) -> FilesystemError:
    """Turn an operating system error into one message."""
    # of a copy, the second name is where to, which is where things go wrong
    path = error.filename2 or error.filename
    where = f" ({path})" if path else ""
    hints = {
        errno.ENOSPC: "free some space, or choose another folder, and run the command again",
        errno.EDQUOT: "your disk quota is used up: free some space and run the command again",
        errno.EFBIG: "the file system or a limit of your account allows no file of this size",
        errno.EACCES: "check the permissions of the folder",
        errno.EPERM: "check the permissions of the folder",
        errno.EROFS: "the file system is read-only: choose another folder",
    }
    reason = error.strerror or str(error)
    return FilesystemError(f"Cannot {doing}: {reason}{where}", hint=hints.get(error.errno or 0))


@contextmanager
def explain_os_errors(doing: str) -> Iterator[None]:
    """Turn operating system errors of a block, which does something such as ``read module 'm'``, into messages."""
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, doing) from error


def temporary_beside(path: Path) -> Path:
    """Return an unused name in the folder of ``path``, for something that will be renamed to ``path``."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary file name that becomes ``path`` when the block ends well.

    The caller creates the file under the temporary name. It is flushed to disk and renamed; on an error it
    is removed and ``path`` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Let the operating system write a file's content to the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Let the operating system write a folder's names to the disk, where that is possible."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no such thing
            raise
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> bool:
    """Write a file atomically, unless it has this content already."""
    try:
        if path.read_bytes() == content:
            return False
    except OSError:
        pass  # missing or unreadable: writing shows which
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return True


def write_text(path: Path, text: str) -> bool:
    """Write a UTF-8 text file with plain line feeds, as :func:`write_bytes` does."""
    return write_bytes(path, text.encode())


def canonical_json(value: Any) -> str:  # noqa: ANN401 - whatever json can encode
    """Encode as the project's JSON: UTF-8, two-space indent, sorted keys, newline at the end."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def json_hash(value: Any) -> str:  # noqa: ANN401 - whatever json can encode
    """Hash a value through its canonical JSON: ``sha256:HEX``."""
    return f"sha256:{sha256(canonical_json(value).encode())}"


def sha256(content: bytes) -> str:
    """Hash bytes: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash a file's content: 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write bytes to an open file, of which the operating system may take a part at a time."""
    done = os.write(descriptor, data)
    if done < len(data):
        rest = memoryview(data)[done:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def clone(reading: int, writing: int) -> None:
    """Let a new file share the blocks of another on the disk, until one of the two is written to."""
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    fcntl.ioctl(writing, _FICLONE, reading)


def remove_tree(path: Path) -> None:
    """Remove a file, or a folder and all in it, read-only parts included; nothing happens if it is absent."""
    _remove(path, path, set())


def _remove(path: Path, root: Path, tried: set[str]) -> None:
    def make_writable_and_retry(function: Callable[..., Any], name: str, error: BaseException) -> None:
        if isinstance(error, FileNotFoundError):
            return
        if name in tried or not isinstance(error, PermissionError):
            raise error
        tried.add(name)
        target = Path(name)
        if target != root:  # what holds the whole is not ours to change
            target.parent.chmod(stat.S_IRWXU)
        if target.is_dir() and not target.is_symlink():
            target.chmod(stat.S_IRWXU)
            _remove(target, root, tried)
            return
        if os.name == "nt":  # elsewhere the folder decides, and the file may be shared with uv's cache
            target.chmod(stat.S_IWRITE)
        function(name)

    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    elif sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=make_writable_and_retry)
    else:
        shutil.rmtree(path, onerror=lambda function, name, info: make_writable_and_retry(function, name, info[1]))


def replace_tree(new: Path, path: Path) -> None:
    """Put a finished folder in the place of ``path``.

    The old folder is renamed away first, so ``path`` is the old tree, absent for an instant, or the new
    tree, never a mixture. If the new one cannot be put there, the old one is put back.
    """
    old = temporary_beside(path)
    had_old = os.path.lexists(path)
    if had_old:
        path.replace(old)
    try:
        new.replace(path)
    except OSError:
        if had_old:
            old.replace(path)
        raise
    if had_old:
        remove_tree(old)


def remove_leftovers(folder: Path) -> None:
    """Remove what an interrupted run left in a folder under temporary names."""
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name.startswith(TEMPORARY_PREFIX):
                remove_tree(entry)
