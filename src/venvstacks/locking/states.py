"""Whether the lock of each layer is valid, told from its small files alone."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from venvstacks.definition.stack import Layer, LayerKind, Stack
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import InvalidLockError, LockError
from venvstacks.files import explain_os_error
from venvstacks.locking.hashes import (
    declared_text,
    first_other_inputs_hash,
    hash_modules,
    lock_input_hash,
    other_inputs_hash,
    requirements_hash,
    version_inputs_hash,
)
from venvstacks.locking.layer_lock import FORMAT, LayerLock, LockMetadata, read_time
from venvstacks.locking.lock_contents import NO_CONTENT, Content, read_content, why_apart
from venvstacks.locking.lock_paths import LockPaths, lock_paths
from venvstacks.platforms.compatibility import PythonVersion

if TYPE_CHECKING:
    from venvstacks.locking.legacy import LegacyLock

_FORMAT = re.compile(r"^\[tool\.venvstacks\]\s+^format = (\d+)", re.MULTILINE)


class _AnyMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Lock metadata as venvstacks 0.8 and later write it."""

    requirements_hash: str
    lock_input_hash: str
    lock_version: Annotated[int, msgspec.Meta(ge=1)]
    locked_at: str
    other_inputs_hash: str = ""
    version_inputs_hash: str = ""
    python_version: Annotated[str, msgspec.Meta(pattern=r"^(\d+\.\d+\.\d+((a|b|rc)\d+)?)?$")] = ""
    tool_versions: dict[str, str] = {}

    def __post_init__(self) -> None:
        read_time(self.locked_at)  # msgspec makes a ValueError its own


@dataclass(frozen=True, slots=True)
class LockState:
    """What is known of a layer's lock without reading its packages.

    Attributes:
        layer: The layer.
        metadata: The lock metadata, if the files can be read, be they valid or not.
        reason: Why the lock is not valid; empty for a valid one.
        module_hashes: Import name -> hash of the launch and support modules.
        is_newer: Whether a venvstacks wrote it that knows more than this one.
        content: What it says of packages, if it is valid apart from the layers below.
        legacy: What it says, if venvstacks 0.8 wrote it. Then the metadata has the hashes that this version would
            have given it, but for that of the packages.
    """

    layer: Layer
    metadata: LockMetadata | None
    reason: str
    module_hashes: Mapping[str, str]
    is_newer: bool = False
    content: Content = NO_CONTENT
    legacy: "LegacyLock | None" = None

    @property
    def is_valid(self) -> bool:
        """Whether all recorded hashes match the definition and the files; a disabled layer needs none."""
        return not self.reason

    @property
    def install_target(self) -> str:
        """The deployed folder's name; for a layer that was never locked, as if locked once."""
        return install_target(self.layer, self.metadata.lock_version if self.metadata else 1)


def install_target(layer: Layer, lock_version: int) -> str:
    """Return the deployed folder's name: the build name, with the lock version if the layer is versioned."""
    return f"{layer.build_name}@{lock_version}" if layer.versioned else layer.build_name


def check_install_target(stack: Stack, layer: Layer, lock_version: int) -> None:
    """Ensure that a layer, locked so often, does not get the folder of another.

    Only an unversioned layer whose name ends like a versioned one's folder can be in the way.
    """
    folder = install_target(layer, lock_version)
    for other in stack.layers if layer.versioned else ():
        if not other.versioned and _folder_key(other.build_name) == _folder_key(folder):
            raise LockError(
                f"Cannot use {layer.title} at lock version {lock_version}: it would be installed as {folder!r}, "
                f"which is the folder of {other.title}.",
                hint="give one of the two another name",
            )


def _folder_key(name: str) -> str:
    """Return a key that is equal for names that some file systems take for one."""
    return unicodedata.normalize("NFC", name.casefold())


def lock_states(stack: Stack) -> dict[str, LockState]:
    """Look at the locks of all layers."""
    states: dict[str, LockState] = {}
    for layer in stack.layers:
        states[layer.build_name] = lock_state(stack, layer, states)
    return states


def lock_state(stack: Stack, layer: Layer, below: Mapping[str, LockState]) -> LockState:
    """Look at the lock of one layer, given the states of those below it."""
    state = LockState(layer, None, "", hash_modules(layer))
    if not layer.compatibilities:
        return state
    paths = lock_paths(stack, layer)
    try:
        state = replace(state, metadata=_read_metadata(paths.metadata))
        pylock = paths.pylock.read_text(encoding="utf-8")
        # made from the definition; whoever does not keep it in version control loses nothing
        declared = paths.declared.read_text(encoding="utf-8") if paths.declared.exists() else ""
    except FileNotFoundError as error:
        if not (paths.metadata.exists() or paths.pylock.exists()):
            return replace(state, reason="there is none yet")
        return replace(state, reason=f"{Path(error.filename or paths.folder).name} does not exist")
    except (DocumentError, UnicodeDecodeError) as error:
        return replace(state, reason=f"its files are damaged ({error})")
    except OSError as error:
        raise explain_os_error(error, f"read the lock of {layer.title}") from error
    return _judged(stack, state, pylock, declared, below)


def _read_metadata(path: Path) -> LockMetadata:
    found = read_json(path, _AnyMetadata)
    return LockMetadata(**msgspec.structs.asdict(found))


def _judged(
    stack: Stack, state: LockState, pylock: str, declared: str, below: Mapping[str, LockState]
) -> LockState:
    layer, metadata = state.layer, state.metadata
    if metadata is None:
        return state
    written = _FORMAT.search(pylock)
    if written is not None and int(written[1]) > FORMAT:
        reason = f"it has format {written[1]}, and this venvstacks knows formats up to {FORMAT}"
        return replace(state, reason=reason, is_newer=True)
    beneath = [below[name] for name in layer.below]
    if not metadata.python_version:
        state = _judged_legacy(stack, state, metadata, pylock, beneath)
    else:
        reason = _own_reason(layer, metadata, pylock, declared)
        if not reason:
            metadata, reason = _other_reason(stack, layer, metadata, beneath)
        reason = reason or _content_reason(layer, metadata, state.module_hashes)
        content = state.content if reason else read_content(pylock, layer)
        state = replace(state, metadata=metadata, reason=reason, content=content)
    return replace(state, reason=_reason_below(beneath) or state.reason or _apart(state, beneath))


def _reason_below(beneath: Sequence[LockState]) -> str:
    invalid = next((state.layer.build_name for state in reversed(beneath) if not state.is_valid), None)
    return f"the layer below it, {invalid!r}, has no valid lock" if invalid else ""


def _apart(state: LockState, beneath: Sequence[LockState]) -> str:
    return why_apart(state.content, [(lower.layer.build_name, lower.content) for lower in beneath])


def _own_reason(layer: Layer, metadata: LockMetadata, pylock: str, declared: str) -> str:
    if metadata.requirements_hash != requirements_hash(pylock):
        return "its packages were changed by hand, or the file is not complete"
    if metadata.lock_input_hash != lock_input_hash(layer):
        return "the declared requirements have changed"
    if declared and declared != declared_text(layer):
        return "the list of declared requirements was changed by hand, or the file is not complete"
    return ""


def _other_reason(
    stack: Stack, layer: Layer, metadata: LockMetadata, beneath: Sequence[LockState]
) -> tuple[LockMetadata, str]:
    """Compare the other inputs; metadata with the hash of the first kind get that of the present one."""
    python = layer.python.exactly(metadata.python_version)
    if not layer.python.accepts(python):
        return metadata, f"the base Python has changed to {layer.python}"
    lower = [(state.install_target, state.metadata) for state in beneath if state.metadata is not None]
    if any(found.python_version != metadata.python_version for _, found in lower):
        return metadata, "the base Python has changed"
    present = other_inputs_hash(stack, layer, python, [state.install_target for state in beneath])
    if metadata.other_inputs_hash not in {present, first_other_inputs_hash(stack, layer, python, lower)}:
        variables = f" (also by {', '.join(stack.uv.environ)})" if stack.uv.environ else ""
        return metadata, f"its targets, the layers below it or the package indexes have changed{variables}"
    return msgspec.structs.replace(metadata, other_inputs_hash=present), ""


def _content_reason(layer: Layer, metadata: LockMetadata, module_hashes: Mapping[str, str]) -> str:
    if not layer.versioned or metadata.version_inputs_hash == version_inputs_hash(layer, module_hashes):
        return ""
    is_application = layer.kind is LayerKind.APPLICATION
    parts = "modules, excluded packages or entry points" if is_application else "excluded packages"
    return f"its {parts} have changed"


def _judged_legacy(
    stack: Stack, state: LockState, metadata: LockMetadata, pylock: str, beneath: Sequence[LockState]
) -> LockState:
    from venvstacks.locking.legacy import read_legacy  # noqa: PLC0415 - locks of 0.8 only

    layer = state.layer
    where = lock_paths(stack, layer).pylock.name
    legacy = read_legacy(stack, layer, metadata, state.module_hashes, pylock, where)
    if legacy.reason:
        return replace(state, reason=legacy.reason)
    python = layer.python.exactly(layer.python.version)
    translated = msgspec.structs.replace(
        metadata,
        python_version=python.release,
        lock_input_hash=lock_input_hash(layer),
        other_inputs_hash=other_inputs_hash(stack, layer, python, [lower.install_target for lower in beneath]),
        version_inputs_hash=version_inputs_hash(layer, state.module_hashes),
    )
    return replace(state, metadata=translated, content=legacy.content, legacy=legacy)


def load_lock(stack: Stack, state: LockState, below: Mapping[str, LayerLock]) -> LayerLock:
    """Read a valid lock."""
    from venvstacks.locking.pylock import parse_pylock, read_packages, read_shared  # noqa: PLC0415 - judging a lock does not take it apart

    layer, metadata = state.layer, state.metadata
    paths = lock_paths(stack, layer)
    where = paths.pylock.relative_to(stack.folder).as_posix()
    if metadata is None or not state.is_valid:
        why = state.reason or "the layer is disabled"
        raise InvalidLockError(f"The lock of {layer.title} ({where}) cannot be used: {why}.", hint=way_out(state))
    check_install_target(stack, layer, metadata.lock_version)
    python = layer.python.exactly(metadata.python_version)
    if state.legacy is not None:
        from venvstacks.locking.sharing import split_shared  # noqa: PLC0415 - locks of 0.8 only

        packages = state.legacy.packages
        shared = split_shared(layer, state.legacy.shared, [below[name] for name in layer.below])[1]
    else:
        lock = parse_pylock(_read(paths, layer), where)
        packages = read_packages(lock, layer.compatibilities, python, where)
        shared = read_shared(lock, where)
    return LayerLock(layer.build_name, state.install_target, python, packages, shared, metadata)


def way_out(state: LockState) -> str:
    """Describe what to do about a lock that cannot be used."""
    if state.is_newer:
        return (
            "a newer venvstacks wrote it: update venvstacks, or make it anew with "
            f"`venvstacks lock --reset-lock '{state.layer.build_name}'`"
        )
    return "run `venvstacks lock`, or build with `--lock`"


def _read(paths: LockPaths, layer: Layer) -> str:
    try:
        return paths.pylock.read_text(encoding="utf-8")
    except OSError as error:
        raise explain_os_error(error, f"read the lock of {layer.title}") from error


def python_of(state: LockState) -> PythonVersion | None:
    """Return the exact Python that an earlier lock recorded, if it still fulfils the request."""
    if state.metadata is None or not state.metadata.python_version:
        return None
    python = state.layer.python.exactly(state.metadata.python_version)
    return python if state.layer.python.accepts(python) else None
