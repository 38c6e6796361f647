"""Describing built layers and stacks in manifests."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.stack import Layer, LayerKind, SourceModule
from venvstacks.manifests.manifest_format import LayerManifest, ModuleManifest, StackManifest
from venvstacks.platforms.targets import Target


def describe_layer(build: LayerBuild) -> LayerManifest:
    """Return what does not depend on how a layer is shipped."""
    layer, lock = build.layer, build.lock
    runtime = lock if layer.kind is LayerKind.RUNTIME else build.below[-1]
    frameworks = {below.layer: below.install_target for below in build.below}
    launch = layer.launch_module
    manifest = LayerManifest(
        layer_name=layer.build_name,
        install_target=lock.install_target,
        requirements_hash=lock.metadata.requirements_hash,
        lock_version=lock.metadata.lock_version,
        locked_at=lock.metadata.locked_at,
        python_implementation=lock.python.request,
        runtime_layer=runtime.install_target,
        bound_to_implementation=layer.kind is LayerKind.RUNTIME or build.target.is_windows,
        system_libraries=build.system_libraries or UNSET,
        target_platform=build.target.name,
    )
    if layer.kind is LayerKind.RUNTIME:
        return manifest
    manifest = msgspec.structs.replace(manifest, required_layers=tuple(frameworks[n] for n in layer.frameworks))
    if launch is None:
        return manifest
    return msgspec.structs.replace(
        manifest,
        app_launch_module=launch.name,
        app_launch_module_hash=build.module_hashes[launch.name],
        app_support_modules=_support_modules(layer.support_modules, build) or UNSET,
    )


def _support_modules(modules: Iterable[SourceModule], build: LayerBuild) -> tuple[ModuleManifest, ...]:
    """Describe support modules, in the order of venvstacks 0.8."""
    ordered = sorted(modules, key=lambda module: module.path.parts)
    return tuple(ModuleManifest(module.name, build.module_hashes[module.name]) for module in ordered)


def output_inputs(build: LayerBuild) -> dict[str, str]:
    """Return what decides the content of a layer's output, however it is shipped."""
    return {
        "layer": build.content_hash,
        "install_target": build.lock.install_target,
        "target_platform": build.target.name,
    }


def stack_order(layers: Iterable[Layer], target: Target) -> tuple[tuple[LayerKind, str], ...]:
    """Return kinds and build names of the layers that are made for a target, in the stack's order."""
    return tuple((layer.kind, layer.build_name) for layer in layers if layer.on(target) is not None)


def describe_stack(layers: Iterable[tuple[LayerKind, LayerManifest]]) -> StackManifest:
    """Put the manifests of layers together, which are in the stack's order."""
    listed = list(layers)
    return StackManifest({kind.table: tuple(m for k, m in listed if k is kind) for kind in LayerKind})
