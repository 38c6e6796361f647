from collections.abc import Callable

import pytest

from venvstacks.definition.stack import Stack
from venvstacks.definition.target_settings import which_target

TORCH = '[[frameworks]]\nname = "torch"\nruntime = "py"\nrequirements = []\n'


def test_all_platforms_with_default_limits(load: Callable[..., Stack]) -> None:
    (runtime,) = load().layers
    assert [compatibility.describe() for compatibility in runtime.compatibilities] == [
        "linux_aarch64 (glibc 2.28)",
        "linux_x86_64 (glibc 2.28)",
        "macosx_arm64 (macOS 13.0)",
        "macosx_x86_64 (macOS 13.0)",
        "win_amd64",
        "win_arm64",
    ]


def test_deployment_target(load: Callable[..., Stack]) -> None:
    runtime, torch = load(
        f'{TORCH}macosx_target = "14.1"',
        environ={"MACOSX_DEPLOYMENT_TARGET": "12"},
        runtime='platforms = ["macosx_arm64"]',
    ).layers
    assert runtime.compatibilities[0].macos_version == (12, 0)
    assert torch.compatibilities[0].macos_version == (14, 1)


def test_empty_deployment_target_is_none(load: Callable[..., Stack]) -> None:
    (runtime,) = load(environ={"MACOSX_DEPLOYMENT_TARGET": ""}, runtime='platforms = ["macosx_arm64"]').layers
    assert runtime.compatibilities[0].macos_version == (13, 0)


def test_bad_deployment_target(problems: Callable[..., list[str]]) -> None:
    (problem,) = problems(environ={"MACOSX_DEPLOYMENT_TARGET": "latest"})
    assert problem == (
        "environment variable MACOSX_DEPLOYMENT_TARGET: 'latest' is not a macOS version: "
        "expected X or X.Y, for example '13.0'"
    )


def test_platforms_are_narrowed_from_below(load: Callable[..., Stack]) -> None:
    _, torch, other, app = load(
        f'{TORCH}platforms = ["win_amd64", "linux_x86_64"]\n'
        '[[frameworks]]\nname = "other"\nruntime = "py"\nrequirements = []\nplatforms = ["win_amd64"]\n'
        '[[frameworks]]\nname = "both"\nframeworks = ["torch", "other"]\nrequirements = []\n',
        runtime='platforms = ["win_amd64", "linux_x86_64", "win_amd64"]',
    ).layers
    assert [target.name for target in torch.targets] == ["linux_x86_64", "win_amd64"]
    assert [target.name for target in other.targets] == ["win_amd64"]
    assert [target.name for target in app.targets] == ["win_amd64"]


def test_disabled_layer_disables_what_stands_on_it(load: Callable[..., Stack]) -> None:
    _, torch, app = load(
        f'{TORCH}platforms = []\n[[frameworks]]\nname = "up"\nframeworks = ["torch"]\nrequirements = []\n'
    ).layers
    assert torch.compatibilities == app.compatibilities == ()


def test_musl_is_taken_over_from_the_runtime(load: Callable[..., Stack]) -> None:
    runtime, follows, newer = load(
        f'{TORCH}[[frameworks]]\nname = "newer"\nruntime = "py"\nrequirements = []\nlinux_target = "musl"\n',
        runtime='platforms = ["linux_x86_64"]\nlinux_target = "musl@1.1"',
    ).layers
    assert [
        (layer.compatibilities[0].libc, layer.compatibilities[0].libc_version)
        for layer in (runtime, follows, newer)
    ] == [
        ("musl", (1, 1)),
        ("musl", (1, 1)),
        ("musl", (1, 2)),
    ]


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        ("win32_x86_64", "win_amd64"),
        ("windows", "win_amd64"),
        ("win_aarch64", "win_arm64"),
        ("darwin_arm64", "macosx_arm64"),
        ("manylinux2014_aarch64", "linux_aarch64"),
        ("lnux_x86_64", "linux_x86_64"),
    ],
)
def test_which_target_is_meant(found: str, meant: str) -> None:
    assert which_target(found).startswith(f"did you mean '{meant}'? there are: linux_aarch64, ")
    assert which_target("vax").startswith("there are: linux_aarch64, ")
