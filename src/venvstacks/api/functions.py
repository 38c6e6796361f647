"""Shortcuts: each step of a project as a function of a stack, for scripts that do one thing."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from venvstacks.api.project import Project
from venvstacks.definition import loading
from venvstacks.definition.stack import Bytecode, LocalRuntime, Stack
from venvstacks.errors import require_collection
from venvstacks.options import ExportSettings, Options, PublishSettings
from venvstacks.selection import HOST, extend_selection, match_layers
from venvstacks.status import StackStatus

if TYPE_CHECKING:
    from venvstacks.building.build_run import BuildPlan
    from venvstacks.building.dependency_paths import DependencyPath
    from venvstacks.building.layer_build import LayerBuild
    from venvstacks.building.library_report import LayerLibraries
    from venvstacks.differences.changes import Difference
    from venvstacks.locking.lock_plan import LockPlan
    from venvstacks.locking.lock_run import LockedLayer
    from venvstacks.manifests.manifest_format import ArchiveManifest, ExportManifest
    from venvstacks.publishing.export_plan import ExportPlan
    from venvstacks.publishing.outputs import Outputs
    from venvstacks.publishing.publish_plan import PublishPlan


def load_stack(
    path: str | os.PathLike[str], *, local_runtime: LocalRuntime | None = None, bytecode: Bytecode | None = None
) -> Stack:
    """Load and check a definition file.

    Args:
        path: The file; relative to the current folder, ``~`` is expanded.
        local_runtime: Wins over the file's ``local-runtime``.
        bytecode: Wins over the file's ``bytecode``. Publishing and exporting need what building was given.

    Raises:
        DefinitionError: The file cannot be read or used; has all its problems.
    """
    return loading.load_stack(Path(path), local_runtime=local_runtime, bytecode=bytecode)


def lock(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    reset: Collection[str] = (),
    if_needed: bool = False,
    options: Options | None = None,
) -> "tuple[LockedLayer, ...]":
    """Lock layers for all their targets: :meth:`Project.lock`."""
    with Project(stack, options) as project:
        return project.lock(include=include, reset=reset, if_needed=if_needed)


def build(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    lock_if_needed: bool = False,
    reset: Collection[str] = (),
    options: Options | None = None,
) -> "tuple[LayerBuild, ...]":
    """Build layers for some platforms, as far as they are not built already: :meth:`Project.build`."""
    with Project(stack, options) as project:
        return project.build(include=include, platforms=platforms, lock_if_needed=lock_if_needed, reset=reset)


def publish(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
    **settings: Unpack[PublishSettings],
) -> "tuple[Outputs[ArchiveManifest], ...]":
    """Make an archive of each built layer, and the manifests: :meth:`Project.publish`."""
    with Project(stack, options) as project:
        return project.publish(include=include, platforms=platforms, **settings)


def export(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
    **settings: Unpack[ExportSettings],
) -> "tuple[Outputs[ExportManifest], ...]":
    """Copy built layers side by side into a folder, ready to run: :meth:`Project.export`."""
    with Project(stack, options) as project:
        return project.export(include=include, platforms=platforms, **settings)


def plan_locking(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    reset: Collection[str] = (),
    if_needed: bool = False,
) -> "LockPlan":
    """Return what :func:`lock` would do, with the same parameters."""
    return Project(stack).plan.lock(include=include, reset=reset, if_needed=if_needed)


def plan_building(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> "BuildPlan":
    """Return what :func:`build` would do with the present locks."""
    return Project(stack, options).plan.build(include=include, platforms=platforms)


def plan_publication(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
    **settings: Unpack[PublishSettings],
) -> "tuple[PublishPlan, ...]":
    """Return what :func:`publish` would do; the layers need not be built."""
    return Project(stack, options).plan.publish(include=include, platforms=platforms, **settings)


def plan_exporting(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
    **settings: Unpack[ExportSettings],
) -> "tuple[ExportPlan, ...]":
    """Return what :func:`export` would do; the layers need not be built."""
    return Project(stack, options).plan.export(include=include, platforms=platforms, **settings)


def select(
    stack: Stack,
    patterns: Sequence[str],
    *,
    dependencies: bool = False,
    derived: bool = False,
    allow_missing: bool = False,
) -> frozenset[str]:
    """Find layers by patterns, as ``--include`` does.

    Args:
        stack: The stack.
        patterns: For build names, as for :mod:`fnmatch`: ``["app-*", "framework-http"]``.
        dependencies: Whether to add the layers below these.
        derived: Whether to add the layers on top of these.
        allow_missing: Whether a pattern may match nothing.

    Returns:
        Build names, for the ``include`` of other functions.

    Raises:
        UsageError: A pattern matches nothing, and that is not allowed.
    """
    require_collection(patterns=patterns)
    names, _ = match_layers(stack, patterns, allow_missing=allow_missing)
    return extend_selection(stack, names, dependencies=dependencies, derived=derived)


def stack_status(stack: Stack, *, include: Collection[str] | None = None) -> StackStatus:
    """Describe how the layers of a stack depend on each other: :meth:`Project.status`."""
    return Project(stack).status(include=include)


def shared_libraries(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> "tuple[LayerLibraries, ...]":
    """Report which shared libraries the files of built layers need: :meth:`Project.shared_libraries`."""
    return Project(stack, options).shared_libraries(include=include, platforms=platforms)


def why(
    stack: Stack, package: str, *, platforms: Collection[str] = (HOST,), options: Options | None = None
) -> "tuple[DependencyPath, ...]":
    """Report which layers have a package or use it, and what depends on it: :meth:`Project.why`."""
    return Project(stack, options).why(package, platforms=platforms)


def diff(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> "Difference":
    """Describe what became of layers, packages and files, and how much a client that has the old ones must fetch.

    Args:
        old: An archive with its index beside it, an output folder or a manifest in it, a lock file, or a folder
            with locks; relative to the current folder.
        new: The same of what is newer.

    Raises:
        UsageError: One of them is nothing of that, or only one of them is a lock.
        ArchiveError: An index is damaged, or not the one that its manifest names.
        InvalidLockError: A lock is damaged.
        FilesystemError: Something cannot be read.
    """
    from venvstacks.differences.compare import find_differences  # noqa: PLC0415
    from venvstacks.file_names import expanded  # noqa: PLC0415

    return find_differences(*(expanded(path) for path in (old, new)))
