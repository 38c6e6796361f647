import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes.built_layers import make_built_layer
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format
from venvstacks.building.installed import row_of
from venvstacks.building.launchers import launcher, launcher_inputs, relocatable_script
from venvstacks.definition.stack import SourceModule
from venvstacks.platforms.targets import TARGETS

if TYPE_CHECKING:
    from venvstacks.definition.stack import Layer

LINUX = TARGETS["linux_x86_64"]
GROUPS = {False: "console_scripts", True: "gui_scripts"}
BODY = b"import sys\nprint(sys.executable, __file__, sys.argv[1:])\n"
LONG = b"#!/bin/sh\n'''exec' \"/a very long/path/python\" \"$0\" \"$@\"\n' '''\n"

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
    tool, configuration = EntryPoint("tool", "package.cli:Group.run", GROUPS[is_gui]), {"bin_dirs": ["../f/bin"]}
    assert launcher(tool, TARGETS[target], configuration) == ("tool", POSIX)
    isolated = launcher(tool, TARGETS[target], {**configuration, "isolated": True})[1]
    assert isolated == POSIX.replace(b' -P "$0"', b' -I "$0"')


@pytest.mark.parametrize("module", ["sys", "command", "__main__"])
def test_names_in_a_launcher_are_not_in_the_way(tmp_path: Path, module: str) -> None:
    """Whatever the object is called; and a launcher that is imported, as by worker processes, starts nothing."""
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "package.py").write_text(f"def {module}():\n    print('started')\n    return 5\n")
    path = tmp_path / "tool"
    path.write_bytes(launcher(EntryPoint("tool", f"package:{module}", GROUPS[False]), LINUX, {})[1])
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
    tool, target = EntryPoint("tool", "package.cli:Group.run", GROUPS[is_gui]), TARGETS[f"win_{arch}"]
    configuration = {"bin_dirs": ["../f/Scripts"]}
    name, content = launcher(tool, target, configuration)
    assert name == "tool.exe"
    path = tmp_path / name
    path.write_bytes(content)
    assert [(image.format, image.architecture) for image in read_binary(path)] == [(Format.PE, arch)]
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
    assert launcher(tool, target, configuration)[1] == content
    isolated = launcher(tool, target, {**configuration, "isolated": True})[1]
    assert b"#!<launcher_dir>\\" + python + b" -I\nPK" in isolated


def inputs(*, target: str = "linux_x86_64", **fields: object) -> dict[str, object]:
    plain = make_built_layer(Path(__file__).parent, "app-a", launch_module="a").layer
    layer: Layer = replace(plain, **fields)  # type: ignore[arg-type]
    return launcher_inputs(layer, TARGETS[target], {})


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


def settled(path: Path, content: bytes, target: str = "linux_x86_64") -> bytes:
    path.write_bytes(content)
    row = relocatable_script(path, row_of("bin/script", path), TARGETS[target])
    assert row == row_of("bin/script", path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "header",
    [
        b"#!/usr/bin/python3\n",
        b"#!/a b/python3.12\n",
        b"#!/home/me/environments/bin/python\n",
        LONG,
        f"#!{sys.executable}\n".encode(),
    ],
)
def test_python_scripts_start_the_python_beside_them(tmp_path: Path, header: bytes) -> None:
    folder = tmp_path / "a folder" / "bin"
    folder.mkdir(parents=True)
    content = settled(folder / "script", header + BODY)
    assert content.endswith(BODY)
    assert b"/a very long" not in content
    (folder / "python").symlink_to(sys.executable)
    (tmp_path / "link").symlink_to(folder / "script")
    for name in (folder / "script", tmp_path / "link"):
        done = subprocess.run([name, "a b", "$x"], capture_output=True, text=True, check=True)
        assert done.stdout == f"{folder / 'python'} {name} ['a b', '$x']\n"


@pytest.mark.parametrize("header", [b"#!/usr/bin/python3\n", b"#!C:\\a b\\Scripts\\python.exe\n", LONG])
def test_on_windows_a_script_has_the_header_that_its_wheel_had(tmp_path: Path, header: bytes) -> None:
    assert settled(tmp_path / "script", header + BODY, "win_amd64") == b"#!python\n" + BODY


@pytest.mark.parametrize("target", ["linux_x86_64", "win_amd64"])
def test_a_script_that_two_packages_bring_is_in_both_records_as_it_is(tmp_path: Path, target: str) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"#!/usr/bin/python3\n" + BODY)
    installed = row_of("bin/script", script)
    rows = [relocatable_script(script, installed, TARGETS[target]) for _ in range(2)]
    assert rows == [row_of("bin/script", script)] * 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"#!/bin/sh\necho\n",
        b"#!/usr/bin/env python3\n",
        b"#!/usr/bin/perl\n",
        b"#!python\n",
        b"text",
    ],
)
def test_other_programs_are_left_as_they_are(tmp_path: Path, content: bytes) -> None:
    assert settled(tmp_path / "script", content) == content


def test_a_shared_file_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    original = tmp_path / "cache"
    original.write_bytes(b"#!/usr/bin/python3\n" + BODY)
    os.link(original, tmp_path / "script")
    relocatable_script(tmp_path / "script", row_of("x", original), TARGETS["macosx_arm64"])
    assert original.read_bytes() == b"#!/usr/bin/python3\n" + BODY
    assert (tmp_path / "script").stat().st_mode & 0o777 == 0o755
