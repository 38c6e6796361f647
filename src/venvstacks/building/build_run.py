"""Build layers: a plan, then its run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from venvstacks.building.build_state import BuildState, write_state
from venvstacks.building.bytecode import bytecode_compiler
from venvstacks.building.checks import check_layer, hint_for, read_contents
from venvstacks.building.layer_build import LayerBuild, LayerKey
from venvstacks.building.layer_builder import BuildTask, LayerBuilder
from venvstacks.building.schemes import make_scheme_python
from venvstacks.errors import BuildError, RequirementsError
from venvstacks.events import Planned, Step, Warned
from venvstacks.files import remove_tree
from venvstacks.humanize import bullets
from venvstacks.runtimes.providers import RuntimeProvider
from venvstacks.session import Session
from venvstacks.work import run_tasks


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What building does.

    Attributes:
        layers: All layers that are wanted or needed below one that is, platform by platform in the stack's order.
        reasons: Target name and build name -> why the layer is built; empty if what is there is kept.
    """

    layers: tuple[LayerBuild, ...]
    reasons: Mapping[tuple[str, str], str]

    @property
    def to_build(self) -> tuple[LayerBuild, ...]:
        """The layers that are built."""
        return tuple(build for build in self.layers if self.reasons[build.key])


def run_build(plan: BuildPlan, session: Session, runtimes: RuntimeProvider) -> tuple[LayerBuild, ...]:
    """Carry a plan out, independent layers of all targets at the same time, then check the result.

    Returns:
        The layers with what was recorded of them, in the plan's order.

    Raises:
        BuildError: A layer cannot be built; what was in its folder before is still there.
        RequirementsError: Packages do not find what they require.
    """
    work = session.work
    made = plan.to_build
    work.observe(Planned(Step.BUILD, tuple(build.layer.build_name for build in made)))
    if made:
        make_scheme_python(session.scratch)
    builds = {build.key: build for build in plan.layers}
    # A layer is seldom filled from those below it: its links are relative, its packages come from its lock. Only
    # then does it matter what these offer: shared libraries. The checks see all layers together.
    with bytecode_compiler(made, runtimes, session.uv.environ, session.scratch, work) as compiler:
        builders = [
            LayerBuilder(build, builds, session, runtimes, compiler, is_kept=not plan.reasons[build.key])
            for build in plan.layers
        ]
        tasks: list[BuildTask] = [*(each.fill_task for each in builders), *(each.finish_task for each in builders)]
        try:
            done = run_tasks(tasks, work)
        finally:
            for each in builders:
                remove_tree(each.staging)
    _name_install_targets(plan.layers)
    return _check(plan.layers, {key: done["finish", key] for key in builds}, session)


def _name_install_targets(builds: Sequence[LayerBuild]) -> None:
    """Make versioned layers reachable under their install targets, which the layers above refer to."""
    for build in builds:
        folder, target = build.folder, build.lock.install_target
        link = folder.with_name(target)
        if target == folder.name or build.target.is_windows:
            continue
        for old in folder.parent.iterdir():
            if old.is_symlink() and old != link and _names_version_of(old.name, folder.name):
                old.unlink()
        if link.is_symlink() and link.readlink().as_posix() != folder.name:
            link.unlink()
        if link.exists():
            if not link.is_symlink():
                raise BuildError(
                    f"{build.headline} cannot be named {target}: {link} was not created by venvstacks.",
                    hint="move it away, or choose another folder with --build-dir",
                )
        else:
            link.symlink_to(folder.name)


def _names_version_of(name: str, build_name: str) -> bool:
    base, _, version = name.rpartition("@")
    return base == build_name and version.isdecimal()


def _check(
    builds: Sequence[LayerBuild], states: Mapping[LayerKey, BuildState], session: Session
) -> tuple[LayerBuild, ...]:
    """Check all layers: also one that was not built now may depend on one that was."""
    contents = {build.key: read_contents(replace(build, state=states[build.key])) for build in builds}
    checks = {key: check_layer(contents, key, session.stack.uv) for key in contents}
    for warning in dict.fromkeys(warning for check in checks.values() for warning in check.warnings):
        session.work.observe(Warned(warning))
    checked = []
    for build in builds:
        state, passed = states[build.key], not checks[build.key].problems
        state = msgspec.structs.replace(state, checked=passed, fits=session.options.check_binaries or state.fits)
        if state != build.state:
            # a layer that is not checked is not used for anything, and checked again by the next build
            write_state(build.folder, state)
        checked.append(replace(build, state=state))
    problems = {problem: None for check in checks.values() for problem in check.problems}
    if problems:
        raise RequirementsError(
            f"Layers were built, but packages in them do not find what they require:{bullets(problems)}",
            hint=hint_for(checks.values()),
        )
    return tuple(checked)
