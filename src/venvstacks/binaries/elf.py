"""Read the headers of an ELF file.

Sources: *System V ABI* (gABI), chapters *ELF Header*, *Program Header* and *Dynamic Section*; symbol versions
as in the *Linux Standard Base*, chapter *Symbol Versioning*. Sizes and offsets are bytes. Section headers are
not looked at: the loader does not need them either, and ``strip`` may have taken them out.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.native_image import Format, Image, Kind, NativeFile
from venvstacks.platforms.compatibility import Version
from venvstacks.platforms.targets import Libc

MAGIC = b"\x7fELF"

_MACHINES = {  # e_machine -> name on little-endian machines, name on big-endian ones; processors only
    3: ("i686", ""),
    8: ("mipsel", "mips"),
    20: ("", "ppc"),
    21: ("ppc64le", "ppc64"),
    22: ("", "s390x"),
    40: ("armv7l", "armeb"),
    62: ("x86_64", ""),
    183: ("aarch64", "aarch64_be"),
    243: ("riscv64", ""),
    258: ("loongarch64", ""),
}
EXECUTABLE, _SHARED = 2, 3
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
_NEEDED, STRINGS, _SONAME, RPATH, RUNPATH = 1, 5, 14, 15, 29
_FLAGS_1, _VERNEED, _VERNEED_COUNT = 0x6FFFFFFB, 0x6FFFFFFE, 0x6FFFFFFF
_IS_PROGRAM = 0x08000000  # DF_1_PIE
_WEAK = 2  # VER_FLG_WEAK: the loader does without

_MOST_SEGMENTS = 1024
_MOST_TAGS = 4096
_MOST_VERSIONS = 10_000
_GLIBC_VERSION = re.compile(r"GLIBC_(\d{1,4})\.(\d{1,4})(\.\d+)*")
_GLIBC_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
_GLIBC_FILE = re.compile(r"(libc\.so\.6(\.1)?|ld-linux.*\.so\.\d+|ld64\.so\.\d+)")
_MUSL_FILE = re.compile(r"(libc\.so|libc\.musl-.*|ld-musl-.*)")


class Segment(NamedTuple):
    """An entry of the table of segments, in the order that 64-bit files have."""

    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int  # in the file
    memory: int
    alignment: int


@cache
def _layouts(wide: bool, order: str) -> tuple[struct.Struct, struct.Struct, struct.Struct]:  # noqa: FBT001
    """Return the records of files of one class and byte order: header, segment, dynamic entry."""
    word = "Q" if wide else "I"
    return (
        struct.Struct(f"{order}16xHHI{word * 3}IHHHHHH"),
        struct.Struct(f"{order}IIQQQQQQ" if wide else f"{order}IIIIIIII"),
        struct.Struct(f"{order}qQ" if wide else f"{order}iI"),
    )


class Elf:
    """An ELF file, whose tables are read when they are asked for.

    Attributes:
        header: The fields of its header from ``e_type`` on.
        wide: Whether it is a 64-bit file.
        order: Its byte order, as ``struct`` writes it.
    """

    def __init__(self, reader: Reader) -> None:
        identity = reader.at(0, 16)
        if identity[4] not in {1, 2} or identity[5] not in {1, 2}:
            raise MalformedError("its class or byte order does not exist")
        self.reader = reader
        self.wide = identity[4] == 2  # noqa: PLR2004 - ELFCLASS64
        self.order = "<" if identity[5] == 1 else ">"
        header, self._segment, self._tag = _layouts(self.wide, self.order)
        self.header = reader.unpack(header, 0)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Its table of segments."""
        start, size, count = self.header[4], self.header[8], self.header[9]
        if count > _MOST_SEGMENTS or (count and size < self._segment.size):
            raise MalformedError(f"it has {count} segments of {size} bytes")
        places = range(start, start + size * count, size) if count else ()
        records = (self.reader.unpack(self._segment, place) for place in places)
        if self.wide:
            return tuple(map(Segment._make, records))
        return tuple(Segment._make((kind, flags, *rest, align)) for kind, *rest, flags, align in records)

    @cached_property
    def tags(self) -> tuple[tuple[int, int], ...]:
        """Its dynamic section without the end mark."""
        dynamic = next((s for s in self.segments if s.kind == DYNAMIC and s.size), None)
        count = dynamic.size // self._tag.size if dynamic else 0
        if dynamic is None or not count:
            return ()
        if count > _MOST_TAGS:
            raise MalformedError(f"its dynamic section has {count} entries")
        entries = self._tag.iter_unpack(self.reader.at(dynamic.offset, count * self._tag.size))
        return tuple(takewhile(itemgetter(0), entries))

    def offset(self, address: int) -> int:
        """Return the place in the file of an address in memory."""
        for segment in self.segments:
            if segment.kind == LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise MalformedError(f"no segment holds the address {address:#x}")


def read_elf(reader: Reader) -> tuple[Image, ...]:
    """Read an ELF file."""
    elf = Elf(reader)
    kind, machine = elf.header[:2]
    architecture = _MACHINES.get(machine, ("", ""))[elf.order == ">"]
    bits = 64 if elf.wide else 32
    if kind not in {EXECUTABLE, _SHARED} or not architecture:
        other = NativeFile("", "", Kind.OTHER)
        return (Image(Format.ELF, architecture or f"machine {machine}", bits, other),)
    interpreter = next((reader.text(s.offset) for s in elf.segments if s.kind == INTERPRETER), "")
    tags = dict(elf.tags)
    strings = elf.offset(tags[STRINGS]) if STRINGS in tags else reader.size
    search = next((reader.text(strings + tags[tag]) for tag in (RUNPATH, RPATH) if tag in tags), "")
    is_program = kind == EXECUTABLE or tags.get(_FLAGS_1, 0) & _IS_PROGRAM
    linkage = NativeFile(
        path="",
        owner="",
        kind=Kind.PROGRAM if is_program else Kind.LIBRARY,
        needed=tuple(reader.text(strings + value) for tag, value in elf.tags if tag == _NEEDED),
        name=reader.text(strings + tags[_SONAME]) if _SONAME in tags else "",
        search=tuple(entry for entry in search.split(":") if entry),
        passes_search=RPATH in tags and RUNPATH not in tags,
    )
    glibc = max(_glibc_versions(elf, tags, strings), default=None)
    libc = _libc([interpreter, *linkage.needed], glibc)
    return (Image(Format.ELF, architecture, bits, linkage, libc=libc, glibc=glibc),)


def _glibc_versions(elf: Elf, tags: Mapping[int, int], strings: int) -> Iterator[Version]:
    if not tags.get(_VERNEED) or not tags.get(_VERNEED_COUNT):
        return
    for name in _needed_versions(elf, elf.offset(tags[_VERNEED]), tags[_VERNEED_COUNT]):
        version = elf.reader.text(strings + name)
        if version in _GLIBC_FEATURES:
            yield _GLIBC_FEATURES[version]
        elif found := _GLIBC_VERSION.fullmatch(version):
            yield int(found[1]), int(found[2])


def _needed_versions(elf: Elf, place: int, needs: int) -> Iterator[int]:
    """Return where the names of needed versions are in the string table."""
    need, version = struct.Struct(f"{elf.order}HHIII"), struct.Struct(f"{elf.order}IHHII")
    seen = 0
    for _ in range(min(needs, _MOST_VERSIONS)):
        _, count, _, versions, following = elf.reader.unpack(need, place)
        at = place + versions
        for _ in range(count):
            seen += 1
            if seen > _MOST_VERSIONS:
                raise MalformedError("it needs more symbol versions than any real file")
            _, flags, _, name, step = elf.reader.unpack(version, at)
            if not flags & _WEAK:
                yield name
            if not step:
                break
            at += step
        if not following:
            return
        place += following


def _libc(files: list[str], glibc: Version | None) -> Libc | None:
    names = [file.rpartition("/")[2] for file in files]
    if glibc or any(_GLIBC_FILE.fullmatch(name) for name in names):
        return "glibc"
    return "musl" if any(_MUSL_FILE.fullmatch(name) for name in names) else None
