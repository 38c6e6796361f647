"""Deciding from which published states deltas lead to a layer."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from venvstacks.archives.formats import DELTA_SUFFIX, ArchiveFormat
from venvstacks.errors import PublishError
from venvstacks.publishing.delta_bases import OldState

_HASH_DIGITS = 16  # of a content hash in a file name


@dataclass(frozen=True, slots=True)
class PlannedDelta:
    """A delta that will be made, if it turns out to be worth it.

    Attributes:
        old: Where it leads from.
        name: Its file name.
    """

    old: OldState
    name: str


def archive_stem(name: str) -> str:
    """Return an archive's name without the ending that tells its format."""
    return next(name.removesuffix(f".{kind.value}") for kind in ArchiveFormat if name.endswith(f".{kind.value}"))


def delta_pattern(stem: str) -> re.Pattern[str]:
    """Return what the names of deltas that lead to an archive match."""
    return re.compile(rf"{re.escape(stem)}\.from-[0-9a-f]{{{_HASH_DIGITS}}}{re.escape(DELTA_SUFFIX)}")


def plan_deltas(
    states: Sequence[OldState], count: int, *, title: str, stem: str, reached: Collection[str]
) -> tuple[PlannedDelta, ...]:
    """Choose states of a layer; nothing is read or written."""
    chosen: dict[str, PlannedDelta] = {}
    for old in states:
        if old.content_hash in chosen or old.content_hash in reached:
            continue
        if not old.asked:
            if count == 0:
                continue
            count -= 1
        if not old.present or not old.content_hash:
            missing = "it or its index is not there" if old.content_hash else "it was published without an index"
            raise PublishError(
                f"There can be no delta for {title} from the archive {old.archive}: {missing}.",
                hint="restore what was published, or leave it out of --delta-from",
            )
        digits = old.content_hash.removeprefix("sha256:")[:_HASH_DIGITS]
        chosen[old.content_hash] = PlannedDelta(old, f"{stem}.from-{digits}{DELTA_SUFFIX}")
    return tuple(chosen.values())
