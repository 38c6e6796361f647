import platform
import sys

import pytest
from packaging.markers import Marker

from venvstacks.errors import UsageError
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS, host_target


def test_targets_are_sorted_and_named_after_their_tags() -> None:
    assert list(TARGETS) == sorted(TARGETS)
    assert list(TARGETS.values()) == sorted(TARGETS.values())
    for name, target in TARGETS.items():
        assert name == target.name == f"{target.os}_{target.arch}"
        assert target.is_windows == (target.sys_platform == "win32")


def test_each_marker_is_true_on_its_target_alone() -> None:
    python = PythonVersion("cpython", "3.12.7")
    for target in TARGETS.values():
        true = [
            other
            for other in TARGETS.values()
            if Marker(target.marker).evaluate(Compatibility(other).marker_environment(python))
        ]
        assert true == [target]


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux_x86_64"),
        ("linux", "amd64", "linux_x86_64"),
        ("linux", "aarch64", "linux_aarch64"),
        ("linux", "arm64", "linux_aarch64"),
        ("darwin", "arm64", "macosx_arm64"),
        ("darwin", "x86_64", "macosx_x86_64"),
        ("win32", "AMD64", "win_amd64"),
        ("win32", "ARM64", "win_arm64"),
    ],
)
def test_the_host(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, name: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert host_target() is TARGETS[name]


def test_a_host_that_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(UsageError, match=r"^This machine \(linux_riscv64\) is not one of .*: linux_aarch64, "):
        host_target()
