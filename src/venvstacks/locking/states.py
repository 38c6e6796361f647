"""Whether the lock of each layer is valid, judged from its small files alone."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from venvstacks.definition.stack import Layer, LayerKind, Stack
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import InvalidLockError, LockError
from venvstacks.file_names import folded
from venvstacks.files import explain_os_error
from venvstacks.locking.hashes import (
    format_declared,
    hash_first_other_inputs,
    hash_modules,
    hash_other_inputs,
    hash_pylock,
    hash_requirements,
    hash_version_inputs,
)
from venvstacks.locking.layer_lock import FORMAT, LayerLock, LockMetadata, Resolution, lock_file
from venvstacks.locking.lock_contents import NO_CONTENT, Content, read_content, why_apart
from venvstacks.platforms.compatibility import PythonVersion

_FORMAT = re.compile(r"^\[tool\.venvstacks\]\s+^format = (\d+)", re.MULTILINE)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class LockState:
    """What is known of a layer's lock without reading its packages.

    Attributes:
        layer: The layer.
        module_hashes: Import name -> hash of the launch and support modules.
        metadata: The lock metadata, if the files can be read, be they valid or not.
        reason: Why the lock is not valid; empty for a valid one.
        is_newer: Whether a venvstacks wrote it that knows more than this one.
        pylock: The text of the pylock file; empty if it cannot be read.
    """

    layer: Layer
    module_hashes: Mapping[str, str]
    metadata: LockMetadata | None = None
    reason: str = ""
    is_newer: bool = False
    pylock: str = field(default="", repr=False)
    content: Content = field(default=NO_CONTENT, repr=False)  # its packages, if it is valid apart from those below
    # What it says, if venvstacks 0.8 wrote it. Then the metadata has the hashes that this version would have given
    # it, but for that of the packages.
    legacy: Resolution | None = field(default=None, repr=False)

    @property
    def is_valid(self) -> bool:
        """Whether all recorded hashes match the definition and the files; a disabled layer needs none."""
        return not self.reason

    @property
    def install_target(self) -> str:
        """The deployed folder's name; for a layer that was never locked, as if locked once."""
        return name_install_target(self.layer, self.metadata.lock_version if self.metadata else 1)

    @property
    def python(self) -> PythonVersion | None:
        """The exact Python that the lock records, if it still fulfils the request."""
        if self.metadata is None or not self.metadata.python_version:
            return None
        python = self.layer.python.exactly(self.metadata.python_version)
        return python if self.layer.python.accepts(python) else None

    @property
    def hint(self) -> str:
        """What to do about a lock that cannot be used."""
        if self.is_newer:
            return (
                "a newer venvstacks wrote it: update venvstacks, or lock again with "
                f"`venvstacks lock --reset-lock '{self.layer.build_name}'`"
            )
        return "run `venvstacks lock`, or build with `--lock`"


def name_install_target(layer: Layer, lock_version: int) -> str:
    """Return the deployed folder's name: the build name, with the lock version if the layer is versioned."""
    return f"{layer.build_name}@{lock_version}" if layer.versioned else layer.build_name


def check_install_target(stack: Stack, layer: Layer, lock_version: int) -> None:
    """Ensure that a layer, locked so often, does not get the folder of another.

    Only an unversioned layer whose name ends like a versioned one's folder can be in the way.
    """
    folder = name_install_target(layer, lock_version)
    for other in stack.layers if layer.versioned else ():
        if not other.versioned and folded(other.build_name) == folded(folder):
            raise LockError(
                f"Cannot use {layer.title} at lock version {lock_version}: it would be installed as {folder!r}, "
                f"which is the folder of {other.title}.",
                hint="rename one of the two",
            )


def lock_states(stack: Stack) -> dict[str, LockState]:
    """Read and judge the locks of all layers, each file once: build name -> state, in the stack's order."""
    states: dict[str, LockState] = {}
    for layer in stack.layers:
        state = LockState(layer, hash_modules(layer))
        if layer.compatibilities:
            state = _read_state(stack, state, [states[name] for name in layer.below])
        states[layer.build_name] = state
    return states


def _read_state(stack: Stack, state: LockState, below: Sequence[LockState]) -> LockState:
    layer = state.layer
    metadata_file, pylock_file = lock_file(stack, layer, "metadata"), lock_file(stack, layer, "pylock")
    declared_file = lock_file(stack, layer, "declared")
    reasons: list[str] = []
    metadata = _read(layer, metadata_file, lambda path: read_json(path, LockMetadata), reasons)
    pylock = _read(layer, pylock_file, _read_text, reasons)
    # made from the definition; whoever does not keep it in version control loses nothing
    declared = _read(layer, declared_file, _read_text, reasons) if declared_file.exists() else None
    if reasons and not (metadata_file.exists() or pylock_file.exists()):
        reasons = ["there is none yet"]
    state = replace(state, metadata=metadata, pylock=pylock or "", reason=next(iter(reasons), ""))
    if state.reason or metadata is None:
        return state
    written = _FORMAT.search(state.pylock)
    if written is not None and int(written[1]) > FORMAT:
        reason = f"it has format {written[1]}, and this venvstacks knows formats up to {FORMAT}"
        return replace(state, reason=reason, is_newer=True)
    if metadata.python_version:
        state = _judge(stack, state, metadata, declared, below)
    else:
        state = _judge_legacy(stack, state, metadata, below)
    invalid = next((lower.layer.build_name for lower in reversed(below) if not lower.is_valid), None)
    if invalid:
        return replace(state, reason=f"the layer below it, {invalid!r}, has no valid lock")
    return replace(state, reason=state.reason or why_apart(state.content, _contents(below)))


def _read(layer: Layer, path: Path, read: Callable[[Path], _Value], reasons: list[str]) -> _Value | None:
    """Read one of the files of a lock, or note why that cannot be done."""
    try:
        return read(path)
    except FileNotFoundError:
        reasons.append(f"{path.name} does not exist")
    except (DocumentError, UnicodeDecodeError) as error:
        reasons.append(f"its files are damaged ({error})")
    except OSError as error:
        raise explain_os_error(error, f"read the lock of {layer.title}") from error
    return None


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _contents(below: Sequence[LockState]) -> list[tuple[str, Content]]:
    return [(state.layer.build_name, state.content) for state in below]


def _judge(
    stack: Stack, state: LockState, metadata: LockMetadata, declared: str | None, below: Sequence[LockState]
) -> LockState:
    """Compare a lock with the definition, and read which packages it has if they agree."""
    python = state.layer.python.exactly(metadata.python_version)
    present = hash_other_inputs(stack, state.layer, python, [lower.install_target for lower in below])
    for reason in _find_changes(stack, state, metadata, declared, below, present):
        return replace(state, reason=reason)
    # the hash may be of the first kind
    metadata = msgspec.structs.replace(metadata, other_inputs_hash=present)
    return replace(state, metadata=metadata, content=read_content(state.pylock, state.layer))


def _find_changes(  # noqa: PLR0917 - one call
    stack: Stack,
    state: LockState,
    metadata: LockMetadata,
    declared: str | None,
    below: Sequence[LockState],
    present: str,
) -> Iterator[str]:
    """Describe how a lock differs from the definition; ``present`` is the hash of other inputs it should have."""
    layer, python = state.layer, state.layer.python.exactly(metadata.python_version)
    if metadata.requirements_hash != hash_pylock(state.pylock):
        yield "its packages were changed by hand, or the file is not complete"
    if metadata.lock_input_hash != hash_requirements(layer):
        yield "the declared requirements have changed"
    if declared and declared != format_declared(layer):
        yield "the list of declared requirements was changed by hand, or the file is not complete"
    if not layer.python.accepts(python):
        yield f"the base Python has changed to {layer.python}"
    lower = [(each.install_target, each.metadata) for each in below if each.metadata is not None]
    if any(found.python_version != metadata.python_version for _, found in lower):
        yield "the base Python has changed"
    recorded = metadata.other_inputs_hash
    if recorded != present and hash_first_other_inputs(stack, layer, python, lower) != recorded:
        variables = f" (also by {', '.join(stack.uv.environ)})" if stack.uv.environ else ""
        yield f"its targets, the layers below it or the package indexes have changed{variables}"
    if layer.versioned and metadata.version_inputs_hash != hash_version_inputs(layer, state.module_hashes):
        is_application = layer.kind is LayerKind.APPLICATION
        parts = "modules, excluded packages or entry points" if is_application else "excluded packages"
        yield f"its {parts} have changed"


def _judge_legacy(stack: Stack, state: LockState, metadata: LockMetadata, below: Sequence[LockState]) -> LockState:
    """Compare a lock of venvstacks 0.8 with the definition, and bring it into the present form if they agree."""
    from venvstacks.locking.legacy import read_legacy, summarize, why_changed  # noqa: PLC0415 - locks of 0.8 only

    layer = state.layer
    if reason := why_changed(stack, layer, metadata, state.module_hashes):
        return replace(state, reason=reason)
    where = lock_file(stack, layer, "pylock").name
    legacy, reason = read_legacy(stack, layer, state.pylock, where, _contents(below))
    if reason:
        return replace(state, reason=reason)
    python = layer.python.exactly(layer.python.version)
    translated = msgspec.structs.replace(
        metadata,
        python_version=python.release,
        lock_input_hash=hash_requirements(layer),
        other_inputs_hash=hash_other_inputs(stack, layer, python, [lower.install_target for lower in below]),
        version_inputs_hash=hash_version_inputs(layer, state.module_hashes),
    )
    return replace(state, metadata=translated, content=summarize(legacy), legacy=legacy)


def load_lock(stack: Stack, state: LockState) -> LayerLock:
    """Read the packages of a valid lock."""
    from venvstacks.locking.pylock import parse_pylock, read_packages, read_shared  # noqa: PLC0415 - judging a lock does not take it apart

    layer, metadata = state.layer, state.metadata
    where = lock_file(stack, layer, "pylock").relative_to(stack.folder).as_posix()
    if metadata is None or not state.is_valid:
        why = state.reason or "the layer is disabled"
        raise InvalidLockError(f"The lock of {layer.title} ({where}) cannot be used: {why}.", hint=state.hint)
    check_install_target(stack, layer, metadata.lock_version)
    python = layer.python.exactly(metadata.python_version)
    if state.legacy is not None:
        packages, shared = state.legacy.packages, state.legacy.shared
    else:
        lock = parse_pylock(state.pylock, where)
        packages, shared = read_packages(lock, layer.compatibilities, python, where), read_shared(lock, where)
    return LayerLock(layer.build_name, state.install_target, python, packages, shared, metadata)
