"""Shared libraries of layers as a tree for people."""

from collections.abc import Iterable, Iterator, Sequence

from venvstacks.building.library_report import LayerLibraries
from venvstacks.humanize import counted
from venvstacks.libraries.linkage import Source, Use


def libraries_text(layers: Sequence[LayerLibraries], *, everything: bool) -> str:
    """Draw layers, the files in each that need libraries, and under each file what it needs from where."""
    several = len({layer.platform for layer in layers}) > 1
    lines = (line for layer in layers for line in _layer(layer, with_platform=several, everything=everything))
    return "".join(f"{line}\n" for line in lines)


def _layer(layer: LayerLibraries, *, with_platform: bool, everything: bool) -> Iterator[str]:
    title = f"{layer.layer} for {layer.platform}" if with_platform else layer.layer
    if layer.linking is None:
        yield f"{title}  (not built)"
        return
    yield title
    for finding in layer.findings:
        yield f"    {printable(str(finding))}"
    if layer.system_libraries:
        yield f"    the target's system has to bring {', '.join(map(printable, layer.system_libraries))}"
    for name, path in layer.hidden.items():
        yield f"    {printable(name)} is hidden by {printable(path)} in this environment"
    files: dict[str, list[Use]] = {}
    for use in layer.linking.uses:
        files.setdefault(use.file, []).append(use)
    listed = {f: u for f, u in files.items() if everything or any(use.source is not Source.SYSTEM for use in u)}
    for file, uses in listed.items():
        yield f"    {printable(file)}  ({uses[0].owner})"
        yield from (f"        {line}" for line in _needs(uses))
    if len(listed) < len(files):
        more = counted(len(files) - len(listed), "more file" if listed else "file")
        yield f"    {more} with needs that the system meets"
    if layer.offers:
        yield "    offers"
    for offer in layer.offers:
        hides = f"  (hides that of {', '.join(offer.hides)})" if offer.hides else ""
        yield f"        {printable(offer.name)} -> {printable(offer.file)}{hides}"


def _needs(uses: Iterable[Use]) -> Iterator[str]:
    """Return a line for each library, but one for all that the system has."""
    system = [printable(use.needed) for use in uses if use.source is Source.SYSTEM]
    for use in uses:
        name = printable(use.needed)
        match use.source:
            case Source.SYSTEM:
                pass
            case Source.OWN_PATH:
                yield f"{name} <- own path: {printable(use.provider)}"
            case Source.LAYER | Source.BELOW:
                hides = f"  (hides that of {', '.join(use.shadowed)})" if use.shadowed else ""
                yield f"{name} <- {use.layer}: {printable(use.provider)}{hides}"
            case _:
                yield f"{name} <- {use.source.value}"
    if system:
        yield f"{', '.join(system)} <- system"


def printable(name: str) -> str:
    """Return a name as it is, or quoted if it would disturb the lines."""
    return name if name.isprintable() else repr(name)
