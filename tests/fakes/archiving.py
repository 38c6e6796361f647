"""Writing and unpacking archives of any folder, without a layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from venvstacks.archives.archive_plan import plan_archive
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.archive_writer import WrittenFile, write_archive
from venvstacks.archives.extraction import unpack_archive
from venvstacks.archives.formats import ArchiveFormat, Profile, profile_for
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.archives.pool import frame_pool
from venvstacks.entries import Entry, scan
from venvstacks.processes import Cancellation
from venvstacks.work import Work

MTIME = 1_709_294_401
TOP = "app@1"


def small_frames(kind: ArchiveFormat, level: int | None = 1, scale: int = 1 << 10) -> Profile:
    """Return a profile with small frames, however those for users are chosen.

    Args:
        kind: The format.
        level: Of the compression.
        scale: Small entries share frames of about 4 times as many bytes; what has more than once as many has its
            own, and is cut whenever it has had 16 times as many.
    """
    return replace(profile_for(kind, level), shared=4 * scale, own=scale, cut=16 * scale)


@dataclass(frozen=True)
class Packed:
    """An archive and its index, and the hash of what unpacking makes."""

    archive: WrittenFile
    index: WrittenFile
    content_hash: str


def pack(
    folder: Path,
    destination: Path,
    kind: ArchiveFormat,
    *,
    level: int | None = None,
    profile: Profile | None = None,
    mtime: int = MTIME,
    entries: Sequence[Entry] | None = None,
    group_of: Callable[[str], str | None] = lambda _: None,
    cache: FrameCache | None = None,
    jobs: int = 2,
    platform: str = "linux_x86_64",
    top: str = TOP,
    layer_name: str = "app",
    progress: Callable[[int], None] = lambda _: None,
    cancellation: Cancellation | None = None,
) -> Packed:
    """Write a folder as an archive."""
    plan = plan_archive(
        scan(folder) if entries is None else entries,
        top,
        mtime=mtime,
        profile=profile or profile_for(kind, level),
        group_of=group_of,
        windows=platform.startswith("win"),
    )
    with frame_pool(Work(jobs=jobs, cancellation=cancellation or Cancellation())) as pool:
        written = write_archive(
            plan,
            folder,
            destination,
            layer_name=layer_name,
            target_platform=platform,
            pool=pool,
            cache=cache,
            progress=progress,
        )
    return Packed(*written)


def unpack(archive: Path, destination: Path, *, jobs: int = 2) -> None:
    """Unpack an archive with the index beside it."""
    with open_archive(archive) as reader, frame_pool(Work(jobs=jobs)) as pool:
        unpack_archive(
            reader,
            destination,
            pool,
            replace=False,
            progress=lambda _: None,
        )


def facts(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return what an archive keeps of a folder, under the paths."""
    return {
        entry.path: (
            entry.type,
            entry.executable,
            entry.target,
            (folder / entry.path).read_bytes() if entry.type == "file" else b"",
        )
        for entry in scan(folder)
    }
