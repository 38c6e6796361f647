"""Find out what a native file is."""

import os
from collections.abc import Callable
from pathlib import Path

from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.elf import MAGIC as ELF_MAGIC
from venvstacks.binaries.elf import read_elf
from venvstacks.binaries.macho import MAGICS as MACHO_MAGICS
from venvstacks.binaries.macho import read_macho
from venvstacks.binaries.native_image import Binary, Format
from venvstacks.binaries.pe import MAGIC as PE_MAGIC
from venvstacks.binaries.pe import read_pe
from venvstacks.errors import BinaryFormatError


def read_binary(path: str | Path) -> Binary | None:
    """Read what a file says of itself; only headers and tables are read, and nothing is executed."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path a file is slow
        magic = file.read(4)
        kind = _format(magic)
        if kind is None:
            return None
        reader = Reader(file, os.fstat(file.fileno()).st_size)
        try:
            return _READERS[kind](reader)
        except MalformedError as error:
            raise BinaryFormatError(os.fspath(path), kind, str(error)) from error


def _format(magic: bytes) -> Format | None:
    if magic == ELF_MAGIC:
        return Format.ELF
    if magic in MACHO_MAGICS:
        return Format.MACHO
    return Format.PE if magic.startswith(PE_MAGIC) else None


_READERS: dict[Format, Callable[[Reader], Binary | None]] = {
    Format.ELF: read_elf,
    Format.MACHO: read_macho,
    Format.PE: read_pe,
}
