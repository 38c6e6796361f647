"""Ship Python applications as portable, deterministic layers.

Everything a build script needs is here::

    import venvstacks

    stack = venvstacks.load_stack("venvstacks.toml")
    venvstacks.lock(stack, if_needed=True)
    venvstacks.build(stack)
    for result in venvstacks.publish(stack):
        for archive in result.archives:
            print(archive.path, archive.manifest.archive_size)

Each function takes an :class:`Options` value that says how the work is done, and an observer in it is told of
every event. Each has a ``plan_...`` companion that says what would be done. Errors are subclasses of
:class:`VenvstacksError`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from venvstacks.api.building import build, plan_building
    from venvstacks.api.comparing import diff
    from venvstacks.api.exporting import export, plan_exporting
    from venvstacks.api.loading import load_stack
    from venvstacks.api.locking import lock, plan_locking
    from venvstacks.api.patching import patch, plan_patching
    from venvstacks.api.publishing import plan_publication, publish
    from venvstacks.api.reporting import shared_libraries, why
    from venvstacks.api.selecting import select, stack_status
    from venvstacks.api.unpacking import plan_unpacking, unpack
    from venvstacks.archives.formats import ArchiveFormat, Compression
    from venvstacks.archives.unpack_plan import PlannedUnpack, UnpackedLayer
    from venvstacks.building.build_run import BuildPlan
    from venvstacks.building.built_layer import BuiltLayer, ExcludedPackage
    from venvstacks.building.dependency_paths import Presence
    from venvstacks.building.library_report import LayerLibraries
    from venvstacks.definition.stack import Layer, LayerKind, Stack
    from venvstacks.deltas.patch_plan import PatchedLayer, PatchPlan
    from venvstacks.differences.changes import Difference, LayerDifference
    from venvstacks.errors import (
        ArchiveError,
        BuildError,
        BusyError,
        CoverageError,
        DefinitionError,
        DeltaError,
        FilesystemError,
        FindingsError,
        InvalidLockError,
        LockError,
        Problem,
        PublishError,
        RequirementsError,
        ResolutionError,
        RuntimeProviderError,
        ToolError,
        UsageError,
        VenvstacksError,
    )
    from venvstacks.events import Event, Finished, Observer, Planned, Progressed, Started, Step, Waiting, Warned
    from venvstacks.locking.layer_lock import LayerLock
    from venvstacks.locking.lock_run import LockedLayer, LockPlan
    from venvstacks.locking.states import LockState
    from venvstacks.options import Options
    from venvstacks.platforms.targets import Target, host_target
    from venvstacks.publishing.export_plan import ExportOptions, ExportPlan
    from venvstacks.publishing.export_run import ExportResult
    from venvstacks.publishing.publication import PublishResult
    from venvstacks.publishing.publish_plan import PublishOptions, PublishPlan
    from venvstacks.status import StackStatus

__all__ = [
    "ArchiveError",
    "ArchiveFormat",
    "BuildError",
    "BuildPlan",
    "BuiltLayer",
    "BusyError",
    "Compression",
    "CoverageError",
    "DefinitionError",
    "DeltaError",
    "Difference",
    "Event",
    "ExcludedPackage",
    "ExportOptions",
    "ExportPlan",
    "ExportResult",
    "FilesystemError",
    "FindingsError",
    "Finished",
    "InvalidLockError",
    "Layer",
    "LayerDifference",
    "LayerKind",
    "LayerLibraries",
    "LayerLock",
    "LockError",
    "LockPlan",
    "LockState",
    "LockedLayer",
    "Observer",
    "Options",
    "PatchPlan",
    "PatchedLayer",
    "Planned",
    "PlannedUnpack",
    "Presence",
    "Problem",
    "Progressed",
    "PublishError",
    "PublishOptions",
    "PublishPlan",
    "PublishResult",
    "RequirementsError",
    "ResolutionError",
    "RuntimeProviderError",
    "Stack",
    "StackStatus",
    "Started",
    "Step",
    "Target",
    "ToolError",
    "UnpackedLayer",
    "UsageError",
    "VenvstacksError",
    "Waiting",
    "Warned",
    "build",
    "diff",
    "export",
    "host_target",
    "load_stack",
    "lock",
    "patch",
    "plan_building",
    "plan_exporting",
    "plan_locking",
    "plan_patching",
    "plan_publication",
    "plan_unpacking",
    "publish",
    "select",
    "shared_libraries",
    "stack_status",
    "unpack",
    "why",
]

# Where the public names are defined, imported when one is used: the command line must start fast.
_HOMES = {
    "api.building": "build plan_building",
    "api.comparing": "diff",
    "api.exporting": "export plan_exporting",
    "api.loading": "load_stack",
    "api.locking": "lock plan_locking",
    "api.patching": "patch plan_patching",
    "api.publishing": "plan_publication publish",
    "api.reporting": "shared_libraries why",
    "api.selecting": "select stack_status",
    "api.unpacking": "plan_unpacking unpack",
    "archives.formats": "ArchiveFormat Compression",
    "archives.unpack_plan": "PlannedUnpack UnpackedLayer",
    "building.build_run": "BuildPlan",
    "building.library_report": "LayerLibraries",
    "building.built_layer": "BuiltLayer ExcludedPackage",
    "building.dependency_paths": "Presence",
    "deltas.patch_plan": "PatchPlan PatchedLayer",
    "differences.changes": "Difference LayerDifference",
    "errors": (
        "ArchiveError BuildError BusyError CoverageError DefinitionError DeltaError FilesystemError "
        "InvalidLockError FindingsError LockError Problem PublishError RequirementsError "
        "ResolutionError RuntimeProviderError ToolError UsageError VenvstacksError"
    ),
    "events": "Event Finished Observer Planned Progressed Started Step Waiting Warned",
    "locking.lock_run": "LockPlan LockedLayer",
    "locking.layer_lock": "LayerLock",
    "locking.states": "LockState",
    "options": "Options",
    "platforms.targets": "Target host_target",
    "publishing.export_plan": "ExportOptions ExportPlan",
    "publishing.export_run": "ExportResult",
    "publishing.publish_plan": "PublishOptions PublishPlan",
    "publishing.publication": "PublishResult",
    "definition.stack": "Layer LayerKind Stack",
    "status": "StackStatus",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in _HOME_OF:
        from importlib import import_module  # noqa: PLC0415 - only here

        return getattr(import_module(f"venvstacks.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'venvstacks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
