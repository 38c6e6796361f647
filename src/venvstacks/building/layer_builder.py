"""Building one layer in two steps: fill its folder, then link it with what the layers below offer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from time import monotonic

import msgspec

from venvstacks.building.assemble import assemble
from venvstacks.building.build_state import BuildState, new_state, write_state
from venvstacks.building.bytecode import BytecodeCompiler, needs_runtime
from venvstacks.building.data_links import apply_data_links, data_of, may_be_missing
from venvstacks.building.exclusions import saving_text
from venvstacks.building.inspection import layer_entries
from venvstacks.building.install import install_packages
from venvstacks.building.installed import Installed, read_installed
from venvstacks.building.launch_commands import add_launchers
from venvstacks.building.layer_build import LayerBuild, LayerKey
from venvstacks.building.layer_links import LayerLinks, plan_links
from venvstacks.building.native_files import apply_linking, check_native, library_layer, read_native
from venvstacks.building.split_packages import apply_joining, parts_of
from venvstacks.building.wheel_safety import check_names
from venvstacks.definition.stack import LayerKind
from venvstacks.entries import Entry
from venvstacks.errors import BuildError, FindingsError
from venvstacks.events import Finished, Started, Step, Warned
from venvstacks.files import explain_os_errors, replace_tree, temporary_beside
from venvstacks.findings import Finding
from venvstacks.humanize import bullets, counted, size_text
from venvstacks.libraries.native_needs import natives_of
from venvstacks.libraries.problems import library_findings, system_libraries_of
from venvstacks.runtimes.providers import RuntimeProvider
from venvstacks.session import Session
from venvstacks.work import Task

StepKey = tuple[str, LayerKey]
"""A step (``fill`` or ``finish``), and the layer."""

BuildTask = Task[StepKey, BuildState]
"""A step of a layer, whose result is what would be recorded of the layer so far."""


class LayerBuilder:
    """Builds one layer; one that is kept is only linked again if a layer below is rebuilt and offers other things.

    ``staging`` is the unfinished folder, beside the final one; whoever runs the steps removes it in the end.
    """

    def __init__(
        self,
        build: LayerBuild,
        builds: Mapping[LayerKey, LayerBuild],
        session: Session,
        runtimes: RuntimeProvider,
        compiler: BytecodeCompiler,
        *,
        is_kept: bool,
    ) -> None:
        self.staging = temporary_beside(build.folder)
        self._build = build
        self._below = [builds[key] for key in build.keys_below]
        self._runtime = builds[build.target.name, build.layer.runtime]
        self._session = session
        self._runtimes = runtimes
        self._compiler = compiler
        self._kept = build.state if is_kept else None
        self._installed: Installed = ()  # by this run
        self._seconds = 0.0

    @property
    def fill_task(self) -> BuildTask:
        """Install everything but the search paths of libraries, unless the layer is up to date."""
        return self._task("fill", self._needs_to_install, self._fill)

    @property
    def finish_task(self) -> BuildTask:
        """Link the layer with those below, and put its folder in place."""
        build = self._build
        runtime = self._runtime.key
        compiler = [("finish", runtime)] if needs_runtime(build) and build.key != runtime else []
        is_copying = build.target.is_windows or may_be_missing(build)
        copied = [("finish", key) for key in build.keys_below if is_copying]
        filled = [("fill", key) for key in (build.key, *build.keys_below)]
        return self._task("finish", [*self._needs_to_install, *compiler, *copied, *filled], self._finish)

    @property
    def _needs_to_install(self) -> list[StepKey]:
        build = self._build
        if build.layer.entry_points:  # commands that are named may be those of packages below
            return [("finish", key) for key in build.keys_below]
        if build.target.is_windows:  # an environment there holds copies of its runtime's launchers
            return [("finish", key) for key in build.keys_below[-1:]]
        return []

    def _task(
        self, step: str, needs: Iterable[StepKey], run: Callable[[Mapping[StepKey, BuildState]], BuildState]
    ) -> BuildTask:
        platform, name = self._build.key
        return Task(f"{step} {name} for {platform}", (step, self._build.key), tuple(needs), run)

    @property
    def _is_unchecked(self) -> bool:
        """Whether a layer that is kept was built without checks, and is checked now."""
        return self._kept is not None and self._session.options.check_binaries and not self._kept.fits

    def _fill(self, done: Mapping[StepKey, BuildState]) -> BuildState:
        if self._kept is None:
            return self._install(done)
        if self._is_unchecked:
            folder = self._build.folder
            installed = read_installed(folder, self._build.layout.site)
            found = read_native(self._build, installed, self._kept.entries, folder)
            return msgspec.structs.replace(self._kept, findings=check_native(self._build, found))
        return self._kept

    def _finish(self, done: Mapping[StepKey, BuildState]) -> BuildState:
        build, observe = self._build, self._session.work.observe
        platform, name = build.key
        state = done["fill", build.key]
        below = [replace(each, state=done["fill", each.key]) for each in self._below]
        links = plan_links(replace(build, state=state), below)
        if self._kept is not None and state.linking == links.hash:
            if self._is_unchecked:
                more = library_findings(library_layer(replace(build, state=state)), links.linking)
                state = msgspec.structs.replace(state, findings=(*state.findings, *more))
            self._report(state.findings, is_new=self._is_unchecked)
            observe(Finished(Step.BUILD, name, False, "up to date", 0.0, platform))  # noqa: FBT003
            return state
        if self._kept is not None:  # a layer below was rebuilt, and offers other things now
            state = self._install(done)
        started = monotonic()
        with explain_os_errors(f"build {build.layer.title} for {platform}"):
            state = self._link(state, links)
        size = size_text(sum(entry.size for entry in state.entries))
        parts = (counted(len(build.wheels), "package"), size, saving_text(build.excluded))
        seconds = self._seconds + monotonic() - started
        observe(Finished(Step.BUILD, name, True, ", ".join(filter(None, parts)), seconds, platform))  # noqa: FBT003
        return state

    def _install(self, done: Mapping[StepKey, BuildState]) -> BuildState:
        platform, name = self._build.key
        self._session.work.observe(Started(Step.BUILD, name, platform))
        started = monotonic()
        try:
            with explain_os_errors(f"build {self._build.layer.title} for {platform}"):
                return self._install_content(done)
        finally:
            self._seconds = monotonic() - started

    def _install_content(self, done: Mapping[StepKey, BuildState]) -> BuildState:
        build, staging = self._build, self.staging
        staging.parent.mkdir(parents=True, exist_ok=True)
        if build.layer.kind is LayerKind.RUNTIME:
            self._runtimes.fetch(build.lock.python, build.compatibility, staging)
        else:
            staging.mkdir()
        installed = self._installed = install_packages(self._session, build, staging)
        assemble(build, staging, self._runtime.folder)
        named = self._below if build.layer.entry_points else ()
        below = [replace(each, state=done["finish", each.key]) for each in named]
        launcher = add_launchers(build, staging, installed, below, self._session.work.observe)
        entries = self._entries()
        check_names(entries, build)
        native = read_native(build, installed, entries, staging)
        checks = self._session.options.check_binaries
        return msgspec.structs.replace(
            new_state(build.inputs_hash, build.local_runtime, entries),
            fits=checks,
            natives=natives_of(native, entries, staging, build.compatibility),
            data=data_of(build, installed, entries, launcher),
            parts=parts_of(build, installed, entries, staging),
            findings=check_native(build, native) if checks else (),
        )

    def _link(self, state: BuildState, links: LayerLinks) -> BuildState:
        build, staging, observe = self._build, self.staging, self._session.work.observe
        installed, doubts = apply_linking(build, links.linking, self._installed, staging)
        libraries = library_findings(library_layer(replace(build, state=state)), links.linking)
        found = (*state.findings, *libraries, *doubts)
        findings = found if self._session.options.check_binaries else ()
        self._report(findings, is_new=True)
        launcher = f"{build.layout.scripts}/{build.layer.name}"
        if launcher in links.data and build.layer.kind is LayerKind.APPLICATION:
            other = f"{launcher} belongs to a package in {links.data[launcher].layer}"
            observe(Warned(f"{build.headline} has no launcher for its launch module: {other}."))
        apply_data_links(build, self._below, links.data, staging)
        apply_joining(build, links.packages, links.linking.dll_folders, staging)
        runtime = staging if self._runtime is build else self._runtime.folder
        linked = msgspec.structs.replace(
            state,
            entries=self._compiler.ship(build, installed, self._entries(), staging, runtime),
            linking=links.hash,
            findings=findings,
            system_libraries=system_libraries_of(links.linking),
        )
        write_state(staging, linked)
        self._session.work.cancellation.check()
        replace_tree(staging, build.folder)
        return linked

    def _report(self, findings: Sequence[Finding], *, is_new: bool) -> None:
        """Report findings once; if they are errors, whenever there are any."""
        if not findings:
            return
        platform, name = self._build.key
        text = f"{name} for {platform} may lack something there:{bullets(map(str, findings))}"
        if self._session.strict and self._session.options.check_binaries:
            raise FindingsError(
                text, hint="without --strict (strict = true in the definition), the layer is built"
            )
        if is_new:
            self._session.work.observe(Warned(text))

    def _entries(self) -> tuple[Entry, ...]:
        try:
            return layer_entries(self.staging, self._build.target)
        except ValueError as error:
            raise BuildError(f"{self._build.headline} cannot be built: {error}.") from error
