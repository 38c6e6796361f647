"""Explain missing wheels: which packages on which targets, and what would work."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from venvstacks.definition.stack import Layer
from venvstacks.errors import CoverageError, ResolutionError
from venvstacks.humanize import bullets
from venvstacks.locking.divide import Gap
from venvstacks.locking.pylock import Candidates, choose_wheel
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel
from venvstacks.platforms.targets import Target

_MOST_TRIES = 30  # resolutions with which a message looks for versions that would work
_MOST_CHECKS = 60  # resolutions of single requirements with which it looks for further packages

# What uv writes: "native==2.0 has no `MARKER`-compatible wheels", "all versions of native have no usable wheels",
# a list of ranges with a line for each, of which the last one is before "have no usable wheels", or "hint:
# Wheels are available for `native` (v1.0) with ...". Lines may end anywhere.
_WITHOUT_WHEELS = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?(\{[^}]*\})?(?P<version>[=<>!~]=?\S+)?"
    r" (?P<verb>has|have) no (`[^`]*`-compatible wheels|usable wheels|wheels with a matching)"
    r"|hint: Wheels are available for `(?P<hinted>[^`]+)`"
)
_LIMIT = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_")


@dataclass(frozen=True, slots=True)
class Search:
    """Ways to find out what would work.

    Attributes:
        gaps_of: Resolves a layer, limited to some of its targets or requirements, and returns the gaps.
        offers_of: Resolves a layer's requirements, without what they require in turn.
        newest_of: The same, as if source distributions counted; their packages have no wheels.
        tries: Counts the resolutions with which versions that would work are looked for, and ends.
    """

    gaps_of: Callable[[Layer], Sequence[Gap]]
    offers_of: Callable[[Layer], Candidates]
    newest_of: Callable[[Layer], Candidates]
    tries: Iterator[int] = field(default_factory=lambda: iter(range(_MOST_TRIES)))


def explain_missing_wheels(
    layer: Layer, python: PythonVersion, error: ResolutionError, search: Search
) -> CoverageError | None:
    """Find out whether a resolution failed because of missing wheels alone, and explain which; None if not."""
    if not find_packages_without_wheels(error.message):
        return None
    gaps: dict[Gap, None] = {}
    is_certain = True
    checks = iter(range(_MOST_CHECKS))
    for limits in layer.compatibilities:
        alone = replace(layer, compatibilities=(limits,))
        found = _gaps_of(alone, limits, search)
        if found is None:
            return None
        if found and len(layer.requirements) > 1:  # uv stops at the first package: ask about each requirement
            wishes = [
                replace(alone, requirements=(each,)) for each, _ in zip(layer.requirements, checks, strict=False)
            ]
            single = [gap for wish in wishes for gap in _gaps_of(wish, limits, search) or ()]
            is_certain = is_certain and bool(single)
            found += single
        gaps.update(dict.fromkeys(found))
    words = "" if is_certain else f"\nuv says:\n{error.message}"
    return explain_gaps(layer, python, sorted(gaps, key=_rank), search, words=words)


def _gaps_of(layer: Layer, limits: Compatibility, search: Search) -> list[Gap] | None:
    """Return the gaps of a layer with a single target, or None if something else is in the way."""
    try:
        return list(search.gaps_of(layer))
    except ResolutionError as error:
        named = find_packages_without_wheels(error.message)
        return [Gap(name, version, limits) for name, version in named.items()] or None


def _rank(gap: Gap) -> tuple[str, str, str]:
    return gap.package, str(gap.version), gap.limits.target.name


def find_packages_without_wheels(message: str) -> dict[str, Version | None]:
    """Find the packages that lack wheels in the words of uv, and the version if it is a single one."""
    found: dict[str, Version | None] = {}
    for match in _WITHOUT_WHEELS.finditer(" ".join(message.split())):
        try:
            version = None if match["verb"] != "has" else Version((match["version"] or "").removeprefix("=="))
        except InvalidVersion:  # all versions, or a range of them
            version = None
        found.setdefault(canonicalize_name(match["name"] or match["hinted"]), version)
    return found


def explain_gaps(
    layer: Layer, python: PythonVersion, gaps: Sequence[Gap], search: Search, *, words: str = ""
) -> CoverageError:
    """Describe which packages lack wheels where, and what would work."""
    grouped: dict[tuple[str, Version | None], list[Gap]] = {}
    for gap in gaps:
        grouped.setdefault((gap.package, gap.version), []).append(gap)
    newer = {gap: _find_newer_limits(gap, python) for gap in gaps}
    lines = []
    newest: dict[str, Version | None] = {}
    for (name, version), group in grouped.items():
        on = [gap.limits for gap in group]
        what = f"{name} {version}" if version else name
        line = f"{what} has no usable wheel for {', '.join(each.describe() for each in on)}"
        needed = [limits.describe() for gap in group if (limits := newer[gap])]
        if len(needed) == len(group):
            line += f"; there is one for {', '.join(dict.fromkeys(needed))}"
        elif name not in newest and (
            best := newest.setdefault(name, _find_newest(layer, python, name, on, search))
        ):
            line += f"; the newest version that has is {best}"
        lines.append(line)
    hint = _suggest(layer, {gap.limits.target for gap in gaps}, _find_settings(newer))
    everywhere = [
        name
        for name, best in newest.items()
        if best is None and {gap.limits.target for gap in gaps if gap.package == name} == set(layer.targets)
    ]
    if everywhere:
        built = (
            f"build a wheel of {' and '.join(everywhere)} (`python -m pip wheel NAME`) and name its folder with"
        )
        hint = f"{built} --local-wheels DIR, or {hint}"
    return CoverageError(
        f"Cannot lock {layer.title}: not every target has a wheel of every package.{bullets(lines)}{words}",
        hint=hint,
    )


def _suggest(layer: Layer, lacking: Collection[Target], raised: Mapping[str, str]) -> str:
    """Describe which settings would help."""
    ways = []
    if raised:
        rest = [target for target in lacking if target.os not in raised]
        settings = [*raised.values(), *([_format_platforms(layer, rest)] if rest else [])]
        ways.append(" and ".join(f"`{setting}`" for setting in settings))
    if len(lacking) < len(layer.targets):
        ways.append(f"`{_format_platforms(layer, lacking)}`")
    if not ways:
        return f"require other versions of these packages in {layer.title}"
    return f"set {' or '.join(ways)} on {layer.title}, or require other versions"


def _format_platforms(layer: Layer, lacking: Collection[Target]) -> str:
    working = ", ".join(f'"{target.name}"' for target in layer.targets if target not in lacking)
    return f"platforms = [{working}]"


def _find_settings(newer: Mapping[Gap, Compatibility | None]) -> dict[str, str]:
    """Write the settings that would provide wheels for all targets of an operating system: its name -> setting."""
    settings = {}
    for system, setting in (("linux", "linux_target"), ("macosx", "macosx_target")):
        found = [limits for gap, limits in newer.items() if gap.limits.target.os == system]
        known = [limits for limits in found if limits is not None]
        if known and len(known) == len(found):
            newest = max(known, key=lambda limits: (limits.libc_version, limits.macos_version))
            version = newest.libc_version if system == "linux" else newest.macos_version
            start = f"{newest.libc}@" if system == "linux" else ""
            settings[system] = f'{setting} = "{start}{version[0]}.{version[1]}"'
    return settings


def _find_newest(
    layer: Layer, python: PythonVersion, package: str, on: Sequence[Compatibility], search: Search
) -> Version | None:
    """Find the newest version of a package with a usable wheel on every one of some targets."""
    bound = ""
    for _ in search.tries:
        wish = replace(layer, requirements=(Requirement(f"{package}{bound}"),), compatibilities=tuple(on))
        try:
            candidates = search.offers_of(wish)
        except ResolutionError:
            return None
        offers = [(limits, offer) for limits, offer in candidates if offer.name == package]
        versions = [offer.version for _, offer in offers if offer.version]
        if len(versions) < len(on):
            return None
        if all(choose_wheel(offer, limits, python) for limits, offer in offers):
            return min(versions)
        bound = f"<{min(versions).public}"
    return None


def _find_newer_limits(gap: Gap, python: PythonVersion) -> Compatibility | None:
    """Find the oldest system of a target's kind for which there is a wheel of the resolved version."""
    versions = {(int(major), int(minor)) for name in gap.wheels for _, major, minor in _LIMIT.findall(name)}
    for version in sorted(versions):
        newer = replace(gap.limits, libc_version=version, macos_version=version)
        if best_wheel(gap.wheels, newer.tags(python)) is not None:
            return newer
    return None
