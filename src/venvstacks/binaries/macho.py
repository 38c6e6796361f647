"""Read the headers of a Mach-O file, thin or fat.

Source: Apple's ``mach-o/loader.h``, ``mach-o/fat.h`` and ``mach/machine.h``. Sizes and offsets are bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from venvstacks.binaries.byte_reader import MalformedError, Part, Reader
from venvstacks.binaries.native_image import Binary, Format, Image, Kind
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


def read_macho(reader: Reader) -> Binary | None:
    """Read a Mach-O file; None if it is a Java class or a fat static library."""
    magic = reader.at(0, 4)
    if magic not in _FAT:
        return Binary(Format.MACHO, (_image(reader),))
    count = reader.unpack(_COUNT, 0)[0]
    if count > _MOST_SLICES:
        return None
    layout = _FAT[magic]
    records = (reader.unpack(layout, _COUNT.size + layout.size * index) for index in range(count))
    parts = [Part(reader, record[2], record[3]) for record in records]
    if not parts:
        raise MalformedError("it is a fat file without slices")
    if any(part.at(0, 4) == b"!<ar" for part in parts):
        return None
    return Binary(Format.MACHO, tuple(map(_image, parts)))


def _image(reader: Reader) -> Image:
    magic = reader.at(0, 4)
    if magic not in _THIN:
        raise MalformedError("a slice of it is no Mach-O image")
    order, bits = _THIN[magic]
    wide = bits == 64  # noqa: PLR2004
    header = struct.Struct(f"{order}4xIIIIII{'4x' if wide else ''}")
    processor, variant, kind, count, size, _ = reader.unpack(header, 0)
    architecture = _PROCESSORS.get(processor, f"machine {processor}")
    architecture = _VARIANTS.get((architecture, variant & _VARIANT_MASK), architecture)
    if size > _MOST_COMMANDS:
        raise MalformedError(f"its load commands take {size} bytes")
    commands = [*_commands(reader.at(header.size, size), count, order)]
    system, macos = _system(commands)
    names = [command.text() for command in commands if command.kind == _NAME]
    return Image(
        kind=_KINDS.get(kind, Kind.OTHER),
        architecture=architecture,
        bits=bits,
        system=system,
        needed=tuple(command.text() for command in commands if command.kind in _LIBRARIES),
        optional=tuple(command.text() for command in commands if command.kind in _OPTIONAL_LIBRARIES),
        name=names[0] if names else "",
        search=tuple(command.text() for command in commands if command.kind == _RPATH),
        macos=macos,
    )


@dataclass(frozen=True, slots=True)
class _Command:
    kind: int
    content: bytes  # with the eight bytes of its head
    order: str

    def number(self, offset: int) -> int:
        if offset + 4 > len(self.content):
            raise MalformedError("a load command is too short")
        return int.from_bytes(self.content[offset : offset + 4], "little" if self.order == "<" else "big")

    def text(self) -> str:
        """Return the text whose offset is the command's first field."""
        start = self.number(8)
        if start > len(self.content):
            raise MalformedError("a name lies outside of its load command")
        return self.content[start:].partition(b"\0")[0].decode(errors="surrogateescape")


def _commands(table: bytes, count: int, order: str) -> Iterator[_Command]:
    head = struct.Struct(f"{order}II")
    place = 0
    for _ in range(count):
        if place + head.size > len(table):
            raise MalformedError("its load commands are cut off")
        kind, size = head.unpack_from(table, place)
        if size < head.size or place + size > len(table):
            raise MalformedError(f"a load command has a size of {size} bytes")
        yield _Command(kind, table[place : place + size], order)
        place += size


def _system(commands: list[_Command]) -> tuple[str, Version | None]:
    """Return what an image runs on, and the oldest macOS; libraries for several systems list macOS among them."""
    found: dict[str, Version] = {}
    for command in commands:
        if command.kind == _BUILD:
            number = command.number(8)
            found.setdefault(_SYSTEMS.get(number, f"platform {number}"), _version(command.number(12)))
        elif command.kind in _OLD_SYSTEMS:
            found.setdefault(_OLD_SYSTEMS[command.kind], _version(command.number(8)))
    if "macos" in found:
        return "macos", found["macos"]
    return next(iter(found), ""), None


def _version(packed: int) -> Version:
    """Unpack ``xxxx.yy.zz``, a byte or two each; the last part never matters."""
    return packed >> 16, packed >> 8 & 0xFF
