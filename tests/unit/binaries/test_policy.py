from pathlib import Path

import pytest

from fakes import native_files as native
from venvstacks.binaries.policy import Owner, Violation, binaries_error, find_binaries, judge
from venvstacks.entries import scan
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

X86 = Compatibility(TARGETS["linux_x86_64"])
ARM = Compatibility(TARGETS["linux_aarch64"])
MUSL = Compatibility(TARGETS["linux_x86_64"], "musl", (1, 2))
MAC = Compatibility(TARGETS["macosx_arm64"])
WIN = Compatibility(TARGETS["win_amd64"])
WIN_ARM = Compatibility(TARGETS["win_arm64"])

SITE = "lib/python3.12/site-packages"
PLATFORM = Owner("pkg 1.0", promises=True)
PURE = Owner("pure 1.0", promises=False)

GLIBC = native.elf("x86_64", needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.17"]})
GLIBC_ARM = native.elf("aarch64", needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.17"]})
NEW_GLIBC = native.elf("x86_64", needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.17", "GLIBC_2.34"]})
MUSL_ELF = native.elf("x86_64", needed=["libc.so"])
STATIC = native.elf("x86_64", kind=native.EXECUTABLE)
EXE_32 = native.pe("i686", dll=False)
EXE_ARM = native.pe("arm64", dll=False)
CUBIN = native.elf("cuda", kind=native.EXECUTABLE)


def check(
    folder: Path, on: Compatibility, owner: Owner, files: dict[str, bytes], *, site: str = f"{SITE}/"
) -> list[str]:
    for name, content in files.items():
        path = folder / site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    violations = judge(find_binaries(scan(folder), folder, lambda _: owner), on)
    assert {violation.package for violation in violations} <= {owner.name}
    return [f"{v.path.removeprefix(site)}: {v.found} / {v.allowed}" for v in violations]


@pytest.mark.parametrize(
    ("on", "content"),
    [
        (X86, GLIBC),
        (ARM, GLIBC_ARM),
        (MUSL, MUSL_ELF),
        (X86, STATIC),
        (MUSL, STATIC),
        (MAC, native.macho()),
        (MAC, native.fat(native.macho("x86_64", macos=(14, 0)), native.macho(macos=(13, 0)))),
        (MAC, native.macho(macos=None)),
    ],
)
def test_files_for_the_target_are_accepted(tmp_path: Path, on: Compatibility, content: bytes) -> None:
    assert check(tmp_path, on, PLATFORM, {"pkg/x.so": content}) == []


@pytest.mark.parametrize(
    ("on", "content", "message"),
    [
        (ARM, GLIBC, "ELF x86_64 (glibc) / ELF aarch64 (glibc)"),
        (X86, native.elf("i686", bits=32), "ELF i686 (32 bits) / ELF x86_64 (glibc)"),
        (X86, native.elf("x86_64", bits=32), "ELF x86_64 (32 bits) / ELF x86_64 (glibc)"),
        (X86, MUSL_ELF, "ELF x86_64 (musl) / ELF x86_64 (glibc)"),
        (MUSL, GLIBC, "ELF x86_64 (glibc) / ELF x86_64 (musl)"),
        (X86, native.macho("x86_64"), "Mach-O x86_64 / ELF x86_64 (glibc)"),
        (MAC, GLIBC, "ELF x86_64 (glibc) / Mach-O arm64"),
        (MAC, native.macho("x86_64"), "Mach-O x86_64 / Mach-O arm64"),
        (MAC, native.fat(native.macho("x86_64"), native.macho("i386")), "Mach-O x86_64, i386 (32 bits) / "),
        (MAC, native.macho(system=2), "Mach-O arm64 (ios) / Mach-O arm64"),
        (MAC, native.macho(macos=(13, 3)), "needs macOS 13.3 / macOS 13.0 or older"),
        (X86, NEW_GLIBC, "needs glibc 2.34 / glibc 2.28 or older"),
        (X86, GLIBC[:-40], "damaged: "),
    ],
)  # fmt: skip
def test_other_files_of_a_wheel_for_a_platform_are_found(
    tmp_path: Path, on: Compatibility, content: bytes, message: str
) -> None:
    found = check(tmp_path, on, PLATFORM, {"pkg/x.so": content})
    assert len(found) == 1
    assert found[0].startswith(f"pkg/x.so: {message}")


def test_a_wheel_that_says_aarch64_and_holds_x86_64_is_found_whatever_its_files_are_called(tmp_path: Path) -> None:
    files = {"pkg/x.cpython-312-x86_64-linux-gnu.so": GLIBC, "pkg/tool-x64": STATIC, "pkg/w.exe": EXE_32}
    assert len(check(tmp_path, ARM, PLATFORM, files)) == 3


def test_programs_anywhere_in_a_wheel_for_a_platform_count(tmp_path: Path) -> None:
    found = check(tmp_path, ARM, PLATFORM, {"cmake/data/bin/cmake": STATIC, "cmake/lib.so": GLIBC_ARM})
    assert found == ["cmake/data/bin/cmake: ELF x86_64 / ELF aarch64 (glibc)"]


@pytest.mark.parametrize("on", [X86, ARM, MUSL, MAC, WIN, WIN_ARM])
def test_what_pure_wheels_bring_for_other_systems_is_left_alone(tmp_path: Path, on: Compatibility) -> None:
    files = {
        "setuptools/cli.exe": EXE_32,
        "setuptools/cli-arm64.exe": EXE_ARM,
        "distlib/w64.exe": native.pe("amd64", dll=False),
        "debugpy/attach_x86.dll": native.pe("i686"),
        "debugpy/attach_linux_amd64.so": NEW_GLIBC,
        "debugpy/attach.dylib": native.fat(native.macho("x86_64", macos=(15, 0)), native.macho(macos=(15, 0))),
        "debugpy/c.cp39-win_amd64.pyd": native.pe("amd64"),
        "selenium/linux-arm64/selenium-manager": native.elf("aarch64", kind=native.EXECUTABLE),
        "selenium/macos/selenium-manager": native.macho(kind=native.PROGRAM),
        "pythonnet/Python.Runtime.dll": native.pe("i686", dotnet=True),
        "bitsandbytes/libcpu.so": GLIBC,
    }
    assert check(tmp_path, on, PURE, files) == []


def test_what_wheels_for_a_platform_bring_for_other_systems_is_left_alone(tmp_path: Path) -> None:
    files = {
        "debugpy/own.so": GLIBC,
        "debugpy/attach_x86.dll": native.pe("i686"),
        "debugpy/attach.dylib": native.macho(),
        "debugpy/c.cp39-win_amd64.pyd": native.pe("amd64"),
        "tool/cli.exe": EXE_32,
        "tool/linux-arm64/helper": GLIBC_ARM,
    }
    assert check(tmp_path, X86, PLATFORM, files) == []


@pytest.mark.parametrize("promises", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.o", native.elf("aarch64", kind=native.RELOCATABLE)),
        ("kernel.cubin", CUBIN),
        ("probe.so", native.elf("bpf", kind=native.RELOCATABLE)),
        ("lib.a", b"!<arch>\n" + bytes(90)),
        ("boot.efi", native.pe(subsystem=10)),
        ("Data.dll", native.pe("i686", dotnet=True)),
        ("looks_native.py", GLIBC),
    ],
)
def test_what_no_process_loads_is_data(tmp_path: Path, promises: bool, name: str, content: bytes) -> None:  # noqa: FBT001
    owner = Owner("pkg 1.0", promises)
    assert check(tmp_path, X86, owner, {"a.so": GLIBC, name: content}) == []
    assert check(tmp_path, WIN, PURE, {name: content}) == []


def test_a_file_must_be_what_its_name_promises_in_pure_wheels_too(tmp_path: Path) -> None:
    found = check(tmp_path, ARM, PURE, {"x.cpython-312-aarch64-linux-gnu.so": GLIBC})
    assert found == ["x.cpython-312-aarch64-linux-gnu.so: ELF x86_64 (glibc) / ELF aarch64 (glibc)"]


def test_installed_programs_must_start_whoever_brings_them(tmp_path: Path) -> None:
    files = {"tool": GLIBC_ARM, "new": NEW_GLIBC, "broken": b"\x7fELF\x02\x01" + bytes(40)}
    found = check(tmp_path, X86, PURE, files, site="bin/")
    assert [line.partition(" / ")[0] for line in found] == [
        "broken: damaged: it ends at 46 bytes, but refers to 64",
        "new: needs glibc 2.34",
        "tool: ELF aarch64 (glibc)",
    ]


@pytest.mark.parametrize(
    ("on", "folder", "content", "count"),
    [
        (WIN, "pkg/", EXE_32, 0),
        (WIN_ARM, "pkg/", EXE_32, 0),
        (WIN_ARM, "pkg/", native.pe("amd64", dll=False), 0),
        (WIN, "pkg/", EXE_ARM, 1),
        (WIN, "Scripts/", EXE_32, 1),
        (WIN_ARM, "pkg/", native.pe("amd64"), 1),
    ],
)
def test_programs_that_windows_emulates(
    tmp_path: Path, on: Compatibility, folder: str, content: bytes, count: int
) -> None:
    own = native.pe(on.target.arch)
    found = check(tmp_path, on, PLATFORM, {f"{folder}tool.dll": content, "pkg/own.pyd": own}, site="")
    if count == 0:
        assert found == []
    else:
        assert len(found) == count


def test_links_and_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "link.so").symlink_to("/nowhere/lib.so")
    (tmp_path / "folder.so").mkdir()
    assert check(tmp_path, X86, PLATFORM, {"a.so": b"INPUT(libx.so.1)" * 9, "b.so": b""}, site="") == []


def test_the_error_names_everything_and_the_way_out() -> None:
    violations = [Violation(f"lib/{n}.so", "pkg 1.0", "ELF x86_64", "ELF aarch64 (glibc)") for n in range(22)]
    error = binaries_error("Framework 'torch'", ARM, violations)
    assert error.message.splitlines()[:2] == [
        "Framework 'torch' for linux_aarch64 (glibc 2.28) holds 22 native files that cannot be used there:",
        "  - lib/0.so (pkg 1.0): ELF x86_64; allowed: ELF aarch64 (glibc)",
    ]
    assert error.message.endswith("\n  and 2 more")
    assert error.hint is not None
    assert "--no-check-binaries" in error.hint
    assert "linux_target" in error.hint
    assert "_target" not in str(binaries_error("x", WIN, violations).hint)
