"""Read the headers of a PE file.

Source: Microsoft's *PE Format* (the PE/COFF specification). Sizes and offsets are bytes. An *RVA* is an
address relative to where the image will be loaded.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.native_image import Format, Image, Kind, NativeFile

MAGIC = b"MZ"

_DOS_SIZE = 64
_PLACE = struct.Struct("<60xI")
_COFF = struct.Struct("<4sHHIIIHH")
_SECTION = struct.Struct("<8xIIII16x")
_DIRECTORY = struct.Struct("<II")
_IMPORT = struct.Struct("<IIIII")
_DELAYED = struct.Struct("<IIIIIIII")
_EXPORTED_NAME = struct.Struct("<12xI")
_NUMBER = struct.Struct("<I")

_MACHINES = {0x14C: "i686", 0x8664: "amd64", 0xAA64: "arm64", 0x1C4: "arm32"}
_BITS = {0x10B: 32, 0x20B: 64}
_IMAGE, _LIBRARY = 0x0002, 0x2000  # IMAGE_FILE_EXECUTABLE_IMAGE, IMAGE_FILE_DLL
_NO_PROCESS = {1, 10, 11, 12, 13, 16}  # subsystems: drivers, EFI and boot programs
_EXPORTS, _IMPORTS, _DELAYED_IMPORTS, _DOTNET = 0, 1, 13, 14
_SUBSYSTEM_PLACE = 68
_DIRECTORIES_PLACE = {32: 92, 64: 108}  # where the number of directories is
_MOST_DIRECTORIES = 16
_MOST_IMPORTS = 4096
_USES_RVAS = 1


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the parts of an image are."""

    reader: Reader
    sections: tuple[tuple[int, int, int], ...]  # RVA, size and place in the file
    directories: tuple[tuple[int, ...], ...]  # RVA and size

    def offset(self, address: int) -> int:
        """Return the place in the file of an RVA."""
        for start, size, place in self.sections:
            if start <= address < start + size:
                return address - start + place
        raise MalformedError(f"no section holds the address {address:#x}")

    def directory(self, number: int) -> int:
        """Return the RVA of a directory; 0 if it is absent."""
        return self.directories[number][0] if number < len(self.directories) else 0


def read_pe(reader: Reader) -> tuple[Image, ...]:
    """Read a PE file; no image if it is a program for DOS, or no program at all."""
    if reader.size < _DOS_SIZE:
        return ()
    place = reader.unpack(_PLACE, 0)[0]
    if place + _COFF.size > reader.size or reader.at(place, 4) != b"PE\0\0":
        return ()
    return (_image(reader, place),)


def _image(reader: Reader, place: int) -> Image:
    _, machine, sections, _, _, _, size, flags = _COFF.unpack(reader.at(place, _COFF.size))
    optional = place + _COFF.size
    bits = _BITS.get(int.from_bytes(reader.at(optional, 2), "little"), 0)
    if not bits or size < _DIRECTORIES_PLACE[bits] + _NUMBER.size:
        raise MalformedError("its optional header does not exist")
    count = min(reader.unpack(_NUMBER, optional + _DIRECTORIES_PLACE[bits])[0], _MOST_DIRECTORIES)
    first = optional + _DIRECTORIES_PLACE[bits] + _NUMBER.size
    layout = _Layout(
        reader,
        tuple(_sections(reader, optional + size, sections)),
        tuple(reader.unpack(_DIRECTORY, first + _DIRECTORY.size * index) for index in range(count)),
    )
    subsystem = int.from_bytes(reader.at(optional + _SUBSYSTEM_PLACE, 2), "little")
    architecture = _MACHINES.get(machine, "")
    loadable = architecture and flags & _IMAGE and subsystem not in _NO_PROCESS and not layout.directory(_DOTNET)
    needed, delayed = tuple(_imports(layout)), tuple(_delayed_imports(layout))
    linkage = NativeFile(
        path="",
        owner="",
        kind=(Kind.LIBRARY if flags & _LIBRARY else Kind.PROGRAM) if loadable else Kind.OTHER,
        needed=tuple(dict.fromkeys((*needed, *delayed))),
        optional=tuple(name for name in dict.fromkeys(delayed) if name not in needed),
        name=_name(layout),
    )
    return Image(Format.PE, architecture or f"machine {machine:#x}", bits, linkage)


def _sections(reader: Reader, place: int, count: int) -> Iterator[tuple[int, int, int]]:
    for _, address, size, offset in _SECTION.iter_unpack(reader.at(place, _SECTION.size * count)):
        yield address, size, offset


def _imports(layout: _Layout) -> Iterator[str]:
    for fields in _records(layout, _IMPORTS, _IMPORT):
        if not fields[3]:
            return
        yield layout.reader.text(layout.offset(fields[3]))


def _delayed_imports(layout: _Layout) -> Iterator[str]:
    for fields in _records(layout, _DELAYED_IMPORTS, _DELAYED):
        if not fields[1]:
            return
        if fields[0] & _USES_RVAS:  # what compilers made before Visual C++ 7 has addresses there
            yield layout.reader.text(layout.offset(fields[1]))


def _records(layout: _Layout, directory: int, record: struct.Struct) -> Iterator[tuple[int, ...]]:
    address = layout.directory(directory)
    if not address:
        return
    place = layout.offset(address)
    for index in range(_MOST_IMPORTS):
        yield layout.reader.unpack(record, place + record.size * index)
    raise MalformedError("its import table has no end")


def _name(layout: _Layout) -> str:
    address = layout.directory(_EXPORTS)
    if not address:
        return ""
    name = layout.reader.unpack(_EXPORTED_NAME, layout.offset(address))[0]
    return layout.reader.text(layout.offset(name)) if name else ""
