"""Whether the native files of a layer fit its target; nothing of them is executed."""

from collections.abc import Sequence
from pathlib import Path

from venvstacks.binaries.policy import binaries_error, check_binaries
from venvstacks.building.owners import BASE_PYTHON, THE_LAYER, owners_of
from venvstacks.building.plan import LayerBuild
from venvstacks.spec.model import LayerKind
from venvstacks.trees import Entry


def check_native(build: LayerBuild, entries: Sequence[Entry], folder: Path) -> None:
    """Check the native files of a layer.

    An interpreter of this machine that may serve as the base Python is let be: it needs this machine's
    libraries, and whoever asks for it is told so.

    Args:
        build: The layer.
        entries: What it holds.
        folder: Where it stands, finished or not.

    Raises:
        BinariesError: Files are for another platform, or for newer systems than the layer is meant for.
    """
    wheels = [wheel.filename for _, wheel in build.wheels]
    other = BASE_PYTHON if build.layer.kind is LayerKind.RUNTIME else THE_LAYER
    owner_of = owners_of(folder, build.layout, wheels, other=other)
    is_copied = build.local_runtime not in {"", "never"}
    violations = [
        violation
        for violation in check_binaries(entries, folder, build.compatibility, owner_of)
        if not (is_copied and violation.package == BASE_PYTHON.name)
    ]
    if violations:
        raise binaries_error(build.layer.title, build.compatibility, violations)
