"""Which files of a source module go into a layer, and the module's hash."""

import hashlib
import os
import stat
from pathlib import Path

from venvstacks.definition.git_ignore import IgnoreRules, ignore_rules
from venvstacks.definition.stack import SourceModule
from venvstacks.entries import BYTECODE_FOLDER
from venvstacks.errors import FilesystemError
from venvstacks.files import explain_os_errors, file_sha256, sha256

_GIT_PREFIX = ".git"


def source_files(module: SourceModule) -> tuple[tuple[str, Path], ...]:
    """List the files of a module that go into a layer."""
    with explain_os_errors(f"read module '{module.name}'"):
        if not _is_folder(module.path):
            return ((module.place, module.path),)
        return tuple(
            (f"{module.place}/{file.relative_to(module.path).as_posix()}", file)
            for _, files in _read(module)
            for file in files
        )


def module_hash(module: SourceModule) -> str:
    """Hash a module's names and contents, as venvstacks 0.8 does.

    A file: ``sha256:`` and the hash of its name and then of the text ``sha256:HEX`` of its content. A folder:
    ``sha256/`` and the hash of, for each folder from the top down, its name, then for each of its files the name
    and the text ``sha256:HEX`` of its content.
    """
    with explain_os_errors(f"read module '{module.name}'"):
        if not _is_folder(module.path):
            return f"sha256:{sha256(_file_part(module.path))}"
        digest = hashlib.sha256()
        for folder, files in _read(module):
            digest.update(folder.encode())
            for file in files:
                digest.update(_file_part(file))
        return f"sha256/{digest.hexdigest()}"


def _file_part(file: Path) -> bytes:
    return f"{file.name}sha256:{file_sha256(file)}".encode()


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.stat().st_mode)  # Path.is_dir hides why it cannot be read


def _read(module: SourceModule) -> list[tuple[str, list[Path]]]:
    """List the folders of a module that count, from the top down, as ``os.walk`` does: name and sorted files."""
    real = module.path.resolve(strict=True)
    return _read_folder(module, module.path, ignore_rules(module.path), (real,)) or [(module.path.name, [])]


def _read_folder(
    module: SourceModule, folder: Path, rules: IgnoreRules, above: tuple[Path, ...]
) -> list[tuple[str, list[Path]]]:
    """List a folder and those below it; nothing if all that it holds is left out."""
    with os.scandir(folder) as entries:
        listing = sorted(entries, key=lambda entry: entry.name)
    files: list[Path] = []
    below: list[tuple[str, list[Path]]] = []
    for entry in listing:
        path = folder / entry.name
        is_folder = entry.is_dir()
        # Like git, take a link for a file when names are matched.
        tree = is_folder and not entry.is_symlink()
        if (
            entry.name == BYTECODE_FOLDER
            or entry.name.startswith(_GIT_PREFIX)
            or rules.ignore(path, is_folder=tree)
        ):
            continue
        _check_entry(module, path)
        if is_folder:
            below += _read_folder(module, path, rules.within(path), (*above, _resolve(module, path, above)))
        else:
            files.append(path)
    return [(folder.name, files), *below] if files or below or not listing else []


def _resolve(module: SourceModule, folder: Path, above: tuple[Path, ...]) -> Path:
    """Return the folder that a folder or link really is, if it may be walked; ``above`` begins with the module."""
    real = folder.resolve()
    if not real.is_relative_to(above[0]):
        raise _refusal(
            module, folder, "is a link to a folder outside the module", "copy the folder into the module"
        )
    if real in above:
        raise _refusal(module, folder, "is a link to a folder that holds it", "remove the link")
    return real


def _check_entry(module: SourceModule, path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise _refusal(module, path, "has a name that is not valid Unicode", "rename it") from None
    if not path.exists():
        raise _refusal(module, path, "is a link that leads nowhere", "repair or remove the link")
    if not path.is_file() and not path.is_dir():
        raise _refusal(module, path, "is neither a file nor a folder", "remove it")


def _refusal(module: SourceModule, path: Path, what: str, hint: str) -> FilesystemError:
    shown = ascii(path.relative_to(module.path.parent).as_posix()).strip("'\"")
    return FilesystemError(f"Cannot use module '{module.name}': '{shown}' {what}", hint=hint)
