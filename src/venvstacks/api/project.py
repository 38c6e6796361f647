"""A project: a stack, the options of its steps, and what was read of its locks and builds."""

import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from venvstacks.api.plans import Plans
from venvstacks.builds import StackBuilds
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Bytecode, LocalRuntime, Stack
from venvstacks.events import Event, Observer, Waiting, silent
from venvstacks.options import ExportSettings, Options, PublishSettings, in_definition
from venvstacks.selection import HOST, choose_layers, choose_targets, extend_selection
from venvstacks.status import StackStatus
from venvstacks.work import default_jobs

if TYPE_CHECKING:
    from venvstacks.building.dependency_paths import DependencyPath
    from venvstacks.building.layer_build import LayerBuild
    from venvstacks.building.library_report import LayerLibraries
    from venvstacks.locking.lock_run import LockedLayer
    from venvstacks.manifests.manifest_format import ArchiveManifest, ExportManifest
    from venvstacks.publishing.outputs import Outputs
    from venvstacks.session import Session


class Project:
    """A stack, with what was read of its locks and builds; :func:`venvstacks.open` makes one.

    The first step that writes holds the build folder, so that no other run changes it, until the project is
    closed: at the end of a ``with`` block, or by :meth:`close`. Lock files and the records of built layers are
    read once, and again after waiting for another run; what others change meanwhile is not seen.

    Attributes:
        stack: The stack.
        options: How work is done.
        plan: What the steps would do: ``project.plan.publish(format="zip")``.
    """

    def __init__(self, stack: Stack, options: Options | None = None) -> None:
        self.stack = stack
        self.options = options or Options()
        self.builds = StackBuilds(stack, in_definition(stack, self.options.build_dir))
        self.plan = Plans(self.builds, clean=self.options.clean)
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs use the build folder; a step after that holds it again, and reads everything again."""
        self.__dict__.pop("_scratch", None)
        self.builds.forget()
        self._resources.close()

    @cached_property
    def _scratch(self) -> Path:
        """Hold the build folder."""
        from venvstacks.workspace import hold_workspace  # noqa: PLC0415 - plans hold nothing

        def observe(event: Event) -> None:
            if isinstance(event, Waiting):  # for a run that may write what was read to plan this one
                self.builds.forget()
            self.options.observe(event)

        folder = in_definition(self.stack, self.options.build_dir)
        return self._resources.enter_context(hold_workspace(folder, wait=self.options.wait, observe=observe))

    def _session(self) -> "AbstractContextManager[Session]":
        from venvstacks.session import open_session  # noqa: PLC0415 - plans need no uv and no runtimes

        return open_session(self.stack, self.options, self._scratch)

    def lock(
        self, *, include: Collection[str] | None = None, reset: Collection[str] = (), if_needed: bool = False
    ) -> "tuple[LockedLayer, ...]":
        """Lock layers for all their targets.

        Layers below them are locked as well where they have no valid lock, and layers above them always.

        Args:
            include: Build names of the layers to lock; all by default.
            reset: Build names of layers whose earlier pins are forgotten.
            if_needed: Whether valid locks are kept.

        Returns:
            The locks of all these layers, in the stack's order.

        Raises:
            LockError: A layer cannot be locked.
        """
        from venvstacks.api.steps import open_runtimes, run_locking  # noqa: PLC0415

        with self._session() as session:
            plan = self.plan.lock(include=include, reset=reset, if_needed=if_needed)
            return run_locking(session, open_runtimes(session), self.builds, plan)

    def build(
        self,
        *,
        include: Collection[str] | None = None,
        platforms: Collection[str] = (HOST,),
        lock_if_needed: bool = False,
        reset: Collection[str] = (),
    ) -> "tuple[LayerBuild, ...]":
        """Build layers for some platforms, as far as they are not built already.

        Args:
            include: Build names of the layers to build; all by default. Layers below them are built if needed.
            platforms: Target names, ``host`` for this machine's, ``all`` for all that one of the layers is made
                for. Layers that are not made for a platform are left out there.
            lock_if_needed: Whether to lock first what has no valid lock.
            reset: Build names of layers whose earlier pins are forgotten; only with ``lock_if_needed``.

        Returns:
            These layers and those below them, platform by platform, each in the stack's order.

        Raises:
            UsageError: There is no such platform, or none of the layers is made for it.
            InvalidLockError: A layer has no valid lock.
            BuildError: A layer cannot be built.
        """
        from venvstacks.api.steps import open_runtimes, run_building, run_locking  # noqa: PLC0415

        # a mistake in a name shows before another run is waited for, or anything is locked
        chosen, reset = choose_layers(self.stack, include), choose_layers(self.stack, reset, "reset")
        choose_targets(self.stack, chosen, platforms)
        with self._session() as session:
            runtimes = open_runtimes(session)
            if lock_if_needed:
                needed = extend_selection(self.stack, {*chosen, *reset}, dependencies=True, derived=False)
                plan = self.plan.lock(include=needed, reset=reset, if_needed=True)
                run_locking(session, runtimes, self.builds, plan)
            return run_building(
                session, runtimes, self.builds, self.plan.build(include=chosen, platforms=platforms)
            )

    def publish(
        self,
        *,
        include: Collection[str] | None = None,
        platforms: Collection[str] = (HOST,),
        **settings: Unpack[PublishSettings],
    ) -> "tuple[Outputs[ArchiveManifest], ...]":
        """Make an archive of each built layer, and the manifests.

        Args:
            include: Build names of the layers to publish; all by default.
            platforms: As for :meth:`build`.
            settings: Fields of :class:`PublishOptions`: where to and in which format. With several platforms, and
                without tags in names, each has a folder of its own in the output folder.

        Returns:
            What was done for each platform, sorted by its name.

        Raises:
            UsageError: There is no such platform, or none of the layers is made for it.
            BuildError: A layer is not built.
            PublishError: An archive cannot be made.
        """
        from venvstacks.api.publishing import run_publishing  # noqa: PLC0415
        from venvstacks.publishing.publish_plan import PublishOptions  # noqa: PLC0415

        options, chosen = PublishOptions(**settings), choose_layers(self.stack, include)
        with self._session() as session:
            return run_publishing(session, self.builds, options, chosen, platforms)

    def export(
        self,
        *,
        include: Collection[str] | None = None,
        platforms: Collection[str] = (HOST,),
        **settings: Unpack[ExportSettings],
    ) -> "tuple[Outputs[ExportManifest], ...]":
        """Copy built layers side by side into a folder, ready to run.

        Args:
            include: Build names of the layers to export; all by default.
            platforms: As for :meth:`build`.
            settings: Fields of :class:`ExportOptions`. With several platforms, each has a folder of its own in the
                output folder.

        Returns:
            What was done for each platform, sorted by its name.

        Raises:
            UsageError: There is no such platform, or none of the layers is made for it.
            BuildError: A layer is not built.
            PublishError: The output folder holds something else under a layer's name.
        """
        from venvstacks.api.publishing import run_exporting  # noqa: PLC0415
        from venvstacks.publishing.export_plan import ExportOptions  # noqa: PLC0415

        options, chosen = ExportOptions(**settings), choose_layers(self.stack, include)
        with self._session() as session:
            return run_exporting(session, self.builds, options, chosen, platforms)

    def status(
        self,
        *,
        include: Collection[str] | None = None,
        operations: Mapping[str, tuple[str, ...]] | None = None,
    ) -> StackStatus:
        """Describe how the layers of the stack depend on each other, and whether their locks are valid.

        Args:
            include: Build names of layers; these, what they depend on, and what depends on them are described. All
                layers by default.
            operations: Build name -> what is to be done with a layer, to be described as well.

        Returns:
            What ``venvstacks show`` prints; :meth:`StackStatus.as_json` is what ``venvstacks show --json`` prints.
        """
        chosen = extend_selection(self.stack, choose_layers(self.stack, include), dependencies=True, derived=True)
        return StackStatus(self.stack, self.builds.states, chosen, operations)

    def shared_libraries(
        self, *, include: Collection[str] | None = None, platforms: Collection[str] = (HOST,)
    ) -> "tuple[LayerLibraries, ...]":
        """Report which shared libraries the files of built layers need, and who provides them.

        Args:
            include: Build names of the layers; all by default.
            platforms: As for :meth:`build`.

        Returns:
            One entry a layer, platform by platform, each in the stack's order.

        Raises:
            InvalidLockError: A layer has no valid lock.
        """
        from venvstacks.building.library_report import describe_libraries  # noqa: PLC0415

        chosen = choose_layers(self.stack, include)
        builds = {build.key: build for build in self.builds.select(chosen, platforms)}
        return tuple(
            describe_libraries(build, [builds[key] for key in build.keys_below], self.options.environ)
            for build in builds.values()
            if build.layer.build_name in chosen
        )

    def why(self, package: str, *, platforms: Collection[str] = (HOST,)) -> "tuple[DependencyPath, ...]":
        """Report which layers have a package or use it, what depends on it, and what it costs.

        Args:
            package: The package's name, in any spelling.
            platforms: As for :meth:`build`.

        Returns:
            One entry a layer, platform by platform, each in the stack's order; empty if no layer has it.

        Raises:
            InvalidLockError: A layer has no valid lock.
        """
        from venvstacks.building.dependency_paths import find_dependency_paths  # noqa: PLC0415

        return find_dependency_paths(self.builds.select(choose_layers(self.stack, None), platforms), package)


def open_project(
    path: str | os.PathLike[str] = "venvstacks.toml",
    *,
    local_runtime: LocalRuntime | None = None,
    bytecode: Bytecode | None = None,
    build_dir: str | os.PathLike[str] = "_build",
    local_wheels: Collection[str | os.PathLike[str]] = (),
    no_index: bool = False,
    check_binaries: bool = True,
    strict: bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    clean: bool = False,
    wait: bool = True,
    jobs: int | None = None,
    observe: Observer = silent,
    environ: Mapping[str, str] | None = None,
) -> Project:
    """Load a definition file to work on its stack.

    Args:
        path: The definition; relative to the current folder, ``~`` is expanded.
        local_runtime: Wins over the file's ``local-runtime``.
        bytecode: Wins over the file's ``bytecode``. Publishing and exporting need what building was given.
        build_dir: As all that follow, a field of :class:`Options`.
        local_wheels: Folders with wheels.
        no_index: Whether these folders alone are used.
        check_binaries: Whether native files of the layers are checked.
        strict: Whether what may be wrong with a layer is an error.
        cache_dir: Folder for caches.
        clean: Whether each build rebuilds all its layers, also those that an earlier build of this project made.
        wait: Whether to wait for another run in the same build or output folder.
        jobs: How many layers are handled at once; as many as there are processors by default.
        observe: Called with each event, from any thread.
        environ: The environment variables that are honoured; this process's by default.

    Raises:
        DefinitionError: The file cannot be read or used; has all its problems.
    """
    stack = load_stack(Path(path), local_runtime=local_runtime, bytecode=bytecode)
    options = Options(
        build_dir=build_dir,
        local_wheels=local_wheels,
        no_index=no_index,
        check_binaries=check_binaries,
        strict=strict,
        cache_dir=cache_dir,
        clean=clean,
        wait=wait,
        jobs=jobs or default_jobs(),
        observe=observe,
    )
    return Project(stack, options if environ is None else replace(options, environ=environ))
