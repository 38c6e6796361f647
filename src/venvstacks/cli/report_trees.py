"""Shared libraries and dependency paths of built layers as trees for people."""

from collections.abc import Iterable, Iterator, Sequence

from venvstacks.building.dependency_paths import DependencyPath
from venvstacks.building.library_report import LayerLibraries
from venvstacks.humanize import counted, size_text
from venvstacks.libraries.linkage import Origin, Use


def draw_libraries(layers: Sequence[LayerLibraries], *, everything: bool) -> Iterator[str]:
    """Draw layers, the files in each that need libraries, and below each file what it needs from where."""
    several = len({layer.platform for layer in layers}) > 1
    for layer in layers:
        title = f"{layer.layer} for {layer.platform}" if several else layer.layer
        if layer.linking is None:
            yield f"{title}  (not built)"
            continue
        yield title
        yield from (f"    {line}" for line in _draw_layer_libraries(layer, everything=everything))


def _draw_layer_libraries(layer: LayerLibraries, *, everything: bool) -> Iterator[str]:
    for finding in layer.findings:
        yield quote_unprintable(str(finding))
    if layer.system_libraries:
        yield f"the target's system has to provide {', '.join(map(quote_unprintable, layer.system_libraries))}"
    for name, path in layer.hidden.items():
        yield f"{quote_unprintable(name)} is hidden by {quote_unprintable(path)} in this environment"
    files: dict[str, list[Use]] = {}
    for use in layer.linking.uses if layer.linking else ():
        files.setdefault(use.file, []).append(use)
    listed = {f: u for f, u in files.items() if everything or any(use.source is not Origin.SYSTEM for use in u)}
    for file, uses in listed.items():
        yield f"{quote_unprintable(file)}  ({uses[0].owner})"
        yield from (f"    {line}" for line in _draw_needs(uses))
    if len(listed) < len(files):
        more = counted(len(files) - len(listed), "more file" if listed else "file")
        yield f"{more} with needs that the system meets"
    if layer.offers:
        yield "offers"
    for name, file in layer.offers.items():
        hides = f"  (hides that of {', '.join(layer.shadowed[name])})" if layer.shadowed[name] else ""
        yield f"    {quote_unprintable(name)} -> {quote_unprintable(file)}{hides}"


def _draw_needs(uses: Iterable[Use]) -> Iterator[str]:
    """Return a line for each library, but one for all that the system has."""
    system = [quote_unprintable(use.needed) for use in uses if use.source is Origin.SYSTEM]
    for use in uses:
        name = quote_unprintable(use.needed)
        match use.source:
            case Origin.SYSTEM:
                pass
            case Origin.OWN_PATH:
                yield f"{name} <- own path: {quote_unprintable(use.provider)}"
            case Origin.LAYER | Origin.BELOW:
                hides = f"  (hides that of {', '.join(use.shadowed)})" if use.shadowed else ""
                yield f"{name} <- {use.layer}: {quote_unprintable(use.provider)}{hides}"
            case _:
                yield f"{name} <- {use.source.value}"
    if system:
        yield f"{', '.join(system)} <- system"


def draw_dependency_paths(package: str, found: Sequence[DependencyPath]) -> Iterator[str]:
    """Draw a package, the layers that have it, and below each layer why it does."""
    several = len({each.platform for each in found}) > 1
    yield package
    for each in found:
        title = f"{each.layer} for {each.platform}" if several else each.layer
        cost = size_text(each.size) if each.is_built else "not built"
        yield f"    {title}  {each.version}, {f'from {each.provider}' if each.provider else cost}"
        if each.is_built:
            yield f"        {' -> '.join(each.chain) or 'nothing in this layer requires it'}"


def quote_unprintable(name: str) -> str:
    """Return a name as it is, or quoted if it would disturb the lines."""
    return name if name.isprintable() else repr(name)
