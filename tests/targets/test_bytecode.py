"""Modules that were compiled here for foreign targets, loaded there."""

import json
import shutil
from pathlib import Path

import tomlkit

import venvstacks
from fakes.pythons import tree
from targets.foreign import Run
from venvstacks.events import Event, Warned
from venvstacks.payload import compile_bytecode

MODULE = """\
import json, sys
import helper
print(json.dumps({"said": helper.said, "file": helper.told.__code__.co_filename, "module": helper.__file__}))
"""
HELPER = "said = 'as shipped'\n\ndef told():\n    return f'{said!r} 1.5'\n"


def exported(folder: Path, downloads: str, target: str, python: str, events: list[Event]) -> Path:
    """Build a stack with its modules compiled, and export it."""
    limits = {"platforms": [target], "linux_target": "glibc@2.36", "requirements": []}  # the one of Debian 12
    base = {"name": "base", "python_implementation": f"cpython@{python}"}
    tool = {"name": "tool", "launch_module": "tool.py", "support_modules": ["helper.py"], "runtime": "base"}
    document = {
        "tool": {"uv": {"python-downloads-json-url": downloads}, "venvstacks": {"bytecode": "ship"}},
        "runtimes": [base | limits],
        "applications": [tool | limits],
    }
    folder.mkdir(parents=True)
    (folder / "tool.py").write_text(MODULE, encoding="utf-8")
    (folder / "helper.py").write_text(HELPER, encoding="utf-8")
    (folder / "venvstacks.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    stack = venvstacks.load_stack(folder / "venvstacks.toml")
    options = venvstacks.Options(observe=events.append)
    venvstacks.build(stack, platforms=[target], lock_if_needed=True, options=options)
    venvstacks.export(stack, platforms=[target], options=options)
    return folder / "_export"


def test_linux_aarch64(downloads_list: str, run_aarch64: Run, tmp_path: Path) -> None:
    events: list[Event] = []
    place = exported(tmp_path / "built", downloads_list, "linux_aarch64", "3.11.2", events)
    assert not [event for event in events if isinstance(event, Warned)], "Debian has the exact release for both"
    python, site = place / "app-tool" / "bin" / "python", place / "app-tool" / "lib/python3.11/site-packages"
    before = tree(place)
    told = json.loads(run_aarch64(python, "-P", "-m", "tool").stdout)
    assert told == {"said": "as shipped", "file": f"{site}/helper.py", "module": f"{site}/helper.py"}
    assert tree(place) == before, "nothing is left to be written"

    # the target's own interpreter writes the same bytes
    library = place / "base" / "lib" / "python3.11"
    modules = [path.name for path in sorted(library.glob("*.py")) if not path.is_symlink()][::4]
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in modules:
        shutil.copy(library / name, copy / name)
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"root": str(copy), "modules": [(name, name) for name in modules]}))
    program = place / "base" / "bin" / "python"
    run_aarch64(program, "-B", "-P", "-s", "-S", compile_bytecode.__file__, job, env={"PYTHONHASHSEED": "7"})
    made = {path.name: path.read_bytes() for path in (copy / "__pycache__").iterdir()}
    assert len(made) == len(modules) > 30
    assert made == {name: (library / "__pycache__" / name).read_bytes() for name in made}


def test_win_amd64(downloads_list: str, run_windows: Run, tmp_path: Path) -> None:
    events: list[Event] = []
    place = exported(tmp_path / "built", downloads_list, "win_amd64", "3.13.2", events)
    warnings = [event.message for event in events if isinstance(event, Warned)]
    assert [
        text
        for text in warnings
        if not text.startswith("Bytecode for cpython@3.13.2 is compiled by cpython@3.13.")
    ] == []
    layer = place / "app-tool"
    run_windows(place / "base" / "python.exe", layer / "postinstall.py")
    before = tree(place)
    python = layer / "Scripts" / "python.exe"
    assert json.loads(run_windows(python, "-P", "-m", "tool").stdout)["said"] == "as shipped"
    assert tree(place) == before, "nothing is left to be written"
    (layer / "Lib" / "site-packages" / "helper.py").write_text(HELPER.replace("as shipped", "edited"))
    assert json.loads(run_windows(python, "-P", "-m", "tool").stdout)["said"] == "as shipped"
