"""Read the headers of a Mach-O file, thin or fat.

Source: Apple's ``mach-o/loader.h``, ``mach-o/fat.h`` and ``mach/machine.h``. Sizes and offsets are bytes.
"""

import struct
from collections.abc import Collection, Iterator

from venvstacks.binaries.byte_reader import MalformedError, PartReader, Reader
from venvstacks.binaries.native_image import Format, Image, Kind, NativeFile
from venvstacks.platforms.compatibility import Version

_THIN = {  # magic -> byte order, word size
    b"\xcf\xfa\xed\xfe": ("<", 64),
    b"\xce\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xcf": (">", 64),
    b"\xfe\xed\xfa\xce": (">", 32),
}
_FAT = {  # magic -> record of a slice: processor, its variant, offset, size, ...
    b"\xca\xfe\xba\xbe": struct.Struct(">IIIII"),
    b"\xca\xfe\xba\xbf": struct.Struct(">IIQQII"),
}
MAGICS = frozenset({*_THIN, *_FAT})

_MOST_SLICES = 30  # Java classes begin as fat files do, then have a number of 45 or more here
_MOST_COMMANDS = 1 << 20  # bytes
_COUNT = struct.Struct(">4xI")
_WIDE = 0x01000000  # CPU_ARCH_ABI64
_PROCESSORS = {
    7: "i386",
    7 | _WIDE: "x86_64",
    12: "armv7",
    12 | _WIDE: "arm64",
    12 | 0x02000000: "arm64_32",
    18: "ppc",
    18 | _WIDE: "ppc64",
}
_VARIANTS = {("x86_64", 8): "x86_64h", ("arm64", 2): "arm64e"}
_VARIANT_MASK = 0x00FFFFFF
_KINDS = {2: Kind.PROGRAM, 6: Kind.LIBRARY, 8: Kind.LIBRARY}  # MH_EXECUTE, MH_DYLIB, MH_BUNDLE
_SYSTEMS = {1: "macos", 2: "ios", 3: "tvos", 4: "watchos", 6: "mac catalyst"}

_OPTIONAL_LIBRARIES = {0x80000018, 0x20}  # LC_[LOAD_WEAK|LAZY_LOAD]_DYLIB
_LIBRARIES = {0xC, 0x8000001F, 0x80000023, *_OPTIONAL_LIBRARIES}  # LC_[LOAD|REEXPORT|LOAD_UPWARD]_DYLIB
_NAME, _RPATH = 0xD, 0x8000001C
_OLD_SYSTEMS = {0x24: "macos", 0x25: "ios", 0x2F: "tvos", 0x30: "watchos"}  # LC_VERSION_MIN_*
_BUILD = 0x32  # LC_BUILD_VERSION


def read_macho(reader: Reader) -> tuple[Image, ...]:
    """Read a Mach-O file; no image if it is a Java class or a fat static library."""
    magic = reader.at(0, 4)
    if magic not in _FAT:
        return (_image(reader),)
    count = reader.unpack(_COUNT, 0)[0]
    if count > _MOST_SLICES:
        return ()
    layout = _FAT[magic]
    records = (reader.unpack(layout, _COUNT.size + layout.size * index) for index in range(count))
    parts = [PartReader(reader, record[2], record[3]) for record in records]
    if not parts:
        raise MalformedError("it is a fat file without slices")
    if any(part.at(0, 4) == b"!<ar" for part in parts):
        return ()
    return tuple(map(_image, parts))


def _image(reader: Reader) -> Image:
    magic = reader.at(0, 4)
    if magic not in _THIN:
        raise MalformedError("a slice of it is no Mach-O image")
    order, bits = _THIN[magic]
    header = struct.Struct(f"{order}4xIIIIII{'4x' if bits == 64 else ''}")  # noqa: PLR2004
    processor, variant, kind, count, size, _ = reader.unpack(header, 0)
    architecture = _PROCESSORS.get(processor, f"machine {processor}")
    architecture = _VARIANTS.get((architecture, variant & _VARIANT_MASK), architecture)
    if size > _MOST_COMMANDS:
        raise MalformedError(f"its load commands take {size} bytes")
    commands = [*_commands(reader.at(header.size, size), count, order)]
    system, macos = _system(commands, order)
    names = _texts(commands, {_NAME}, order)
    linkage = NativeFile(
        path="",
        owner="",
        kind=_KINDS.get(kind, Kind.OTHER),
        needed=_texts(commands, _LIBRARIES, order),
        optional=_texts(commands, _OPTIONAL_LIBRARIES, order),
        name=names[0] if names else "",
        search=_texts(commands, {_RPATH}, order),
    )
    return Image(Format.MACHO, architecture, bits, linkage, system=system, macos=macos)


def _commands(table: bytes, count: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Return the kind of each load command, and its bytes."""
    head = struct.Struct(f"{order}II")
    place = 0
    for _ in range(count):
        if place + head.size > len(table):
            raise MalformedError("its load commands are cut off")
        kind, size = head.unpack_from(table, place)
        if size < head.size or place + size > len(table):
            raise MalformedError(f"a load command has a size of {size} bytes")
        yield kind, table[place : place + size]
        place += size


def _texts(commands: list[tuple[int, bytes]], kinds: Collection[int], order: str) -> tuple[str, ...]:
    return tuple(_text(command, order) for kind, command in commands if kind in kinds)


def _text(command: bytes, order: str) -> str:
    """Return the text whose offset is the command's first field."""
    start = _number(command, 8, order)
    if start > len(command):
        raise MalformedError("a name lies outside of its load command")
    return command[start:].partition(b"\0")[0].decode(errors="surrogateescape")


def _number(command: bytes, offset: int, order: str) -> int:
    if offset + 4 > len(command):
        raise MalformedError("a load command is too short")
    return int.from_bytes(command[offset : offset + 4], "little" if order == "<" else "big")


def _system(commands: list[tuple[int, bytes]], order: str) -> tuple[str, Version | None]:
    """Return what an image runs on, and the oldest macOS; libraries for several systems list macOS among them."""
    found: dict[str, Version] = {}
    for kind, command in commands:
        if kind == _BUILD:
            number = _number(command, 8, order)
            found.setdefault(_SYSTEMS.get(number, f"platform {number}"), _version(_number(command, 12, order)))
        elif kind in _OLD_SYSTEMS:
            found.setdefault(_OLD_SYSTEMS[kind], _version(_number(command, 8, order)))
    if "macos" in found:
        return "macos", found["macos"]
    return next(iter(found), ""), None


def _version(packed: int) -> Version:
    """Unpack ``xxxx.yy.zz``, a byte or two each; the last part never matters."""
    return packed >> 16, packed >> 8 & 0xFF
