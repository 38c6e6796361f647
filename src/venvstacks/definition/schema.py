"""The definition file as it is written: its tables, keys and types, and what each is for.

These models are the source of the JSON Schema, which ``python -m venvstacks.definition.schema`` prints. When a
file is loaded they say which keys exist and which type each has; rules that need more than one value at a time
are in the modules that apply them.
"""

import sys
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from venvstacks.definition.stack import ARCHIVE_FORMATS, Bytecode, LocalRuntime
from venvstacks.platforms.targets import TARGETS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON Schema that is used."""

_ONE_PYTHON = {"oneOf": [{"required": ["python_implementation"]}, {"required": ["fully_versioned_name"]}]}
_ONE_FOUNDATION = {"oneOf": [{"required": ["runtime"]}, {"required": ["frameworks"]}]}

PythonName = Annotated[
    str,
    Meta(
        description="The base Python: IMPLEMENTATION@VERSION. A two-part version means the newest patch release "
        "when the layer is locked; a trailing 't' selects the free-threaded build.",
        examples=["cpython@3.12.7", "cpython@3.13", "cpython@3.14t", "pypy@3.11.13"],
        extra_json_schema={"pattern": r"^(cpython|pypy)@\d+\.\d+(\.\d+((a|b|rc)\d+)?)?t?$"},
    ),
]
TargetName = Annotated[str, Meta(extra_json_schema={"enum": list(TARGETS)})]
ArchiveFormatText = Annotated[str, Meta(extra_json_schema={"enum": list(ARCHIVE_FORMATS)})]
ModulePath = Annotated[
    str,
    Meta(
        description="A path to a file or a folder, relative to the folder of the definition file.",
        examples=["launch_modules/hello.py"],
    ),
]


class LayerFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """What every layer may have."""

    name: Annotated[
        str, Meta(description="The layer's name, used verbatim in references.", extra_json_schema={"minLength": 1})
    ]
    requirements: Annotated[
        list[str],
        Meta(
            description="The layer's requirements, as in PEP 508; may be empty.",
            examples=[["numpy>=2", "pywin32; sys_platform == 'win32'"]],
        ),
    ]
    platforms: Annotated[
        list[TargetName] | UnsetType,
        Meta(
            description="The target platforms. Default: all that the layers below target. "
            "An empty array disables the layer.",
            examples=[["linux_x86_64", "macosx_arm64"]],
        ),
    ] = UNSET
    linux_target: Annotated[
        str | UnsetType,
        Meta(
            description="The C library that wheels may need on Linux. Default: glibc@2.28.",
            examples=["glibc", "glibc@2.35", "musl@1.2"],
            extra_json_schema={"pattern": r"^(glibc(@2\.\d+)?|musl(@1\.\d+)?)$"},
        ),
    ] = UNSET
    macosx_target: Annotated[
        str | UnsetType,
        Meta(
            description="The macOS version that wheels may need. Default: $MACOSX_DEPLOYMENT_TARGET, else 13.0.",
            examples=["13.0", "14"],
            extra_json_schema={"pattern": r"^\d+(\.\d+){0,2}$"},
        ),
    ] = UNSET
    dynlib_exclude: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Globs of shared libraries, extension modules and programs that are excluded from linking "
            "across layers; matched against the end of the path.",
            examples=[["libfoo.so.*", "vendored/**"]],
        ),
    ] = UNSET
    dynlib_allow_missing: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Globs of names of shared libraries that the layer's files may need although no layer "
            "and no target system provides them.",
            examples=[["libcuda.so.*"]],
        ),
    ] = UNSET
    package_indexes: Annotated[
        dict[str, str] | UnsetType,
        Meta(
            description="Package -> name of the [[tool.uv.index]] it is taken from; inherited by the layers "
            "above.",
            examples=[{"torch": "pytorch-cpu"}],
        ),
    ] = UNSET
    index_overrides: Annotated[
        dict[str, str] | UnsetType,
        Meta(
            description="Index -> index that is accepted instead, where layers take a package from different "
            "indexes.",
            examples=[{"pytorch-cpu": "pytorch-cuda"}],
        ),
    ] = UNSET
    priority_indexes: Annotated[
        list[str] | UnsetType,
        Meta(description="Indexes that are searched first, for this layer only.", examples=[["pytorch-cpu"]]),
    ] = UNSET
    exclude_packages: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Packages that are resolved and locked, but not installed in this layer.",
            examples=[["nvidia-nccl-cu12", "triton"]],
        ),
    ] = UNSET
    versioned: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether the install target contains the lock version, which is increased whenever the "
            "lock changes. Default: false."
        ),
    ] = UNSET
    build_requirements: Annotated[
        Any | UnsetType, Meta(description="Ignored.", extra_json_schema={"deprecated": True})
    ] = UNSET


class RuntimeFields(LayerFields, kw_only=True, forbid_unknown_fields=True):
    """A base Python runtime."""

    python_implementation: PythonName | UnsetType = UNSET
    fully_versioned_name: Annotated[
        str | UnsetType,
        Meta(description="The former name of 'python_implementation'.", extra_json_schema={"deprecated": True}),
    ] = UNSET


class LayeredFields(LayerFields, kw_only=True, forbid_unknown_fields=True):
    """What a layer on others may have."""

    runtime: Annotated[
        str | UnsetType, Meta(description="The runtime the layer depends on directly.", examples=["cpython-3.12"])
    ] = UNSET
    frameworks: Annotated[
        list[str] | UnsetType,
        Meta(
            description="The frameworks the layer depends on; all of them must depend on the same runtime.",
            examples=[["torch", "http-client"]],
            extra_json_schema={"minItems": 1},
        ),
    ] = UNSET


class FrameworkFields(LayeredFields, kw_only=True, forbid_unknown_fields=True):
    """A layer shared between applications."""


class ApplicationFields(LayeredFields, kw_only=True, forbid_unknown_fields=True):
    """A layer that is launched."""

    launch_module: Annotated[
        ModulePath,
        Meta(
            description="The module that is launched: a Python file or a package folder, as `python -m` runs it."
        ),
    ]
    support_modules: Annotated[
        list[ModulePath] | UnsetType,
        Meta(description="Modules, packages and other files that are copied beside the launch module."),
    ] = UNSET
    entry_points: Annotated[
        bool | list[str] | UnsetType,
        Meta(
            description="Commands of packages that get a launcher in the layer, and programs of packages: names "
            "or patterns, or true for all commands of the layer's own packages. Default: none.",
            examples=[["hello", "jupyter*"], True],
        ),
    ] = UNSET
    isolated: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether the application ignores Python's environment variables, the user's "
            "site-packages and the current folder when it is started. Default: false."
        ),
    ] = UNSET


class ToolSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """Settings of venvstacks itself."""

    local_runtime: Annotated[
        LocalRuntime | UnsetType,
        Meta(
            description="When to use an interpreter of this machine as a runtime: never, if no managed one is "
            "available (fallback), or always. Default: never."
        ),
    ] = field(default=UNSET, name="local-runtime")
    bytecode: Annotated[
        Bytecode | UnsetType,
        Meta(
            description="Whether layers contain compiled bytecode, so that applications start at full speed from "
            "read-only folders: none or ship. Default: none."
        ),
    ] = UNSET
    strict: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether possible problems of a built layer, such as a shared library that nothing is "
            "known to provide, are errors. Default: false."
        ),
    ] = UNSET

    archive_format: Annotated[
        ArchiveFormatText | dict[TargetName, ArchiveFormatText] | UnsetType,
        Meta(
            description="The format of archives: one for all platforms, or one each. Default: tar.zst.",
            examples=["tar.xz", {"win_amd64": "zip"}],
        ),
    ] = field(default=UNSET, name="archive-format")


class Tools(Struct, kw_only=True):
    """Settings of tools; those of other tools are ignored."""

    uv: Annotated[
        dict[str, Any] | UnsetType,
        Meta(description="Baseline settings for uv, as in [tool.uv] of a pyproject.toml."),
    ] = UNSET
    venvstacks: Annotated[ToolSettings | UnsetType, Meta(description="Settings of venvstacks.")] = UNSET


class Definition(Struct, kw_only=True):
    """A stack definition; further tables are ignored."""

    runtimes: Annotated[
        list[Annotated[RuntimeFields, Meta(extra_json_schema=_ONE_PYTHON)]] | UnsetType,
        Meta(description="Base Python runtimes, in order."),
    ] = UNSET
    frameworks: Annotated[
        list[Annotated[FrameworkFields, Meta(extra_json_schema=_ONE_FOUNDATION)]] | UnsetType,
        Meta(description="Shared layers between a runtime and the applications, each after those below it."),
    ] = UNSET
    applications: Annotated[
        list[Annotated[ApplicationFields, Meta(extra_json_schema=_ONE_FOUNDATION)]] | UnsetType,
        Meta(description="Layers that are launched."),
    ] = UNSET
    tool: Annotated[Tools | UnsetType, Meta(description="Settings of tools.")] = UNSET


def definition_schema() -> dict[str, Any]:
    """Describe a definition file as JSON Schema."""
    schema = msgspec.json.schema(Definition)
    return {"$schema": DIALECT, "title": "venvstacks stack definition", **schema}


if __name__ == "__main__":
    from venvstacks.files import canonical_json

    sys.stdout.write(canonical_json(definition_schema()))
