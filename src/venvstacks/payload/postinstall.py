"""Finishes a layer on the machine where it will run. Written by venvstacks.

Run it with the runtime's Python, after all layers of the stack have been unpacked side by side:

    python postinstall.py [--no-compile]

On Linux and macOS this is optional: it only compiles modules ahead of their first import, unless they were
shipped compiled. On Windows it also writes the absolute path that a virtual environment's launcher needs.
Running it again changes nothing.
"""

import compileall
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

LAYER = Path(__file__).absolute().parent
CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"


def missing_layers(configuration: dict[str, Any]) -> list[str]:
    """Give the folders and programs of other layers that are needed and not there."""
    needed = [configuration["base_python"], *configuration["pylib_dirs"]]
    missing = [path for path in needed if not (LAYER / path).exists()]
    present = {layer_of(path) for path in needed if path not in missing}
    optional = configuration.get("optional_layers", {})
    return [path for path in missing if is_missed(optional, layer_of(path), present)]


def layer_of(path: str) -> str:
    """Give the folder's name of the layer that a path leads to."""
    return path.removeprefix("../").partition("/")[0]


def is_missed(optional: dict[str, Any], name: str, present: set[str]) -> bool:
    """Tell whether a layer that is not there is needed: none that is there stands for it, or one needs it."""
    absence = optional.get(name)
    if absence is None or not present.isdisjoint(absence["needed_by"]):
        return True
    return bool(absence["replaced_by"]) and present.isdisjoint(absence["replaced_by"])


def write_home(base_python: str) -> None:
    """Write the absolute path of the runtime into ``pyvenv.cfg``, beside the file and then over it."""
    home = (LAYER / base_python).resolve().parent
    text = f"home = {home}\ninclude-system-site-packages = false\n"
    path = LAYER / "pyvenv.cfg"
    if path.read_text(encoding="utf-8") == text:
        return
    descriptor, temporary = tempfile.mkstemp(dir=LAYER)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    Path(temporary).replace(path)


def main(arguments: list[str]) -> int:
    """Finish this layer; give the exit status."""
    if arguments not in ([], ["--no-compile"]):
        print(__doc__, file=sys.stderr)
        return 2
    configuration = json.loads((LAYER / CONFIGURATION).read_text(encoding="utf-8"))
    missing = missing_layers(configuration)
    if missing:
        listed = ", ".join(os.path.normpath(LAYER / path) for path in missing)
        print(
            f"{LAYER.name} cannot be finished, these parts of other layers are missing: {listed}", file=sys.stderr
        )
        return 1
    if os.name == "nt" and configuration["python"] != configuration["base_python"]:
        write_home(configuration["base_python"])
    if not arguments and configuration.get("bytecode") != "ship":
        site = LAYER / configuration["site_dir"]
        folder = site.parent if configuration["python"] == configuration["base_python"] else site
        if os.access(folder, os.W_OK):
            compileall.compile_dir(folder, quiet=2, workers=0)
        else:
            print(f"{LAYER.name} is read-only: modules are not compiled ahead", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
