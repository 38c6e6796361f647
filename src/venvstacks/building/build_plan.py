"""Planning builds: everything that decides the content of a layer."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from venvstacks.building.exclusions import excluded_packages, installed_wheels
from venvstacks.building.launchers import launcher_inputs
from venvstacks.building.layer_build import LayerBuild
from venvstacks.building.layer_layout import layer_layout
from venvstacks.building.optional_layers import optional_layers
from venvstacks.definition.stack import Layer, LayerKind, Stack
from venvstacks.files import json_hash
from venvstacks.libraries.linkage import DYNLIB
from venvstacks.locking.layer_lock import LayerLock, lock_folder
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import Target, host_target

REVISION = 3
"""Rises when the same inputs give a layer with other content."""


def plan_layers(
    stack: Stack,
    locks: Mapping[str, LayerLock],
    modules: Mapping[str, Mapping[str, str]],
    target: Target,
    build_folder: Path,
) -> tuple[LayerBuild, ...]:
    """Return the locked layers that are made for a target, with everything that decides their content."""
    folder = folder_of(target, build_folder)
    return tuple(
        _plan_layer(stack, layer, locks, modules[layer.build_name], compatibility, folder)
        for layer in stack.named(locks)
        if (compatibility := layer.on(target)) is not None
    )


def folder_of(target: Target, build_folder: Path) -> Path:
    """Return the folder in the build folder that holds the layers for a target."""
    return build_folder if target == host_target() else build_folder / target.name


def _plan_layer(  # noqa: PLR0917 - one call, above
    stack: Stack,
    layer: Layer,
    locks: Mapping[str, LayerLock],
    module_hashes: Mapping[str, str],
    compatibility: Compatibility,
    folder: Path,
) -> LayerBuild:
    lock = locks[layer.build_name]
    below = tuple(locks[name] for name in layer.below)
    target = compatibility.target
    layout = layer_layout(layer.kind, target, lock.python)
    configuration = _configuration(stack, layer, lock, below, target)
    inputs = {
        "revision": REVISION,
        "payload": {
            name: payload(name) for name in ("activate.py", "libraries.py", "packages.py", "postinstall.py")
        },
        "python": lock.python.request,
        "target": compatibility.describe(),
        "install_target": lock.install_target,
        "configuration": configuration,
        "wheels": [[wheel.filename, wheel.sha256] for _, wheel in installed_wheels(layer, lock, target)],
        "modules": dict(module_hashes),
        **launcher_inputs(layer, target, configuration),
        "libraries": _library_inputs(stack, layer, lock, below, target),
    }
    if stack.bytecode == "ship":
        inputs["compiler"] = payload("compile_bytecode.py")
    return LayerBuild(
        layer=layer,
        lock=lock,
        below=below,
        compatibility=compatibility,
        folder=folder / layer.build_name,
        layout=layout,
        configuration=configuration,
        module_hashes=module_hashes,
        inputs_hash=json_hash(inputs),
        # an interpreter of this machine can serve nobody else
        local_runtime=stack.local_runtime if layer.kind is LayerKind.RUNTIME and compatibility.runs_here else "",
        excluded=excluded_packages(layer, lock, target, lock_folder(stack, layer)),
        bytecode=stack.bytecode,
    )


def _library_inputs(
    stack: Stack, layer: Layer, lock: LayerLock, below: tuple[LayerLock, ...], target: Target
) -> list[object]:
    """Return what decides, apart from the content of wheels, where a layer's files find libraries.

    The versions of packages below do not count: whoever replaces a layer by one with a newer release of a package
    need not replace the layers above it. If a library moved between packages that stay, only building shows it.
    """
    own = [layer.dynlib_exclude, layer.dynlib_allow_missing]
    if not _with_binaries(lock, target):
        return [*own, []]
    lower = [[_with_binaries(each, target), stack.layer(each.layer).dynlib_exclude] for each in below]
    return [*own, lower]


def _with_binaries(lock: LayerLock, target: Target) -> list[str]:
    """Name the packages of a layer whose wheels are for a platform, sorted."""
    return sorted({p.name for p, wheel in lock.wheels_on(target) if not wheel.filename.endswith("-any.whl")})


def _configuration(
    stack: Stack, layer: Layer, lock: LayerLock, below: tuple[LayerLock, ...], target: Target
) -> dict[str, Any]:
    layout = layer_layout(layer.kind, target, lock.python)
    pylib_dirs, bin_dirs = [], []
    base_python = layout.python
    for lower in below:
        kind = stack.layer(lower.layer).kind
        lower_layout = layer_layout(kind, target, lower.python)
        pylib_dirs.append(f"../{lower.install_target}/{lower_layout.site}")
        bin_dirs.append(f"../{lower.install_target}/{lower_layout.scripts}")
        if kind is LayerKind.RUNTIME:
            base_python = f"../{lower.install_target}/{lower_layout.python}"
    configuration: dict[str, Any] = {
        "python": layout.python,
        "base_python": base_python,
        "py_version": lock.python.release,
        "site_dir": layout.site,
        "pylib_dirs": pylib_dirs,
        "dynlib_dirs": [] if target.is_windows else [f"../{lower.install_target}/{DYNLIB}" for lower in below],
    }
    locks = {lower.layer: lower for lower in (lock, *below)}
    if optional := optional_layers(stack, layer, locks, target):
        configuration["optional_layers"] = {
            locks[name].install_target: {
                key: [locks[other].install_target for other in others] for key, others in absence.items()
            }
            for name, absence in optional.items()
        }
    if layer.launch_module is not None:
        configuration["launch_module"] = layer.launch_module.name
        configuration["bin_dirs"] = bin_dirs
    if layer.isolated:
        configuration["isolated"] = True
    if stack.bytecode == "ship":
        configuration["bytecode"] = stack.bytecode
    return configuration


@cache
def payload(name: str) -> str:
    """Return the text of a file that is copied into layers."""
    return files("venvstacks.payload").joinpath(name).read_text(encoding="utf-8")
