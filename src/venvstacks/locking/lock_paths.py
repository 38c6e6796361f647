"""Where a layer's lock files stand."""

from dataclasses import dataclass
from pathlib import Path

from venvstacks.definition.stack import Layer, Stack


@dataclass(frozen=True, slots=True)
class LockPaths:
    """The four files of a layer's lock.

    Attributes:
        folder: ``requirements/L`` beside the definition.
        declared: The declared requirements.
        pylock: The PEP 751 lock.
        metadata: The lock metadata.
        summary: A short list for people.
    """

    folder: Path
    declared: Path
    pylock: Path
    metadata: Path
    summary: Path


def lock_paths(stack: Stack, layer: Layer) -> LockPaths:
    """Return the paths of a layer's lock files.

    Dots in the build name become ``_`` in file names: PEP 751 allows none between ``pylock.`` and
    ``.toml``. The list for people keeps them, as in venvstacks 0.8.
    """
    folder = stack.requirements_folder / layer.build_name
    name = layer.build_name.replace(".", "_")
    return LockPaths(
        folder,
        declared=folder / f"requirements-{name}.in",
        pylock=folder / f"pylock.{name}.toml",
        metadata=folder / f"pylock.{name}.meta.json",
        summary=folder / f"packages-{layer.build_name}.txt",
    )
