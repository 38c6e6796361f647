"""What goes into an archive: a folder's entries under their names in it, checked and in order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from venvstacks.errors import PublishError
from venvstacks.trees import Entry, EntryKind

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Member:
    """An entry under its name in an archive.

    Attributes:
        name: UTF-8 path in the archive, ``/`` between its parts and none at its end.
        link_target: UTF-8 target of a symbolic link; empty for the others.
        entry: The entry; its path is relative to the archived folder.
    """

    name: bytes
    link_target: bytes
    entry: Entry

    @property
    def mode(self) -> int:
        """Permission bits: 0644 or 0755 whatever the umask of the build was; 0777 for links."""
        if self.entry.kind is EntryKind.SYMLINK:
            return 0o777
        return 0o755 if self.entry.kind is EntryKind.FOLDER or self.entry.executable else 0o644


def members_of(entries: Sequence[Entry], top: str) -> tuple[Member, ...]:
    """Name entries as an archive holds them.

    Args:
        entries: What a folder holds, in any order.
        top: Name of the only top-level folder of the archive.

    Returns:
        The top folder, then the entries sorted by the bytes of their names: folders before what they hold.

    Raises:
        PublishError: A name is not valid Unicode, or a link leads neither into the layer nor to a sibling.
    """
    members = [Member(top.encode(), b"", Entry("", EntryKind.FOLDER))]
    for entry in entries:
        if entry.kind is EntryKind.SYMLINK:
            _check_link(entry, top)
        try:
            members.append(Member(f"{top}/{entry.path}".encode(), entry.link_target.encode(), entry))
        except UnicodeEncodeError:
            raise PublishError(f"The name of {entry.path!r} is not valid Unicode.") from None
    return tuple(sorted(members, key=lambda member: member.name))


def _check_link(entry: Entry, top: str) -> None:
    target = entry.link_target
    if target.startswith("/") or _DRIVE.match(target):
        raise PublishError(f"The link {entry.path!r} is absolute (it leads to {target!r}).")
    place = [top, *entry.path.split("/")[:-1]]
    for part in target.split("/"):
        if part == ".." and place:
            place.pop()
        elif part == "..":
            break
        elif part not in ("", "."):
            place.append(part)
    else:
        if place:
            return
    raise PublishError(f"The link {entry.path!r} leads out of the stack (to {target!r}).")
