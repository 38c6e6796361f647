"""What changed."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ChangeStatus(StrEnum):
    """What became of a layer or a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package that was added or removed, or has another version or other files.

    Attributes:
        name: Normalised name.
        old: Version; None if it was added.
        new: Version; None if it was removed. Equal to ``old`` if only the files changed.
    """

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file or link that was added, removed or changed.

    Attributes:
        path: POSIX path relative to the layer's folder.
        old_size: In bytes; None if it was added.
        new_size: In bytes; None if it was removed.
    """

    path: str
    old_size: int | None
    new_size: int | None

    @property
    def status(self) -> ChangeStatus:
        """What became of it."""
        if self.old_size is None:
            return ChangeStatus.ADDED
        return ChangeStatus.REMOVED if self.new_size is None else ChangeStatus.CHANGED

    @property
    def size(self) -> int:
        """Bytes that it has now, or had."""
        return self.new_size if self.new_size is not None else self.old_size or 0


@dataclass(frozen=True, slots=True)
class Fetch:
    """What a client that has the old layers can fetch to get a new one; any of these is enough.

    Attributes:
        archive: Bytes of the whole archive.
        frames: Bytes of the index and of the frames whose files it lacks; None without an index.
        delta: Bytes of a delta; None if there is none.
    """

    archive: int
    frames: int | None
    delta: int | None

    @property
    def least(self) -> int:
        """Bytes of what is smallest."""
        return min(size for size in (self.archive, self.frames, self.delta) if size is not None)


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """What became of a layer.

    Attributes:
        name: Build name.
        platform: Target name; empty for locks.
        status: In one word.
        packages: Those that changed, sorted by name; None if that is not known.
        files: Those that changed, sorted by path; None if that is not known.
        unchanged_files: How many files and links did not change.
        fetch: None for locks, and for layers that were removed or did not change.
    """

    name: str
    platform: str
    status: ChangeStatus
    packages: tuple[PackageChange, ...] | None
    files: tuple[FileChange, ...] | None
    unchanged_files: int
    fetch: Fetch | None

    def sums(self) -> dict[ChangeStatus, tuple[int, int]]:
        """Return for each kind of change the number of files, and their bytes."""
        sums = {ChangeStatus.ADDED: (0, 0), ChangeStatus.REMOVED: (0, 0), ChangeStatus.CHANGED: (0, 0)}
        for change in self.files or ():
            count, size = sums[change.status]
            sums[change.status] = count + 1, size + change.size
        return sums

    def as_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return {
            "layer_name": self.name,
            "target_platform": self.platform or None,
            "status": self.status.value,
            "packages": None if self.packages is None else [asdict(change) for change in self.packages],
            "files": None if self.files is None else self._files_json(),
            "fetch": None if self.fetch is None else {**asdict(self.fetch), "least": self.fetch.least},
        }

    def _files_json(self) -> dict[str, Any]:
        sums = {status.value: {"count": count, "size": size} for status, (count, size) in self.sums().items()}
        changes = [
            {"path": c.path, "status": c.status.value, "old_size": c.old_size, "new_size": c.new_size}
            for c in self.files or ()
        ]
        return {**sums, "unchanged": {"count": self.unchanged_files}, "changes": changes}


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between old and new layers.

    Attributes:
        layers: Platform by platform, sorted by build name.
    """

    layers: tuple[LayerDifference, ...]

    @property
    def least(self) -> int:
        """Bytes that a client which has the old layers must fetch at least."""
        return sum(layer.fetch.least for layer in self.layers if layer.fetch is not None)

    @property
    def archives(self) -> int:
        """Bytes of the whole archives of all layers that were added or changed."""
        return sum(layer.fetch.archive for layer in self.layers if layer.fetch is not None)

    def as_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return {
            "layers": [layer.as_json() for layer in self.layers],
            "fetch": {"archives": self.archives, "least": self.least},
        }
