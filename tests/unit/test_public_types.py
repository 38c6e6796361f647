"""Whatever a public function can take or return has a public name itself."""

import dataclasses
import importlib
import inspect
import os
import pkgutil
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import venvstacks

PACKAGE = venvstacks.__name__
PUBLIC = [getattr(venvstacks, name) for name in venvstacks.__all__]


def _modules() -> Iterator[types.ModuleType]:
    for module in pkgutil.walk_packages(venvstacks.__path__, f"{PACKAGE}."):
        if ".payload" not in module.name and not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def _namespace() -> dict[str, object]:
    """Return what annotations may name that are imported for type checkers alone."""
    found: dict[str, object] = {"os": os, "Path": Path, "PurePosixPath": Path}
    for module in (*_modules(), typing, importlib.import_module("collections.abc")):
        found.update({name: value for name, value in vars(module).items() if isinstance(value, type)})
    return found


NAMESPACE = _namespace()


def _types_in(annotation: object) -> Iterator[type]:
    origin = typing.get_origin(annotation)
    for each in (annotation, origin):
        if isinstance(each, type) and each.__module__.startswith(PACKAGE):
            yield each
    for argument in typing.get_args(annotation):
        yield from _types_in(argument)
    if isinstance(annotation, list):
        for each in annotation:
            yield from _types_in(each)


def _documented(kind: type) -> set[str]:
    """Return the fields that a type's page names; others are its own affair."""
    return set(re.findall(r"^ +(\w+): ", (kind.__doc__ or "").partition("Attributes:")[2], re.MULTILINE))


def _annotations(thing: object) -> Iterator[tuple[str, object]]:
    hints = typing.get_type_hints(thing, NAMESPACE | vars(inspect.getmodule(thing)), NAMESPACE)
    for name, annotation in hints.items():
        if not dataclasses.is_dataclass(thing) or name in _documented(typing.cast("type", thing)):
            yield f"{getattr(thing, '__qualname__', thing)}.{name}", annotation
    if isinstance(thing, type):
        for name, member in vars(thing).items():
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function) and not name.startswith("_"):
                yield from _annotations(function)


def test_types_of_public_functions_are_public() -> None:
    missing = {
        f"{found.__module__}.{found.__name__} ({where})"
        for thing in PUBLIC
        if isinstance(thing, type) or inspect.isfunction(thing)
        for where, annotation in _annotations(thing)
        for found in _types_in(annotation)
        if found not in PUBLIC
    }
    assert missing == set()
