"""Where base Pythons come from: managed builds, interpreters of this machine, or the one in place of the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from venvstacks.definition.stack import Layer, LocalRuntime, PythonRequest
from venvstacks.errors import RuntimeProviderError, ToolError, VenvstacksError
from venvstacks.events import Warned
from venvstacks.files import remove_tree, temporary_beside
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.work import Work


class RuntimeProvider(Protocol):
    """A source of base Pythons."""

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        """Return the newest release that fulfils a two-part request on all targets."""
        ...

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        """Put a Python into a folder, ready to be moved anywhere."""
        ...

    def program(self, python: PythonVersion) -> Path:
        """Return the program of a Python that runs on this machine, where it is."""
        ...


@dataclass(frozen=True, slots=True)
class FallbackRuntimes:
    """Managed Pythons, and an interpreter of this machine where a managed one cannot be had.

    Attributes:
        downloads: A folder of this run, to try downloads in.
    """

    managed: RuntimeProvider
    local: RuntimeProvider
    downloads: Path
    work: Work

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        """Return the newest managed release that really can be downloaded, else the newest of this machine."""
        host = next((compatibility for compatibility in on if compatibility.runs_here), None)
        try:
            python = self.managed.newest(request, on)
            if host is not None:
                self.downloads.mkdir(parents=True, exist_ok=True)
                trial = temporary_beside(self.downloads / "trial")
                try:
                    self.managed.fetch(python, host, trial)
                finally:
                    remove_tree(trial)
        except (RuntimeProviderError, ToolError):
            # building warns; a lock says nothing about where the files come from
            return self.local.newest(request, on)
        return python

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        """Fetch a managed Python, else copy the same version from this machine, with a warning."""
        try:
            self.managed.fetch(python, on, folder)
        except (RuntimeProviderError, ToolError) as unavailable:
            if not on.runs_here:
                raise
            remove_tree(folder)
            try:
                self.local.fetch(python, on, folder)
            except RuntimeProviderError as error:
                raise RuntimeProviderError(
                    f"{unavailable.message}\nNo interpreter of this machine can be used instead: {error.message}",
                    hint=f"the lock asks for exactly {python.release}: unless the definition does, lock again "
                    "with --local-runtime=fallback and --reset-lock to take what this machine has",
                ) from error
            self.work.observe(Warned(_portability_warning(python, unavailable)))

    def program(self, python: PythonVersion) -> Path:
        """Return the program of a managed Python, else that of an interpreter of this machine."""
        try:
            return self.managed.program(python)
        except (RuntimeProviderError, ToolError):
            return self.local.program(python)


def _portability_warning(python: PythonVersion, unavailable: VenvstacksError) -> str:
    lines = [line.strip() for line in unavailable.message.splitlines()]
    causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
    reason = causes[-1] if causes else lines[-1].rstrip(".")
    return (
        f"No managed {python.request} is available ({reason}), so the one of this machine was copied. "
        "It needs this machine's C library and system libraries (such as OpenSSL) of the same versions or newer: "
        "use it for trials, and publish from managed Pythons."
    )


def choose_provider(
    policy: LocalRuntime, managed: RuntimeProvider, local: RuntimeProvider, downloads: Path, work: Work
) -> RuntimeProvider:
    """Return the provider that a policy asks for."""
    if policy == "fallback":
        return FallbackRuntimes(managed, local, downloads, work)
    return local if policy == "always" else managed


def choose_python(provider: RuntimeProvider, layer: Layer, earlier: PythonVersion | None) -> PythonVersion:
    """Return the exact Python of a runtime layer."""
    if layer.python.is_exact:
        return layer.python.exactly(layer.python.version)
    return earlier or provider.newest(layer.python, layer.compatibilities)
