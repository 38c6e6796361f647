"""What git ignores, read from the files that say so; needs no git."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_IGNORE_FILE = ".gitignore"


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns that hold in a folder; none outside a git work tree.

    ``sources`` has those of each file, with the folder they are relative to: ``.git/info/exclude``, then each
    ``.gitignore`` from the top down.
    """

    sources: "tuple[tuple[Path, GitIgnoreSpec], ...]" = ()
    in_work_tree: bool = False

    def ignore(self, path: Path, *, is_folder: bool) -> bool:
        """Return whether an entry of the folder is ignored: the most special pattern file that fits decides."""
        for folder, spec in reversed(self.sources):
            relative = path.relative_to(folder).as_posix()
            ignored = spec.check_file(f"{relative}/" if is_folder else relative).include
            if ignored is not None:
                return ignored
        return False

    def within(self, folder: Path) -> "IgnoreRules":
        """Return the rules that hold in a subfolder."""
        if not self.in_work_tree:
            return self
        return IgnoreRules((*self.sources, *_read_patterns(folder / _IGNORE_FILE, folder)), in_work_tree=True)


def ignore_rules(folder: Path) -> IgnoreRules:
    """Read the rules that hold in a source folder.

    Settings outside the work tree (``core.excludesFile``) do not count: what goes into a layer must not depend
    on the machine.
    """
    root = next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)
    if root is None:
        return IgnoreRules()
    rules = IgnoreRules(_read_patterns(_git_folder(root) / "info" / "exclude", root), in_work_tree=True)
    rules = rules.within(root)
    current = root
    for part in folder.relative_to(root).parts:
        current /= part
        if rules.ignore(current, is_folder=True):
            return IgnoreRules()
        rules = rules.within(current)
    return rules


def _git_folder(root: Path) -> Path:
    """Return the folder that holds the repository's own files, also for linked work trees and submodules."""
    git = root / ".git"
    if git.is_dir():
        return git
    git = root / _line(git).removeprefix("gitdir:").strip()
    common = git / "commondir"
    return git / _line(common) if common.is_file() else git


def _line(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "surrogateescape").strip()


def _read_patterns(file: Path, folder: Path) -> "tuple[tuple[Path, GitIgnoreSpec], ...]":
    if not file.is_file():
        return ()
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import, and few stacks have such files

    patterns = []
    for line in file.read_bytes().decode("utf-8", "surrogateescape").split("\n"):
        with suppress(ValueError):  # git passes over what it cannot read
            GitIgnoreSpec.from_lines([line])
            patterns.append(line)
    return ((folder, GitIgnoreSpec.from_lines(patterns)),)
