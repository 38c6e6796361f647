import io
import os
import re
import shutil
import struct
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from fakes import native_files as native
from fakes.counting import count_calls
from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format, Image, Kind, NativeFile
from venvstacks.errors import BinaryFormatError


def read(folder: Path, content: bytes) -> tuple[Image, ...]:
    path = folder / "file"
    path.write_bytes(content)
    return read_binary(path)


def linkage(**fields: Any) -> NativeFile:
    """Describe a library that was read alone."""
    return NativeFile("", "", Kind.LIBRARY, **fields)


def image(folder: Path, content: bytes) -> Image:
    (found,) = read(folder, content)
    return found


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"M", b"\x7fEL", b"#!/bin/sh\n", b"MZ", b"MZ" + b"text " * 40, b"!<arch>\n" + bytes(80)),
        pytest.param(b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(80), id="Java class"),
        pytest.param(
            b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"NE\0\0".ljust(99, b"\0"), id="16-bit Windows"
        ),
        pytest.param(native.fat(b"!<arch>\n" + bytes(40)), id="fat static library"),
    ],
)
def test_other_files_are_none(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == ()


# ---- ELF


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_elf_tables_are_read_in_each_class_and_byte_order(tmp_path: Path, bits: int, order: str) -> None:
    content = native.elf(
        "armv7l" if bits == 32 else "aarch64",
        bits=bits,
        order=order,
        needed=["libm.so.6", "libc.so.6"],
        soname="libx.so.1",
        runpath="$ORIGIN:$ORIGIN/../x.libs",
        versions={"libm.so.6": ["GLIBC_2.29"], "libc.so.6": ["GLIBC_2.4", "GLIBC_2.17", "GCC_9.9"]},
    )
    names = {(64, "<"): "aarch64", (64, ">"): "aarch64_be", (32, "<"): "armv7l", (32, ">"): "armeb"}
    assert image(tmp_path, content) == Image(
        Format.ELF,
        names[bits, order],
        bits,
        linkage(needed=("libm.so.6", "libc.so.6"), name="libx.so.1", search=("$ORIGIN", "$ORIGIN/../x.libs")),
        libc="glibc",
        glibc=(2, 29),
    )


def test_runpath_goes_before_rpath(tmp_path: Path) -> None:
    assert image(tmp_path, native.elf(rpath="/a")).linkage.search == ("/a",)
    assert image(tmp_path, native.elf(rpath="/a", runpath="/b")).linkage.search == ("/b",)


@pytest.mark.parametrize(
    ("versions", "weak", "highest"),
    [
        (["GLIBC_2.9", "GLIBC_2.10"], [], (2, 10)),
        (["GLIBC_2.2.5"], [], (2, 2)),
        (["GLIBC_2.17", "GLIBC_2.34"], ["GLIBC_2.34"], (2, 17)),
        (["GLIBC_2.17", "GLIBC_ABI_DT_RELR"], [], (2, 36)),
        (["GLIBC_PRIVATE", "GLIBCXX_3.4.30", "GLIBC_2.x", "CXXABI_1.3"], [], None),
    ],
)
def test_the_highest_glibc_that_is_needed_counts(
    tmp_path: Path, versions: list[str], weak: list[str], highest: tuple[int, int] | None
) -> None:
    content = native.elf(needed=["libc.so.6"], versions={"libc.so.6": versions}, weak=weak)
    assert image(tmp_path, content).glibc == highest


@pytest.mark.parametrize(
    ("needed", "interpreter", "libc"),
    [
        (["libc.so.6"], "", "glibc"),
        (["libm.so.6", "ld-linux-aarch64.so.1"], "", "glibc"),
        ([], "/lib64/ld-linux-x86-64.so.2", "glibc"),
        (["libc.so"], "", "musl"),
        (["libc.musl-x86_64.so.1"], "", "musl"),
        ([], "/lib/ld-musl-aarch64.so.1", "musl"),
        (["libstdc++.so.6"], "", None),
    ],
)
def test_the_c_library_is_seen(tmp_path: Path, needed: list[str], interpreter: str, libc: str | None) -> None:
    assert image(tmp_path, native.elf(needed=needed, interpreter=interpreter)).libc == libc


@pytest.mark.parametrize(
    ("content", "kind", "architecture"),
    [
        (native.elf(kind=native.EXECUTABLE), Kind.PROGRAM, "x86_64"),
        (native.elf(pie=True), Kind.PROGRAM, "x86_64"),
        (native.elf(kind=native.RELOCATABLE), Kind.OTHER, "x86_64"),
        (native.elf("cuda", kind=native.EXECUTABLE), Kind.OTHER, "machine 190"),
        (native.elf("bpf", kind=native.RELOCATABLE), Kind.OTHER, "machine 247"),
    ],
)
def test_elf_kinds(tmp_path: Path, content: bytes, kind: Kind, architecture: str) -> None:
    found = image(tmp_path, content)
    assert (found.linkage.kind, found.architecture) == (kind, architecture)


def compile_c(folder: Path, name: str, *options: str) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None, "the tests need a C compiler"
    source = folder / "source.c"
    source.write_text(
        '#include <math.h>\n#include <stdio.h>\nint main(int c, char **v)\n{ printf("%f", pow(c, c)); }\n'
    )
    subprocess.run([compiler, source, *options, "-o", folder / name], check=True)
    return folder / name


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["-shared", "-fPIC", "-Wl,-soname,libown.so.3", "-Wl,-rpath,$ORIGIN/deep", "-lm"], Kind.LIBRARY),
        (["-pie", "-fPIE", "-lm"], Kind.PROGRAM),
        (["-no-pie", "-lm"], Kind.PROGRAM),
        (["-s", "-lm"], Kind.PROGRAM),
    ],
)
def test_compiled_files_agree_with_readelf(tmp_path: Path, options: list[str], kind: Kind) -> None:
    path = compile_c(tmp_path, "out", *options)
    shown = subprocess.run(["readelf", "-dVW", path], capture_output=True, text=True, check=True).stdout
    needs = shown.partition("Version needs section")[2]
    versions = {(int(a), int(b)) for a, b in re.findall(r"Name: GLIBC_(\d+)\.(\d+)", needs)}
    (found,) = read_binary(path)
    own = found.linkage
    assert (found.format, own.kind, found.bits, found.libc) == (Format.ELF, kind, 64, "glibc")
    assert [*own.needed] == re.findall(r"\(NEEDED\).*\[(.*)\]", shown)
    assert [own.name] == (re.findall(r"\(SONAME\).*\[(.*)\]", shown) or [""])
    assert [*own.search] == re.findall(r"\(R(?:UN)?PATH\).*\[(.*)\]", shown)
    assert found.glibc == max(versions)


def test_object_files_are_seen_as_such(tmp_path: Path) -> None:
    (found,) = read_binary(compile_c(tmp_path, "out.o", "-c"))
    assert not found.is_loadable


# ---- Mach-O


def test_macho_commands_are_read(tmp_path: Path) -> None:
    content = native.macho(
        macos=(12, 3), needed=["/usr/lib/libSystem.B.dylib", "@rpath/liby.dylib"], name="@rpath/libx.dylib",
        weak=["/usr/lib/libz.1.dylib"], rpaths=["@loader_path/../lib"],
    )  # fmt: skip
    assert image(tmp_path, content) == Image(
        Format.MACHO,
        "arm64",
        64,
        linkage(
            needed=("/usr/lib/libSystem.B.dylib", "@rpath/liby.dylib", "/usr/lib/libz.1.dylib"),
            optional=("/usr/lib/libz.1.dylib",),
            name="@rpath/libx.dylib",
            search=("@loader_path/../lib",),
        ),
        system="macos",
        macos=(12, 3),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (native.macho("x86_64", macos=(10, 9), old_style=True), (Kind.LIBRARY, "x86_64", "macos", (10, 9))),
        (native.macho("x86_64", variant=8, kind=native.BUNDLE), (Kind.LIBRARY, "x86_64h", "macos", (11, 0))),
        (native.macho(variant=0x80000002, kind=native.PROGRAM), (Kind.PROGRAM, "arm64e", "macos", (11, 0))),
        (native.macho("i386", macos=None), (Kind.LIBRARY, "i386", "", None)),
        (native.macho(system=2), (Kind.LIBRARY, "arm64", "ios", None)),
        (native.macho(kind=native.OBJECT), (Kind.OTHER, "arm64", "macos", (11, 0))),
    ],
)
def test_macho_kinds(tmp_path: Path, content: bytes, expected: tuple[object, ...]) -> None:
    found = image(tmp_path, content)
    assert (found.linkage.kind, found.architecture, found.system, found.macos) == expected


@pytest.mark.parametrize("wide", [False, True])
def test_fat_files_have_a_limit_for_each_slice(tmp_path: Path, wide: bool) -> None:  # noqa: FBT001
    slices = native.macho("x86_64", macos=(10, 9)), native.macho("arm64", macos=(11, 0), needed=["a.dylib"])
    images = read(tmp_path, native.fat(*slices, wide=wide))
    assert [(i.architecture, i.macos) for i in images] == [("x86_64", (10, 9)), ("arm64", (11, 0))]
    assert images[1].linkage.needed == ("a.dylib",)


# ---- PE


@pytest.mark.parametrize(("machine", "bits"), [("amd64", 64), ("arm64", 64), ("i686", 32)])
def test_pe_tables_are_read(tmp_path: Path, machine: str, bits: int) -> None:
    content = native.pe(machine, needed=["KERNEL32.dll", "python313.dll"], delayed=["USER32.dll"], name="x.pyd")
    assert image(tmp_path, content) == Image(
        Format.PE,
        machine,
        bits,
        linkage(needed=("KERNEL32.dll", "python313.dll", "USER32.dll"), optional=("USER32.dll",), name="x.pyd"),
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (native.pe(dll=False), Kind.PROGRAM),
        (native.pe(dotnet=True), Kind.OTHER),
        (native.pe(subsystem=10), Kind.OTHER),
        (native.pe(subsystem=1), Kind.OTHER),
    ],
)
def test_pe_kinds(tmp_path: Path, content: bytes, kind: Kind) -> None:
    assert image(tmp_path, content).linkage.kind is kind


# ---- Damaged files

WHOLE = {
    "elf": native.elf(needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.17"]}),
    "macho": native.macho(needed=["a.dylib"]),
    "fat": native.fat(native.macho(), native.macho("x86_64")),
    "pe": native.pe(needed=["a.dll"], name="x.dll"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(BinaryFormatError, match=r"is damaged: .*(ends at|cut off)") as caught:
        read(tmp_path, WHOLE[name][:-60])
    assert caught.value.path == str(tmp_path / "file")
    assert caught.value.kind in {"ELF", "Mach-O", "PE"}


def patched(content: bytes, place: int, *values: int) -> bytes:
    return content[:place] + bytes(values) + content[place + len(values) :]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (patched(WHOLE["elf"], 4, 7), "class or byte order"),
        (patched(WHOLE["elf"], 54, 1, 0), "segments of 1 bytes"),
        (patched(WHOLE["elf"], 56, 0xFF, 0xFF), "65535 segments"),
        (patched(WHOLE["elf"], 64 + 56 + 32, 0, 0, 0, 0xFF), "entries|ends at"),
        (patched(WHOLE["elf"], 64 + 16, 0, 0, 0x77), "no segment holds"),
        (patched(WHOLE["macho"], 20, 0xFF, 0xFF, 0xFF, 0xFF), "load commands take"),
        (patched(WHOLE["macho"], 36, 0, 0, 0, 0), "size of 0 bytes"),
        (patched(WHOLE["macho"], 40, 0xFF, 0, 0, 0), "outside of its load command"),
        (patched(WHOLE["fat"], 4, 0, 0, 0, 0), "without slices"),
        (patched(WHOLE["fat"], 48, 0, 0, 0, 0), "no Mach-O image"),
        (patched(WHOLE["pe"], 88, 1, 1), "optional header"),
        (patched(WHOLE["pe"], 88 + 112 + 8, 0, 0, 0, 0x70), "no section holds"),
    ],
)
def test_impossible_values_are_told(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(BinaryFormatError, match=reason):
        read(tmp_path, content)


def test_a_verneed_chain_that_never_ends_is_cut(tmp_path: Path) -> None:
    content = bytearray(native.elf(needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.17"] * 3}))
    place = content.index(struct.pack("<HH", 1, 3), 64)
    struct.pack_into("<HHIII", content, place, 1, 0xFFFF, 1, 0, 1)  # its records lie over each other

    def refused() -> None:
        with pytest.raises(BinaryFormatError):
            read(tmp_path, bytes(content))

    assert count_calls(refused) < 2000


def test_only_headers_of_big_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "big.so"
    path.write_bytes(native.elf(needed=["libc.so.6"]))
    os.truncate(path, 8 << 30)  # a file with a hole: reading it whole would take seconds and memory
    tracemalloc.start()
    (found,) = read_binary(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20  # bytes
    assert found.linkage.needed == ("libc.so.6",)


def test_the_reader_stops_when_too_much_is_wanted() -> None:
    reader = Reader(io.BytesIO(bytes(32 << 20)), 32 << 20)
    reader.at(0, 10 << 20)
    with pytest.raises(MalformedError, match="bigger"):
        reader.at(10 << 20, 10 << 20)


def test_texts_may_cross_pages_but_must_end() -> None:
    content = b"x" * 4000 + b"name" * 50 + b"\0" + b"y" * 9000
    reader = Reader(io.BytesIO(content), len(content))
    assert reader.text(4000) == "name" * 50
    with pytest.raises(MalformedError, match="no end"):
        reader.text(4300)
