"""What locks say of packages, told from their text: fast, as every command looks at every lock.

The text of a lock is exactly what ``pylock_text`` wrote, or it is not valid: its hash
says so. So a few patterns can find in it what decides whether two locks fit together.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from venvstacks.definition.stack import Layer
from venvstacks.platforms.targets import Target

_PACKAGE = re.compile(
    r'^\[\[packages\]\]\nname = "(?P<name>[^"]*)"\n'
    r'version = "(?P<version>[^"]*)"\n(?:marker = "(?P<marker>.*)"\n)?',
    re.MULTILINE,
)
_SHARED = re.compile(
    r'^    \{name = "(?P<name>[^"]*)", version = "(?P<version>[^"]*)", layer = (?P<layer>".*"),'
    r" platforms = \[(?P<platforms>[^]]*)\]\},$",
    re.MULTILINE,
)

Targets = frozenset[str]
"""Names of targets: comparing them takes no time."""

Versions = Mapping[str, Sequence[tuple[str, Targets]]]
"""Normalised package name -> versions, each with the targets that get it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A package that a layer takes from below.

    Attributes:
        name: Normalised name.
        version: Its version.
        targets: Where.
        layer: Build name of the layer that provides it; empty if the lock does not tell (venvstacks 0.8).
    """

    name: str
    version: str
    targets: Targets
    layer: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a lock says of packages.

    Attributes:
        own: What the layer installs itself.
        taken: What it takes from below.
    """

    own: Versions
    taken: tuple[Taken, ...]


NO_CONTENT = Content({}, ())


def read_content(text: str, layer: Layer) -> Content:
    """Read the text of a lock that is known to be complete."""
    own: dict[str, list[tuple[str, Targets]]] = {}
    for match in _PACKAGE.finditer(text):
        name, version, marker = match.groups()
        own.setdefault(name, []).append((version, _marked(marker, layer.targets)))
    taken = [
        Taken(match["name"], match["version"], _named(match["platforms"]), _plain(match["layer"]))
        for match in _SHARED.finditer(text)
    ]
    return Content(own, tuple(taken))


@cache
def _marked(marker: str | None, targets: tuple[Target, ...]) -> Targets:
    """Describe on which targets a marker is true: it names them one by one."""
    plain = marker and marker.replace('\\"', "'")
    return frozenset(target.name for target in targets if plain is None or target.marker in plain)


@cache
def _named(platforms: str) -> Targets:
    return frozenset(name.strip(' "') for name in platforms.split(","))


@cache
def _plain(string: str) -> str:
    value: str = tomllib.loads(f"it = {string}")["it"]
    return value


def why_apart(content: Content, below: Sequence[tuple[str, Content]]) -> str:
    """Describe why what a layer locks does not go with what the layers below it lock now."""
    for lower, offers in below:
        for name in content.own.keys() & offers.own.keys():
            if not _everywhere(content.own[name]).isdisjoint(_everywhere(offers.own[name])):
                return f"the layer below it, {lower!r}, now provides {name}, which it installs itself"
    return next(filter(None, (_why_not_taken(item, below) for item in content.taken)), "")


def _everywhere(versions: Iterable[tuple[str, Targets]]) -> Targets:
    return frozenset().union(*(targets for _, targets in versions))


def _why_not_taken(item: Taken, below: Iterable[tuple[str, Content]]) -> str:
    left = item.targets
    for lower, offers in below:
        for version, targets in offers.own.get(item.name, ()):
            if left.isdisjoint(targets):
                continue
            if item.layer and lower != item.layer:
                return (
                    f"the layer below it, {lower!r}, now provides {item.name}, which it takes from {item.layer!r}"
                )
            if version != item.version:
                locked = f"{item.name} {version} now, and it was locked with {item.version}"
                return f"the layer below it, {lower!r}, locks {locked}"
            left -= targets
        if not left:
            return ""
    where = (
        f"the layer below it, {item.layer!r}, no longer provides" if item.layer else "no layer below it provides"
    )
    return f"{where} {item.name}, and it was locked with {item.version}"
