"""What git ignores, read from the files that say so; needs no git."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_IGNORE_FILE = ".gitignore"


@dataclass(frozen=True, slots=True)
class _Patterns:
    """The patterns of one file.

    Attributes:
        folder: What they are relative to.
        spec: The patterns.
    """

    folder: Path
    spec: "GitIgnoreSpec"

    def decide(self, path: Path, *, is_folder: bool) -> bool | None:
        """Return whether a path is ignored; None if no pattern fits."""
        relative = path.relative_to(self.folder).as_posix()
        return self.spec.check_file(f"{relative}/" if is_folder else relative).include


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns that hold in a folder, the most general first; none outside a git work tree.

    Attributes:
        sources: The patterns of ``.git/info/exclude``, then of each ``.gitignore`` file from the top down.
        in_work_tree: Whether ``.gitignore`` files count at all.
    """

    sources: tuple[_Patterns, ...] = ()
    in_work_tree: bool = False

    def ignore(self, path: Path, *, is_folder: bool) -> bool:
        """Return whether an entry of the folder is ignored: the most special pattern file that fits decides."""
        for patterns in reversed(self.sources):
            decision = patterns.decide(path, is_folder=is_folder)
            if decision is not None:
                return decision
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


def _read_patterns(file: Path, folder: Path) -> tuple[_Patterns, ...]:
    if not file.is_file():
        return ()
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import, and few stacks have such files

    lines = file.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    return (_Patterns(folder, GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line))),)


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - as above

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False  # git passes over what it cannot read
    return True
