"""What may be wrong with a layer's libraries, package by package, and what the target's system must bring."""

from collections.abc import Iterator, Sequence

from venvstacks.findings import Finding
from venvstacks.humanize import some_of
from venvstacks.libraries.linkage import LibraryLayer, Linking, Origin, Use
from venvstacks.libraries.offers import EXTENSION_MODULE

_LISTED = 4  # names that a remedy spells out


def library_findings(layer: LibraryLayer, linking: Linking) -> tuple[Finding, ...]:
    """Find what a layer's files need that nobody provides for certain.

    A loader that does not find a library refuses the file that needs it. Whether anybody needs that file cannot be
    seen: plugins, variants for other hardware and optional parts are often made so. Libraries that the target's
    system may bring are as common.
    """
    by_owner: dict[str, list[Use]] = {}
    for use in linking.uses:
        by_owner.setdefault(use.owner, []).append(use)
    return tuple(
        Finding(layer.build_name, layer.compatibility.target.name, owner, message, remedy)
        for owner, uses in sorted(by_owner.items())
        for message, remedy in (*_missing(layer, uses), *_ambiguous(uses))
    )


def _missing(layer: LibraryLayer, all_uses: Sequence[Use]) -> Iterator[tuple[str, str]]:
    uses = [use for use in all_uses if use.source is Origin.MISSING]
    if not uses:
        return
    names = list(dict.fromkeys(_file_name(use.needed) for use in uses))
    files = list(dict.fromkeys(_file_name(use.file) for use in uses))
    remarks = "".join(f"; {remark}" for remark in dict.fromkeys(use.remark for use in uses) if remark)
    # the line may replace one that is there
    globs = dict.fromkeys((*map(_toml_string, layer.allow_missing), *map(_glob, names)))
    accepted = f" = [{', '.join(globs)}]" if len(names) <= _LISTED else ""
    needed, by = some_of(map(_visible, names)), some_of(map(_visible, files), 2)
    remedy = (
        "ensure that the target's system has it, or add the package that contains it; to accept that it is missing"
    )
    yield f"needs {needed}, which no layer offers (for {by}{remarks})", f"{remedy}: dynlib_allow_missing{accepted}"


def _ambiguous(uses: Sequence[Use]) -> Iterator[tuple[str, str]]:
    for use in {(use.needed, use.layer): use for use in uses if use.others}.values():
        needed, taken = _visible(use.needed), _visible(use.provider)
        yield (
            f"needs {needed}, of which {use.layer!r} has several, and takes {taken}",
            f"exclude the others there: dynlib_exclude = [{', '.join(map(_glob_for_path, use.others))}]",
        )


def system_libraries_of(linking: Linking) -> tuple[str, ...]:
    """Return the names of libraries that the target's system has to provide, beyond what every such system has.

    Some of them may be for parts that nobody uses, which cannot be seen from outside. No system brings extension
    modules, which some packages link to each other.
    """
    names = {_file_name(use.needed) for use in linking.missing}
    return tuple(sorted(name for name in names if not EXTENSION_MODULE.fullmatch(name)))


def _file_name(needed: str) -> str:
    return needed.rpartition("/")[2]


def _visible(name: str) -> str:
    """Return a name as it is, or quoted if it would look like something else."""
    return name if name.isprintable() and name == name.strip() and name else repr(name)


def _glob_for_path(path: str) -> str:
    _, between, inside = path.rpartition("/site-packages/")
    return _glob(inside if between else path)


def _glob(name: str) -> str:
    """Write a glob for one name as a TOML string."""
    return _toml_string("".join(f"[{char}]" if char in "*?[" else char for char in name))


def _toml_string(text: str) -> str:
    escaped = (
        f"\\{char}" if char in '"\\' else char if char.isprintable() else f"\\u{ord(char):04X}" for char in text
    )
    return f'"{"".join(escaped)}"'
