"""What makes a folder with packages a layer: its interpreter, its configuration, its modules."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from venvstacks.building.build_plan import payload
from venvstacks.building.layer_build import LayerBuild
from venvstacks.building.layer_layout import (
    ACTIVATION,
    BASE,
    CONFIGURATION,
    LIBRARY_HOOK,
    OWN_MODULES,
    VENV_LAUNCHERS,
    venv_launchers,
)
from venvstacks.definition.source_trees import source_files
from venvstacks.definition.stack import LayerKind, SourceModule
from venvstacks.errors import BuildError
from venvstacks.files import canonical_json
from venvstacks.libraries.linkage import DYNLIB

_NO_LAYERS = 'LAYERS_BELOW: "tuple[str, ...]" = ()'
_NONE_OPTIONAL = 'OPTIONAL_LAYERS: "dict[str, dict[str, list[str]]]" = {}'
_NONE_JOINED = 'JOINED_PACKAGES: "dict[str, list[str]]" = {}'
_NO_LIBRARIES = 'LIBRARY_FOLDERS: "tuple[str, ...]" = ()'


def assemble(build: LayerBuild, staging: Path, runtime: Path) -> None:
    """Complete a layer whose base Python or packages are in place; ``runtime`` is its runtime's folder."""
    site = staging / build.layout.site
    site.mkdir(parents=True, exist_ok=True)
    if build.layer.kind is not LayerKind.RUNTIME:
        _make_environment(build, staging, runtime)
        _write(build, staging, f"{build.layout.site}/{ACTIVATION}.py", activation(build))
        _write(build, staging, f"{build.layout.site}/{_first_pth(site)}", _activation_line(build))
        if not build.target.is_windows:
            _write(build, staging, f"{build.layout.site}/{LIBRARY_HOOK}.py", payload("libraries.py"))
    for module in (build.layer.launch_module, *build.layer.support_modules):
        if module is not None:
            _copy_module(build, module, site)
    _write(build, staging, CONFIGURATION, canonical_json(dict(build.configuration)))
    _write(build, staging, "postinstall.py", payload("postinstall.py"))


def _write(build: LayerBuild, staging: Path, relative: str, text: str) -> None:
    path = _free(build, staging, relative)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _free(build: LayerBuild, staging: Path, relative: str) -> Path:
    """Return a place in the layer, which no package may have taken."""
    path = staging / relative
    if os.path.lexists(path):
        raise BuildError(
            f"A package of {build.layer.title} brings the file {relative}, which is reserved for the layer.",
            hint="remove the package from the layer's requirements",
        )
    return path


def _make_environment(build: LayerBuild, staging: Path, runtime: Path) -> None:
    """Make a virtual environment that finds its base from where it is.

    Without a ``home`` key, CPython follows the interpreter's link to find its standard library, and ``site``
    takes the folder of ``pyvenv.cfg`` for the prefix.
    """
    _write(build, staging, "pyvenv.cfg", "include-system-site-packages = false\n")
    scripts = build.layout.scripts
    (staging / scripts).mkdir(parents=True, exist_ok=True)
    if build.target.is_windows:
        for name, source in venv_launchers(build.lock.python).items():
            if not (runtime / source).is_file():
                raise BuildError(
                    f"{build.headline} for {build.target.name} cannot be built: its runtime has no "
                    f"{Path(source).name} in {VENV_LAUNCHERS}, which environments on Windows start with.",
                    hint="use a build of Python that has the module 'venv'",
                )
            shutil.copyfile(runtime / source, _free(build, staging, f"{scripts}/{name}"))
        return
    base = _free(build, staging, BASE)
    base.parent.mkdir(parents=True, exist_ok=True)
    base.symlink_to(f"../../../{build.below[-1].install_target}")
    _free(build, staging, f"{scripts}/python").symlink_to(f"../{BASE}/{build.layout.python}")
    for name in ("python3", f"python{build.lock.python.minor}"):
        _free(build, staging, f"{scripts}/{name}").symlink_to("python")


def _first_pth(site: Path) -> str:
    """Return a .pth file a name before those that packages brought, as ``site`` sorts them."""
    name = "00_venvstacks.pth"
    # nothing that can be seen comes before a space, and what cannot be seen, no archive may hold
    others = [path.name for path in site.iterdir() if path.name.endswith(".pth") and path.name >= " "]
    while any(other <= name for other in others):
        name = f" {name}"
    return name


def _activation_line(build: LayerBuild) -> str:
    """Write the .pth file that activates a layer.

    The module is taken from the layer that was started, whatever ``PYTHONPATH`` brings before it.
    """
    site = f"/{build.layout.site}"
    if build.target.is_windows:
        site = site.replace("/", "\\")
    return (
        f"import sys; sys.path.insert(0, sys.prefix + {json.dumps(site)}); import {ACTIVATION}; "
        f"del sys.path[0]; {ACTIVATION}.activate()\n"
    )


def activation(
    build: LayerBuild, dll_folders: Sequence[str] = (), packages: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Write the module that makes the layers below importable."""
    libraries = dll_folders if build.target.is_windows else (DYNLIB, *build.configuration["dynlib_dirs"])
    values = {
        _NO_LAYERS: _tuple_of(build.configuration["pylib_dirs"]),
        _NONE_OPTIONAL: canonical_json(build.configuration.get("optional_layers", {})).rstrip("\n"),
        _NONE_JOINED: canonical_json(dict(packages or {})).rstrip("\n"),
        _NO_LIBRARIES: _tuple_of(libraries),
    }
    text = payload("activate.py")
    for nothing, value in values.items():
        if nothing not in text:
            raise BuildError("The installed venvstacks is damaged: install it again.")
        text = text.replace(nothing, nothing[:-2] + value)
    return text


def _tuple_of(paths: Sequence[str]) -> str:
    listed = "".join(f"    {json.dumps(path, ensure_ascii=False)},\n" for path in paths)
    return f"(\n{listed})" if listed else "()"


def _copy_module(build: LayerBuild, module: SourceModule, site: Path) -> None:
    if module.name in OWN_MODULES:
        raise BuildError(
            f"The module {module.name!r} of {build.layer.title} has a name that the layer itself uses.",
            hint="rename the module",
        )
    taken = {entry.name.partition(".")[0] for entry in site.iterdir() if entry.suffix != ".pyi"}
    if module.name in taken or os.path.lexists(site / module.place):
        raise BuildError(
            f"The module {module.name!r} of {build.layer.title} has the name of a module that a package "
            "of the layer installs.",
            hint="rename the module, or move the package to a framework below",
        )
    for relative, path in source_files(module):
        place = site / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
