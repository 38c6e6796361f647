"""What a built layer can really see: whether every package finds what it requires, and who hides whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.building.plan import LayerBuild
from venvstacks.building.records import info_folders
from venvstacks.spec.model import UvSettings

_OWN_MODULES = {"sitecustomize", "_package_sitecustomize"}
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
    """

    build: LayerBuild
    distributions: Mapping[str, Distribution]
    modules: frozenset[str]


def read_contents(build: LayerBuild) -> Contents:
    """Read what a built layer offers."""
    site = build.folder / build.layout.site
    found = (_distribution(info) for info in info_folders(site))
    return Contents(build, {item.name: item for item in found}, frozenset(_modules(site)))


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
        if name in _OWN_MODULES:
            continue
        if path.is_dir():
            if path.suffix not in {".dist-info", ".libs"} and any(path.glob("__init__.*")):
                yield name
        elif path.name.endswith(_MODULE_ENDINGS):
            yield name


def check_requirements(path: Sequence[Contents], settings: UvSettings) -> list[str]:
    """Check that a layer's packages, and the layer itself, find what they require.

    Args:
        path: The layer, then the layers below it in path order.
        settings: The stack's uv settings; what they override or exclude is judged accordingly.

    Returns:
        One line for each missing or mismatched requirement.
    """
    layer = path[0].build.layer
    visible: dict[str, Distribution] = {}
    for contents in path:
        for name, distribution in contents.distributions.items():
            visible.setdefault(name, distribution)
    overrides = {canonicalize_name(r.name): r for r in map(Requirement, _texts(settings, "override-dependencies"))}
    excluded = {canonicalize_name(name) for name in _texts(settings, "exclude-dependencies")}
    environment = path[0].build.compatibility.marker_environment(path[0].build.lock.python)
    problems: list[str] = []
    for owner, requirement in _active(path[0], environment):
        name = canonicalize_name(requirement.name)
        effective = overrides.get(name, requirement)
        if name in excluded or not _applies(effective, environment, ""):
            continue
        found = visible.get(name)
        if found is None:
            problems.append(f"{layer.title}: {owner} requires '{requirement}', which is not on its path")
        elif not effective.specifier.contains(found.version, prereleases=True):
            problems.append(f"{layer.title}: {owner} requires '{requirement}', but finds {name} {found.version}")
    return problems


def _texts(settings: UvSettings, name: str) -> tuple[str, ...]:
    return tuple(item for item in settings.table.get(name, ()) if isinstance(item, str))


def _active(contents: Contents, environment: Mapping[str, str]) -> Iterator[tuple[str, Requirement]]:
    """Give the requirements that hold in a layer, with who has them, following the extras in use."""
    waiting = [("the layer", requirement) for requirement in contents.build.layer.requirements]
    for installed in contents.distributions.values():
        waiting += [(_title(installed), requirement) for requirement in installed.requires]
    extras_in_use: set[tuple[str, str]] = set()
    while waiting:
        owner, requirement = waiting.pop(0)
        if not _applies(requirement, environment, ""):
            continue
        yield owner, _plain(requirement)
        distribution = contents.distributions.get(canonicalize_name(requirement.name))
        for extra in requirement.extras if distribution else ():
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
    """Give a requirement whose marker was found to hold, without it."""
    plain = Requirement(str(requirement))
    plain.marker = None
    return plain


def _applies(requirement: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})


def hidden_modules(path: Sequence[Contents]) -> list[str]:
    """Find top-level modules that a layer and one below it both have.

    Returns:
        One complete sentence for each, which says which one wins.
    """
    upper = path[0]
    return [
        f"Module {name!r} is in {upper.build.layer.title} and in {lower.build.layer.title} below it: "
        f"the one in {upper.build.layer.title} wins."
        for lower in path[1:]
        for name in sorted(upper.modules & lower.modules)
    ]


@dataclass(frozen=True, slots=True)
class Check:
    """What was found on one layer.

    Attributes:
        layer: Build name.
        problems: Requirements that are missing or mismatched, one line each.
        warnings: Modules that hide others, one sentence each.
    """

    layer: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check_layer(contents: Mapping[str, Contents], build_name: str, settings: UvSettings) -> Check:
    """Check a layer against what stands below it.

    Args:
        contents: Build name -> what the layer offers, for the layer and all below it.
        build_name: The layer to check.
        settings: The stack's uv settings.
    """
    own = contents[build_name]
    path = (own, *(contents[lower] for lower in own.build.layer.below))
    return Check(build_name, tuple(check_requirements(path, settings)), tuple(hidden_modules(path)))
