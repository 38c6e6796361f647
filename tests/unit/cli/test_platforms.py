"""``--platform`` as commands understand it, before anything is done."""

import json
from pathlib import Path

import pytest

from venvstacks.building.build_state import STATE_FILE
from venvstacks.cli import main
from venvstacks.platforms.targets import TARGETS, host_target

HOST = host_target().name
OTHER = next(name for name in TARGETS if name != HOST)


@pytest.fixture
def narrow(spec: Path) -> Path:
    """Return a definition whose framework 'two', and what depends on it, is made for one foreign platform only."""
    text = spec.read_text().replace("versioned = true\n", f'versioned = true\nplatforms = ["{OTHER}"]\n')
    spec.write_text(text)
    return spec


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_layers_that_are_not_made_for_the_platform_are_marked(
    narrow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(capsys, "show", narrow, "--include", "framework-*").splitlines()
    assert [line for line in lines if "not for" in line] == [
        f"    * framework-two -> framework-two@1  (not for {HOST})",
        f"    * app-b  (not for {HOST})",
    ]
    assert "not for" not in shown(capsys, "show", narrow, "--platform", OTHER, "--include", "framework-*")
    assert "not for" not in shown(capsys, "show", narrow, "--platform", "all")


@pytest.mark.parametrize("command", [["build"], ["publish"], ["local-export"], ["build", "--publish"]])
def test_operations_are_for_layers_that_are_made_for_the_platform(
    narrow: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    def chosen(*platforms: str) -> set[str]:
        options = [word for name in platforms for word in ("--platform", name)]
        data = json.loads(shown(capsys, *command, narrow, *options, "--json"))
        layers = [layer for kind in ("runtimes", "frameworks", "applications") for layer in data[kind]]
        return {layer["name"] for layer in layers if layer["selected_operations"]}

    everything = {"py", "framework-one", "framework-two", "app-a", "app-b"}
    assert chosen() == chosen("host") == everything - {"framework-two", "app-b"}
    assert chosen(OTHER) == chosen("all") == chosen(HOST, OTHER) == everything


def test_a_name_that_does_not_exist(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("show", "build", "publish", "local-export"):
        assert main([command, str(spec), "--platform", "linux_x86-64"]) == 2
        error = capsys.readouterr().err
        assert error.splitlines() == [
            "error: 'linux_x86-64' is not a target platform.",
            (
                "hint: did you mean 'linux_x86_64'? there are: host, all, linux_aarch64, linux_x86_64, "
                "macosx_arm64, macosx_x86_64, win_amd64, win_arm64"
            ),
        ]


def test_none_of_the_layers_is_made_for_it(narrow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(narrow), "--include", "app-b"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: None of the selected layers supports this machine's platform, {HOST}.",
        f"hint: they support {OTHER}: choose with --platform",
    ]


def test_what_is_built_is_told_for_each_platform(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("py", f"{OTHER}/framework-one", f"{OTHER}/py"):
        (spec.parent / "_build" / folder).mkdir(parents=True)
        (spec.parent / "_build" / folder / STATE_FILE).write_text("{}")

    def remarks(*platforms: str) -> dict[str, str]:
        options = [word for name in platforms for word in ("--platform", name)]
        lines = shown(capsys, "-v", "show", spec, "--include", "py", *options).splitlines()
        told = {line.split()[1]: line.partition("  (")[2].rstrip(")") for line in lines if "  (" in line}
        return {name: told[name] for name in ("py", "framework-one")}

    assert remarks() == {"py": "built", "framework-one": "not built"}
    assert remarks(OTHER) == {"py": "built", "framework-one": "built"}
    assert remarks(HOST, OTHER) == {"py": "built", "framework-one": f"built for {OTHER}"}
