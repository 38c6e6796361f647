"""Whether the lock of each layer is valid, told from its small files alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvstacks.errors import InvalidLockError
from venvstacks.files import explain_os_error
from venvstacks.locking.hashes import (
    declared_text,
    hash_modules,
    lock_input_hash,
    other_inputs_hash,
    requirements_hash,
    version_inputs_hash,
)
from venvstacks.locking.model import LayerLock, LockMetadata
from venvstacks.locking.paths import LockPaths, lock_paths
from venvstacks.locking.pylock import legacy_shared_names, parse_pylock, read_packages, read_shared
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.spec.model import Layer, Stack


class _AnyMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Lock metadata as venvstacks 0.8 and later write it."""

    requirements_hash: str
    lock_input_hash: str
    lock_version: int
    locked_at: str
    other_inputs_hash: str = ""
    version_inputs_hash: str = ""
    python_version: str = ""
    tool_versions: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class LockState:
    """What is known of a layer's lock without reading its packages.

    Attributes:
        layer: The layer.
        metadata: The lock metadata, if the files can be read, be they valid or not.
        reason: Why the lock is not valid; empty for a valid one.
        module_hashes: Import name -> hash of the launch and support modules.
    """

    layer: Layer
    metadata: LockMetadata | None
    reason: str
    module_hashes: Mapping[str, str]

    @property
    def is_valid(self) -> bool:
        """Whether all recorded hashes match the definition and the files."""
        return not self.reason

    @property
    def install_target(self) -> str:
        """The deployed folder's name; for a layer that was never locked, as if locked once."""
        return install_target(self.layer, self.metadata.lock_version if self.metadata else 1)


def install_target(layer: Layer, lock_version: int) -> str:
    """Give the deployed folder's name: the build name, with the lock version if the layer is versioned."""
    return f"{layer.build_name}@{lock_version}" if layer.versioned else layer.build_name


def lock_states(stack: Stack) -> dict[str, LockState]:
    """Look at the locks of all layers.

    Returns:
        Build name -> state, in the stack's order.
    """
    states: dict[str, LockState] = {}
    for layer in stack.layers:
        states[layer.build_name] = lock_state(stack, layer, states)
    return states


def lock_state(stack: Stack, layer: Layer, below: Mapping[str, LockState]) -> LockState:
    """Look at the lock of one layer, given the states of those below it."""
    paths = lock_paths(stack, layer)
    module_hashes = hash_modules(layer)
    try:
        found = msgspec.json.decode(paths.metadata.read_bytes(), type=_AnyMetadata)
        pylock = paths.pylock.read_text(encoding="utf-8")
        declared = paths.declared.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        missing = Path(error.filename or paths.folder).name
        return LockState(layer, None, f"{missing} does not exist", module_hashes)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return LockState(layer, None, f"its files are damaged ({error})", module_hashes)
    except OSError as error:
        raise explain_os_error(error, f"read the lock of {layer.title}") from error
    metadata = LockMetadata(**msgspec.structs.asdict(found))
    if not metadata.python_version:
        metadata, reason = _legacy_reason(layer, metadata, declared)
    else:
        reason = (
            _own_reason(layer, metadata, pylock, declared)
            or _other_reason(stack, layer, metadata, below)
            or _module_reason(layer, metadata, module_hashes)
        )
    reason = _reason_below(layer, below) or reason
    return LockState(layer, metadata, reason, module_hashes)


def _reason_below(layer: Layer, below: Mapping[str, LockState]) -> str:
    invalid = next((name for name in reversed(layer.below) if not below[name].is_valid), None)
    return f"the layer below it, {invalid!r}, has no valid lock" if invalid else ""


def _own_reason(layer: Layer, metadata: LockMetadata, pylock: str, declared: str) -> str:
    if metadata.requirements_hash != requirements_hash(pylock):
        return "its packages were changed by hand, or the file is not complete"
    if metadata.lock_input_hash != lock_input_hash(layer):
        return "the declared requirements have changed"
    if declared.replace("\r\n", "\n") != declared_text(layer):
        return "the list of declared requirements was changed by hand, or the file is not complete"
    return ""


def _other_reason(stack: Stack, layer: Layer, metadata: LockMetadata, below: Mapping[str, LockState]) -> str:
    python = layer.python.exactly(metadata.python_version)
    if not layer.python.accepts(python):
        return f"the base Python has changed to {layer.python}"
    states = [below[name] for name in layer.below]
    beneath = [(state.install_target, state.metadata) for state in states if state.metadata is not None]
    if any(lower.python_version != metadata.python_version for _, lower in beneath):
        return "the base Python has changed"
    if metadata.other_inputs_hash != other_inputs_hash(stack, layer, python, beneath):
        return "its targets, the layers below it or the package indexes have changed"
    return ""


def _module_reason(layer: Layer, metadata: LockMetadata, module_hashes: Mapping[str, str]) -> str:
    changed = metadata.version_inputs_hash != version_inputs_hash(layer, module_hashes)
    return "its modules have changed" if changed else ""


def _legacy_reason(layer: Layer, metadata: LockMetadata, declared: str) -> tuple[LockMetadata, str]:
    """Judge a lock of venvstacks 0.8, whose hashes are its own, by what can be compared."""
    lines = [line.strip() for line in declared.splitlines()]
    listed = [line for line in lines if line and not line.startswith(("#", "-"))]
    if sorted(listed) != sorted(map(str, layer.requirements)):
        return metadata, "the declared requirements have changed since venvstacks 0.8 locked it"
    if not layer.python.is_exact:
        return metadata, "venvstacks 0.8 locked it, and the definition gives no exact Python version"
    return msgspec.structs.replace(metadata, python_version=layer.python.version), ""


def load_lock(stack: Stack, state: LockState, below: Mapping[str, LayerLock]) -> LayerLock:
    """Read a valid lock.

    Args:
        stack: The stack.
        state: The lock's state.
        below: The locks of the layers below, by build name.

    Raises:
        InvalidLockError: The lock is not valid, or cannot be understood.
    """
    layer, metadata = state.layer, state.metadata
    paths = lock_paths(stack, layer)
    where = paths.pylock.relative_to(stack.folder).as_posix()
    if metadata is None or not state.is_valid:
        raise InvalidLockError(
            f"The lock of {layer.title} ({where}) cannot be used: {state.reason}.",
            hint="run `venvstacks lock`, or build with `--lock`",
        )
    python = layer.python.exactly(metadata.python_version)
    lock = parse_pylock(_read(paths, layer), where)
    packages = read_packages(lock, layer.compatibilities, python, where)
    shared = read_shared(lock, where)
    if names := legacy_shared_names(lock):
        from venvstacks.locking.sharing import shared_by_name  # noqa: PLC0415 - locks of 0.8 only

        shared = shared_by_name(layer, names, [below[name] for name in layer.below])
    return LayerLock(layer.build_name, state.install_target, python, packages, shared, metadata)


def _read(paths: LockPaths, layer: Layer) -> str:
    try:
        return paths.pylock.read_text(encoding="utf-8")
    except OSError as error:
        raise explain_os_error(error, f"read the lock of {layer.title}") from error


def python_of(state: LockState) -> PythonVersion | None:
    """Give the exact Python that an earlier lock recorded, if it still fulfils the request."""
    if state.metadata is None or not state.metadata.python_version:
        return None
    python = state.layer.python.exactly(state.metadata.python_version)
    return python if state.layer.python.accepts(python) else None
