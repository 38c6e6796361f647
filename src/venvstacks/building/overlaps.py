"""Files that several packages of one layer install, each with its own content.

Which one uv leaves there depends on the order in which its threads run; a layer must not.
"""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.utils import canonicalize_name

from venvstacks.building.layer_layout import Layout
from venvstacks.building.records import from_site, info_folders, read_record


@dataclass(frozen=True, slots=True)
class Overlap:
    """A file that several packages install.

    Attributes:
        path: The file, relative to the folder that was installed into.
        losers: The packages whose content is not kept, by normalised name.
        winner: The package whose content is kept: the last one by name that ships it.
    """

    path: str
    losers: tuple[str, ...]
    winner: str

    def describe(self, layer: str, installed: Layout, layout: Layout) -> str:
        """Word it as a warning."""
        names = ", ".join(map(repr, self.losers))
        name = installed.translate(self.path, layout).removeprefix(f"{layout.site}/")
        return (
            f"Packages {names} and {self.winner!r} of {layer} all install {name}: that of {self.winner!r} is kept."
        )


def find_overlaps(prefix: Path, layout: Layout) -> tuple[Overlap, ...]:
    """Find the files that several packages installed with different content, sorted by path.

    Programs that entry points ask for are not shipped: they never win, and among themselves are left out.
    """
    owners: dict[str, dict[str, str]] = {}
    commands: set[tuple[str, str]] = set()
    for info in info_folders(prefix / layout.site):
        distribution = PathDistribution(info)
        name = canonicalize_name(distribution.metadata["Name"])
        commands.update((f"{layout.scripts}/{point.name}", name) for point in distribution.entry_points)
        for row in read_record(info / "RECORD"):
            owners.setdefault(from_site(row.path, layout.site), {})[name] = row.digest
    return tuple(
        _overlap(path, digests, shipped)
        for path, digests in sorted(owners.items())
        if len(set(digests.values())) > 1
        and (shipped := {name for name in digests if (path, name) not in commands})
    )


def _overlap(path: str, names: Collection[str], shipped: Collection[str]) -> Overlap:
    winner = max(shipped)
    return Overlap(path, tuple(sorted(set(names) - {winner})), winner)
