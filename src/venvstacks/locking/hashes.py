"""What makes a lock stale, as four hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

from venvstacks.definition.source_trees import module_hash
from venvstacks.definition.stack import Layer, Stack
from venvstacks.files import json_hash, sha256
from venvstacks.humanize import without_credentials
from venvstacks.locking.layer_lock import LockMetadata
from venvstacks.platforms.compatibility import PythonVersion

DO_NOT_EDIT = (
    "# Made by venvstacks from the stack definition. Do not edit:\n"
    "# change the definition and run `venvstacks lock` instead.\n"
)

RESOLUTION_SETTINGS = (
    "allow-insecure-host",
    "constraint-dependencies",
    "dependency-metadata",
    "exclude-dependencies",
    "exclude-newer",
    "exclude-newer-package",
    "extra-index-url",
    "find-links",
    "fork-strategy",
    "index",
    "index-strategy",
    "index-url",
    "keyring-provider",
    "native-tls",
    "no-index",
    "override-dependencies",
    "prerelease",
    "resolution",
    "sources",
    "system-certs",
)
"""The settings of ``[tool.uv]`` that decide the result of a resolution."""


def format_declared(layer: Layer) -> str:
    """Return the content of ``requirements-L.in``: the declared requirements, one a line."""
    return DO_NOT_EDIT + "".join(f"{requirement}\n" for requirement in layer.requirements)


def hash_pylock(pylock_text: str) -> str:
    """Hash the locked packages: the text of the pylock file, whatever its line ends."""
    plain = pylock_text.replace("\r\n", "\n")
    return f"sha256:{sha256(plain.encode())}"


def hash_requirements(layer: Layer) -> str:
    """Hash the declared requirements."""
    return json_hash([str(requirement) for requirement in layer.requirements])


def hash_other_inputs(stack: Stack, layer: Layer, python: PythonVersion, below: Sequence[str]) -> str:
    """Hash whatever makes a lock stale beside the requirements and what is taken from the layers below."""
    return json_hash({**_other_inputs(stack, layer, python), "below": list(below)})


def hash_first_other_inputs(
    stack: Stack, layer: Layer, python: PythonVersion, below: Sequence[tuple[str, LockMetadata]]
) -> str:
    """Hash the same as locks had it at first: with all that the layers below lock."""
    return json_hash(
        {
            **_other_inputs(stack, layer, python),
            "python_request": str(layer.python),
            "below": [[install_target, metadata.requirements_hash] for install_target, metadata in below],
        }
    )


def _other_inputs(stack: Stack, layer: Layer, python: PythonVersion) -> dict[str, Any]:
    settings: dict[str, Any] = {
        name: stack.uv.table[name] for name in RESOLUTION_SETTINGS if name in stack.uv.table
    }
    return {
        "python": python.request,
        "targets": [compatibility.describe() for compatibility in layer.compatibilities],
        "uv": _plain(settings),
        **({"uv_variables": _plain(stack.uv.environ)} if stack.uv.environ else {}),
        "package_indexes": dict(layer.package_indexes or {}),
        "priority_indexes": list(layer.priority_indexes),
        "versioned": layer.versioned,
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever TOML can hold
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # a password in an address is no input, and its hash would betray it
    return value if isinstance(value, int | float) else without_credentials(str(value))


def hash_version_inputs(layer: Layer, module_hashes: Mapping[str, str]) -> str:
    """Hash what changes a versioned layer's number without changing its packages; nothing, for other layers."""
    if not layer.versioned:
        return json_hash({"name": layer.build_name})
    launch = layer.launch_module
    inputs: dict[str, Any] = {
        "name": layer.build_name,
        "launch_module": launch.name if launch else None,
        "launch_module_hash": module_hashes.get(launch.name) if launch else None,
        "support_modules": {module.name: module_hashes[module.name] for module in layer.support_modules},
    }
    # only where they are in use: locks from before they were known stay valid
    if layer.exclude_packages:
        inputs["exclude_packages"] = list(layer.exclude_packages)
    if layer.entry_points or layer.all_entry_points:
        inputs["entry_points"] = layer.all_entry_points or list(layer.entry_points)
    if layer.isolated:
        inputs["isolated"] = True
    return json_hash(inputs)


def hash_modules(layer: Layer) -> dict[str, str]:
    """Hash the launch and support modules of a layer: import name -> hash."""
    modules = (*((layer.launch_module,) if layer.launch_module else ()), *layer.support_modules)
    return {module.name: module_hash(module) for module in modules} if layer.compatibilities else {}
