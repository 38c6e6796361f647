"""What a built layer can really see: whether every package finds what it requires, and who hides whom."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.building.excluding import idle_exclusions
from venvstacks.building.installed import info_folders
from venvstacks.building.joining import Parts, plan_joining
from venvstacks.building.layer_build import Key, LayerBuild
from venvstacks.building.layer_layout import OWN_MODULES
from venvstacks.definition.stack import UvSettings
from venvstacks.humanize import listed
from venvstacks.platforms.targets import host_target

_MODULE_ENDINGS = (".py", ".so", ".pyd")


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution.

    Attributes:
        name: Normalised name.
        version: Its version.
        requires: Its requirements, as its metadata has them.
    """

    name: str
    version: Version
    requires: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What one built layer offers to importers.

    Attributes:
        build: The layer.
        distributions: Its distributions by normalised name.
        modules: The names of its top-level modules and packages, namespace packages left out.
        parts: The packages of which other layers may have parts.
    """

    build: LayerBuild
    distributions: Mapping[str, Distribution]
    modules: frozenset[str]
    parts: Parts = field(default_factory=dict)


def read_contents(build: LayerBuild, parts: Parts | None = None) -> Contents:
    """Read what a built layer offers."""
    site = build.folder / build.layout.site
    found = (_distribution(info) for info in info_folders(site))
    return Contents(build, {item.name: item for item in found}, frozenset(_modules(site)), parts or {})


def _distribution(info: Path) -> Distribution:
    distribution = PathDistribution(info)
    requires = []
    for text in distribution.requires or ():
        try:
            requires.append(Requirement(text))
        except InvalidRequirement:
            continue  # uv resolved the package, so it judged this line differently or left it out
    name = canonicalize_name(distribution.metadata["Name"])
    return Distribution(name, Version(distribution.version), tuple(requires))


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


@dataclass(frozen=True, slots=True)
class Unmet:
    """A requirement that is missing or mismatched.

    Attributes:
        text: One line that says so.
        is_excluded: Whether it is missing because a layer below excludes the package.
    """

    text: str
    is_excluded: bool = False


def check_requirements(path: Sequence[Contents], settings: UvSettings) -> list[Unmet]:
    """Check that a layer's packages, and the layer itself, find what they require.

    What the layer itself excludes is not missed.
    """
    layer, target = path[0].build.layer, path[0].build.target
    where = "" if target == host_target() else f" on {target.name}"
    visible: dict[str, Distribution] = {}
    for contents in path:
        for name, distribution in contents.distributions.items():
            visible.setdefault(name, distribution)
    rules = _Rules.of(settings)
    environment = path[0].build.compatibility.marker_environment(path[0].build.lock.python)
    problems: list[Unmet] = []
    for owner, requirement in _active(path[0], visible, environment):
        name = canonicalize_name(requirement.name)
        for effective in rules.instead_of(requirement, environment):
            found = visible.get(name)
            line = f"{layer.title}: {owner} requires '{requirement}'"
            if found is None:
                if name not in layer.exclude_packages:
                    problems.append(_missing(line, name, path, where))
            elif not effective.specifier.contains(found.version, prereleases=True):
                by_rule = f" ([tool.uv] overrides it with '{effective}')" if effective is not requirement else ""
                problems.append(Unmet(f"{line}{by_rule}, but finds {name} {found.version}{where}"))
    return problems


def _missing(line: str, name: str, path: Sequence[Contents], where: str) -> Unmet:
    below = (contents.build for contents in path[1:])
    culprit = next((build.layer for build in below if name in {each.name for each in build.excluded}), None)
    if culprit is None:
        return Unmet(f"{line}, which is not on its path{where}")
    return Unmet(f"{line}, which {culprit.title} excludes{where}", is_excluded=True)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the stack's uv settings say about requirements of packages."""

    overrides: Mapping[str, list[Requirement]]
    excluded: frozenset[str]

    @classmethod
    def of(cls, settings: UvSettings) -> "_Rules":
        overrides: dict[str, list[Requirement]] = {}
        for requirement in map(Requirement, _texts(settings, "override-dependencies")):
            overrides.setdefault(canonicalize_name(requirement.name), []).append(requirement)
        return cls(overrides, frozenset(canonicalize_name(n) for n in _texts(settings, "exclude-dependencies")))

    def instead_of(self, requirement: Requirement, environment: Mapping[str, str]) -> list[Requirement]:
        """Return what has to be fulfilled in the place of a requirement; nothing, if it was taken out."""
        name = canonicalize_name(requirement.name)
        if name in self.excluded:
            return []
        return [each for each in self.overrides.get(name, [requirement]) if _applies(each, environment, "")]


def _texts(settings: UvSettings, name: str) -> tuple[str, ...]:
    return tuple(item for item in settings.table.get(name, ()) if isinstance(item, str))


def _active(
    contents: Contents, visible: Mapping[str, Distribution], environment: Mapping[str, str]
) -> Iterator[tuple[str, Requirement]]:
    """Return the requirements that hold in a layer, with who has them, following the extras in use.

    A layer may ask for an extra of a package below it, and then has to bring what the extra requires.
    """
    waiting = [("the layer", requirement) for requirement in contents.build.layer.requirements]
    for installed in contents.distributions.values():
        waiting += [(_title(installed), requirement) for requirement in installed.requires]
    extras_in_use: set[tuple[str, str]] = set()
    while waiting:
        owner, requirement = waiting.pop(0)
        if not _applies(requirement, environment, ""):
            continue
        yield owner, _plain(requirement)
        distribution = visible.get(canonicalize_name(requirement.name))
        for extra in sorted(requirement.extras) if distribution else ():
            if distribution and (distribution.name, extra) not in extras_in_use:
                extras_in_use.add((distribution.name, extra))
                waiting += [
                    (f"{_title(distribution)} with extra {extra!r}", _plain(more))
                    for more in distribution.requires
                    if _applies(more, environment, extra) and not _applies(more, environment, "")
                ]


def _title(distribution: Distribution) -> str:
    return f"{distribution.name} {distribution.version}"


def _plain(requirement: Requirement) -> Requirement:
    """Return a requirement whose marker was found to hold, without it."""
    plain = Requirement(str(requirement))
    plain.marker = None
    return plain


def _applies(requirement: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})


def hidden_modules(path: Sequence[Contents]) -> list[str]:
    """Find top-level modules that two layers of a path both have.

    Two layers that stand on each other are left to the upper one's own path; layers that stand for each other are
    meant to have the same.
    """
    own = path[0].build.layer
    joining = plan_joining(path[0].build, [each.build for each in path[1:]], [each.parts for each in path])
    split = {*joining.packages, *(clash.name for clash in joining.clashes)}
    warnings = [
        _clash_text(clash.name, path[clash.upper], path[clash.lower])
        for clash in joining.clashes
        if not clash.upper or path[clash.lower].build.layer.build_name not in path[clash.upper].build.layer.below
        if not _stand_for_each_other(path[0], path[clash.upper], path[clash.lower])
    ]
    for position, upper in enumerate(path):
        for lower in path[position + 1 :]:
            winner, loser = upper.build.layer, lower.build.layer
            if winner != own and loser.build_name in winner.below:
                continue
            if _stand_for_each_other(path[0], upper, lower):
                continue
            where = "" if winner == own else f" on the path of {own.title}"
            warnings += [
                f"Module {name!r} is in {winner.title} and in {loser.title}{where or ' below it'}: "
                f"the one in {winner.title} wins."
                for name in sorted((upper.modules & lower.modules) - split)
                if not _is_shared_namespace(upper, name)
            ]
    return warnings


def _stand_for_each_other(top: Contents, upper: Contents, lower: Contents) -> bool:
    """Return whether a layer can do with either of two below it."""
    optional = top.build.configuration.get("optional_layers", {})
    one, other = upper.build.lock.install_target, lower.build.lock.install_target
    return other in optional.get(one, {}).get("replaced_by", ()) or one in optional.get(other, {}).get(
        "replaced_by", ()
    )


def _clash_text(name: str, upper: Contents, lower: Contents) -> str:
    ours, theirs = listed(upper.parts[name].owners), listed(lower.parts[name].owners)
    return (
        f"Package {name!r} is in {upper.build.layer.title} ({ours}) and in {lower.build.layer.title} ({theirs}), "
        f"with different code in __init__.py: only the part in {upper.build.layer.title} can be imported. "
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
    """What was found on one layer.

    Attributes:
        problems: Requirements that are missing or mismatched, one line each.
        warnings: Modules that hide others and exclusions without effect, one sentence each.
        lacks_excluded: Whether a requirement is missing because a layer below excludes the package.
    """

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    lacks_excluded: bool


def check_layer(contents: Mapping[Key, Contents], key: Key, settings: UvSettings) -> Check:
    """Check a layer against what stands below it."""
    target, _ = key
    own = contents[key]
    path = (own, *(contents[target, lower] for lower in own.build.layer.below))
    unmet = check_requirements(path, settings)
    layers = [(contents.build.layer, contents.build.lock) for contents in path]
    return Check(
        problems=tuple(each.text for each in unmet),
        warnings=(*hidden_modules(path), *idle_exclusions(*layers[0], layers[1:])),
        lacks_excluded=any(each.is_excluded for each in unmet),
    )


def way_out(checks: Iterable[Check]) -> str:
    """Describe what to do about the problems that were found."""
    if any(check.lacks_excluded for check in checks):
        advice = "if a layer can do without what a layer below excludes, add that to its own exclude_packages"
        return f"{advice}; otherwise have the layer below install it"
    return "lock again; if an override in [tool.uv] is the cause, mend it or exclude the dependency there"
