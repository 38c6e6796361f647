"""Whether the native files of a layer fit its target; nothing of them is executed."""

from collections.abc import Sequence
from pathlib import Path

from venvstacks.binaries.policy import Found, binaries_error, find_binaries, judge, violation_findings
from venvstacks.building.build_plan import LayerBuild
from venvstacks.building.owners import BASE_PYTHON, THE_LAYER, owners_of
from venvstacks.definition.stack import LayerKind
from venvstacks.entries import Entry
from venvstacks.findings import Finding


def read_native(build: LayerBuild, entries: Sequence[Entry], folder: Path) -> tuple[Found, ...]:
    """Read the native files of a layer."""
    wheels = [wheel.filename for _, wheel in build.wheels]
    other = BASE_PYTHON if build.layer.kind is LayerKind.RUNTIME else THE_LAYER
    return find_binaries(entries, folder, owners_of(folder, build.layout, wheels, other=other))


def check_native(build: LayerBuild, found: Sequence[Found]) -> tuple[Finding, ...]:
    """Check the native files of a layer.

    An interpreter of this machine that may serve as the base Python is let be: it needs this machine's
    libraries, and whoever asks for it is told so.
    """
    is_copied = build.local_runtime not in {"", "never"}
    violations = [
        violation
        for violation in judge(found, build.compatibility)
        if not (is_copied and violation.package == BASE_PYTHON.name)
    ]
    if certain := [violation for violation in violations if violation.is_certain]:
        raise binaries_error(build.layer.title, build.compatibility, certain)
    return tuple(violation_findings(build.layer.build_name, build.compatibility, violations))
