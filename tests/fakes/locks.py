"""Locks made without a resolver."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from packaging.version import Version

from venvstacks.definition.stack import Layer, Stack
from venvstacks.files import canonical_json, write_text
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
    LockedWheel,
    LockMetadata,
    Resolution,
    SharedPackage,
    lock_file,
)
from venvstacks.locking.pylock import format_pylock
from venvstacks.locking.states import lock_states
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS, Target

TIME = "2024-01-01T00:00:00+00:00"


def make_package(name: str, version: str = "1.0", targets: Iterable[str] = TARGETS) -> LockedPackage:
    """Return a locked package with one pure wheel for some targets."""
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    wheel = LockedWheel(filename, f"https://index.example.invalid/{filename}", None, "0" * 64, 100)
    return LockedPackage(name, Version(version), {TARGETS[target]: wheel for target in targets})


def make_lock(layer: str, *packages: LockedPackage, shared: Sequence[SharedPackage] = ()) -> LayerLock:
    """Return a lock that is in no file."""
    return LayerLock(layer, layer, PythonVersion("cpython", "3.12.7"), packages, tuple(shared), make_metadata())


def make_metadata(**changes: str | int) -> LockMetadata:
    """Return lock metadata with plain hashes."""
    hashes = dict.fromkeys(
        ("requirements_hash", "lock_input_hash", "other_inputs_hash", "version_inputs_hash"), "sha256:0"
    )
    values = {**hashes, "lock_version": 1, "locked_at": TIME, "python_version": "3.12.7", **changes}
    return LockMetadata(**values, tool_versions={"uv": "1", "venvstacks": "1"})  # type: ignore[arg-type]


def write_lock(
    stack: Stack,
    layer: Layer,
    packages: Sequence[LockedPackage] = (),
    shared: Sequence[SharedPackage] = (),
    *,
    lock_version: int = 1,
) -> None:
    """Write a valid lock of a layer; those of the layers below must stand already."""
    states = lock_states(stack)
    below = [states[name].install_target for name in layer.below]
    text = format_pylock(layer, Resolution(tuple(packages), tuple(shared)))
    python = layer.python.exactly(layer.python.version)
    metadata = {
        "requirements_hash": hash_pylock(text),
        "lock_input_hash": hash_requirements(layer),
        "other_inputs_hash": hash_other_inputs(stack, layer, python, below),
        "version_inputs_hash": hash_version_inputs(layer, states[layer.build_name].module_hashes),
        "lock_version": lock_version,
        "locked_at": TIME,
        "python_version": python.release,
        "tool_versions": {"uv": "1"},
    }
    write_text(lock_file(stack, layer, "declared"), format_declared(layer))
    write_text(lock_file(stack, layer, "pylock"), text)
    write_text(lock_file(stack, layer, "metadata"), canonical_json(metadata))


def lock_everything(stack: Stack) -> None:
    """Write a valid lock without packages for every layer."""
    for layer in stack.layers:
        write_lock(stack, layer)


def reasons_of(stack: Stack) -> dict[str, str]:
    """Return why locks do not hold, of those that do not."""
    return {name: state.reason for name, state in lock_states(stack).items() if state.reason}


def targets(*names: str) -> tuple[Target, ...]:
    """Return targets by name."""
    return tuple(TARGETS[name] for name in names)


Kind: TypeAlias = Literal["declared", "pylock", "metadata", "summary"]


def file_of(stack: Stack, name: str, kind: Kind) -> Path:
    """Return the path of one of a layer's lock files."""
    return lock_file(stack, stack.layer(name), kind)
