import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes.built_layers import make_built_layer
from fakes.locks import make_lock, make_package
from venvstacks.binaries.model import Format
from venvstacks.binaries.reading import read_binary
from venvstacks.building.launchers import Command, launcher, launcher_inputs
from venvstacks.locking.model import LockedPackage
from venvstacks.platforms.targets import TARGETS

if TYPE_CHECKING:
    from venvstacks.spec.model import Layer

LINUX = TARGETS["linux_x86_64"]
TOOL = Command("tool", "package.cli", "Group.run", is_gui=False)

POSIX = b"""\
#!/bin/sh
\'\'\'exec\' "$(dirname "$(realpath "$0")")/python" -P "$0" "$@"
\' \'\'\'
import sys

if __name__ == "__main__":
    from package.cli import Group as command

    sys.exit(command.run())
"""


@pytest.mark.parametrize("target", ["linux_x86_64", "macosx_arm64"])
@pytest.mark.parametrize("is_gui", [False, True])
def test_a_script_on_posix(target: str, *, is_gui: bool) -> None:
    assert launcher(replace(TOOL, is_gui=is_gui), TARGETS[target]) == ("tool", POSIX)


@pytest.mark.parametrize("module", ["sys", "command", "__main__"])
def test_names_in_a_launcher_are_not_in_the_way(tmp_path: Path, module: str) -> None:
    """Whatever the object is called; and a launcher that is imported, as by worker processes, starts nothing."""
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "package.py").write_text(f"def {module}():\n    print('started')\n    return 5\n")
    path = tmp_path / "tool"
    path.write_bytes(launcher(Command("tool", "package", module, is_gui=False), LINUX)[1])
    path.chmod(0o755)
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([path], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "started\n", "")
    code = f"import runpy; runpy.run_path({str(path)!r}, run_name='__mp_main__')"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize(("is_gui", "python"), [(False, b"python.exe"), (True, b"pythonw.exe")])
def test_a_program_on_windows(tmp_path: Path, arch: str, python: bytes, *, is_gui: bool) -> None:
    command, target = replace(TOOL, is_gui=is_gui), TARGETS[f"win_{arch}"]
    name, content = launcher(command, target)
    assert name == "tool.exe"
    path = tmp_path / name
    path.write_bytes(content)
    binary = read_binary(path)
    assert binary is not None
    assert (binary.format, [image.architecture for image in binary.images]) == (Format.PE, [arch])
    assert b"#!<launcher_dir>\\" + python + b"\nPK\x03\x04" in content
    with zipfile.ZipFile(path) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.date_time) == ("__main__.py", (1980, 1, 1, 0, 0, 0))
        code = archive.read(entry).decode()
    assert code.splitlines()[2:] == [
        'if __name__ == "__main__":',
        "    from package.cli import Group as command",
        "",
        '    sys.argv[0] = sys.argv[0].removesuffix(".exe")',
        "    sys.exit(command.run())",
    ]
    assert launcher(command, target)[1] == content


def inputs(
    below: LockedPackage, *, target: str = "linux_x86_64", excluded: tuple[str, ...] = (), **fields: object
) -> dict[str, object]:
    layer: Layer = replace(make_built_layer(Path(), "app-a").layer, **fields)  # type: ignore[arg-type]
    lower = replace(make_built_layer(Path(), "base").layer, exclude_packages=excluded)
    return launcher_inputs(layer, TARGETS[target], [(lower, make_lock("base", below))])


def test_what_decides_a_layers_launchers() -> None:
    one, two = make_package("one"), make_package("one", "2.0")
    assert inputs(one) == {}
    assert inputs(one, all_entry_points=True) == inputs(two, all_entry_points=True), "only its own packages count"
    named = inputs(one, entry_points=("tool",))
    assert named["wheels_below"] == [["one-1.0-py3-none-any.whl", "0" * 64]]
    others = [
        inputs(two, entry_points=("tool",)),
        inputs(one, entry_points=("other",)),
        inputs(one, entry_points=("tool",), target="win_amd64"),
        inputs(one, entry_points=("tool",), excluded=("one",)),
    ]
    assert all(other != named for other in others)
