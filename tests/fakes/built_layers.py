"""Built layers without locking and building: any folder will do."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from venvstacks.building.build_state import new_state
from venvstacks.building.layer_build import LayerBuild
from venvstacks.building.layer_layout import layer_layout
from venvstacks.definition.stack import Layer, LayerKind, PythonRequest, SourceModule
from venvstacks.entries import scan
from venvstacks.locking.layer_lock import LayerLock, LockMetadata
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS

RELEASE = "3.12.4"


def make_tree(folder: Path, content: Mapping[str, bytes | str | None]) -> Path:
    """Make a folder: POSIX path -> bytes of a file, target of a link, or None for a folder.

    A path that begins with ``!`` is an executable file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        path = folder / name.lstrip("!")
        path.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            path.mkdir(exist_ok=True)
        elif isinstance(value, str):
            path.symlink_to(value)
        else:
            path.write_bytes(value)
            path.chmod(0o755 if name.startswith("!") else 0o644)
    return folder


def make_lock(
    build_name: str,
    *,
    install_target: str | None = None,
    lock_version: int = 1,
    locked_at: str = "2024-03-01T12:00:00+00:00",
) -> LayerLock:
    """Make a lock without packages."""
    metadata = LockMetadata(
        requirements_hash=f"sha256:{hashlib.sha256(build_name.encode()).hexdigest()}",
        lock_input_hash="sha256:1",
        other_inputs_hash="sha256:2",
        version_inputs_hash="sha256:3",
        lock_version=lock_version,
        locked_at=locked_at,
        python_version=RELEASE,
        tool_versions={},
    )
    return LayerLock(build_name, install_target or build_name, PythonVersion("cpython", RELEASE), (), (), metadata)


def make_built_layer(
    folder: Path,
    build_name: str,
    *,
    frameworks: tuple[str, ...] = (),
    runtime: str = "cpython-3.12",
    target: str = "linux_x86_64",
    inputs: str = "1",
    install_target: str | None = None,
    lock_version: int = 1,
    locked_at: str = "2024-03-01T12:00:00+00:00",
    launch_module: str | None = None,
    support_modules: tuple[str, ...] = (),
) -> LayerBuild:
    """Make a built layer of what a folder holds.

    Args:
        folder: The layer's folder.
        build_name: ``app-…`` and ``framework-…`` tell the kind, anything else is a runtime.
        frameworks: Build names of the frameworks below, in path order.
        runtime: Build name of the runtime below.
        target: Target name.
        inputs: Anything; another value stands for other inputs of the build.
        install_target: The build name if not given.
        lock_version: As in the lock.
        locked_at: As in the lock.
        launch_module: Import name.
        support_modules: Import names.
    """
    kinds = {"app": LayerKind.APPLICATION, "framework": LayerKind.FRAMEWORK}
    kind = kinds.get(build_name.partition("-")[0], LayerKind.RUNTIME)
    below = () if kind is LayerKind.RUNTIME else (*frameworks, runtime)
    layer = Layer(
        kind=kind,
        name=build_name.removeprefix(kind.prefix),
        requirements=(),
        compatibilities=tuple(Compatibility(each) for each in TARGETS.values()),
        runtime=build_name if kind is LayerKind.RUNTIME else runtime,
        frameworks=frameworks,
        python=PythonRequest("cpython", "3.12"),
        launch_module=SourceModule(folder / f"{launch_module}.py", launch_module, f"{launch_module}.py")
        if launch_module
        else None,
        support_modules=tuple(SourceModule(folder / f"{name}.py", name, f"{name}.py") for name in support_modules),
    )
    modules = (launch_module, *support_modules) if launch_module else support_modules
    lock = make_lock(build_name, install_target=install_target, lock_version=lock_version, locked_at=locked_at)
    inputs_hash = f"sha256:{hashlib.sha256(inputs.encode()).hexdigest()}"
    return LayerBuild(
        layer=layer,
        lock=lock,
        below=tuple(make_lock(name, install_target=f"{name}@2") for name in below),
        compatibility=Compatibility(TARGETS[target]),
        folder=folder,
        layout=layer_layout(kind, TARGETS[target], lock.python),
        configuration={},
        inputs_hash=inputs_hash,
        module_hashes={name: f"sha256:{hashlib.sha256(name.encode()).hexdigest()}" for name in modules},
        state=new_state(inputs_hash, "", scan(folder)),
    )


def with_state(build: LayerBuild, **changes: Any) -> LayerBuild:
    """Change what is recorded of a layer."""
    assert build.state is not None
    return replace(build, state=msgspec.structs.replace(build.state, **changes))
