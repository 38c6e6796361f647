import pytest

from venvstacks.binaries.path_hints import names_target
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

X86 = Compatibility(TARGETS["linux_x86_64"])
ARM = Compatibility(TARGETS["linux_aarch64"])
MUSL = Compatibility(TARGETS["linux_x86_64"], "musl", (1, 2))
MAC = Compatibility(TARGETS["macosx_arm64"])
WIN = Compatibility(TARGETS["win_amd64"])


@pytest.mark.parametrize(
    ("path", "named_by", "excluded_by"),
    [
        ("pkg/_fast.so", [], []),
        ("pkg/charm/twin.so", [], []),
        ("pkg/_fast.cpython-312-x86_64-linux-gnu.so", [X86, MUSL], [ARM, MAC, WIN]),
        ("pkg/_fast.cpython-312-aarch64-linux-gnu.so", [ARM], [X86, MUSL, MAC, WIN]),
        ("pkg/_fast.cpython-312-x86_64-linux-musl.so", [MUSL], [X86, ARM, MAC, WIN]),
        ("pkg/_fast.cpython-312-darwin.so", [], [X86, MUSL, ARM, WIN]),
        ("pkg/cython.cp39-win_amd64.pyd", [WIN], [X86, MUSL, ARM, MAC]),
        ("attach/attach_x86.dll", [], [X86, MUSL, ARM, MAC, WIN]),
        ("attach/attach_linux_amd64.so", [X86, MUSL], [ARM, MAC, WIN]),
        ("driver/linux-x86-64/tool", [X86, MUSL], [ARM, MAC, WIN]),
        ("driver/macos/tool", [], [X86, MUSL, ARM, WIN]),
        ("launchers/t64-arm.exe", [ARM, MAC], [X86, MUSL, WIN]),
        ("prebuilt/linux-x64-gnu/a.node", [X86], [ARM, MUSL, MAC, WIN]),
        ("x/osx-universal2/a.dylib", [MAC], [X86, MUSL, ARM, WIN]),
        ("win32/win32api.pyd", [], [X86, MUSL, ARM, MAC]),
    ],
)
def test_words_in_paths(path: str, named_by: list[Compatibility], excluded_by: list[Compatibility]) -> None:
    everyone = [X86, MUSL, ARM, MAC, WIN]
    expected = [True if each in named_by else False if each in excluded_by else None for each in everyone]
    assert [names_target(path, each) for each in everyone] == expected
