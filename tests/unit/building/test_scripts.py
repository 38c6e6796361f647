import os
import subprocess
import sys
from pathlib import Path

import pytest

from venvstacks.building.records import row_of
from venvstacks.building.scripts import relocatable_script
from venvstacks.platforms.targets import TARGETS

BODY = b"import sys\nprint(sys.executable, __file__, sys.argv[1:])\n"
LONG = b"#!/bin/sh\n'''exec' \"/a very long/path/python\" \"$0\" \"$@\"\n' '''\n"


def settled(path: Path, content: bytes, target: str = "linux_x86_64") -> bytes:
    path.write_bytes(content)
    row = relocatable_script(path, row_of("bin/script", content), TARGETS[target])
    assert row == row_of("bin/script", path.read_bytes())
    return path.read_bytes()


@pytest.mark.parametrize(
    "header", [b"#!/usr/bin/python3\n", b"#!/a b/python3.12\n", LONG, f"#!{sys.executable}\n".encode()]
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


@pytest.mark.parametrize("header", [b"#!/usr/bin/python3\n", LONG])
def test_on_windows_a_script_has_the_header_that_its_wheel_had(tmp_path: Path, header: bytes) -> None:
    assert settled(tmp_path / "script", header + BODY, "win_amd64") == b"#!python\n" + BODY


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
    relocatable_script(tmp_path / "script", row_of("x", b""), TARGETS["macosx_arm64"])
    assert original.read_bytes() == b"#!/usr/bin/python3\n" + BODY
    assert (tmp_path / "script").stat().st_mode & 0o777 == 0o755
