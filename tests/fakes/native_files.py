"""Native files of a few hundred bytes, put together by hand from the formats' own descriptions."""

import struct
from collections.abc import Iterable, Mapping, Sequence

ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "i686": 3, "armv7l": 40, "s390x": 22, "cuda": 190, "bpf": 247}
MACHO_PROCESSORS = {"x86_64": 0x01000007, "arm64": 0x0100000C, "i386": 7}
PE_MACHINES = {"amd64": 0x8664, "arm64": 0xAA64, "i686": 0x14C}

EXECUTABLE, SHARED, RELOCATABLE = 2, 3, 1
_BASE = 0x10000


def elf(
    machine: str = "x86_64",
    *,
    kind: int = SHARED,
    bits: int = 64,
    order: str = "<",
    needed: Sequence[str] = (),
    soname: str = "",
    runpath: str = "",
    rpath: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    weak: Sequence[str] = (),
    interpreter: str = "",
    pie: bool = False,
) -> bytes:
    """Make an ELF image with one segment, a dynamic section and symbol version needs.

    Args:
        machine: A name in ``ELF_MACHINES``.
        kind: ``EXECUTABLE``, ``SHARED`` or ``RELOCATABLE``.
        bits: The word size.
        order: The byte order, as ``struct`` writes it.
        needed: Names of libraries.
        soname: Its own name.
        runpath: RUNPATH, if there is one.
        rpath: RPATH, if there is one.
        versions: Library -> needed symbol versions.
        weak: Which of these it can do without.
        interpreter: Its loader.
        pie: Whether it says that it is a program although it is of kind ``SHARED``.
    """
    wide = bits == 64
    header_size, segment_size = (64, 56) if wide else (52, 32)
    strings = _Strings()
    segments_count = 3
    start = header_size + segments_count * segment_size
    verneed = _verneed(versions or {}, weak, strings, order)
    tags = [(1, strings.add(name)) for name in needed]
    tags += [(tag, strings.add(text)) for tag, text in ((14, soname), (29, runpath), (15, rpath)) if text]
    tags += [(0x6FFFFFFB, 0x08000000)] if pie else []
    tag_layout = struct.Struct(f"{order}{'qQ' if wide else 'iI'}")
    tags_size = tag_layout.size * (len(tags) + (2 if verneed else 0) + 2)
    loader = interpreter.encode() + b"\0" if interpreter else b""
    verneed_place = start + tags_size
    loader_place = verneed_place + len(verneed)
    strings_place = loader_place + len(loader)
    tags += [(0x6FFFFFFE, _BASE + verneed_place), (0x6FFFFFFF, len(versions or {}))] if verneed else []
    tags += [(5, _BASE + strings_place), (0, 0)]
    content = b"".join(tag_layout.pack(*tag) for tag in tags) + verneed + loader + strings.content
    size = start + len(content)
    parts = ((1, 0, size), (2, start, tags_size), (3 if loader else 0, loader_place, len(loader)))
    segments = b"".join(_segment(order, place, wide=wide) for place in parts)
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "Q" if wide else "I"
    header = struct.pack(
        f"{order}HHI{word * 3}IHHHHHH",
        *(kind, ELF_MACHINES[machine], 1, 0, header_size, 0, 0, header_size, segment_size, segments_count),
        *(0, 0, 0),
    )
    return identity + header + segments + content


class _Strings:
    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, text: str) -> int:
        place = len(self.content)
        self.content += text.encode() + b"\0"
        return place


def _segment(order: str, part: tuple[int, int, int], *, wide: bool) -> bytes:
    kind, offset, size = part
    address = _BASE + offset
    if wide:
        return struct.pack(f"{order}IIQQQQQQ", kind, 4, offset, address, address, size, size, 8)
    return struct.pack(f"{order}IIIIIIII", kind, offset, address, address, size, size, 4, 4)


def _verneed(versions: Mapping[str, Sequence[str]], weak: Sequence[str], strings: _Strings, order: str) -> bytes:
    records = b""
    for position, (library, names) in enumerate(versions.items(), 1):
        following = 16 + 16 * len(names) if position < len(versions) else 0
        records += struct.pack(f"{order}HHIII", 1, len(names), strings.add(library), 16, following)
        for index, name in enumerate(names, 1):
            step = 16 if index < len(names) else 0
            records += struct.pack(f"{order}IHHII", 0, 2 * (name in weak), 2, strings.add(name), step)
    return records


PROGRAM, DYLIB, BUNDLE, OBJECT = 2, 6, 8, 1


def macho(
    processor: str = "arm64",
    *,
    kind: int = DYLIB,
    variant: int = 0,
    macos: tuple[int, int] | None = (11, 0),
    old_style: bool = False,
    system: int = 1,
    needed: Iterable[str] = (),
    weak: Iterable[str] = (),
    name: str = "",
    rpaths: Iterable[str] = (),
) -> bytes:
    """Make a Mach-O image that is load commands only.

    Args:
        processor: A name in ``MACHO_PROCESSORS``.
        kind: ``PROGRAM``, ``DYLIB``, ``BUNDLE`` or ``OBJECT``.
        variant: The processor's subtype.
        macos: The oldest system, if it tells.
        old_style: Whether it tells that with ``LC_VERSION_MIN_MACOSX``.
        system: 1 for macOS, 2 for iOS, ...
        needed: Install names of libraries.
        weak: Install names of libraries that may be missing.
        name: Its own install name.
        rpaths: Where it looks.
    """
    wide = processor != "i386"
    commands = [_with_text(0xC, text, b"\0" * 12) for text in needed]
    commands += [_with_text(0x80000018, text, b"\0" * 12) for text in weak]
    commands += [_with_text(0xD, name, b"\0" * 12)] if name else []
    commands += [_with_text(0x8000001C, path) for path in rpaths]
    if macos:
        packed = macos[0] << 16 | macos[1] << 8
        modern = struct.pack("<IIIIII", 0x32, 24, system, packed, packed, 0)
        commands.append(struct.pack("<IIII", 0x24, 16, packed, packed) if old_style else modern)
    table = b"".join(commands)
    magic = b"\xcf\xfa\xed\xfe" if wide else b"\xce\xfa\xed\xfe"
    header = struct.pack("<IIIIII", MACHO_PROCESSORS[processor], variant, kind, len(commands), len(table), 0)
    return magic + header + (b"\0" * 4 if wide else b"") + table


def _with_text(command: int, text: str, fields: bytes = b"") -> bytes:
    content = text.encode() + b"\0"
    size = (12 + len(fields) + len(content) + 7) // 8 * 8
    return (struct.pack("<III", command, size, 12 + len(fields)) + fields + content).ljust(size, b"\0")


def fat(*slices: bytes, wide: bool = False) -> bytes:
    """Join Mach-O images to a fat file."""
    layout = struct.Struct(">IIQQII" if wide else ">IIIII")
    place = 8 + layout.size * len(slices)
    header = (b"\xca\xfe\xba\xbf" if wide else b"\xca\xfe\xba\xbe") + struct.pack(">I", len(slices))
    for content in slices:
        processor, variant = struct.unpack_from("<II", content, 4)
        header += layout.pack(processor, variant, place, len(content), 0, *([0] if wide else []))
        place += len(content)
    return header + b"".join(slices)


def pe(
    machine: str = "amd64",
    *,
    dll: bool = True,
    needed: Sequence[str] = (),
    delayed: Sequence[str] = (),
    name: str = "",
    subsystem: int = 3,
    dotnet: bool = False,
) -> bytes:
    """Make a PE image with one section.

    Args:
        machine: A name in ``PE_MACHINES``.
        dll: Whether it is a library.
        needed: Names of DLLs.
        delayed: Names of DLLs that are loaded when they are used first.
        name: Its own name.
        subsystem: 2 or 3 for programs, 1 for drivers, 10 for EFI.
        dotnet: Whether it holds code for .NET.
    """
    wide = machine != "i686"
    section, address = _Strings(), 0x1000
    imports = [address + section.add(text) for text in needed]
    delays = [address + section.add(text) for text in delayed]
    named = address + section.add(name) if name else 0
    directories = [(0, 0)] * 16
    for number, table in (
        (1, b"".join(struct.pack("<IIIII", 0, 0, 0, rva, 0) for rva in imports) + bytes(20) if imports else b""),
        (
            13,
            b"".join(struct.pack("<IIIIIIII", 1, rva, *[0] * 6) for rva in delays) + bytes(32) if delays else b"",
        ),
        (0, struct.pack("<12xI24x", named) if name else b""),
        (14, bytes(72) if dotnet else b""),
    ):
        if table:
            directories[number] = (address + len(section.content), len(table))
            section.content += table
    optional_size = (112 if wide else 96) + 128
    start = 64 + 24 + optional_size + 40
    optional = struct.pack("<H", 0x20B if wide else 0x10B).ljust(68, b"\0") + struct.pack("<H", subsystem)
    optional = optional.ljust(108 if wide else 92, b"\0") + struct.pack("<I", 16)
    optional += b"".join(struct.pack("<II", *directory) for directory in directories)
    flags = 0x0002 | (0x2000 if dll else 0)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", PE_MACHINES[machine], 1, 0, 0, 0, optional_size, flags)
    size = len(section.content)
    table = struct.pack("<8sIIII16x", b".rdata", size, address, size, start)
    return b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + coff + optional + table + section.content
