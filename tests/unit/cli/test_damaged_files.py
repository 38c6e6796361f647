"""Whatever the files hold that commands read: one message, and never that of a bug."""

from pathlib import Path

import pytest

from venvstacks.building.build_state import STATE_FILE
from venvstacks.cli import main
from venvstacks.manifests.manifest_format import LAYER_METADATA_FOLDER

_DEEP = 100_000
_DEFINITION = """
[[runtimes]]
name = "base"
python_implementation = "cpython@3.12.10"
requirements = []

[[applications]]
name = "a"
runtime = "base"
launch_module = "a.py"
requirements = []
"""
_CONTENTS = {
    "empty": b"",
    "cut": b'{"format": 1, "a',
    "no UTF-8": b'{"lock_input_hash": "\xff\xfe"}',
    "text that is no UTF-8": b"a = '\xff'",
    "deep list": b"[" * _DEEP + b"]" * _DEEP,
    "deep value": b'{"unknown": ' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    "deep TOML": b"a = " + b"[" * _DEEP,
    "long number": b"a = " + b"9" * 10_000,
    "other type": b"[1]",
    "other types": b'{"format": "x", "layers": 1, "packages": {}, "layer_name": [], "python": []}',
    "other version": b'{"format": 999, "layers": {}}',
}
_COMMANDS = {
    "venvstacks.toml": (["show"], ["lock", "--show-only"], ["build", "--show-only"]),
    "requirements/base/pylock.base.toml": (
        ["show", "--json"],
        ["build", "--show-only"],
        ["publish", "--show-only"],
    ),
    "requirements/base/pylock.base.meta.json": (["show"], ["show", "--json"], ["build", "--show-only"]),
    "requirements/base/requirements-base.in": (["show"], ["build", "--show-only"]),
    f"_build/base/{STATE_FILE}": (["show"], ["build", "--show-only"], ["publish", "--show-only"]),
    "_build/app-a/share/venv/metadata/venvstacks_layer.json": (["run", "a"],),
    f"_artifacts/{LAYER_METADATA_FOLDER}/base.json": (
        ["publish", "--show-only"],
        ["diff", "_artifacts", "_artifacts"],
    ),
    "_artifacts/__venvstacks__/venvstacks.json": (["diff", "_artifacts", "_artifacts"],),
    "_export/__venvstacks__/env_metadata/base.json": (["local-export", "--show-only"],),
    "x.tar.zst.index.zst": (["unpack", "--dry-run", "x.tar.zst", "--to", "out"],),
}


@pytest.mark.parametrize("content", _CONTENTS.values(), ids=_CONTENTS)
@pytest.mark.parametrize("name", _COMMANDS)
def test_a_damaged_file_is_no_bug(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("venvstacks.toml").write_text(_DEFINITION, encoding="utf-8")
    for empty in ("a.py", "x.tar.zst"):
        Path(empty).touch()
    lock = Path("requirements/base")
    lock.mkdir(parents=True)
    for each in ("pylock.base.toml", "requirements-base.in"):
        (lock / each).touch()
    (lock / "pylock.base.meta.json").write_text(
        '{"requirements_hash": "", "lock_input_hash": "", "lock_version": 1, '
        '"locked_at": "2026-01-01T00:00:00+00:00"}',
        encoding="utf-8",
    )
    damaged = Path(name)
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(content)
    for command in _COMMANDS[name]:
        assert main(command) in {0, 1, 2}
        told = "".join(capfd.readouterr())
        assert "--help" not in told, command  # there is such a command
        assert "has a bug" not in told, command
        assert "Traceback" not in told, command
