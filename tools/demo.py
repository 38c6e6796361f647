"""Lock, build, publish, export and run examples/science, show what is saved, and ship it and an update of it.

Run it as ``python3 dev.py demo``. Everything is done with the installed command line.
"""

import json
import os
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo_commands import venvstacks
from demo_deploy import ship

from venvstacks.humanize import size_text

STACK = Path(__file__).resolve().parents[1] / "examples" / "science"
APPLICATIONS = ("iris", "fetch", "serve-model")


@dataclass(frozen=True)
class Row:
    """The sizes of one layer.

    Attributes:
        layer: Install target.
        below: Install targets of all layers it depends on.
        is_application: Whether it is launched.
        packages: How many packages its lock lists.
        unpacked: Bytes of its files in the export.
        archived: Bytes of its archive.
    """

    layer: str
    below: tuple[str, ...]
    is_application: bool
    packages: int
    unpacked: int
    archived: int


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; without links, and bytecode of earlier runs."""
    total = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        files = (Path(parent, name) for name in names)
        total += sum(file.stat().st_size for file in files if not file.is_symlink())
    return total


def packages_in(layer: str) -> int:
    """Count the packages in a layer's lock."""
    (lock,) = (STACK / "requirements" / layer).glob("pylock.*.toml")
    return len(tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", []))


def measure() -> list[Row]:
    """Read the manifest, the locks and the export, and measure each layer."""
    manifest = STACK / "_artifacts" / "__venvstacks__" / "venvstacks.json"
    kinds = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
    return [
        Row(
            layer=layer["install_target"],
            below=() if kind == "runtimes" else (*layer["required_layers"], layer["runtime_layer"]),
            is_application=kind == "applications",
            packages=packages_in(layer["layer_name"]),
            unpacked=size_of(STACK / "_export" / layer["install_target"]),
            archived=layer["archive_size"],
        )
        for kind in ("runtimes", "frameworks", "applications")
        for layer in kinds[kind]
    ]


def apart(rows: Iterable[Row]) -> tuple[int, int]:
    """Return unpacked and archived bytes if each application came with everything it depends on."""
    by_name = {row.layer: row for row in rows}
    carried = [by_name[name] for row in by_name.values() if row.is_application for name in (row.layer, *row.below)]
    return sum(row.unpacked for row in carried), sum(row.archived for row in carried)


def table(rows: list[Row]) -> str:
    """Draw the layers, their sums, and what sharing saved."""

    def line(name: str, packages: object, unpacked: object, archived: object) -> str:
        return f"{name:<{width}}  {packages:>8}  {unpacked:>11}  {archived:>11}"

    def less(whole: int, part: int) -> str:
        return f"{100 * (1 - part / whole):.0f} %"

    bundled_title = "each application on its own"
    width = max(len(bundled_title), *(len(row.layer) for row in rows))
    unpacked, archived = sum(row.unpacked for row in rows), sum(row.archived for row in rows)
    bundled_unpacked, bundled_archived = apart(rows)
    head = line("layer", "packages", "unpacked", "archive")
    return "\n".join(
        [
            head,
            "-" * len(head),
            *(line(row.layer, row.packages, size_text(row.unpacked), size_text(row.archived)) for row in rows),
            "-" * len(head),
            line("layers, once", sum(row.packages for row in rows), size_text(unpacked), size_text(archived)),
            line(bundled_title, "", size_text(bundled_unpacked), size_text(bundled_archived)),
            line("saved by sharing", "", less(bundled_unpacked, unpacked), less(bundled_archived, archived)),
        ]
    )


def main() -> None:
    """Lock, build, publish, export, run, and report; then ship."""
    began = time.perf_counter()
    print(f"The stack: {STACK.relative_to(STACK.parents[1])}/venvstacks.toml", flush=True)
    for command in ("lock", "build", "publish", "local-export"):
        venvstacks(command, cwd=STACK)
    for application in APPLICATIONS:
        venvstacks("run", "--from", "_export", application, cwd=STACK)
    print(f"\n{table(measure())}")
    ship(STACK)
    print(f"\nAll of it took {time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    main()
