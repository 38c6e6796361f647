import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes.built_layers import make_built_layer
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format
from venvstacks.building.launchers import Command, Starting, launcher, launcher_inputs
from venvstacks.definition.stack import SourceModule
from venvstacks.platforms.targets import TARGETS

if TYPE_CHECKING:
    from venvstacks.definition.stack import Layer

LINUX = Starting(TARGETS["linux_x86_64"])
TOOL = Command("tool", "package.cli", "Group.run", is_gui=False)

POSIX = b"""\
#!/bin/sh
\'\'\':'
if [ "${PYTHONHOME+set}" ]; then
    echo "${0##*/}: PYTHONHOME is set, which is of no use to this program: it starts without it" >&2
    unset PYTHONHOME
fi
exec "$(dirname "$(realpath "$0")")/python" -P "$0" "$@"
\' \'\'\'
import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(sys.executable)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    below = [os.path.realpath(os.path.join(here, folder)) for folder in ('../../f/bin',)]
    path = [here, *(folder for folder in path if folder != here)]
    path += [folder for folder in below if folder not in path]
    os.environ["PATH"] = os.pathsep.join(path)
    from package.cli import Group as command

    sys.exit(command.run())
"""


@pytest.mark.parametrize("target", ["linux_x86_64", "macosx_arm64"])
@pytest.mark.parametrize("is_gui", [False, True])
def test_a_script_on_posix(target: str, *, is_gui: bool) -> None:
    starting = Starting(TARGETS[target], ("../../f/bin",))
    assert launcher(replace(TOOL, is_gui=is_gui), starting) == ("tool", POSIX)
    isolated = launcher(TOOL, replace(starting, isolated=True))[1]
    assert isolated == POSIX.replace(b' -P "$0"', b' -I "$0"')


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
    command, starting = replace(TOOL, is_gui=is_gui), Starting(TARGETS[f"win_{arch}"], ("../../f/Scripts",))
    name, content = launcher(command, starting)
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
    assert code.splitlines()[9:] == [
        '    os.environ["PATH"] = os.pathsep.join(path)',
        '    sys.argv[0] = sys.argv[0].removesuffix(".exe")',
        "    from package.cli import Group as command",
        "",
        "    sys.exit(command.run())",
    ]
    assert launcher(command, starting)[1] == content
    assert b"#!<launcher_dir>\\" + python + b" -I\nPK" in launcher(command, replace(starting, isolated=True))[1]


def inputs(*, target: str = "linux_x86_64", **fields: object) -> dict[str, object]:
    plain = make_built_layer(Path(__file__).parent, "app-a", launch_module="a").layer
    layer: Layer = replace(plain, **fields)  # type: ignore[arg-type]
    return launcher_inputs(layer, Starting(TARGETS[target]))


def test_what_decides_a_layers_launchers() -> None:
    plain = inputs()
    assert inputs(launch_module=None) == {}
    others = [
        inputs(all_entry_points=True),
        inputs(entry_points=("tool",)),
        inputs(entry_points=("other",)),
        inputs(target="win_amd64"),
        inputs(name="b", launch_module=SourceModule(Path("b.py"), "b", "b.py")),
    ]
    assert all(other != plain for other in others)
    assert len(set(map(str, others))) == len(others)
