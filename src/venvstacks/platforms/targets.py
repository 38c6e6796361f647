"""The six target platforms."""

import platform
import sys
from dataclasses import dataclass
from typing import Literal

from venvstacks.errors import UsageError

OperatingSystem = Literal["linux", "macosx", "win"]
Libc = Literal["glibc", "musl"]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """An operating system on a processor architecture.

    Attributes:
        name: As in definition files and manifests, for example ``linux_x86_64``.
        os: The operating system's name in wheel tags.
        arch: The architecture's name in wheel tags.
        sys_platform: The PEP 508 marker value.
        platform_machine: The PEP 508 marker value.
    """

    name: str
    os: OperatingSystem
    arch: str
    sys_platform: str
    platform_machine: str

    @property
    def is_windows(self) -> bool:
        """Whether layers for this target have the Windows layout."""
        return self.os == "win"

    @property
    def marker(self) -> str:
        """A PEP 508 marker that is true on this target and on no other."""
        return f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.platform_machine}'"


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("linux_aarch64", "linux", "aarch64", "linux", "aarch64"),
        Target("linux_x86_64", "linux", "x86_64", "linux", "x86_64"),
        Target("macosx_arm64", "macosx", "arm64", "darwin", "arm64"),
        Target("macosx_x86_64", "macosx", "x86_64", "darwin", "x86_64"),
        Target("win_amd64", "win", "amd64", "win32", "AMD64"),
        Target("win_arm64", "win", "arm64", "win32", "ARM64"),
    )
}
"""Every target under its name, sorted by name."""


def host_libc() -> Libc:
    """Return the C library of this machine's own Python, which is a Linux machine."""
    return "glibc" if platform.libc_ver()[0] == "glibc" else "musl"


def host_target() -> Target:
    """Return the target that this machine is.

    Raises:
        UsageError: Layers cannot be made on this machine.
    """
    system = {"linux": "linux", "darwin": "macosx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    aliases = {
        ("win", "x86_64"): "amd64",
        ("win", "aarch64"): "arm64",
        ("macosx", "aarch64"): "arm64",
        ("linux", "amd64"): "x86_64",
        ("linux", "arm64"): "aarch64",
    }
    name = f"{system}_{aliases.get((system, machine), machine)}"
    if name not in TARGETS:
        raise UsageError(f"This machine ({name}) is not one of the target platforms: {', '.join(TARGETS)}.")
    return TARGETS[name]
