"""Published stacks of any size without locking and building, for what only depends on size."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

RUNTIME, FRAMEWORK, APPLICATION = "cpython-3.12", "framework-big", "app-main"
CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"
ROOT = Path(__file__).resolve().parents[1]
PIECE = 4096
NEW_OF_PIECE = (
    1600  # bytes that no codec can shrink: archives get two fifths of a file's size, as those of libraries
)
LARGEST_FILE = 32_000_000
PURE_FILES = 20


@dataclass(frozen=True)
class Synthetic:
    """A runtime, a framework and an application, of which no file can be run.

    Attributes:
        folder: Where everything is.
        native: Bytes of the framework's large files, which stay the same in all versions.
        modules: How many small files it has besides.
    """

    folder: Path
    native: int
    modules: int = 2000

    @property
    def published(self) -> Path:
        """The output folder of the latest publication."""
        return self.folder / "_artifacts"

    def publish(self, *, package: str, application: str) -> None:
        """Publish the stack with a small package of a version in the framework, and an application of one.

        Args:
            package: A digit from 1 to 9.
            application: Any text.
        """
        sys.path.insert(0, str(ROOT / "tests"))
        from fakes.built_layers import make_built_layer, make_lock, make_tree  # noqa: PLC0415 - only here
        from fakes.small_stack import publish  # noqa: PLC0415
        from venvstacks.platforms.targets import host_target  # noqa: PLC0415
        from venvstacks.publishing.publish_plan import PublishOptions  # noqa: PLC0415

        build = self.folder / "_build"
        program: dict[str, bytes | str | None] = {"!bin/python": b"#!/bin/sh\n"}
        trees = {
            RUNTIME: {**program, "lib/os.py": b"#\n" * 5000},
            FRAMEWORK: {**program, **pure_package(package), CONFIGURATION: configuration(RUNTIME)},
            APPLICATION: {
                **program,
                "lib/main.py": f"print({application!r})\n".encode(),
                CONFIGURATION: configuration(FRAMEWORK, RUNTIME, launch_module="main"),
            },
        }
        for name, tree in trees.items():
            make_tree(build / name, tree)
        write_unchanged(build / FRAMEWORK / "lib", self.native, self.modules)
        make = partial(make_built_layer, runtime=RUNTIME, target=host_target().name)
        layers = (
            make(build / RUNTIME, RUNTIME),
            # a new lock has another time, which all files get
            make(build / FRAMEWORK, FRAMEWORK, inputs=package, locked_at=f"2024-03-0{package}T12:00:00+00:00"),
            make(
                build / APPLICATION,
                APPLICATION,
                frameworks=(FRAMEWORK,),
                inputs=package + application,
                launch_module="main",
            ),
        )
        built = [replace(each, below=tuple(make_lock(lock.layer) for lock in each.below)) for each in layers]
        publish(tuple(built), PublishOptions(self.published))


def configuration(*below: str, launch_module: str = "") -> bytes:
    """Return what a layer says of itself."""
    found = {
        "python": "bin/python",
        "base_python": f"../{RUNTIME}/bin/python",
        "launch_module": launch_module,
        "pylib_dirs": [],
        "bin_dirs": [f"../{name}/bin" for name in below],
    }
    return json.dumps(found).encode()


def pure_package(version: str) -> dict[str, bytes | str | None]:
    """Return the files of a package of which every version has other content."""
    return {
        f"lib/package/part{number}.py": f"# {version}\n".encode() + f"VALUE_{number} = {number}\n".encode() * 500
        for number in range(PURE_FILES)
    }


def write_unchanged(folder: Path, size: int, count: int) -> None:
    """Write what stays the same: modules, and files of a size in sum, which codecs shrink as they do libraries."""
    modules = folder / "modules"
    if modules.exists():
        return
    modules.mkdir(parents=True)
    for number in range(count):
        (modules / f"module{number}.py").write_bytes(b"VALUE = %d\n" % number * 100)
    for number, part in enumerate(range(0, size, LARGEST_FILE)):
        with (folder / f"libbig{number}.bin").open("wb") as file:
            file.writelines(pieces(min(LARGEST_FILE, size - part)))


def pieces(size: int) -> Iterator[bytes]:
    """Return pieces of a size in sum, each partly new."""
    filler = os.urandom(PIECE - NEW_OF_PIECE)
    while size > 0:
        yield (os.urandom(NEW_OF_PIECE) + filler)[:size]
        size -= PIECE
