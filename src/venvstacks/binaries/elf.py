"""Read the headers of an ELF file.

Sources: *System V ABI* (gABI), chapters *ELF Header*, *Program Header* and *Dynamic Section*; symbol versions
as in the *Linux Standard Base*, chapter *Symbol Versioning*. Sizes and offsets are bytes. Section headers are
not looked at: the loader does not need them either, and ``strip`` may have taken them out.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.native_image import Binary, Format, Image, Kind
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
_EXECUTABLE, _SHARED = 2, 3
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
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


@dataclass(frozen=True, slots=True)
class _Layouts:
    """The records of files of one class and byte order."""

    header: struct.Struct
    segment: struct.Struct
    tag: struct.Struct
    need: struct.Struct
    version: struct.Struct


@cache
def _layouts(wide: bool, order: str) -> _Layouts:  # noqa: FBT001 - two private callers
    word = "Q" if wide else "I"
    return _Layouts(
        header=struct.Struct(f"{order}16xHHI{word * 3}IHHHHHH"),
        segment=struct.Struct(f"{order}IIQQQQQQ" if wide else f"{order}IIIIIIII"),
        tag=struct.Struct(f"{order}qQ" if wide else f"{order}iI"),
        need=struct.Struct(f"{order}HHIII"),
        version=struct.Struct(f"{order}IHHII"),
    )


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int  # in the file


def read_elf(reader: Reader) -> Binary:
    """Read an ELF file."""
    identity = reader.at(0, 16)
    if identity[4] not in {1, 2} or identity[5] not in {1, 2}:
        raise MalformedError("its class or byte order does not exist")
    wide, big = identity[4] == 2, identity[5] == 2  # noqa: PLR2004 - ELFCLASS64, ELFDATA2MSB
    layouts = _layouts(wide, ">" if big else "<")
    kind, machine, _, _, table, _, _, _, segment_size, count, *_ = reader.unpack(layouts.header, 0)
    architecture = _MACHINES.get(machine, ("", ""))[big]
    bits = 64 if wide else 32
    if kind not in {_EXECUTABLE, _SHARED} or not architecture:
        return _binary(Image(Kind.OTHER, architecture or f"machine {machine}", bits))
    if count > _MOST_SEGMENTS or (count and segment_size < layouts.segment.size):
        raise MalformedError(f"it has {count} segments of {segment_size} bytes")
    places = (table + segment_size * index for index in range(count))
    segments = [_segment(reader.unpack(layouts.segment, place), wide=wide) for place in places]
    return _binary(_image(reader, layouts, segments, Image(_kind(kind), architecture, bits)))


def _binary(image: Image) -> Binary:
    return Binary(Format.ELF, (image,))


def _kind(kind: int) -> Kind:
    return Kind.PROGRAM if kind == _EXECUTABLE else Kind.LIBRARY


def _segment(fields: tuple[int, ...], *, wide: bool) -> _Segment:
    if wide:
        kind, _, offset, address, _, size, *_ = fields
    else:
        kind, offset, address, _, size, *_ = fields
    return _Segment(kind, offset, address, size)


def _image(reader: Reader, layouts: _Layouts, segments: list[_Segment], image: Image) -> Image:
    interpreter = next((reader.text(s.offset) for s in segments if s.kind == _INTERPRETER), "")
    dynamic = next((s for s in segments if s.kind == _DYNAMIC and s.size), None)
    if dynamic is None:
        return Image(image.kind, image.architecture, image.bits, libc=_libc([interpreter], None))
    tags = [*_tags(reader, layouts, dynamic)]
    single = dict(tags)
    strings = _offset(single[_STRINGS], segments) if _STRINGS in single else reader.size
    needed = tuple(reader.text(strings + value) for tag, value in tags if tag == _NEEDED)
    search = next((reader.text(strings + single[tag]) for tag in (_RUNPATH, _RPATH) if tag in single), "")
    glibc = max(_glibc_versions(reader, layouts, segments, single, strings), default=None)
    return Image(
        kind=Kind.PROGRAM if single.get(_FLAGS_1, 0) & _IS_PROGRAM else image.kind,
        architecture=image.architecture,
        bits=image.bits,
        needed=needed,
        name=reader.text(strings + single[_SONAME]) if _SONAME in single else "",
        search=tuple(entry for entry in search.split(":") if entry),
        passes_search=_RPATH in single and _RUNPATH not in single,
        libc=_libc([interpreter, *needed], glibc),
        glibc=glibc,
    )


def _tags(reader: Reader, layouts: _Layouts, dynamic: _Segment) -> Iterator[tuple[int, int]]:
    count = dynamic.size // layouts.tag.size
    if count > _MOST_TAGS:
        raise MalformedError(f"its dynamic section has {count} entries")
    for tag, value in layouts.tag.iter_unpack(reader.at(dynamic.offset, count * layouts.tag.size)):
        if tag == 0:
            return
        yield tag, value


def _offset(address: int, segments: list[_Segment]) -> int:
    """Return the place in the file of an address in memory."""
    for segment in segments:
        if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    raise MalformedError(f"no segment holds the address {address:#x}")


def _glibc_versions(
    reader: Reader,
    layouts: _Layouts,
    segments: list[_Segment],
    single: Mapping[int, int],
    strings: int,
) -> Iterator[Version]:
    if not single.get(_VERNEED) or not single.get(_VERNEED_COUNT):
        return
    for name in _needed_versions(reader, layouts, _offset(single[_VERNEED], segments), single[_VERNEED_COUNT]):
        version = reader.text(strings + name)
        if version in _GLIBC_FEATURES:
            yield _GLIBC_FEATURES[version]
        elif found := _GLIBC_VERSION.fullmatch(version):
            yield int(found[1]), int(found[2])


def _needed_versions(reader: Reader, layouts: _Layouts, place: int, needs: int) -> Iterator[int]:
    """Return where the names of needed versions are in the string table."""
    seen = 0
    for _ in range(min(needs, _MOST_VERSIONS)):
        _, count, _, versions, following = reader.unpack(layouts.need, place)
        at = place + versions
        for _ in range(count):
            seen += 1
            if seen > _MOST_VERSIONS:
                raise MalformedError("it needs more symbol versions than any real file")
            _, flags, _, name, step = reader.unpack(layouts.version, at)
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
