"""One layer's way into its folder, in two steps: fill it, and have it find what the layers below offer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from venvstacks.building.assemble import assemble
from venvstacks.building.build_plan import Key, LayerBuild
from venvstacks.building.bytecode import BytecodeCompiler, needs_runtime, ship_bytecode
from venvstacks.building.excluding import saving_text
from venvstacks.building.install import Installer, install_packages
from venvstacks.building.installed import Installed, read_installed
from venvstacks.building.joining import apply_joining, parts_of
from venvstacks.building.launch_commands import add_launchers, offered_commands
from venvstacks.building.native_files import apply_linking, check_native, library_layer, read_native
from venvstacks.building.showing import apply_showing, data_of, may_be_missing
from venvstacks.building.state import Inspection, layer_entries, write_state
from venvstacks.building.taking import Taking, plan_taking
from venvstacks.building.wheel_safety import check_names
from venvstacks.definition.stack import LayerKind
from venvstacks.entries import Entry
from venvstacks.errors import BuildError, FindingsError
from venvstacks.events import Finished, Started, Step, Warned
from venvstacks.files import explain_os_error, replace_tree
from venvstacks.findings import Finding, findings_text
from venvstacks.humanize import counted, size_text
from venvstacks.libraries.native_needs import natives_of
from venvstacks.libraries.problems import library_findings, system_libraries_of
from venvstacks.runtimes.interface import RuntimeProvider

StepKey = tuple[str, Key]
"""A step (``fill`` or ``finish``), and the layer."""


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """What building does with one layer.

    Attributes:
        build: The layer and all that decides its content.
        inspection: What stands in its folder, and why that is not enough if it is not.
    """

    build: LayerBuild
    inspection: Inspection

    @property
    def name(self) -> str:
        """The layer's build name."""
        return self.build.layer.build_name

    @property
    def key(self) -> Key:
        """What tells the piece of work from all others."""
        return self.build.key

    @property
    def reason(self) -> str:
        """Why the layer is built; empty if it is kept."""
        return self.inspection.reason


@dataclass(frozen=True, slots=True)
class Filled:
    """A layer on its way.

    Attributes:
        inspection: What an inspection would find in it so far.
        installed: What is installed in it, if it was filled now.
        seconds: How long it took to make.
    """

    inspection: Inspection
    installed: Installed = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one layer.

    Attributes:
        item: The layer, and what stands in its folder.
        builds: All layers that may stand below it.
        installer: What packages are installed with.
        runtimes: Where base Pythons come from.
        compiling: What modules are compiled with, if the layer is to hold them so.
        staging: The unfinished folder, beside the final one; whoever runs the steps removes it in the end.
    """

    item: PlannedBuild
    builds: Mapping[Key, LayerBuild]
    installer: Installer
    runtimes: RuntimeProvider
    compiling: BytecodeCompiler
    staging: Path

    @property
    def needs_to_fill(self) -> tuple[StepKey, ...]:
        """The steps that come before :meth:`fill`."""
        build = self.item.build
        if build.layer.entry_points:  # commands that are named may be those of packages below
            keys = build.keys_below
        elif build.target.is_windows:  # an environment there holds copies of its runtime's launchers
            keys = build.keys_below[-1:]
        else:
            keys = ()
        return tuple(("finish", key) for key in keys)

    @property
    def needs_to_finish(self) -> tuple[StepKey, ...]:
        """The steps whose results :meth:`finish` takes."""
        build = self.item.build
        compiler = [("finish", self._runtime)] if needs_runtime(build) and build.key != self._runtime else []
        is_copying = build.target.is_windows or may_be_missing(build)
        copied = [("finish", key) for key in build.keys_below if is_copying]
        filled = [("fill", key) for key in (build.key, *build.keys_below)]
        return (*self.needs_to_fill, *compiler, *copied, *filled)  # it may have to be filled again

    @property
    def _is_unchecked(self) -> bool:
        """Whether a layer that is kept was built without checks, and is checked now."""
        return self.installer.check_binaries and not self.item.reason and not self.item.inspection.fits

    @property
    def _runtime(self) -> Key:
        return self.item.build.target.name, self.item.build.layer.runtime

    def fill(self, done: Mapping[StepKey, Filled]) -> Filled:
        """Put everything into the layer but the ways to libraries, unless it is up to date."""
        build, inspection = self.item.build, self.item.inspection
        if self.item.reason:
            return self._make(done)
        if self._is_unchecked:
            installed = read_installed(build.folder, build.layout.site)
            findings = check_native(build, read_native(build, installed, inspection.entries, build.folder))
            inspection = replace(inspection, findings=findings)
        return Filled(inspection)

    def finish(self, done: Mapping[StepKey, Filled]) -> Filled:
        """Let the layer find what it takes from those below, and put the layer in its place."""
        build, observe = self.item.build, self.installer.work.observe
        platform, name = build.key
        filled = done["fill", build.key]
        below = [self.builds[key] for key in build.keys_below]
        found = {key: done["fill", key].inspection for key in (build.key, *build.keys_below)}
        taking = plan_taking(build, below, found)
        if not self.item.reason:
            if filled.inspection.linking == taking.hash:
                inspection = filled.inspection
                if self._is_unchecked:
                    more = library_findings(library_layer(build, inspection.natives), taking.linking)
                    inspection = replace(inspection, findings=(*inspection.findings, *more))
                self._report(inspection.findings, is_new=self._is_unchecked)
                observe(Finished(Step.BUILD, name, False, "up to date", 0.0, platform))  # noqa: FBT003
                return Filled(inspection)
            filled = self._make(done)  # a layer below was made anew, and offers other things now
        started = monotonic()
        try:
            inspection = self._link(filled, taking)
        except OSError as error:
            raise explain_os_error(error, f"build {build.layer.title} for {platform}") from error
        size = sum(entry.size for entry in inspection.entries)
        parts = (counted(len(build.wheels), "package"), size_text(size), saving_text(build.excluded))
        summary = ", ".join(filter(None, parts))
        seconds = filled.seconds + monotonic() - started
        observe(Finished(Step.BUILD, name, True, summary, seconds, platform))  # noqa: FBT003
        return Filled(inspection)

    def _make(self, done: Mapping[StepKey, Filled]) -> Filled:
        platform, name = self.item.key
        self.installer.work.observe(Started(Step.BUILD, name, platform))
        started = monotonic()
        try:
            installed, inspection = self._make_contents(done)
        except OSError as error:
            raise explain_os_error(error, f"build {self.item.build.layer.title} for {platform}") from error
        return Filled(inspection, installed, monotonic() - started)

    def _make_contents(self, done: Mapping[StepKey, Filled]) -> tuple[Installed, Inspection]:
        build, staging = self.item.build, self.staging
        staging.parent.mkdir(parents=True, exist_ok=True)
        if build.layer.kind is LayerKind.RUNTIME:
            self.runtimes.fetch(build.lock.python, build.compatibility, staging)
        else:
            staging.mkdir()
        installed = install_packages(self.installer, build, staging)
        runtime = {} if build.key == self._runtime else {self._runtime: self.builds[self._runtime].folder}
        assemble(build, staging, runtime)
        named = build.keys_below if build.layer.entry_points else ()
        below = [(self.builds[key], done["finish", key].inspection.data) for key in named]
        launcher = add_launchers(build, staging, installed, below, self.installer.work.observe)
        entries = self._entries()
        check_names(entries, build.layer.title, build.compatibility)
        native = read_native(build, installed, entries, staging)
        checks = self.installer.check_binaries
        findings = check_native(build, native) if checks else ()
        natives = natives_of(native, entries, staging, build.compatibility)
        data = data_of(build, installed, entries, offered_commands(installed), launcher)
        parts = parts_of(build, installed, entries, staging)
        return installed, Inspection(
            entries, "", fits=checks, natives=natives, data=data, parts=parts, findings=findings
        )

    def _link(self, filled: Filled, taking: Taking) -> Inspection:
        build, staging, inspection = self.item.build, self.staging, filled.inspection
        layer = library_layer(build, inspection.natives)
        installed, doubts = apply_linking(build, taking.linking, filled.installed, staging)
        found = (*inspection.findings, *library_findings(layer, taking.linking), *doubts)
        findings = found if self.installer.check_binaries else ()
        self._report(findings, is_new=True)
        launcher = f"{build.layout.scripts}/{build.layer.name}"
        if launcher in taking.showing and build.layer.kind is LayerKind.APPLICATION:
            other = f"{launcher} belongs to a package in {taking.showing[launcher].layer}"
            self.installer.work.observe(
                Warned(f"{build.headline} has no launcher for its launch module: {other}.")
            )
        apply_showing(build, [self.builds[key] for key in build.keys_below], taking.showing, staging)
        apply_joining(build, taking.joining, taking.linking.dll_folders, staging)
        runtime = self.builds[self._runtime]
        folder = staging if runtime is build else runtime.folder
        entries = ship_bytecode(self.compiling, build, installed, self._entries(), staging, runtime=folder)
        linked = replace(
            inspection,
            entries=entries,
            linking=taking.hash,
            bytecode=build.bytecode,
            findings=findings,
            system_libraries=system_libraries_of(taking.linking),
        )
        write_state(staging, build, linked)
        self.installer.work.cancellation.check()
        replace_tree(staging, build.folder)
        return linked

    def _report(self, findings: Sequence[Finding], *, is_new: bool) -> None:
        """Report findings once; if they are errors, whenever there are any."""
        if findings and self.installer.strict and self.installer.check_binaries:
            raise FindingsError(
                findings_text(findings),
                hint="without --strict (strict = true in the definition), the layer is built",
            )
        if findings and is_new:
            self.installer.work.observe(Warned(findings_text(findings)))

    def _entries(self) -> tuple[Entry, ...]:
        try:
            return layer_entries(self.staging, self.item.build.target)
        except ValueError as error:
            raise BuildError(f"{self.item.build.headline} cannot be built: {error}.") from error
