"""Which files of a source module go into a layer, and the module's hash."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from venvstacks.definition.git_ignore import IgnoreRules, ignore_rules
from venvstacks.definition.stack import SourceModule
from venvstacks.entries import BYTECODE_FOLDER
from venvstacks.errors import FilesystemError
from venvstacks.files import explain_os_error, file_sha256

_GIT_PREFIX = ".git"


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder with what counts in it, sorted by name."""

    name: str
    files: list[Path] = field(default_factory=list)
    folders: "list[_Folder]" = field(default_factory=list)

    def walk(self) -> "list[_Folder]":
        """Return the folder, then those below it, as ``os.walk`` does."""
        return [self, *(below for folder in self.folders for below in folder.walk())]


def source_files(module: SourceModule) -> tuple[tuple[str, Path], ...]:
    """List the files of a module that go into a layer."""
    if not _is_folder(module):
        return ((module.place, module.path),)
    return tuple(
        (f"{module.place}/{file.relative_to(module.path).as_posix()}", file)
        for folder in _read(module).walk()
        for file in folder.files
    )


def module_hash(module: SourceModule) -> str:
    """Hash a module's names and contents, as venvstacks 0.8 does.

    A file: ``sha256:`` and the hash of its name and then of the text ``sha256:HEX`` of its content. A folder:
    ``sha256/`` and the hash of, for each folder from the top down, its name, then for each of its files the name
    and the text ``sha256:HEX`` of its content.
    """
    try:
        if not _is_folder(module):
            return f"sha256:{hashlib.sha256(_file_part(module.path)).hexdigest()}"
        digest = hashlib.sha256()
        for folder in _read(module).walk():
            digest.update(folder.name.encode())
            for file in folder.files:
                digest.update(_file_part(file))
    except OSError as error:
        raise explain_os_error(error, f"read module '{module.name}'") from error
    return f"sha256/{digest.hexdigest()}"


def _file_part(file: Path) -> bytes:
    return f"{file.name}sha256:{file_sha256(file)}".encode()


def _is_folder(module: SourceModule) -> bool:
    try:
        mode = module.path.stat().st_mode
    except OSError as error:
        raise explain_os_error(error, f"read module '{module.name}'") from error
    return stat.S_ISDIR(mode)


def _read(module: SourceModule) -> _Folder:
    try:
        real = module.path.resolve(strict=True)
        found = _Reader(module, real).read(module.path, ignore_rules(module.path), (real,))
    except OSError as error:
        raise explain_os_error(error, f"read module '{module.name}'") from error
    return found or _Folder(module.path.name)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the folders of one module.

    Attributes:
        module: The module.
        real: Its folder, without links.
    """

    module: SourceModule
    real: Path

    def read(self, folder: Path, rules: IgnoreRules, above: tuple[Path, ...]) -> _Folder | None:
        """Read a folder."""
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
        found = _Folder(folder.name)
        for entry in listing:
            path = folder / entry.name
            is_folder = entry.is_dir()
            # Like git, take a link for a file when names are matched.
            tree = is_folder and not entry.is_symlink()
            if _is_excluded(entry.name) or rules.ignore(path, is_folder=tree):
                continue
            if is_folder:
                below = self.read(path, rules.within(path), (*above, self._enter(path, above)))
                if below is not None:
                    found.folders.append(below)
            else:
                self._check_file(path)
                found.files.append(path)
        return found if found.files or found.folders or not listing else None

    def _enter(self, folder: Path, above: tuple[Path, ...]) -> Path:
        """Return the folder that a folder or link really is, if it may be walked."""
        real = folder.resolve()
        if not real.is_relative_to(self.real):
            raise self._refusal(
                folder, "is a link to a folder outside the module", "copy the folder into the module"
            )
        if real in above:
            raise self._refusal(folder, "is a link to a folder that holds it", "remove the link")
        return real

    def _check_file(self, file: Path) -> None:
        if not file.exists():
            raise self._refusal(file, "is a link that leads nowhere", "repair or remove the link")
        if not file.is_file():
            raise self._refusal(file, "is neither a file nor a folder", "remove it")
        try:
            file.name.encode()
        except UnicodeEncodeError:
            raise self._refusal(file, "has a name that is not valid Unicode", "rename it") from None

    def _refusal(self, path: Path, what: str, hint: str) -> FilesystemError:
        shown = ascii(path.relative_to(self.module.path.parent).as_posix()).strip("'\"")
        return FilesystemError(f"Cannot use module '{self.module.name}': '{shown}' {what}", hint=hint)


def _is_excluded(name: str) -> bool:
    return name == BYTECODE_FOLDER or name.startswith(_GIT_PREFIX)
