"""Writes into a store in a folder, again and again, and is killed one step later each time.

Arguments: a folder, in which each of these runs gets a store of its own, called by the number of the step. A step
is a line of what writes files. The last run is not killed; its number is printed.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from venvstacks.stores.folder import FolderStore

BLOB = bytes(range(256)) * 1000
NAMES = {"blobs/sha256/00/new": BLOB, "metadata/1.root.json": b"root", "metadata/timestamp.json": b"second"}
MODULES = ("folder.py", "folder_writing.py", "files.py")
FUNCTIONS = {"write_bytes", "replace", "rename", "unlink", "mkdir"}


def prepare(folder: Path) -> FolderStore:
    """Return a store with what is there before."""
    store = FolderStore(folder)
    store.replace("metadata/timestamp.json", b"first", None)
    store.create("blobs/sha256/00/old", b"old")
    return store


def write(store: FolderStore) -> None:
    """Write what a push writes, as far as it is not there."""
    store.create("blobs/sha256/00/new", BLOB)
    store.create("metadata/1.root.json", b"root")
    found = store.read("metadata/timestamp.json", 100)
    if found.data != b"second":
        store.replace("metadata/timestamp.json", b"second", found.tag)
    store.delete("blobs/sha256/00/old")


def run(folder: Path, last: int) -> None:
    """Write, and end everything at a step."""
    store = prepare(folder)
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        code = frame.f_code
        if not (
            code.co_filename.endswith(MODULES) or ("pathlib" in code.co_filename and code.co_name in FUNCTIONS)
        ):
            return None
        if event == "line":
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    write(store)
    sys.settrace(None)


def main() -> None:
    """Run until a run is not killed."""
    os.fsync = lambda fd: None  # noqa: ARG005 - what is written survives a process without it
    base, at = Path(sys.argv[1]), 0
    write(prepare(base / "0"))  # imports what the others need
    while True:
        at += 1
        child = os.fork()
        if child == 0:
            run(base / str(at), at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(at if status == 0 else -1)
            return


if __name__ == "__main__":
    main()
