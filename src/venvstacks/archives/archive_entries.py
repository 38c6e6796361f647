"""What goes into an archive: a folder's entries, checked, grouped and in order."""

from collections.abc import Callable, Sequence

import msgspec

from venvstacks.archives.entry_rules import FOLDER_MODE, LINK_MODE, entry_problem
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import PublishError

GroupOf = Callable[[str], str | None]
"""Names what a path belongs to, of which an update changes all or nothing; None if nothing is known."""

_FOLDERS = (0, "")


class Member(msgspec.Struct, frozen=True, gc=False):
    """An entry as an archive holds it.

    Attributes:
        path: POSIX path relative to the layer's folder.
        type: What it is.
        mode: Permission bits: 0644 or 0755 whatever the umask of the build was; 0777 for links.
        size: Bytes of a file's content.
        target: Where a symbolic link points.
        group: Entries of one group stand together, and share no frame with others.
        changed_ns: When a file was changed, in nanoseconds since 1970.
    """

    path: str
    type: EntryKind
    mode: int
    size: int
    target: str
    group: tuple[int, str]
    changed_ns: int


def members_of(entries: Sequence[Entry], top: str, group_of: GroupOf, *, windows: bool) -> tuple[Member, ...]:
    """Return entries as an archive holds them."""
    # Comparing text compares code points, which have the same order as their UTF-8 bytes.
    members = sorted((_member(e, group_of) for e in entries), key=lambda member: (member.group, member.path))
    if problem := entry_problem(members, top, windows=windows):
        raise PublishError(f"{problem[:1].upper()}{problem[1:]}.")
    return tuple(members)


def _member(entry: Entry, group_of: GroupOf) -> Member:
    if entry.kind is EntryKind.FOLDER:
        return Member(entry.path, entry.kind, FOLDER_MODE, 0, "", _FOLDERS, 0)
    group = group_of(entry.path)
    key = (1, group) if group else (2, entry.path.partition("/")[0])
    if entry.kind is EntryKind.SYMLINK:
        return Member(entry.path, entry.kind, LINK_MODE, 0, entry.link_target, key, 0)
    mode = 0o755 if entry.executable else 0o644
    return Member(entry.path, entry.kind, mode, entry.size, "", key, entry.changed_ns)
