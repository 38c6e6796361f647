from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from fakes.built_layers import make_lock
from venvstacks.building.checks import Check, check_layer, hint_for, read_contents
from venvstacks.building.exclusions import ExcludedPackage
from venvstacks.building.layer_build import LayerBuild
from venvstacks.building.layer_layout import layer_layout
from venvstacks.definition.stack import Layer, LayerKind, PythonRequest, UvSettings
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

LINUX = Compatibility(TARGETS["linux_x86_64"])


class Layers:
    """Layers whose packages are metadata and empty modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.builds: dict[str, LayerBuild] = {}

    def add(
        self,
        name: str,
        *requires: str,
        on: tuple[str, ...] = (),
        excluding: tuple[str, ...] = (),
        locked: str = "",
    ) -> "Layers":
        """Add a layer; of what it excludes, only what is ``locked`` was its own to exclude."""
        kind = LayerKind.FRAMEWORK if on else LayerKind.RUNTIME
        layer = Layer(
            kind,
            name,
            tuple(map(Requirement, requires)),
            (LINUX,),
            on[-1] if on else name,
            tuple(f"framework-{lower}" for lower in on[:-1]),
            PythonRequest("cpython", "3.12"),
            exclude_packages=excluding,
        )
        lock = make_lock(layer.build_name)
        layout = layer_layout(kind, LINUX.target, lock.python)
        place = self.folder / layer.build_name
        (place / layout.site).mkdir(parents=True)
        below = tuple(self.builds[lower].lock for lower in layer.below)
        left_out = tuple(ExcludedPackage(each, Version("1"), "", None) for each in excluding if each in locked)
        self.builds[layer.build_name] = LayerBuild(
            layer, lock, below, LINUX, place, layout, {}, {}, "", excluded=left_out
        )
        return self

    def install(
        self, layer: str, name: str, version: str, *requires: str, extras: tuple[str, ...] = ()
    ) -> "Layers":
        site = self.folder / layer / self.builds[layer].layout.site
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Provides-Extra: {extra}" for extra in extras]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines))
        return self

    def modules(self, layer: str, *files: str) -> "Layers":
        site = self.folder / layer / self.builds[layer].layout.site
        for name in files:
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).touch()
        return self

    def check(self, layer: str, **settings: list[str]) -> Check:
        table = {name.replace("_", "-"): value for name, value in settings.items()}
        contents = {build.key: read_contents(build) for build in self.builds.values()}
        return check_layer(contents, (LINUX.target.name, layer), UvSettings(table, self.folder))

    def problems(self, layer: str, **settings: list[str]) -> list[str]:
        return [*self.check(layer, **settings).problems]

    def warnings(self, layer: str) -> list[str]:
        return [*self.check(layer).warnings]


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path).add("base").add("fw", on=("base",))


def test_what_is_on_the_path_is_found_under_any_spelling(layers: Layers) -> None:
    layers.install("base", "Alpha_Beta", "1.5").install("framework-fw", "top", "1", "alpha.beta>=1,<2")
    assert layers.problems("framework-fw") == []


def test_missing_and_mismatched_ones_are_named_with_layer_and_package(layers: Layers) -> None:
    layers.install("base", "alpha", "1").install(
        "framework-fw", "top", "2", "alpha>=2", "beta[fast]; python_version>'3'"
    )
    assert layers.problems("framework-fw") == [
        "framework 'fw': top 2 requires 'alpha>=2', but finds alpha 1",
        "framework 'fw': top 2 requires 'beta[fast]', which is not on its path",
    ]


def test_what_a_layer_declares_counts(tmp_path: Path) -> None:
    layers = Layers(tmp_path).add("base", "alpha==1", "beta; sys_platform == 'win32'")
    assert layers.problems("base") == ["runtime 'base': the layer requires 'alpha==1', which is not on its path"]


def test_layers_above_and_beside_do_not_count(layers: Layers) -> None:
    layers.add("other", on=("base",)).install("framework-other", "alpha", "1")
    layers.install("framework-fw", "beta", "1").install("base", "gamma", "1", "beta").install(
        "framework-fw", "delta", "1", "alpha"
    )
    assert layers.problems("base") == ["runtime 'base': gamma 1 requires 'beta', which is not on its path"]
    assert layers.problems("framework-fw") == [
        "framework 'fw': delta 1 requires 'alpha', which is not on its path"
    ]


def test_the_nearest_version_is_the_one_that_counts(layers: Layers) -> None:
    layers.install("base", "alpha", "1").install("framework-fw", "alpha", "2").install(
        "framework-fw", "top", "1", "alpha>=2"
    )
    assert layers.problems("framework-fw") == []


def test_previews_are_judged_by_their_version(layers: Layers) -> None:
    layers.install("base", "alpha", "2.0rc1").install("framework-fw", "top", "1", "alpha>=1", "alpha>=2")
    assert layers.problems("framework-fw") == ["framework 'fw': top 1 requires 'alpha>=2', but finds alpha 2.0rc1"]


def test_extras_are_followed_only_where_they_are_in_use(layers: Layers) -> None:
    needs = (
        "beta; extra == 'fast'",
        "gamma; extra == 'slow'",
        "alpha[more]; extra == 'fast'",
        "delta; extra == 'more'",
    )
    layers.install("framework-fw", "alpha", "1", *needs, extras=("fast", "slow", "more"))
    assert layers.problems("framework-fw") == []
    layers.install("framework-fw", "top", "1", "alpha[fast]")
    assert layers.problems("framework-fw") == [
        "framework 'fw': alpha 1 with extra 'fast' requires 'beta', which is not on its path",
        "framework 'fw': alpha 1 with extra 'more' requires 'delta', which is not on its path",
    ]


def test_an_extra_of_a_package_below_is_this_layers_to_bring(layers: Layers) -> None:
    layers.install("base", "alpha", "1", "beta>=2; extra == 'fast'", extras=("fast",))
    layers.install("framework-fw", "top", "1", "alpha[fast]")
    assert layers.problems("base") == []
    assert layers.problems("framework-fw") == [
        "framework 'fw': alpha 1 with extra 'fast' requires 'beta>=2', which is not on its path"
    ]
    layers.install("framework-fw", "beta", "2")
    assert layers.problems("framework-fw") == []


def test_overrides_stand_in_the_place_of_requirements(layers: Layers) -> None:
    layers.install("base", "alpha", "1").install("framework-fw", "top", "1", "alpha>=2")
    assert layers.problems("framework-fw", override_dependencies=["Alpha>=1"]) == []
    assert layers.problems("framework-fw", override_dependencies=["alpha==3"]) == [
        "framework 'fw': top 1 requires 'alpha>=2' ([tool.uv] overrides it with 'alpha==3'), but finds alpha 1"
    ]


def test_overrides_with_markers_hold_where_their_markers_do(layers: Layers) -> None:
    layers.install("base", "alpha", "1").install("framework-fw", "top", "1", "alpha>=2", "beta")
    overrides = [
        "alpha==1; sys_platform == 'linux'",
        "alpha==2; sys_platform == 'win32'",
        "beta; sys_platform == 'win32'",
    ]
    assert layers.problems("framework-fw", override_dependencies=overrides) == []
    assert layers.problems("framework-fw", override_dependencies=[*reversed(overrides)]) == []


def test_excluded_dependencies_are_not_missed(layers: Layers) -> None:
    layers.install("framework-fw", "top", "1", "alpha>=2", "Beta.Two")
    assert layers.problems("framework-fw", exclude_dependencies=["alpha", "beta-two"]) == []


def test_what_a_layer_excludes_itself_is_not_missed(tmp_path: Path) -> None:
    layers = Layers(tmp_path).add("base", "alpha", "beta", excluding=("alpha",), locked="alpha")
    layers.install("base", "gamma", "1", "Alpha>=2")
    assert layers.problems("base") == ["runtime 'base': the layer requires 'beta', which is not on its path"]
    assert "override" in hint_for([layers.check("base")])


def test_what_only_a_layer_below_excludes_is_missed_and_the_culprit_named(tmp_path: Path) -> None:
    layers = Layers(tmp_path).add("base", excluding=("alpha",), locked="alpha")
    layers.add("fw", on=("base",), excluding=("alpha",)).add("top", on=("fw", "base"))
    for layer in ("framework-fw", "framework-top"):
        layers.install(layer, "gamma", "1", "alpha")
    assert layers.problems("framework-fw") == []
    assert layers.problems("framework-top") == [
        "framework 'top': gamma 1 requires 'alpha', which runtime 'base' excludes"
    ]
    assert "exclude_packages" in hint_for([layers.check("framework-fw"), layers.check("framework-top")])
    layers.install("framework-fw", "alpha", "1")
    assert layers.problems("framework-top") == []


def test_an_excluded_package_that_another_layer_brings_must_still_fit(layers: Layers) -> None:
    layers.add("top", on=("fw", "base"), excluding=("alpha",))
    layers.install("base", "alpha", "1").install("framework-top", "gamma", "1", "alpha>=2")
    assert layers.problems("framework-top") == ["framework 'top': gamma 1 requires 'alpha>=2', but finds alpha 1"]


def test_exclusions_without_effect_are_warned_of(tmp_path: Path) -> None:
    layers = Layers(tmp_path).add("base", excluding=("alpha",))
    assert layers.warnings("base") == [
        "Excluding 'alpha' from runtime 'base' has no effect: the layer does not need it."
    ]


def test_a_line_that_is_no_requirement_is_passed_over(layers: Layers) -> None:
    layers.install("framework-fw", "top", "1", "alpha (>= 2", "beta")
    assert layers.problems("framework-fw") == ["framework 'fw': top 1 requires 'beta', which is not on its path"]


def test_modules_of_all_kinds_hide_others(layers: Layers) -> None:
    layers.modules(
        "base", "one.py", "two/__init__.py", "three.cpython-312-x86_64-linux-gnu.so", "four.abi3.so", "five.py"
    )
    layers.modules("framework-fw", "one.py", "two.py", "three/__init__.pyc", "four.py", "other.py")
    assert [warning.split("'")[1] for warning in layers.warnings("framework-fw")] == [
        "four",
        "one",
        "three",
        "two",
    ]
    assert layers.warnings("base") == []
    assert layers.warnings("framework-fw")[0] == (
        "Module 'four' is in framework 'fw' and in runtime 'base' below it: the one in framework 'fw' wins."
    )


def test_namespaces_metadata_and_the_layers_own_modules_hide_nothing(layers: Layers) -> None:
    for name in ("base", "framework-fw"):
        layers.modules(
            name, f"space/{name}.py", "data.txt", "_venvstacks_activate.py", "_venvstacks_libraries.py", "x.pth"
        )
        layers.modules(name, "stubs.pyi", "alpha.libs/__init__.py", "alpha-1.dist-info/__init__.py")
        for info in layers.folder.glob("*/lib/*/*/alpha-1.dist-info"):
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1\n")
    assert layers.warnings("framework-fw") == []


def test_two_frameworks_beside_each_other_are_told_by_the_layer_on_both(layers: Layers) -> None:
    layers.add("two", on=("base",)).add("three", on=("fw", "base")).add("top", on=("three", "fw", "two", "base"))
    for name in ("fw", "two", "three"):
        layers.modules(f"framework-{name}", "common.py")
    assert layers.warnings("framework-top") == [
        f"Module 'common' is in framework {upper!r} and in framework 'two' on the path of framework 'top': "
        f"the one in framework {upper!r} wins."
        for upper in ("three", "fw")
    ]
