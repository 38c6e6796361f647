"""Which frameworks may be missing below a layer."""

from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from fakes.definitions import define
from fakes.locks import make_lock, make_package
from venvstacks.building.optional_layers import optional_layers
from venvstacks.locking.layer_lock import SharedPackage
from venvstacks.platforms.targets import TARGETS

HERE = TARGETS["linux_x86_64"]
INDEXES = [{"name": name, "url": f"https://{name}.example.invalid/"} for name in ("cpu", "cuda", "third")]
EACH_OTHER: dict[str, tuple[list[str], list[str]]] = {"gpu": (["cpu"], []), "cpu": (["gpu"], [])}


def fw(name: str, *packages: str, **fields: Any) -> dict[str, Any]:
    """Describe a framework with what it locks."""
    return {"name": name, "packages": packages, **fields}


def optional(folder: Path, layers: list[dict[str, Any]], taken: dict[str, str], **fields: Any) -> dict[str, Any]:
    """Decide for an application that takes packages (``NAME==VERSION``) of frameworks."""
    locks = {"py": make_lock("py")}
    for each in layers:
        packages = [make_package(*text.split("==")) for text in each.pop("packages")]
        locks[f"framework-{each['name']}"] = make_lock(f"framework-{each['name']}", *packages)
    shared = [
        SharedPackage(package.split("==")[0], Version(package.split("==")[1]), f"framework-{layer}", (HERE,))
        for package, layer in taken.items()
    ]
    locks["app-app"] = make_lock("app-app", shared=shared)
    application = {"name": "app", "frameworks": [each["name"] for each in layers], **fields}
    stack = define(folder, frameworks=layers, applications=[application], uv={"index": INDEXES})
    found = optional_layers(stack, stack.layer("app-app"), locks, HERE)

    def short(names: list[str]) -> list[str]:
        return [name.removeprefix("framework-") for name in names]

    return {
        name.removeprefix("framework-"): (short(each["replaced_by"]), short(each["needed_by"]))
        for name, each in found.items()
    }


@pytest.mark.parametrize("lower", ["1.0", "1.0+cpu"])
def test_frameworks_that_offer_what_is_taken(tmp_path: Path, lower: str) -> None:
    frameworks = [fw("gpu", "torch==1.0+cu128", "nvidia==1"), fw("cpu", f"torch=={lower}")]
    assert optional(tmp_path, frameworks, {"torch==1.0+cu128": "gpu"}) == EACH_OTHER


@pytest.mark.parametrize(
    ("frameworks", "taken"),
    [
        ([fw("gpu", "six==1"), fw("cpu", "six==1")], {}),
        ([fw("gpu", "six==1"), fw("cpu", "six==2")], {"six==1": "gpu"}),
        (
            [fw("gpu", "six==1", "more==1"), fw("cpu", "six==1", "other==1")],
            {"six==1": "gpu", "other==1": "cpu", "more==1": "gpu"},
        ),
        ([fw("gpu", "six==1", exclude_packages=["six"]), fw("cpu", "six==1")], {"six==1": "cpu"}),
        ([fw("gpu", "six==1"), fw("cpu", "more==1")], {"six==1": "gpu"}),
    ],
    ids=["nothing taken", "versions", "both are used", "excluded", "not offered"],
)
def test_frameworks_that_are_needed(
    tmp_path: Path, frameworks: list[dict[str, Any]], taken: dict[str, str]
) -> None:
    assert optional(tmp_path, frameworks, taken) == {}


def test_one_that_offers_more_than_the_other(tmp_path: Path) -> None:
    frameworks = [fw("gpu", "six==1"), fw("cpu", "six==1", "more==1")]
    assert optional(tmp_path, frameworks, {"six==1": "gpu", "more==1": "cpu"}) == {"gpu": (["cpu"], [])}


def variants(**gpu: Any) -> list[dict[str, Any]]:
    return [
        fw("gpu", "torch==2", "nvidia==1", package_indexes={"torch": "cuda"}, **gpu),
        fw("cpu", "torch==1", package_indexes={"torch": "cpu"}),
    ]


@pytest.mark.parametrize("overrides", [{"cpu": "cuda"}, {"cpu": "cuda", "third": "cuda"}])
def test_frameworks_with_indexes_that_override_each_other(tmp_path: Path, overrides: dict[str, str]) -> None:
    taken = {"torch==2": "gpu", "nvidia==1": "gpu"}
    assert optional(tmp_path, variants(), taken, index_overrides=overrides) == EACH_OTHER


@pytest.mark.parametrize(("requires", "expected"), [("torch", {"cuda": ([], ["gpu"])}), ("nvidia", {})])
def test_what_only_an_optional_framework_stands_on(
    tmp_path: Path, requires: str, expected: dict[str, object]
) -> None:
    gpu, cpu = variants(frameworks=["cuda"])
    gpu["packages"] = ("torch==2",)
    found = optional(
        tmp_path,
        [fw("cuda", "nvidia==1"), cpu, gpu],
        {"torch==2": "gpu", "nvidia==1": "cuda"},
        index_overrides={"cpu": "cuda"},
        frameworks=["gpu", "cpu"],
        requirements=[requires],
    )
    assert found == {**EACH_OTHER, **expected}


def test_what_both_stand_on_is_needed_by_whichever_is_there(tmp_path: Path) -> None:
    gpu, cpu = variants(frameworks=["low"])
    found = optional(
        tmp_path,
        [fw("low", "numpy==1"), gpu, {**cpu, "frameworks": ["low"]}],
        {"torch==2": "gpu"},
        index_overrides={"cpu": "cuda"},
        frameworks=["gpu", "cpu"],
    )
    assert found == {**EACH_OTHER, "low": ([], ["gpu", "cpu"])}


@pytest.mark.parametrize(("on", "needed_by"), [(["gpu", "cpu"], []), (["gpu"], ["above"])])
def test_a_framework_above_decides_for_itself(tmp_path: Path, on: list[str], needed_by: list[str]) -> None:
    overrides = {"cpu": "cuda"} if len(on) > 1 else {}
    found = optional(
        tmp_path,
        [*variants(), fw("above", "tools==1", frameworks=on, index_overrides=overrides)],
        {"tools==1": "above"},
        index_overrides={"cpu": "cuda"},
        frameworks=["above", "cpu"],
    )
    assert found == {"gpu": (["cpu"], needed_by), "cpu": (["gpu"], [])}
