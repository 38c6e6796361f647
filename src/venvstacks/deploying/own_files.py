"""What of a deployment is no layer: launchers, and which generation is current; its generations tell all of it."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from venvstacks.deploying.contents import DeployedProduct
from venvstacks.deploying.generations import current_number, read_deployment
from venvstacks.deploying.launchers import (
    PROGRAMS,
    STARTS,
    Launcher,
    generation_launcher,
    start_file,
)
from venvstacks.deploying.layer_check import DeploymentFinding, DeploymentProblem
from venvstacks.deploying.places import Home
from venvstacks.deploying.programs import plan_programs
from venvstacks.errors import DeploymentError


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A launcher and where it belongs.

    Attributes:
        path: The file.
        launcher: Its content.
    """

    path: Path
    launcher: Launcher


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A launcher that is missing or changed.

    Attributes:
        file: What it should be.
        finding: What is wrong.
    """

    file: OwnFile
    finding: DeploymentFinding


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """What was found of the files of a deployment that are no layer's.

    Attributes:
        products: The products.
        damaged: Launchers.
        documents: What is wrong with the documents of products and generations.
        current: Products of which it is not known which generation is current.
    """

    products: tuple[DeployedProduct, ...]
    damaged: tuple[DamagedFile, ...]
    documents: tuple[DeploymentFinding, ...]
    current: tuple[tuple[DeployedProduct, DeploymentFinding], ...]

    def findings(self) -> Iterator[DeploymentFinding]:
        """Return what is wrong."""
        yield from self.documents
        yield from (finding for _, finding in self.current)
        yield from (damaged.finding for damaged in self.damaged)


def check_own_files(products: tuple[DeployedProduct, ...]) -> OwnFiles:
    """Compare the files of a deployment that are no layer's with what they should be."""
    expected = [file for product in products for file in launchers_of(product)]
    damaged = [
        DamagedFile(file, found)
        for file in (*expected, *programs_of(products))
        if (found := _compare(file, products[0].home.root))
    ]
    current = [
        (product, _finding(product.home.current, why, product.home))
        for product in products
        if (why := _current_problem(product))
    ]
    documents = [
        _finding(product.home.document, why, product.home)
        for product in products
        if (why := _document_problem(product.home))
    ]
    documents += [found for product in products for found in product.findings()]
    return OwnFiles(products, tuple(damaged), tuple(documents), tuple(current))


def launchers_of(product: DeployedProduct) -> Iterator[OwnFile]:
    """Return the launchers of each generation of a product."""
    home = product.home
    for number, generation in product.generations.items():
        folder, windows = home.generation(number), generation.platform.startswith("win")
        for name, how in generation.applications.items():
            program = generation_launcher(name, number, product=home.product, windows=windows)
            start = start_file(name, how, windows=windows)
            yield OwnFile(folder / PROGRAMS / program.name, program)
            yield OwnFile(folder / STARTS / start.name, start)


def programs_of(products: Iterable[DeployedProduct]) -> Iterator[OwnFile]:
    """Return what starts the applications of the current generations."""
    found = ((product, usable_number(product)) for product in products)
    current = [(product.home, product.generations[number]) for product, number in found if number is not None]
    plans, _ = plan_programs(current)
    for plan in plans:
        for launcher in plan.launchers:
            yield OwnFile(plan.folder / launcher.name, launcher)


def usable_number(product: DeployedProduct) -> int | None:
    """Return the number of the current generation; if that is not known, of the latest that can be read."""
    latest = max(product.generations, default=None)
    if _current_problem(product):
        return latest
    return current_number(product.home)


def _compare(file: OwnFile, root: Path) -> DeploymentFinding | None:
    path = file.path.relative_to(root).as_posix()
    try:
        info = file.path.lstat()
        if not stat.S_ISREG(info.st_mode):
            return DeploymentFinding(path, DeploymentProblem.CHANGED, "kind")
        if file.path.read_bytes() != file.launcher.content:
            return DeploymentFinding(path, DeploymentProblem.CHANGED, "content")
    except (FileNotFoundError, NotADirectoryError):
        return DeploymentFinding(path, DeploymentProblem.MISSING)
    except OSError as error:
        return DeploymentFinding(path, DeploymentProblem.UNREADABLE, error.strerror or "")
    if os.name == "posix" and file.launcher.executable and not info.st_mode & stat.S_IXUSR:
        return DeploymentFinding(path, DeploymentProblem.CHANGED, "mode")
    return None


def _finding(path: Path, why: str, home: Home) -> DeploymentFinding:
    problem = DeploymentProblem.CHANGED if os.path.lexists(path) else DeploymentProblem.MISSING
    return DeploymentFinding(path.relative_to(home.root).as_posix(), problem, why)


def _current_problem(product: DeployedProduct) -> str:
    if not product.generations and not product.unreadable:
        return ""  # nothing was ever deployed
    try:
        number = current_number(product.home)
    except DeploymentError as error:
        return error.message
    if number is None:
        return "names no generation"
    return "" if number in product.generations else f"names generation {number}, which is not there"


def _document_problem(home: Home) -> str:
    try:
        return "" if read_deployment(home) else "not there"
    except DeploymentError as error:
        return error.message
