"""Scripts of packages that start the layer's own Python wherever the layer lies."""

from pathlib import Path

from venvstacks.building.records import Row, replace_file, row_of
from venvstacks.platforms.targets import Target

# A program for sh that is a string to Python: the interpreter is found beside the script, through links. No path
# here begins with a hyphen, and busybox's realpath takes "--" for a name.
_HEADER = b'#!/bin/sh\n\'\'\'exec\' "$(dirname "$(realpath "$0")")/python" "$0" "$@"\n\' \'\'\'\n'
_WINDOWS_HEADER = b"#!python\n"  # as in the wheel: Windows' own launcher of scripts reads it
_LONG_START = b"#!/bin/sh\n'''exec' "
_LONG_END = b"\n' '''\n"


def relocatable_script(path: Path, row: Row, target: Target) -> Row:
    """Return a Python script that uv bound to its own interpreter a header that works everywhere.

    Programs, and scripts for other interpreters, are left as they are.
    """
    with path.open("rb") as file:
        if file.read(2) != b"#!":
            return row
    content = path.read_bytes()
    first = content.partition(b"\n")[0]
    if content.startswith(_LONG_START) and _LONG_END in content:
        body = content.partition(_LONG_END)[2]
    elif b"python" in first.rpartition(b"/")[2] and first.startswith(b"#!/") and b"/env" not in first:
        body = content.partition(b"\n")[2]
    else:
        return row
    content = (_WINDOWS_HEADER if target.is_windows else _HEADER) + body
    replace_file(path, content, executable=True)
    return row_of(row.path, content)
