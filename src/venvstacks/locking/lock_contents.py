"""Which packages locks have, found in their text: fast, as every command looks at every lock.

The text of a lock is exactly what ``format_pylock`` wrote, or its hash shows that it is not valid. So a few
patterns can find in it what decides whether two locks fit together.
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


Taken = tuple[str, str, Targets, str]
"""A package from below: normalised name, version, where, and build name of its layer; empty if none has it."""


@dataclass(frozen=True, slots=True)
class Content:
    """Which packages a layer installs itself, and which it takes from below."""

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
        (match["name"], match["version"], _named(match["platforms"]), _plain(match["layer"]))
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
    name, wanted, left, provider = item
    for lower, offers in below:
        for version, targets in offers.own.get(name, ()):
            if left.isdisjoint(targets):
                continue
            if lower != provider:
                return f"the layer below it, {lower!r}, now provides {name}, which it takes from {provider!r}"
            if version != wanted:
                return (
                    f"the layer below it, {lower!r}, locks {name} {version} now, and it was locked with {wanted}"
                )
            left -= targets
        if not left:
            return ""
    gone = f"the layer below it, {provider!r}, no longer provides" if provider else "no layer below it provides"
    return f"{gone} {name}, and it was locked with {wanted}"
