"""The programs in the ``bin`` folders of a deployment: those of the applications in current generations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from venvstacks.deploying.deployment_format import Generation
from venvstacks.deploying.generations import read_whole_current, write_programs
from venvstacks.deploying.launchers import MARK, Launcher, current_launcher
from venvstacks.deploying.places import Home
from venvstacks.deploying.products import homes


@dataclass(frozen=True, slots=True)
class Programs:
    """What is in a folder of programs.

    Attributes:
        folder: The folder.
        launchers: What starts each application.
    """

    folder: Path
    launchers: tuple[Launcher, ...]


@dataclass(frozen=True, slots=True)
class TakenName:
    """An application that has no program in the root, as another one has its name.

    Attributes:
        application: Its name.
        home: Of its product.
        owner: The home of the product that the program starts the application of.
    """

    application: str
    home: Home
    owner: Home

    def __str__(self) -> str:
        whose = f"the product {self.owner.product}" if self.owner.product else "the first product"
        return (
            f"bin/{self.application} starts the application of {whose}: "
            f"start the one of {self.home.product} with {self.home.programs / self.application}."
        )


def plan_programs(
    current: Sequence[tuple[Home, Generation]],
) -> tuple[tuple[Programs, ...], tuple[TakenName, ...]]:
    """Return what is in each folder of programs: a product's own, and the root's, where earlier products win.

    Args:
        current: The products of a deployment, the first one first, with their current generations.
    """
    if not current:
        return (), ()
    root = Home(current[0][0].root)
    shared: dict[str, tuple[Home, Launcher]] = {}
    plans: list[Programs] = []
    taken: list[TakenName] = []
    for home, generation in current:
        windows = generation.platform.startswith("win")
        own = []
        for name in generation.applications:
            product = home.product
            own.append(current_launcher(name, product=product, home=product, windows=windows))
            in_root = current_launcher(name, product=product, home="", windows=windows)
            owner, _ = shared.setdefault(in_root.name.casefold(), (home, in_root))
            if owner != home:
                taken.append(TakenName(name, home, owner))
        if home.product:
            plans.append(Programs(home.programs, tuple(own)))
    plans.append(Programs(root.programs, tuple(launcher for _, launcher in shared.values())))
    return tuple(plans), tuple(taken)


def arrange_programs(root: Path, coming: tuple[Home, Generation] | None = None) -> tuple[TakenName, ...]:
    """Put the programs of all products into their folders, and remove those of applications that are gone.

    Args:
        root: The deployment's folder.
        coming: A generation that is going to be current: its programs are added, and none is removed.
    """
    found = {home: generation for home in homes(root) if (generation := read_whole_current(home)) is not None}
    if coming is not None:
        home, generation = coming
        found = dict(sorted((found | {home: generation}).items(), key=lambda item: item[0].product))
    plans, taken = plan_programs(list(found.items()))
    for programs in plans:
        write_programs(programs.folder, programs.launchers)
        if coming is None:
            _remove_others(programs)
    return taken


def _remove_others(programs: Programs) -> None:
    names = {launcher.name for launcher in programs.launchers}
    for path in programs.folder.iterdir() if programs.folder.is_dir() else ():
        if path.name not in names and path.is_file() and not path.is_symlink() and MARK in path.read_bytes()[:200]:
            path.unlink()
