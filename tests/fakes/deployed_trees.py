"""What a layer of a deployment has to be."""

from pathlib import Path

from venvstacks.archives.index import ArchiveIndex
from venvstacks.archives.pool import FramePool
from venvstacks.archives.tree_comparison import Change, compare_tree


def deployed_difference(folder: Path, index: ArchiveIndex, pool: FramePool) -> str | None:
    """Return where a layer differs from what was published; files shared with older layers have earlier times."""
    for found in compare_tree(folder, index, pool):
        is_shared = found.change is Change.TIME and int((folder / found.path).lstat().st_mtime) < index.mtime
        if found.change is not Change.BYTECODE and not is_shared:
            return f"{found.path}: {found.change}"
    return None
