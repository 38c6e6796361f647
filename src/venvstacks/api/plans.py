"""What the steps of a project would do."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Unpack

from venvstacks.builds import StackBuilds
from venvstacks.options import ExportSettings, PublishSettings
from venvstacks.selection import HOST, choose_layers

if TYPE_CHECKING:
    from venvstacks.building.build_run import BuildPlan
    from venvstacks.locking.lock_plan import LockPlan
    from venvstacks.publishing.export_plan import ExportPlan
    from venvstacks.publishing.publish_plan import PublishPlan


class Plans:
    """What the steps of a project would do, with the parameters of these; nothing is written."""

    def __init__(self, builds: StackBuilds, *, clean: bool) -> None:
        self._builds = builds
        self._clean = clean

    def lock(
        self, *, include: Collection[str] | None = None, reset: Collection[str] = (), if_needed: bool = False
    ) -> "LockPlan":
        """Return what :meth:`Project.lock` would do."""
        from venvstacks.locking.lock_plan import plan_lock  # noqa: PLC0415

        stack = self._builds.stack
        chosen, reset = choose_layers(stack, include), choose_layers(stack, reset, "reset")
        resolve = reset if if_needed else chosen
        return plan_lock(stack, self._builds.states, resolve=resolve, needed=chosen, forget_pins=reset)

    def build(
        self, *, include: Collection[str] | None = None, platforms: Collection[str] = (HOST,)
    ) -> "BuildPlan":
        """Return what :meth:`Project.build` would do with the present locks.

        Raises:
            UsageError: There is no such platform, or none of the layers is made for it.
            InvalidLockError: A layer has no valid lock.
            BuildError: A layer's folder holds what no build put there.
        """
        from venvstacks.building.build_run import BuildPlan  # noqa: PLC0415
        from venvstacks.building.inspection import inspect_layers  # noqa: PLC0415

        layers = self._builds.select(choose_layers(self._builds.stack, include), platforms)
        return BuildPlan(layers, inspect_layers(layers, clean=self._clean))

    def publish(
        self,
        *,
        include: Collection[str] | None = None,
        platforms: Collection[str] = (HOST,),
        **settings: Unpack[PublishSettings],
    ) -> "tuple[PublishPlan, ...]":
        """Return what :meth:`Project.publish` would do; locks and earlier manifests suffice for that."""
        from venvstacks.api.publishing import make_publish_plans  # noqa: PLC0415
        from venvstacks.publishing.publish_plan import PublishOptions  # noqa: PLC0415

        chosen = choose_layers(self._builds.stack, include)
        return make_publish_plans(self._builds, PublishOptions(**settings), chosen, platforms)

    def export(
        self,
        *,
        include: Collection[str] | None = None,
        platforms: Collection[str] = (HOST,),
        **settings: Unpack[ExportSettings],
    ) -> "tuple[ExportPlan, ...]":
        """Return what :meth:`Project.export` would do; the layers need not be built."""
        from venvstacks.api.publishing import make_export_plans  # noqa: PLC0415
        from venvstacks.publishing.export_plan import ExportOptions  # noqa: PLC0415

        chosen = choose_layers(self._builds.stack, include)
        return make_export_plans(self._builds, ExportOptions(**settings), chosen, platforms)
