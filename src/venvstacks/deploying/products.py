"""The products in one deployment's folder: the first one in the folder itself, others below ``products``."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from venvstacks.deploying.deployment_format import Deployment
from venvstacks.deploying.generations import read_deployment
from venvstacks.deploying.places import PRODUCTS, Home
from venvstacks.errors import DeploymentError, UsageError
from venvstacks.file_names import is_file_name, windows_problem

FIRST = "."
"""How the product in the root itself is named on the command line."""

_ODD = re.compile(r"[^A-Za-z0-9_-]+")


def homes(root: Path) -> tuple[Home, ...]:
    """Return where the products of a deployment are, the first one first."""
    found = [Home(root)] if _is_home(Home(root)) else []
    folder = root / PRODUCTS
    names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
    return (*found, *(home for name in names if _is_home(home := Home(root, name))))


def _is_home(home: Home) -> bool:
    return home.document.is_file() or home.current.is_file() or home.generations.is_dir()


def find_home(folder: Path) -> Home | None:
    """Return which product's home a folder is; None if it is no deployment."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links are kept
    if not _is_home(Home(folder)) and not (folder / PRODUCTS).is_dir():
        return None
    root = folder.parent.parent
    if folder.parent.name == PRODUCTS and (root / "layers").is_dir():
        return Home(root, folder.name)
    return Home(folder)


def require_homes(root: Path, product: str | None = None) -> tuple[Home, ...]:
    """Return the products of a deployment that has at least one, or the one that is named.

    Raises:
        DeploymentError: There is no deployment, or no such product.
    """
    found = homes(root)
    if not found:
        raise DeploymentError(
            f"There is no deployment in {root}.", hint="make one with `venvstacks deploy STORE --to DIR`"
        )
    if product is None:
        return found
    name = "" if product == FIRST else product
    chosen = tuple(home for home in found if home.product == name)
    if not chosen:
        there = ", ".join(home.product or FIRST for home in found)
        raise DeploymentError(f"There is no product {product!r} in {root}.", hint=f"there are: {there}")
    return chosen


def choose_home(root: Path, store: str, product: str | None) -> tuple[Home, Deployment | None]:
    """Return which product of a deployment is meant, and what is known of it.

    Args:
        root: The deployment's folder.
        store: Address of the store; empty for the one that is remembered.
        product: Name of the product, ``.`` for the first one; None for the one that comes from the store, which is
            a new product unless one of them does.

    Raises:
        DeploymentError: A document is damaged.
        UsageError: The name of the product cannot be one.
    """
    if product is not None:
        home = Home(root, "" if product == FIRST else _checked(product))
        return home, read_deployment(home)
    known = {home: read_deployment(home) for home in homes(root)}
    first = Home(root)
    if not store:
        return first, known.get(first)
    for home, deployment in known.items():
        if deployment is not None and deployment.store == store:
            return home, deployment
    if known.get(first) is None:
        return first, None
    taken = {home.product for home in known}
    return Home(root, _free_name(product_name(store), taken)), None


def product_name(store: str) -> str:
    """Derive a product's name from the address of its store: the last word of it."""
    parts = urlsplit(store)
    words = [word for word in (parts.hostname or parts.netloc, *re.split(r"[/\\]", parts.path)) if word]
    return _ODD.sub("-", words[-1] if words else "").strip("-") or "product"


def _free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _checked(name: str) -> str:
    if not name or _ODD.search(name) or not is_file_name(name) or windows_problem(name):
        raise UsageError(f"{name!r} cannot name a product.", hint="use letters, digits, hyphens and underscores")
    return name
