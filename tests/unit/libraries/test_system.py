import pytest

from fakes.libraries import LINUX, MACOS, MUSL, WINDOWS
from venvstacks.libraries.system import system_libraries
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

OLD = Compatibility(TARGETS["linux_x86_64"], "glibc", (2, 17))
ARM = Compatibility(TARGETS["linux_aarch64"])


@pytest.mark.parametrize(
    ("on", "name", "has"),
    [
        (LINUX, "libc.so.6", True),
        (LINUX, "libstdc++.so.6", True),
        (LINUX, "ld-linux-x86-64.so.2", True),
        (LINUX, "libmvec.so.1", True),
        (OLD, "libmvec.so.1", False),
        (LINUX, "libgomp.so.1", False),
        (LINUX, "libcrypt.so.1", False),
        (LINUX, "ld-linux-aarch64.so.1", False),
        (ARM, "ld-linux-aarch64.so.1", True),
        (LINUX, "libc.musl-x86_64.so.1", False),
        (MUSL, "libc.musl-aarch64.so.1", True),
        (MUSL, "libc.so", True),
        (MUSL, "libstdc++.so.6", False),
        (MACOS, "/usr/lib/libSystem.B.dylib", True),
        (MACOS, "/System/Library/Frameworks/Cocoa.framework/Cocoa", True),
        (MACOS, "/usr/local/lib/libfoo.dylib", False),
        (MACOS, "@rpath/libfoo.dylib", False),
        (WINDOWS, "kernel32.dll", True),
        (WINDOWS, "api-ms-win-crt-runtime-l1-1-0.dll", True),
        (WINDOWS, "vcruntime140.dll", False),
        (WINDOWS, "foo.dll", False),
    ],
)
def test_what_systems_have(on: Compatibility, name: str, *, has: bool) -> None:
    assert system_libraries(on)(name) is has
