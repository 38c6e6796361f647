"""Many machines that deploy at once: processes of their own, which share what Python has imported.

Run as ``bench_clients.py COUNT FOLDER ARGUMENTS...``: each client runs ``venvstacks deploy ARGUMENTS...`` with its
folder ``FOLDER/NUMBER``, and leaves its output as ``FOLDER/NUMBER.json`` and its errors as ``FOLDER/NUMBER.txt``.
Prints how many failed.
"""

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

IMPORTED = ("tuf.ngclient", "urllib3", "venvstacks.api.deployments", "venvstacks.cli")


def client(place: Path, arguments: list[str], gate: int) -> NoReturn:
    """Wait for the gate to open, deploy, and end."""
    code = 1
    try:
        os.read(gate, 1)  # ends when the parent closes its side
        for number, suffix in ((1, ".json"), (2, ".txt")):
            file = os.open(place.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        from venvstacks.cli import main  # noqa: PLC0415 - imported by the parent, later than this module

        code = main(["--quiet", "deploy", *arguments, "--to", str(place), "--json"])
    except BaseException:  # noqa: BLE001 - whatever it is, it is told, and the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def start(folder: Path, count: int, arguments: list[str]) -> list[int]:
    """Fork clients, let them go at once, and return their process IDs."""
    gate, opened = os.pipe()
    started = []
    for number in range(count):
        process = os.fork()
        if process == 0:
            os.close(opened)
            client(folder / str(number), arguments, gate)
        started.append(process)
    os.close(opened)
    os.close(gate)
    return started


def main() -> None:
    """Run clients, and print how many of them failed."""
    count, folder, arguments = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    for name in IMPORTED:
        importlib.import_module(name)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in start(folder, count, arguments)]
    failures = [code for code in codes if code != 0]
    print(len(failures))
    if failures:
        print(f"exit codes: {sorted(set(failures))}", file=sys.stderr)


if __name__ == "__main__":
    main()
