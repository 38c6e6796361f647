"""A stack, as its definition file means it: checked, resolved, and with everything inherited filled in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args

from packaging.requirements import Requirement

from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import Target

LocalRuntime = Literal["never", "fallback", "always"]
Bytecode = Literal["none", "ship"]
ArchiveFormatName = Literal["tar.zst", "tar.xz", "tar.gz", "zip"]
ARCHIVE_FORMATS: tuple[ArchiveFormatName, ...] = get_args(ArchiveFormatName)


class LayerKind(StrEnum):
    """What a layer is for."""

    RUNTIME = "runtime"
    FRAMEWORK = "framework"
    APPLICATION = "application"

    @property
    def table(self) -> str:
        """The array of tables in the definition file, and the key in manifests: ``runtimes``."""
        return f"{self.value}s"

    @property
    def prefix(self) -> str:
        """What precedes a layer's name in its build name."""
        return {"runtime": "", "framework": "framework-", "application": "app-"}[self.value]


@dataclass(frozen=True, slots=True)
class PythonRequest:
    """A runtime's ``python_implementation``.

    Attributes:
        implementation: ``cpython`` or ``pypy``.
        version: ``X.Y`` (the newest patch release when the layer is locked) or ``X.Y.Z``.
        freethreaded: Whether the version had a trailing ``t``.
    """

    implementation: str
    version: str
    freethreaded: bool = False

    def __str__(self) -> str:
        return f"{self.implementation}@{self.version}{'t' if self.freethreaded else ''}"

    @property
    def is_exact(self) -> bool:
        """Whether the patch release is given."""
        return self.version.count(".") >= 2  # noqa: PLR2004 - X.Y.Z

    @property
    def minor(self) -> str:
        """``X.Y``, which every Python that fulfils it has."""
        return self.exactly(self.version).minor

    def exactly(self, release: str) -> PythonVersion:
        """Return the exact Python that was chosen for this request."""
        return PythonVersion(self.implementation, release, self.freethreaded)

    def accepts(self, python: PythonVersion) -> bool:
        """Whether an exact Python fulfils the request."""
        is_same_build = (python.implementation, python.freethreaded) == (self.implementation, self.freethreaded)
        is_patch_release = not self.is_exact and python.release.startswith(f"{self.version}.")
        return is_same_build and (python.release == self.version or is_patch_release)


@dataclass(frozen=True, slots=True)
class SourceModule:
    """A file or folder that is copied into an application layer.

    Attributes:
        path: Where it lies, absolute.
        name: The name it is imported by, if it can be.
        place: What it is called beside the packages of the layer.
    """

    path: Path
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class UvSettings:
    """Baseline settings for uv, from ``[tool.uv]`` or ``venvstacks.uv.toml``.

    Attributes:
        table: The settings as written, relative paths and ``file:`` addresses untouched.
        folder: What relative paths in them are relative to.
        environ: uv's variables that name indexes or folders with wheels; they may hold credentials.
    """

    table: Mapping[str, Any]
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, with what it inherits from the layers below filled in.

    Attributes:
        kind: Runtime, framework or application.
        name: As in the definition file.
        requirements: What it declares, in order.
        compatibilities: The targets it is made for, sorted by name, each with the layer's limits.
        runtime: Build name of the runtime it depends on (its own for a runtime).
        frameworks: Build names of the frameworks below it, linearised, in path order.
        python: What the runtime asks for.
        dynlib_exclude: Globs of shared libraries that are not offered to layers above.
        dynlib_allow_missing: Globs of names of shared libraries that nobody has to provide.
        package_indexes: Normalised package -> index name, its own and inherited.
        index_overrides: Losing index -> winning index, where a disagreement of layers below is intended.
        priority_indexes: Indexes that go first for this layer.
        exclude_packages: Normalised names of packages that are locked and not installed, sorted.
        versioned: Whether its install target carries the lock version.
        launch_module: Applications only.
        support_modules: Applications only.
        entry_points: Names of the commands that get launchers, or patterns of them, sorted; applications only.
        all_entry_points: Whether instead all commands of the layer's own packages get one; applications only.
        isolated: Whether it ignores Python's variables, the user's site-packages and the current folder when it is
            started; applications only.
    """

    kind: LayerKind
    name: str
    requirements: tuple[Requirement, ...]
    compatibilities: tuple[Compatibility, ...]
    runtime: str
    frameworks: tuple[str, ...]
    python: PythonRequest
    dynlib_exclude: tuple[str, ...] = ()
    dynlib_allow_missing: tuple[str, ...] = ()
    package_indexes: Mapping[str, str] | None = None
    index_overrides: Mapping[str, str] | None = None
    priority_indexes: tuple[str, ...] = ()
    exclude_packages: tuple[str, ...] = ()
    versioned: bool = False
    launch_module: SourceModule | None = None
    support_modules: tuple[SourceModule, ...] = ()
    entry_points: tuple[str, ...] = ()
    all_entry_points: bool = False
    isolated: bool = False

    @property
    def build_name(self) -> str:
        """The layer's name among all layers: ``NAME``, ``framework-NAME``, ``app-NAME``."""
        return f"{self.kind.prefix}{self.name}"

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets it is made for, sorted by name."""
        return tuple(compatibility.target for compatibility in self.compatibilities)

    @property
    def below(self) -> tuple[str, ...]:
        """Build names of all layers it depends on, in path order, the runtime last."""
        return self.frameworks if self.kind is LayerKind.RUNTIME else (*self.frameworks, self.runtime)

    def on(self, target: Target) -> Compatibility | None:
        """Return the limits on a target, or None if the layer is not made for it."""
        return next((c for c in self.compatibilities if c.target == target), None)

    @property
    def title(self) -> str:
        """How messages name it: ``framework 'torch'``."""
        return f"{self.kind.value} {self.name!r}"


@dataclass(frozen=True, slots=True)
class Stack:
    """All layers of a definition file.

    Attributes:
        path: The definition file, absolute.
        layers: Runtimes, then frameworks, then applications, each kind in the order of the file.
        uv: Baseline settings for uv.
        archive_formats: Target name -> format of its archives.
        local_runtime: Whether an interpreter of this machine may serve as a runtime.
        bytecode: Whether layers hold their modules compiled.
        strict: Whether what may be wrong with a built layer is an error.
        warnings: What the user should know about the file, such as deprecated fields.
    """

    path: Path
    layers: tuple[Layer, ...]
    uv: UvSettings
    archive_formats: Mapping[str, ArchiveFormatName]
    local_runtime: LocalRuntime = "never"
    bytecode: Bytecode = "none"
    strict: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that holds the definition file, which paths are relative to."""
        return self.path.parent

    @property
    def requirements_folder(self) -> Path:
        """The folder that holds the locks."""
        return self.folder / "requirements"

    def layer(self, build_name: str) -> Layer:
        """Return a layer by its build name."""
        return next(layer for layer in self.layers if layer.build_name == build_name)

    def below(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the layers that a layer depends on, in path order, the runtime last."""
        return tuple(self.layer(name) for name in layer.below)

    def above(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the layers that depend on a layer, in the stack's order."""
        return tuple(other for other in self.layers if layer.build_name in other.below)

    def of_kind(self, kind: LayerKind) -> tuple[Layer, ...]:
        """Return the layers of one kind, in the order of the file."""
        return tuple(layer for layer in self.layers if layer.kind is kind)

    def named(self, build_names: Iterable[str]) -> tuple[Layer, ...]:
        """Return some layers, in the stack's order."""
        wanted = set(build_names)
        return tuple(layer for layer in self.layers if layer.build_name in wanted)
