from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.built_layers import make_built_layer
from venvstacks.definition.stack import LayerKind, SourceModule
from venvstacks.manifests.manifest_format import LayerManifest, StackManifest
from venvstacks.publishing.describe import describe_layer, describe_stack, stack_order

COMMON = {
    "layer_name",
    "install_target",
    "requirements_hash",
    "lock_version",
    "locked_at",
    "python_implementation",
    "runtime_layer",
    "bound_to_implementation",
    "target_platform",
}


def as_json(manifest: LayerManifest) -> dict[str, object]:
    (entry,) = describe_stack([(LayerKind.RUNTIME, manifest)]).as_json()["layers"]["runtimes"]
    assert isinstance(entry, dict)
    return entry


def test_runtime(tmp_path: Path) -> None:
    built = make_built_layer(tmp_path, "cpython-3.12", install_target="cpython-3.12@3", lock_version=3)
    described: Any = as_json(describe_layer(built))
    assert described == {
        "layer_name": "cpython-3.12",
        "install_target": "cpython-3.12@3",
        "requirements_hash": built.lock.metadata.requirements_hash,
        "lock_version": 3,
        "locked_at": "2024-03-01T12:00:00+00:00",
        "python_implementation": "cpython@3.12.4",
        "runtime_layer": "cpython-3.12@3",
        "bound_to_implementation": True,
        "target_platform": "linux_x86_64",
    }


def test_framework(tmp_path: Path) -> None:
    built = make_built_layer(tmp_path, "framework-b", frameworks=("framework-z", "framework-a"))
    described: Any = as_json(describe_layer(built))
    assert described.keys() == COMMON | {"required_layers"}
    assert described["required_layers"] == ["framework-z@2", "framework-a@2"]
    assert described["runtime_layer"] == "cpython-3.12@2"
    assert described["bound_to_implementation"] is False


def test_framework_without_frameworks_requires_none(tmp_path: Path) -> None:
    assert as_json(describe_layer(make_built_layer(tmp_path, "framework-a")))["required_layers"] == []


def test_application(tmp_path: Path) -> None:
    built = make_built_layer(tmp_path, "app-hello", launch_module="hello", support_modules=("zebra", "ant"))
    described: Any = as_json(describe_layer(built))
    extra = {"required_layers", "app_launch_module", "app_launch_module_hash", "app_support_modules"}
    assert described.keys() == COMMON | extra
    assert described["app_launch_module"] == "hello"
    assert described["app_launch_module_hash"] == built.module_hashes["hello"]
    assert described["app_support_modules"] == [
        {"name": "ant", "hash": built.module_hashes["ant"]},
        {"name": "zebra", "hash": built.module_hashes["zebra"]},
    ]


def test_application_without_support_modules(tmp_path: Path) -> None:
    built = make_built_layer(tmp_path, "app-hello", launch_module="hello")
    assert "app_support_modules" not in as_json(describe_layer(built))


def test_support_modules_stand_in_the_order_of_their_paths(tmp_path: Path) -> None:
    built = make_built_layer(tmp_path, "app-hello", launch_module="hello", support_modules=("zebra", "ant"))
    modules = (
        SourceModule(Path("/p/sub/ant.py"), "ant", "ant.py"),
        SourceModule(Path("/p/sub-a/zebra.py"), "zebra", "zebra.py"),
    )
    built = replace(built, layer=replace(built.layer, support_modules=modules[::-1]))
    described: Any = as_json(describe_layer(built))["app_support_modules"]
    assert [module["name"] for module in described] == ["ant", "zebra"]


@pytest.mark.parametrize("target", ["win_amd64", "win_arm64"])
def test_windows_layers_hold_runtime_files(tmp_path: Path, target: str) -> None:
    assert describe_layer(make_built_layer(tmp_path, "framework-a", target=target)).bound_to_implementation


def test_stack_groups_by_kind_in_the_order_given(tmp_path: Path) -> None:
    names = ("cpython-3.12", "framework-z", "framework-a", "app-x")
    built = [make_built_layer(tmp_path, name, launch_module="x" if name == "app-x" else None) for name in names]
    stack = describe_stack([(each.layer.kind, describe_layer(each)) for each in built]).as_json()
    assert {kind: [layer["layer_name"] for layer in layers] for kind, layers in stack["layers"].items()} == {
        "runtimes": ["cpython-3.12"],
        "frameworks": ["framework-z", "framework-a"],
        "applications": ["app-x"],
    }


def test_layers_not_made_for_the_target_are_no_part_of_the_stack(tmp_path: Path) -> None:
    runtime, app = (make_built_layer(tmp_path, name).layer for name in ("cpython-3.12", "framework-a"))
    narrow = replace(runtime, compatibilities=runtime.compatibilities[-1:])
    target = make_built_layer(tmp_path, "cpython-3.12").target
    assert stack_order([runtime, app], target) == (
        (LayerKind.RUNTIME, "cpython-3.12"),
        (LayerKind.FRAMEWORK, "framework-a"),
    )
    assert stack_order([narrow, app], target) == ((LayerKind.FRAMEWORK, "framework-a"),)


def test_empty_stack_has_all_kinds() -> None:
    assert describe_stack([]) == StackManifest({"runtimes": (), "frameworks": (), "applications": ()})
