"""What to say where wheels are missing: which packages on which targets, and what would work."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from venvstacks.errors import CoverageError, ResolutionError
from venvstacks.locking.coverage import Gap
from venvstacks.locking.pylock import Candidates, choose_wheel
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.spec.model import Layer

_MOST_TRIES = 30  # releases that are looked at for wheels before the search is given up

# How uv says it: "native==2.0 has no `MARKER`-compatible wheels", "all versions of native have no usable wheels",
# or, where the reason is a list of ranges, "hint: Wheels are available for `native` (v1.0) with ...".
_WITHOUT_WHEELS = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\{[^}]*\})?(?P<version>[=<>!~]=?\S+)?"
    r" ha(s|ve) no (`[^`]*`-compatible wheels|usable wheels|wheels with a matching)"
    r"|hint: Wheels are available for `(?P<hinted>[^`]+)`"
)


@dataclass(frozen=True, slots=True)
class Search:
    """Ways to find out what would work.

    Attributes:
        gaps_of: Resolves the layer, limited to some of its targets, and gives the gaps.
        offers_of: Resolves a layer's requirements, without what they require in turn.
    """

    gaps_of: Callable[[Layer], Sequence[Gap]]
    offers_of: Callable[[Layer], Candidates]


def missing_wheels(
    layer: Layer, python: PythonVersion, error: ResolutionError, search: Search
) -> CoverageError | None:
    """Find out whether a resolution failed because of missing wheels alone, and say so.

    Args:
        layer: The layer.
        python: The exact base Python.
        error: uv's words.
        search: Ways to find out.

    Returns:
        The error with what would work, or None if something else is in the way on some target.
    """
    if not _named_in(error.message):
        return None
    gaps: dict[Gap, None] = {}
    for limits in layer.compatibilities:
        alone = replace(layer, compatibilities=(limits,))
        found = _gaps_of(alone, limits, search)
        if found is None:
            return None
        if found:  # uv stops at the first package: ask about each requirement
            for requirement in layer.requirements:
                found += _gaps_of(replace(alone, requirements=(requirement,)), limits, search) or ()
        gaps.update(dict.fromkeys(found))
    return coverage_error(layer, python, sorted(gaps, key=_rank), search, words=f"\nuv says:\n{error.message}")


def _gaps_of(layer: Layer, limits: Compatibility, search: Search) -> list[Gap] | None:
    """Give the gaps of a layer with a single target, or None if something else is in the way."""
    try:
        return list(search.gaps_of(layer))
    except ResolutionError as error:
        named = _named_in(error.message)
        return [Gap(name, version, limits) for name, version in named] or None


def _rank(gap: Gap) -> tuple[str, str, str]:
    return gap.package, str(gap.version), gap.compatibility.target.name


def _named_in(message: str) -> list[tuple[str, Version | None]]:
    found: dict[str, Version | None] = {}
    for match in _WITHOUT_WHEELS.finditer(message):
        try:
            version = Version((match["version"] or "").removeprefix("=="))
        except InvalidVersion:  # all versions, or a range of them
            version = None
        found.setdefault(canonicalize_name(match["name"] or match["hinted"]), version)
    return list(found.items())


def coverage_error(
    layer: Layer, python: PythonVersion, gaps: Sequence[Gap], search: Search, *, words: str = ""
) -> CoverageError:
    """Say which packages lack wheels where, and what would work.

    Args:
        layer: The layer.
        python: The exact base Python.
        gaps: At least one gap.
        search: Ways to find out.
        words: What follows the list.
    """
    lines = []
    for name, version in dict.fromkeys((gap.package, gap.version) for gap in gaps):
        on = [gap.compatibility for gap in gaps if (gap.package, gap.version) == (name, version)]
        what = f"{name} {version}" if version else name
        line = f"\n  - {what} has no usable wheel for {', '.join(each.describe() for each in on)}"
        newest = _newest(layer, python, name, on, search)
        lines.append(f"{line}; the newest version that has is {newest}" if newest else line)
    lacking = {gap.compatibility.target for gap in gaps}
    working = ", ".join(f'"{target.name}"' for target in layer.targets if target not in lacking)
    hint = (
        f"set `platforms = [{working}]` on {layer.title}, or require other versions"
        if working
        else f"require other versions of these packages in {layer.title}"
    )
    return CoverageError(
        f"Cannot lock {layer.title}: not every target has a wheel of every package.{''.join(lines)}{words}",
        hint=hint,
    )


def _newest(
    layer: Layer, python: PythonVersion, package: str, on: Sequence[Compatibility], search: Search
) -> Version | None:
    """Find the newest version of a package with a usable wheel on every one of some targets."""
    bound = ""
    for _ in range(_MOST_TRIES):
        wish = replace(layer, requirements=(Requirement(f"{package}{bound}"),), compatibilities=tuple(on))
        try:
            candidates = search.offers_of(wish)
        except ResolutionError:
            return None
        offers = [(candidates[limits.target].get(package), limits) for limits in on]
        versions = [offer[0].version for offer, _ in offers if offer and offer[0].version]
        if len(versions) < len(offers):
            return None
        if all(offer and choose_wheel(offer[1], limits, python) for offer, limits in offers):
            return min(versions)
        bound = f"<{min(versions).public}"
    return None
