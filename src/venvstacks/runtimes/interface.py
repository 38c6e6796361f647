"""What a provider of base Pythons does."""

from pathlib import Path
from typing import Protocol

from venvstacks.definition.stack import PythonRequest
from venvstacks.platforms.compatibility import Compatibility, PythonVersion


class RuntimeProvider(Protocol):
    """A source of base Pythons."""

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        """Return the newest release that fulfils a two-part request."""
        ...

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        """Put a Python into a folder, ready to be moved anywhere."""
        ...

    def program(self, python: PythonVersion) -> Path:
        """Return the program of a Python that runs on this machine, where it is."""
        ...
