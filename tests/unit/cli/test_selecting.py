"""Which layers each command is for, as ``--show-only`` tells it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.definitions import define
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
        ("lock --no-json --json --no-show --no-show-only", {"lock": ALL}),
        ("lock --include app-a", {"lock": ALL}),
        ("lock --include app-a --if-needed", {"lock": ALL}),
        ("lock --include app-a --lock-dependencies", {"lock": ALL}),
        ("build", {"build": ALL}),
        ("build --no-build", {}),
        ("build --publish", {"build": ALL, "publish": ALL}),
        ("build --no-build --publish --include app-*", {"publish": {"app-a", "app-b"}}),
        ("build --include app-a", {"build": {"app-a"}, "build-if-needed": {"py", "framework-one"}}),
        ("build --include app-a --build-dependencies", {"build": {"py", "framework-one", "app-a"}}),
        (
            "build --include framework-two --build-derived",
            {"build": {"framework-two", "app-b"}, "build-if-needed": {"py", "framework-one"}},
        ),
        (
            "build --include app-a --publish --publish-dependencies",
            {
                "build": {"app-a"},
                "build-if-needed": {"py", "framework-one"},
                "publish": {"py", "framework-one", "app-a"},
            },
        ),
        (
            "build --include framework-one --publish --publish-derived",
            {
                "build": {"framework-one"},
                "build-if-needed": {"py"},
                "publish": {"framework-one", "app-a", "app-b"},
            },
        ),
        (
            "build --include app-a --publish --include-dependencies",
            {"build": {"py", "framework-one", "app-a"}, "publish": {"py", "framework-one", "app-a"}},
        ),
        (
            "build --include app-a --no-include-dependencies --no-build-dependencies",
            {"build": {"app-a"}, "build-if-needed": {"py", "framework-one"}},
        ),
        (
            "build --include app-b --lock",
            {"lock": ALL, "build": {"app-b"}, "build-if-needed": {"py", "framework-one", "framework-two"}},
        ),
        ("build --lock --no-lock --no-build", {}),
        (
            "lock --include app-a --reset-lock *",
            {"lock": ALL, "reset-lock": {"app-a"}},
        ),
        (
            "lock --include framework-one --reset-lock *",
            {"lock": ALL, "reset-lock": {"framework-one", "app-a", "app-b"}},
        ),
        (
            "lock --include app-a --lock-dependencies --reset-lock framework-*",  # py is locked, and so both
            {"lock": ALL, "reset-lock": {"framework-one", "framework-two"}},
        ),
        (
            "build --no-build --lock --include app-a --include-dependencies --reset-lock framework-*",
            {"lock": ALL, "reset-lock": {"framework-one"}},
        ),
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
            "--build-dependencies cannot be used with --no-include-dependencies: one includes layers",
        ),
        (
            "build --include-dependencies --no-publish-dependencies",
            "--no-publish-dependencies cannot be used with --include-dependencies: one includes layers",
        ),
        (
            "build --no-include-dependencies --lock-dependencies --publish-dependencies",
            "--lock-dependencies and --publish-dependencies cannot be used with --no-include-dependencies",
        ),
        ("build --reset-lock py", "--reset-lock only has a meaning when layers are locked."),
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
    "arguments", ["lock --include app-a --reset-lock app-b", "build --lock --include app-a --reset-lock app-b"]
)
def test_pins_of_layers_that_are_not_locked(
    spec: Path, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    command, *options = arguments.split()
    assert main([command, str(spec), *options, "--show-only"]) == 0
    out, err = capsys.readouterr()
    assert err == "warning: --reset-lock has no effect: none of its layers is locked (app-b).\n"
    assert "reset-lock" not in out


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
    assert (
        capsys.readouterr().out
        == """\
stack.toml
  runtimes
    * py  (build-if-needed)
  frameworks
    * framework-one  (build-if-needed)
        * py
  applications
    * app-a  (build, publish)
        * framework-one
        * py
"""
    )


def test_selected_layers_with_nothing_to_do_are_shown(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(spec), "--no-build", "--include", "py", "--show-only"]) == 0
    assert capsys.readouterr().out == "stack.toml\n  runtimes\n    * py\n"


def test_what_includes_depend_on_and_what_depends_on_them(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = shown(capsys, "show", spec, "--include", "framework-one")
    names = [layer["name"] for kind in ("runtimes", "frameworks", "applications") for layer in data[kind]]
    assert names == ["py", "framework-one", "app-a", "app-b"]


def test_tree_of_a_selection_with_what_is_built(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = spec.parent / "elsewhere" / "py"
    folder.mkdir(parents=True)
    (folder / ".venvstacks-build.json").write_text("{}")
    assert main(["-v", "show", str(spec), "--include", "framework-two", "--build-dir", "elsewhere"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "    * py  (built)" in lines
    assert "    * framework-two -> framework-two@1  (not built)" in lines


def test_data(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = shown(capsys, "show", spec, "--include", "app-b", "-vv")

    def described(name: str, target: str = "") -> dict[str, Any]:
        return {
            "name": name,
            "install_target": target or name,
            "has_valid_lock": False,
            "platforms": [*TARGETS],
            "selected_operations": None,
        }

    runtime, one = described("py"), described("framework-one")
    two = described("framework-two", "framework-two@1")
    assert data == {
        "spec_name": str(spec),
        "runtimes": [runtime],
        "frameworks": [{**one, "dependencies": [runtime]}, {**two, "dependencies": [runtime]}],
        "applications": [{**described("app-b"), "dependencies": [one, two, runtime]}],
    }


@pytest.mark.parametrize("command", ["show", "lock", "build", "publish", "local-export"])
def test_data_of_a_deep_stack_is_small(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    frameworks = [
        {"name": f"f{number}", "runtime": "py"} if number == 0 else {"name": f"f{number}", "frameworks": [below]}
        for number, below in enumerate(["", *(f"f{number}" for number in range(17))])
    ]
    stack = define(tmp_path, frameworks=frameworks)
    assert main([command, str(stack.path), "--json"]) == 0
    assert len(capsys.readouterr().out) < 100_000


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
