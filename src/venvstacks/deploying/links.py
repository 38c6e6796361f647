"""Links from a layer's folder to the layers below: symbolic ones, or junctions on Windows."""

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_NO_PRIVILEGE = 1314  # what Windows says to who may not make symbolic links


def make_link(place: Path, target: str) -> bool:
    """Make a link to a folder.

    Args:
        place: Where; nothing may be there.
        target: Where to, relative to the folder of ``place``, with slashes. The folder need not be there yet.

    Returns:
        Whether the file system has links, and this user may make them.
    """
    try:
        place.symlink_to(target.replace("/", os.sep), target_is_directory=True)
    except OSError as error:
        if error.errno not in _NO_LINKS and getattr(error, "winerror", None) != _NO_PRIVILEGE:
            raise
        return _make_junction(place, target)
    return True


def _make_junction(place: Path, target: str) -> bool:
    """Make a junction, which any user may; it holds an absolute path."""
    if sys.platform != "win32":
        return False
    import _winapi  # noqa: PLC0415 - only there on Windows

    try:
        _winapi.CreateJunction(os.path.normpath(place.parent / target), os.fspath(place))
    except OSError:
        return False
    return True


def is_link(place: Path | os.DirEntry[str]) -> bool:
    """Return whether something is a symbolic link or a junction."""
    if place.is_symlink():
        return True
    if sys.platform != "win32":
        return False
    info = place.lstat() if isinstance(place, Path) else place.stat(follow_symlinks=False)
    return info.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT


def leads_to(place: Path, target: str) -> bool:
    """Return whether a link leads where :func:`make_link` lets it lead; a junction may be of another place."""
    with suppress(OSError):
        found = os.readlink(place).replace(os.sep, "/")  # noqa: PTH115 - the text counts
        if sys.platform != "win32" or not is_link(place) or place.is_symlink():
            return found == target
        return place.samefile(place.parent / target)
    return False


def remove_link(place: Path) -> None:
    """Remove a symbolic link or a junction; what it leads to stays."""
    if place.is_symlink():
        place.unlink()
    else:
        place.rmdir()
