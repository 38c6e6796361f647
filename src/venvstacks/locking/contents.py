"""What locks say of packages, told from their text: fast, as every command looks at every lock.

The text of a lock is exactly what ``pylock_text`` wrote, or it is not valid: its hash
says so. So a few patterns can find in it what decides whether two locks fit together.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from venvstacks.platforms.targets import TARGETS, Target
from venvstacks.spec.model import Layer

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

Versions = Mapping[str, Mapping[Target, str]]
"""Normalised package name -> target -> version."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A package that a layer takes from below on a target.

    Attributes:
        name: Normalised name.
        version: Its version.
        target: Where.
        layer: Build name of the layer that provides it; empty if the lock does not tell (venvstacks 0.8).
    """

    name: str
    version: str
    target: Target
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
    """Read the text of a lock that is known to be complete.

    Args:
        text: The content of ``pylock.L.toml``, with plain line ends.
        layer: The layer; markers are about its targets.
    """
    own: dict[str, dict[Target, str]] = {}
    for match in _PACKAGE.finditer(text):
        versions = own.setdefault(match["name"], {})
        versions.update(dict.fromkeys(_targets(match["marker"], layer.targets), match["version"]))
    taken = [
        Taken(match["name"], match["version"], TARGETS[name.strip(' "')], _plain(match["layer"]))
        for match in _SHARED.finditer(text)
        for name in match["platforms"].split(",")
    ]
    return Content(own, tuple(taken))


@cache
def _targets(marker: str | None, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Say on which targets a marker is true: it names them one by one."""
    plain = marker and marker.replace('\\"', "'")
    return targets if plain is None else tuple(target for target in targets if target.marker in plain)


@cache
def _plain(string: str) -> str:
    value: str = tomllib.loads(f"it = {string}")["it"]
    return value


def why_apart(content: Content, below: Sequence[tuple[str, Content]]) -> str:
    """Say why what a layer locks does not go with what the layers below it lock now.

    Args:
        content: What the layer's lock says.
        below: Build name and content of each layer below, in path order: the first that provides a package wins.

    Returns:
        The reason, or nothing if the layer still gets exactly what it takes, and would get nothing more.
    """
    for name, versions in content.own.items():
        for lower, offers in below:
            if not versions.keys().isdisjoint(offers.own.get(name, ())):
                return f"the layer below it, {lower!r}, now provides {name}, which it installs itself"
    for item in content.taken:
        lower, version = _provider(item, below)
        if version != item.version:
            now = f"locks {item.name} {version} now" if version else f"no longer provides {item.name}"
            return f"the layer below it, {lower or item.layer!r}, {now}, and it was locked with {item.version}"
        if item.layer and lower != item.layer:
            return f"the layer below it, {lower!r}, now provides {item.name}, which it takes from {item.layer!r}"
    return ""


def _provider(item: Taken, below: Iterable[tuple[str, Content]]) -> tuple[str, str]:
    for lower, offers in below:
        if version := offers.own.get(item.name, {}).get(item.target):
            return lower, version
    return "", ""
