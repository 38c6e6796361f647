"""Which package a file of a layer belongs to, and for which platforms that package was made."""

from collections.abc import Callable, Iterable
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from venvstacks.binaries.policy import Owner
from venvstacks.building.layer_layout import Layout
from venvstacks.building.records import from_site, info_folders, read_record
from venvstacks.entries import BYTECODE_FOLDER
from venvstacks.libraries import linkage as libraries

_BYTECODE = f"/{BYTECODE_FOLDER}/"

BASE_PYTHON = Owner(libraries.BASE_PYTHON, promises=True, is_base=True)
THE_LAYER = Owner("the layer itself", promises=False)


def owners_of(folder: Path, layout: Layout, wheels: Iterable[str], *, other: Owner) -> Callable[[str], Owner]:
    """Return owners by path."""
    promises = {}
    for filename in wheels:
        name, _, _, tags = parse_wheel_filename(filename)
        promises[name] = all(tag.platform != "any" for tag in tags)
    owners: dict[str, Owner] = {}
    for info in info_folders(folder / layout.site):
        stem, _, version = info.name.removesuffix(".dist-info").partition("-")
        distribution = canonicalize_name(stem)
        owner = Owner(f"{distribution} {version}", promises.get(distribution, False))
        for row in read_record(info / "RECORD"):
            owners[from_site(row.path, layout.site)] = owner
    return lambda path: owners.get(path, other)


def distributions_of(folder: Path, layout: Layout) -> Callable[[str], str | None]:
    """Return distributions by path."""
    names: dict[str, str] = {}
    for info in info_folders(folder / layout.site):
        record = info / "RECORD"
        if record.is_file():
            name = canonicalize_name(info.name.partition("-")[0])
            names |= {from_site(row.path, layout.site): name for row in read_record(record)}

    def name_of(path: str) -> str | None:
        if (name := names.get(path)) is None and _BYTECODE in path:
            parent, _, file = path.rpartition(_BYTECODE)
            return names.get(f"{parent}/{file.partition('.')[0]}.py")
        return name

    return name_of
