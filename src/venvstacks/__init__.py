"""Ship Python applications as portable, deterministic layers.

Everything a build script needs is here::

    import venvstacks

    with venvstacks.open("venvstacks.toml") as project:
        project.lock(if_needed=True)
        project.build()
        for outputs in project.publish():
            for archive in outputs.layers:
                print(archive.path, archive.manifest.archive_size)

:func:`open` says how the work is done, and an observer that it is given receives every event. ``project.plan`` has
the same steps, and returns what they would do. A function for each step is a shortcut for scripts that do one
thing. Errors are subclasses of :class:`VenvstacksError`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from venvstacks.api.deployment import patch, plan_patching, plan_unpacking, unpack
    from venvstacks.api.deployment_repair import plan_repair, repair_deployment, verify_deployment
    from venvstacks.api.deployments import (
        deploy,
        deployment_status,
        plan_deployment,
        plan_pruning,
        prune_deployment,
        rollback,
    )
    from venvstacks.api.functions import (
        build,
        diff,
        export,
        load_stack,
        lock,
        plan_building,
        plan_exporting,
        plan_locking,
        plan_publication,
        publish,
        select,
        shared_libraries,
        stack_status,
        why,
    )
    from venvstacks.api.plans import Plans
    from venvstacks.api.project import Project
    from venvstacks.api.project import open_project as open  # noqa: A004 - what it is
    from venvstacks.api.releasing import (
        plan_promotion,
        plan_pushing,
        plan_store_pruning,
        promote,
        prune_store,
        push,
        verify_store,
    )
    from venvstacks.archives.formats import ArchiveFormat, Compression
    from venvstacks.archives.staging import DeployedLayer
    from venvstacks.archives.unpack_plan import PlannedUnpack, UnpackAction
    from venvstacks.building.build_run import BuildPlan
    from venvstacks.building.dependency_paths import DependencyPath
    from venvstacks.building.exclusions import ExcludedPackage
    from venvstacks.building.layer_build import LayerBuild
    from venvstacks.building.library_report import LayerLibraries
    from venvstacks.definition.stack import Layer, LayerKind, PythonRequest, SourceModule, Stack, UvSettings
    from venvstacks.deltas.patch_plan import PatchPlan
    from venvstacks.deploying.deploy_plan import DeploymentPlan, PlannedFetch
    from venvstacks.deploying.deploy_run import Deployed
    from venvstacks.deploying.fetch_plan import Way
    from venvstacks.deploying.layer_check import DeploymentFinding, DeploymentProblem
    from venvstacks.deploying.prune import Pruned, PrunePlan
    from venvstacks.deploying.repair_plan import RepairPlan
    from venvstacks.deploying.repair_run import Repaired
    from venvstacks.deploying.status import DeploymentStatus, GenerationStatus, ProductStatus
    from venvstacks.deploying.switching import RolledBack
    from venvstacks.deploying.verify import VerifyReport
    from venvstacks.differences.changes import (
        ChangeStatus,
        Difference,
        Fetch,
        FileChange,
        LayerDifference,
        PackageChange,
    )
    from venvstacks.entries import Entry, EntryKind
    from venvstacks.errors import (
        ArchiveError,
        BinariesError,
        BinaryFormatError,
        BuildError,
        BusyError,
        ConflictError,
        CoverageError,
        DefinitionError,
        DeltaError,
        DeploymentError,
        FilesystemError,
        FindingsError,
        InvalidLockError,
        LockError,
        NotInStoreError,
        Problem,
        PublishError,
        ReleaseError,
        RequirementsError,
        ResolutionError,
        RunError,
        RuntimeProviderError,
        StoreError,
        TooLargeError,
        ToolError,
        TrustError,
        UsageError,
        VenvstacksError,
        WheelError,
    )
    from venvstacks.events import Event, Finished, Observer, Planned, Progressed, Started, Step, Waiting, Warned
    from venvstacks.findings import Finding
    from venvstacks.locking.layer_lock import LayerLock, LockedPackage, LockedWheel, LockMetadata, SharedPackage
    from venvstacks.locking.lock_plan import LockPlan
    from venvstacks.locking.lock_run import LockedLayer
    from venvstacks.locking.states import LockState
    from venvstacks.manifests.manifest_format import (
        ArchiveManifest,
        DeltaManifest,
        ExportManifest,
        LayerManifest,
        ModuleManifest,
        StackManifest,
    )
    from venvstacks.manifests.published import PublishedLayer
    from venvstacks.options import DeploySettings, ExportSettings, Options, PublishSettings
    from venvstacks.platforms.compatibility import Compatibility, PythonVersion
    from venvstacks.platforms.targets import Target, host_target
    from venvstacks.publishing.delta_bases import DeltaBase
    from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, PlannedExport
    from venvstacks.publishing.outputs import Output, OutputPlan, Outputs, PlannedOutput, Reason
    from venvstacks.publishing.publish_plan import PlannedArchive, PublishOptions, PublishPlan
    from venvstacks.releasing.promotion import PromotionPlan
    from venvstacks.releasing.pruning import PrunedStore, StorePrunePlan
    from venvstacks.releasing.push_plan import PlannedDelta, PlatformPush, PushPlan, PushState, Upload
    from venvstacks.releasing.push_run import Pushed
    from venvstacks.releasing.verification import StoreProblem, StoreReport
    from venvstacks.status import StackStatus

__all__ = [
    "ArchiveError",
    "ArchiveFormat",
    "ArchiveManifest",
    "BinariesError",
    "BinaryFormatError",
    "BuildError",
    "BuildPlan",
    "BusyError",
    "ChangeStatus",
    "Compatibility",
    "Compression",
    "ConflictError",
    "CoverageError",
    "DefinitionError",
    "DeltaBase",
    "DeltaError",
    "DeltaManifest",
    "DependencyPath",
    "DeploySettings",
    "Deployed",
    "DeployedLayer",
    "DeploymentError",
    "DeploymentFinding",
    "DeploymentPlan",
    "DeploymentProblem",
    "DeploymentStatus",
    "Difference",
    "Entry",
    "EntryKind",
    "Event",
    "ExcludedPackage",
    "ExportManifest",
    "ExportOptions",
    "ExportPlan",
    "ExportSettings",
    "Fetch",
    "FileChange",
    "FilesystemError",
    "Finding",
    "FindingsError",
    "Finished",
    "GenerationStatus",
    "InvalidLockError",
    "Layer",
    "LayerBuild",
    "LayerDifference",
    "LayerKind",
    "LayerLibraries",
    "LayerLock",
    "LayerManifest",
    "LockError",
    "LockMetadata",
    "LockPlan",
    "LockState",
    "LockedLayer",
    "LockedPackage",
    "LockedWheel",
    "ModuleManifest",
    "NotInStoreError",
    "Observer",
    "Options",
    "Output",
    "OutputPlan",
    "Outputs",
    "PackageChange",
    "PatchPlan",
    "Planned",
    "PlannedArchive",
    "PlannedDelta",
    "PlannedExport",
    "PlannedFetch",
    "PlannedOutput",
    "PlannedUnpack",
    "Plans",
    "PlatformPush",
    "Problem",
    "ProductStatus",
    "Progressed",
    "Project",
    "PromotionPlan",
    "PrunePlan",
    "Pruned",
    "PrunedStore",
    "PublishError",
    "PublishOptions",
    "PublishPlan",
    "PublishSettings",
    "PublishedLayer",
    "PushPlan",
    "PushState",
    "Pushed",
    "PythonRequest",
    "PythonVersion",
    "Reason",
    "ReleaseError",
    "RepairPlan",
    "Repaired",
    "RequirementsError",
    "ResolutionError",
    "RolledBack",
    "RunError",
    "RuntimeProviderError",
    "SharedPackage",
    "SourceModule",
    "Stack",
    "StackManifest",
    "StackStatus",
    "Started",
    "Step",
    "StoreError",
    "StoreProblem",
    "StorePrunePlan",
    "StoreReport",
    "Target",
    "TooLargeError",
    "ToolError",
    "TrustError",
    "UnpackAction",
    "Upload",
    "UsageError",
    "UvSettings",
    "VenvstacksError",
    "VerifyReport",
    "Waiting",
    "Warned",
    "Way",
    "WheelError",
    "build",
    "deploy",
    "deployment_status",
    "diff",
    "export",
    "host_target",
    "load_stack",
    "lock",
    "open",
    "patch",
    "plan_building",
    "plan_deployment",
    "plan_exporting",
    "plan_locking",
    "plan_patching",
    "plan_promotion",
    "plan_pruning",
    "plan_publication",
    "plan_pushing",
    "plan_repair",
    "plan_store_pruning",
    "plan_unpacking",
    "promote",
    "prune_deployment",
    "prune_store",
    "publish",
    "push",
    "repair_deployment",
    "rollback",
    "select",
    "shared_libraries",
    "stack_status",
    "unpack",
    "verify_deployment",
    "verify_store",
    "why",
]

# Where the public names are defined, imported when one is used: the command line must start fast.
_HOMES = {
    "api.deployment": "patch plan_patching plan_unpacking unpack",
    "api.deployment_repair": "plan_repair repair_deployment verify_deployment",
    "api.deployments": ("deploy deployment_status plan_deployment plan_pruning prune_deployment rollback"),
    "api.functions": (
        "build diff export load_stack lock plan_building plan_exporting plan_locking plan_publication "
        "publish select shared_libraries stack_status why"
    ),
    "api.plans": "Plans",
    "api.project": "Project open_project",
    "api.releasing": "plan_promotion plan_pushing plan_store_pruning promote prune_store push verify_store",
    "archives.formats": "ArchiveFormat Compression",
    "archives.staging": "DeployedLayer",
    "archives.unpack_plan": "PlannedUnpack UnpackAction",
    "building.build_run": "BuildPlan",
    "building.dependency_paths": "DependencyPath",
    "building.exclusions": "ExcludedPackage",
    "building.layer_build": "LayerBuild",
    "building.library_report": "LayerLibraries",
    "definition.stack": "Layer LayerKind PythonRequest SourceModule Stack UvSettings",
    "deltas.patch_plan": "PatchPlan",
    "deploying.deploy_plan": "DeploymentPlan PlannedFetch",
    "deploying.deploy_run": "Deployed",
    "deploying.fetch_plan": "Way",
    "deploying.layer_check": "DeploymentFinding DeploymentProblem",
    "deploying.prune": "PrunePlan Pruned",
    "deploying.repair_plan": "RepairPlan",
    "deploying.repair_run": "Repaired",
    "deploying.status": "DeploymentStatus GenerationStatus ProductStatus",
    "deploying.switching": "RolledBack",
    "deploying.verify": "VerifyReport",
    "differences.changes": "ChangeStatus Difference Fetch FileChange LayerDifference PackageChange",
    "entries": "Entry EntryKind",
    "errors": (
        "ArchiveError BinariesError BinaryFormatError BuildError BusyError ConflictError CoverageError "
        "DefinitionError DeltaError DeploymentError FilesystemError FindingsError InvalidLockError LockError "
        "NotInStoreError Problem PublishError ReleaseError RequirementsError ResolutionError RunError "
        "RuntimeProviderError StoreError TooLargeError ToolError TrustError UsageError VenvstacksError WheelError"
    ),
    "events": "Event Finished Observer Planned Progressed Started Step Waiting Warned",
    "findings": "Finding",
    "locking.layer_lock": "LayerLock LockMetadata LockedPackage LockedWheel SharedPackage",
    "locking.lock_plan": "LockPlan",
    "locking.lock_run": "LockedLayer",
    "locking.states": "LockState",
    "manifests.manifest_format": (
        "ArchiveManifest DeltaManifest ExportManifest LayerManifest ModuleManifest StackManifest"
    ),
    "manifests.published": "PublishedLayer",
    "options": "DeploySettings ExportSettings Options PublishSettings",
    "platforms.compatibility": "Compatibility PythonVersion",
    "platforms.targets": "Target host_target",
    "publishing.delta_bases": "DeltaBase",
    "publishing.export_plan": "ExportOptions ExportPlan PlannedExport",
    "publishing.outputs": "Output OutputPlan Outputs PlannedOutput Reason",
    "publishing.publish_plan": "PlannedArchive PublishOptions PublishPlan",
    "releasing.promotion": "PromotionPlan",
    "releasing.pruning": "PrunedStore StorePrunePlan",
    "releasing.push_plan": "PlannedDelta PlatformPush PushPlan PushState Upload",
    "releasing.push_run": "Pushed",
    "releasing.verification": "StoreProblem StoreReport",
    "status": "StackStatus",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - only here

        return version("venvstacks")
    name = "open_project" if name == "open" else name
    if name in _HOME_OF:
        from importlib import import_module  # noqa: PLC0415 - only here

        return getattr(import_module(f"venvstacks.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'venvstacks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
