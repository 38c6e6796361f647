"""Write the files of a layer's lock."""

from collections.abc import Iterable, Sequence

import msgspec
from packaging.version import Version

from venvstacks.definition.stack import Layer, Stack
from venvstacks.files import canonical_json, explain_os_errors, remove_leftovers, write_text
from venvstacks.locking.hashes import (
    format_declared,
    hash_other_inputs,
    hash_pylock,
    hash_requirements,
    hash_version_inputs,
)
from venvstacks.locking.layer_lock import (
    LayerLock,
    LockedPackage,
    LockMetadata,
    Resolution,
    SharedPackage,
    lock_file,
    lock_folder,
)
from venvstacks.locking.legacy import is_same
from venvstacks.locking.pylock import format_pylock
from venvstacks.locking.states import LockState, check_install_target, name_install_target
from venvstacks.platforms.compatibility import PythonVersion, marker_of
from venvstacks.platforms.targets import Target


def write_lock(
    stack: Stack,
    state: LockState,
    python: PythonVersion,
    targets_below: Sequence[str],
    resolution: Resolution,
    *,
    now: str,
    uv_version: Version,
) -> tuple[LayerLock, bool]:
    """Write a layer's new lock over the earlier one; return it, and whether the files have changed."""
    from importlib.metadata import version  # noqa: PLC0415 - only locking needs it

    layer = state.layer
    pylock = format_pylock(layer, resolution)
    fresh = LockMetadata(
        requirements_hash=hash_pylock(pylock),
        lock_input_hash=hash_requirements(layer),
        other_inputs_hash=hash_other_inputs(stack, layer, python, targets_below),
        version_inputs_hash=hash_version_inputs(layer, state.module_hashes),
        lock_version=1,
        locked_at=now,
        python_version=python.release,
        tool_versions={"uv": str(uv_version), "venvstacks": version("venvstacks")},
    )
    metadata = _carry_over(state, resolution, fresh)
    check_install_target(stack, layer, metadata.lock_version)
    folder = lock_folder(stack, layer)
    summary = lock_file(stack, layer, "summary")
    with explain_os_errors(f"write the lock of {layer.title}"):
        remove_leftovers(folder)
        if (old := folder / f"packages-{layer.build_name.replace('.', '_')}.txt") != summary:
            old.unlink(missing_ok=True)
        changed = write_text(lock_file(stack, layer, "declared"), format_declared(layer))
        changed |= write_text(lock_file(stack, layer, "pylock"), pylock)
        write_text(summary, format_summary(layer, resolution))
        # the metadata comes last: until it is there, the lock is not valid, and locking again mends it
        text = canonical_json(msgspec.structs.asdict(metadata))
        changed |= write_text(lock_file(stack, layer, "metadata"), text)
    folder_name = name_install_target(layer, metadata.lock_version)
    lock = LayerLock(layer.build_name, folder_name, python, resolution.packages, resolution.shared, metadata)
    return lock, changed


def _carry_over(state: LockState, resolution: Resolution, fresh: LockMetadata) -> LockMetadata:
    """Carry over what an unchanged lock keeps, or raise the version of a changed one."""
    layer, earlier = state.layer, state.metadata
    if earlier is None:
        return fresh
    if state.legacy is not None and is_same(state.legacy, resolution):  # but for the format of venvstacks 0.8
        changes = {"requirements_hash": fresh.requirements_hash, "tool_versions": fresh.tool_versions}
        earlier = msgspec.structs.replace(earlier, **changes)
    if _identify(layer, earlier) == _identify(layer, fresh):
        keeps_version = layer.versioned or earlier.lock_version == 1
        return earlier if keeps_version else msgspec.structs.replace(earlier, lock_version=1)
    return msgspec.structs.replace(fresh, lock_version=earlier.lock_version + 1) if layer.versioned else fresh


def _identify(layer: Layer, metadata: LockMetadata) -> tuple[str, ...]:
    """Return what a lock says, apart from when and with what it was made."""
    return (
        metadata.requirements_hash,
        metadata.lock_input_hash,
        metadata.other_inputs_hash,
        metadata.version_inputs_hash if layer.versioned else "",  # sources are no part of other locks
        metadata.python_version,
    )


def format_summary(layer: Layer, resolution: Resolution) -> str:
    """Write ``packages-L.txt``: own packages, then those shared from below, for people to read in a diff."""

    def line(package: LockedPackage | SharedPackage, targets: Iterable[Target]) -> str:
        marker = marker_of(targets, layer.targets)
        where = f" ; {marker}".replace('"', "'") if marker else ""
        excluded = package.name in layer.exclude_packages and isinstance(package, LockedPackage)
        return f"{package.name}=={package.version}{where}{'  # excluded' if excluded else ''}"

    lines = [f"# Packages of {layer.build_name}", "#     Made by venvstacks from its lock: do not edit"]
    lines += [line(each, each.wheels) for each in resolution.packages]
    if resolution.shared:
        lines += ["", "# Shared packages inherited from other layers"]
        lines += sorted(line(each, each.targets) for each in resolution.shared)
    return "".join(f"{each}\n" for each in lines)
