"""What a built layer can really see: whether every package finds what it requires, and who hides whom."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from itertools import combinations
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.building.exclusions import idle_exclusions
from venvstacks.building.installed import info_folders
from venvstacks.building.layer_build import LayerBuild, LayerKey, state_or_empty
from venvstacks.building.layer_layout import OWN_MODULES
from venvstacks.building.split_packages import plan_joining
from venvstacks.definition.stack import UvSettings
from venvstacks.humanize import listed
from venvstacks.platforms.compatibility import holds
from venvstacks.platforms.targets import host_target

_MODULE_ENDINGS = (".py", ".so", ".pyd")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the metadata of an installed distribution holds; the name is normalised."""

    name: str
    version: Version
    requires: tuple[Requirement, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Contents:
    """What one built layer offers to importers; ``modules`` are at its top, without namespace packages."""

    build: LayerBuild
    distributions: Mapping[str, Metadata]
    modules: frozenset[str]


def read_contents(build: LayerBuild) -> Contents:
    """Read what a built layer offers."""
    site = build.folder / build.layout.site
    found = (_read_metadata(info) for info in info_folders(site))
    return Contents(build, {item.name: item for item in found}, frozenset(_modules(site)))


def _read_metadata(info: Path) -> Metadata:
    metadata = PathDistribution(info).metadata
    requires = []
    for text in metadata.get_all("Requires-Dist") or ():
        try:
            requires.append(Requirement(text))
        except InvalidRequirement:
            continue  # uv resolved the package, so it judged this line differently or left it out
    return Metadata(canonicalize_name(metadata["Name"]), Version(metadata["Version"]), tuple(requires))


def _modules(site: Path) -> Iterator[str]:
    for path in site.iterdir() if site.is_dir() else ():
        name = path.name.partition(".")[0]
        if name in OWN_MODULES:
            continue
        if path.is_dir():
            if path.suffix not in {".dist-info", ".libs"} and any(path.glob("__init__.*")):
                yield name
        elif path.name.endswith(_MODULE_ENDINGS):
            yield name


def visible_distributions(path: Sequence[Contents]) -> dict[str, Metadata]:
    """Return the distributions that are found on a path: of several with one name, the first."""
    return {name: found for contents in reversed(path) for name, found in contents.distributions.items()}


def applies(requirement: Requirement, environment: Mapping[str, str], extra: str = "") -> bool:
    """Return whether a requirement holds in an environment, with one of the extras of whoever has it."""
    return holds(requirement.marker, {**environment, "extra": extra})


def check_requirements(path: Sequence[Contents], settings: UvSettings) -> tuple[list[str], bool]:
    """Check that a layer's packages, and the layer itself, find what they require.

    What the layer itself excludes is not missed. Returned are one line for each requirement that is missing or
    mismatched, and whether one of them is missing because a layer below excludes the package.
    """
    build = path[0].build
    where = "" if build.target == host_target() else f" on {build.target.name}"
    visible = visible_distributions(path)
    overrides = _overrides(settings)
    environment = build.compatibility.marker_environment(build.lock.python)
    problems: list[str] = []
    lacks_excluded = False
    for owner, requirement in _active(path[0], visible, environment):
        name = canonicalize_name(requirement.name)
        line = f"{build.layer.title}: {owner} requires '{requirement}'"
        for effective in (each for each in overrides.get(name, [requirement]) if applies(each, environment)):
            found = visible.get(name)
            if found is not None and not effective.specifier.contains(found.version, prereleases=True):
                by_rule = f" ([tool.uv] overrides it with '{effective}')" if effective is not requirement else ""
                problems.append(f"{line}{by_rule}, but finds {found}{where}")
            elif found is None and name not in build.layer.exclude_packages:
                excluding = (each.build for each in path[1:] if name in {e.name for e in each.build.excluded})
                culprit = next(excluding, None)
                lacks_excluded = lacks_excluded or culprit is not None
                why = f"{culprit.layer.title} excludes" if culprit else "is not on its path"
                problems.append(f"{line}, which {why}{where}")
    return problems, lacks_excluded


def _overrides(settings: UvSettings) -> dict[str, list[Requirement]]:
    """Return what is required of packages in the place of what others require: by name, nothing if excluded."""
    overrides: dict[str, list[Requirement]] = {}
    for requirement in map(Requirement, settings.table.get("override-dependencies", ())):
        overrides.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return overrides | {canonicalize_name(name): [] for name in settings.table.get("exclude-dependencies", ())}


def _active(
    contents: Contents, visible: Mapping[str, Metadata], environment: Mapping[str, str]
) -> Iterator[tuple[str, Requirement]]:
    """Return the requirements that hold in a layer, with who has them, following the extras in use.

    A layer may ask for an extra of a package below it, and then has to bring what the extra requires.
    """
    waiting = [("the layer", requirement) for requirement in contents.build.layer.requirements]
    for installed in contents.distributions.values():
        waiting += [(str(installed), requirement) for requirement in installed.requires]
    extras_in_use: set[tuple[str, str]] = set()
    for owner, requirement in waiting:  # grows while it is walked through
        if not applies(requirement, environment):
            continue
        yield owner, _plain(requirement)
        if (found := visible.get(canonicalize_name(requirement.name))) is None:
            continue
        for extra in sorted(requirement.extras):
            if (found.name, extra) not in extras_in_use:
                extras_in_use.add((found.name, extra))
                waiting += [
                    (f"{found} with extra {extra!r}", _plain(more))
                    for more in found.requires
                    if applies(more, environment, extra) and not applies(more, environment)
                ]


def _plain(requirement: Requirement) -> Requirement:
    """Return a requirement whose marker was found to hold, without it."""
    plain = copy(requirement)
    plain.marker = None
    return plain


def hidden_modules(path: Sequence[Contents]) -> list[str]:
    """Find top-level modules that two layers of a path both have, and word a warning of each.

    Two layers of which one depends on the other are left to the upper one's own path; layers that replace each
    other are meant to have the same.
    """
    own = path[0].build.layer
    joined, clashes = plan_joining(path[0].build, [each.build for each in path[1:]])
    split = {*joined, *(name for name, _, _ in clashes)}
    warnings = [
        _clash_text(name, path[upper].build, path[lower].build)
        for name, upper, lower in clashes
        if not upper or path[lower].build.layer.build_name not in path[upper].build.layer.below
        if not _replace_each_other(path[0], path[upper], path[lower])
    ]
    for upper, lower in combinations(path, 2):
        winner, loser = upper.build.layer, lower.build.layer
        if winner != own and loser.build_name in winner.below:
            continue
        if _replace_each_other(path[0], upper, lower):
            continue
        where = " below it" if winner == own else f" on the path of {own.title}"
        warnings += [
            f"Module {name!r} is in {winner.title} and in {loser.title}{where}: the one in {winner.title} wins."
            for name in sorted((upper.modules & lower.modules) - split)
            if not _is_shared_namespace(upper, name)
        ]
    return warnings


def _replace_each_other(top: Contents, upper: Contents, lower: Contents) -> bool:
    """Return whether a layer can do with either of two below it."""
    optional = top.build.configuration.get("optional_layers", {})
    names = upper.build.lock.install_target, lower.build.lock.install_target
    return any(other in optional.get(one, {}).get("replaced_by", ()) for one, other in (names, names[::-1]))


def _clash_text(name: str, upper: LayerBuild, lower: LayerBuild) -> str:
    ours, theirs = (
        f"{each.layer.title} ({listed(state_or_empty(each).parts[name].owners)})" for each in (upper, lower)
    )
    return (
        f"Package {name!r} is in {ours} and in {theirs}, with different code in __init__.py: "
        f"only the part in {upper.layer.title} can be imported. "
        "If these are parts of one package, put them into one layer."
    )


def _is_shared_namespace(contents: Contents, name: str) -> bool:
    """Return whether this is a namespace package of the kind that came before Python had its own."""
    try:
        text = (contents.build.folder / contents.build.layout.site / name / "__init__.py").read_bytes()
    except OSError:
        return False
    return b"extend_path" in text or b"declare_namespace" in text


@dataclass(frozen=True, slots=True)
class Check:
    """What was found on one layer: lines on requirements, sentences on hidden modules and idle exclusions."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    lacks_excluded: bool  # whether a requirement is missing because a layer below excludes the package


def check_layer(contents: Mapping[LayerKey, Contents], key: LayerKey, settings: UvSettings) -> Check:
    """Check a layer against what is below it."""
    target, _ = key
    own = contents[key]
    path = (own, *(contents[target, lower] for lower in own.build.layer.below))
    problems, lacks_excluded = check_requirements(path, settings)
    layers = [(each.build.layer, each.build.lock) for each in path]
    warnings = (*hidden_modules(path), *idle_exclusions(*layers[0], layers[1:]))
    return Check(tuple(problems), warnings, lacks_excluded)


def hint_for(checks: Iterable[Check]) -> str:
    """Describe what to do about the problems that were found."""
    if any(check.lacks_excluded for check in checks):
        advice = "if a layer can do without what a layer below excludes, add that to its own exclude_packages"
        return f"{advice}; otherwise install it in the layer below"
    return "lock again; if an override in [tool.uv] is the cause, fix it or exclude the dependency there"
