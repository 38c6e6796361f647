"""Which layers each command is for, as ``--show-only`` tells it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from venvstacks.cli import main
from venvstacks.platforms.targets import TARGETS

ALL = {"py", "framework-one", "framework-two", "app-a", "app-b"}


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return dict(json.loads(out))


def operations(data: Mapping[str, Any]) -> dict[str, set[str]]:
    """Turn the data around: operation -> build names."""
    found: dict[str, set[str]] = {}
    for kind in ("runtimes", "frameworks", "applications"):
        for layer in data[kind]:
            for operation in layer["selected_operations"]:
                found.setdefault(operation, set()).add(layer["name"])
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # nothing is locked: the runtime is, because it is needed, and then all that stands on it
        ("lock", {"lock": ALL}),
        ("lock --include app-a", {"lock": ALL}),
        ("lock --include app-a --if-needed", {"lock": ALL}),
        ("lock --include app-a --lock-dependencies", {"lock": ALL}),
        ("build", {"build": ALL}),
        ("build --no-build", {}),
        ("build --publish", {"build": ALL, "publish": ALL}),
        ("build --no-build --publish --include app-*", {"publish": {"app-a", "app-b"}}),
        ("build --include app-a", {"build": {"app-a"}}),
        ("build --include app-a --build-dependencies", {"build": {"py", "framework-one", "app-a"}}),
        ("build --include framework-two --build-derived", {"build": {"framework-two", "app-b"}}),
        (
            "build --include app-a --publish --publish-dependencies",
            {"build": {"app-a"}, "publish": {"py", "framework-one", "app-a"}},
        ),
        (
            "build --include framework-one --publish --publish-derived",
            {"build": {"framework-one"}, "publish": {"framework-one", "app-a", "app-b"}},
        ),
        (
            "build --include app-a --publish --include-dependencies",
            {"build": {"py", "framework-one", "app-a"}, "publish": {"py", "framework-one", "app-a"}},
        ),
        ("build --include app-a --no-include-dependencies", {"build": {"app-a"}}),
        ("build --include app-b --lock", {"lock": ALL, "build": {"app-b"}}),
        ("build --no-build --lock-if-needed --include py", {"lock": ALL}),
        ("publish", {"publish": ALL}),
        ("publish --include app-a --include app-b", {"publish": {"app-a", "app-b"}}),
        ("publish --include app-b --publish-dependencies", {"publish": ALL - {"app-a"}}),
        ("publish --include py --publish-derived", {"publish": ALL}),
        ("local-export --include framework-*", {"export": {"framework-one", "framework-two"}}),
        ("local-export --include app-a --publish-dependencies", {"export": {"py", "framework-one", "app-a"}}),
    ],
)
def test_chosen(
    spec: Path, capsys: pytest.CaptureFixture[str], arguments: str, expected: dict[str, set[str]]
) -> None:
    command, *options = arguments.split()
    main([command, str(spec), *options, "--json"])
    out, _ = capsys.readouterr()
    assert operations(json.loads(out)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "build --no-include-dependencies --build-dependencies",
            "--build-dependencies includes layers that --no-include-dependencies excludes.",
        ),
        (
            "build --no-include-dependencies --lock-dependencies --publish-dependencies",
            "--lock-dependencies and --publish-dependencies include layers that",
        ),
        ("build --reset-lock py", "--reset-lock only has a meaning when layers are locked."),
        ("lock --include app-a --reset-lock app-b", "--reset-lock includes app-b, but --include leaves them out"),
        (
            "build --lock --include app-a --reset-lock py",
            "--reset-lock includes py, but --include leaves them out",
        ),
        ("lock --include none*", "No layer's build name matches 'none*'."),
        ("lock --reset-lock none", "No layer's build name matches 'none'."),
        ("show --include APP-A", "No layer's build name matches 'APP-A'."),
    ],
)
def test_contradictions(spec: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    command, *options = arguments.split()
    assert main([command, str(spec), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: {message}" in err


@pytest.mark.parametrize(
    ("arguments", "forgotten"),
    [
        ("lock --include app-a --lock-dependencies --reset-lock py", True),
        ("lock --include py --reset-lock app-a", True),
        ("build --lock --include app-a --lock-dependencies --reset-lock py", True),
        ("build --lock --include app-a --include-dependencies --reset-lock framework-*", False),
    ],
)
def test_pins_that_may_be_forgotten(
    spec: Path, capsys: pytest.CaptureFixture[str], arguments: str, *, forgotten: bool
) -> None:
    command, *options = arguments.split()
    # a pattern that also names a layer beyond the selection is a contradiction, too
    assert main([command, str(spec), *options, "--show-only"]) == (0 if forgotten else 2)
    out, _ = capsys.readouterr()
    assert ("(lock" in out) is forgotten


@pytest.mark.parametrize("command", ["show", "lock", "build", "publish", "local-export"])
def test_pattern_without_a_match_may_be_allowed(
    spec: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, str(spec), "--include", "none*", "--allow-missing"]) == 0
    out, err = capsys.readouterr()
    assert err == "warning: No layer's build name matches 'none*'.\n"
    assert out == ("stack.toml\n" if command == "show" else "")
    assert sorted(path.name for path in spec.parent.iterdir()) == ["main.py", "stack.toml"]


def test_quiet_hides_warnings(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "lock", str(spec), "--include", "none*", "--allow-missing"]) == 0
    assert capsys.readouterr() == ("", "")


def test_nothing_to_do_is_said(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(spec), "--no-build"]) == 0
    assert "--no-build leaves nothing to do" in capsys.readouterr().err


def test_tree(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(spec)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert (
        out
        == """\
stack.toml
  runtimes
    * py
  frameworks
    * framework-one
        * py
    * framework-two -> framework-two@1
        * py
  applications
    * app-a
        * framework-one
        * py
    * app-b
        * framework-one
        * framework-two -> framework-two@1
        * py
"""
    )


def test_tree_with_operations(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(spec), "--publish", "--include", "app-a", "--show-only"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "    * app-a  (build, publish)" in lines
    assert "    * app-b" in lines


def test_tree_of_a_selection_with_what_is_built(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = spec.parent / "elsewhere" / "py"
    folder.mkdir(parents=True)
    (folder / ".venvstacks-build.json").write_text("{}")
    assert main(["-v", "show", str(spec), "--include", "py", "--build-dir", "elsewhere"]) == 0
    assert capsys.readouterr().out == "stack.toml\n  runtimes\n    * py  (built)\n"
    assert main(["-v", "show", str(spec), "--include", "py"]) == 0
    assert capsys.readouterr().out == "stack.toml\n  runtimes\n    * py  (not built)\n"


def test_data(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = shown(capsys, "show", spec, "--include", "*two", "--include", "py", "-vv")
    runtime = {
        "name": "py",
        "install_target": "py",
        "has_valid_lock": False,
        "platforms": [*TARGETS],
        "selected_operations": None,
    }
    framework = {
        "name": "framework-two",
        "install_target": "framework-two@1",
        "has_valid_lock": False,
        "platforms": [*TARGETS],
        "selected_operations": None,
        "dependencies": [runtime],
    }
    assert data == {
        "spec_name": "stack.toml",
        "runtimes": [runtime],
        "frameworks": [framework],
        "applications": [],
    }


def test_show_only_changes_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("lock", "build", "publish", "local-export"):
        assert main([command, str(spec), "--show-only"]) == 0
    capsys.readouterr()
    assert sorted(path.name for path in spec.parent.iterdir()) == ["main.py", "stack.toml"]


@pytest.mark.parametrize("command", ["lock", "build", "publish", "show"])
def test_a_definition_without_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "venvstacks.toml").touch()
    assert main([command, str(tmp_path / "venvstacks.toml")]) == 0
    assert "warning: venvstacks.toml defines no layers, so there is nothing to do.\n" in capsys.readouterr().err
