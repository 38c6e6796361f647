"""What is known of the layers while a file is checked.

A part that a problem hides is None. Checks of the layers above leave out what they cannot know, so that one
mistake is told once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from venvstacks.definition.report import quoted
from venvstacks.definition.stack import LayerKind, PythonRequest
from venvstacks.platforms.compatibility import Compatibility

Key = tuple[LayerKind, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer stands.

    Attributes:
        runtime: Name of the runtime (its own for a runtime).
        frameworks: Names of the frameworks below it, in path order.
    """

    runtime: str
    frameworks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What the layers above may need to know of a layer.

    Attributes:
        kind: Its kind.
        name: Its name.
        place: Where it stands.
        python: What its runtime asks for.
        compatibilities: What it is made for.
        own_indexes: Normalised package -> index, as it declares them itself.
    """

    kind: LayerKind
    name: str
    place: Place | None
    python: PythonRequest | None
    compatibilities: tuple[Compatibility, ...] | None
    own_indexes: Mapping[str, str]

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.kind.value} {quoted(self.name)}"


class Catalogue:
    """The layers that have been read so far, and the names of those to come.

    Args:
        names: All layers of the file by kind; None for one without a usable name.
    """

    def __init__(self, names: Mapping[LayerKind, Iterable[str | None]]) -> None:
        self._names = {kind: tuple(of_kind) for kind, of_kind in names.items()}
        self._drafts: dict[Key, Draft] = {}

    def add(self, draft: Draft) -> None:
        """Make a layer known to those above it."""
        self._drafts[draft.kind, draft.name] = draft

    def find(self, kind: LayerKind, name: str) -> Draft | None:
        """Return a layer that stands before the current one."""
        return self._drafts.get((kind, name))

    def names(self, kind: LayerKind) -> tuple[str, ...]:
        """Return the names of all layers of a kind, those to come included."""
        return tuple(name for name in self._names[kind] if name is not None)

    def has_nameless(self, kind: LayerKind) -> bool:
        """Whether some layer of a kind has no usable name, so that a reference may mean that one."""
        return None in self._names[kind]

    def below(self, place: Place) -> tuple[Draft, ...]:
        """Return the layers below a framework or application in path order, the runtime last."""
        keys = (*((LayerKind.FRAMEWORK, name) for name in place.frameworks), (LayerKind.RUNTIME, place.runtime))
        return tuple(self._drafts[key] for key in keys)
