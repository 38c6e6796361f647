"""What a provider of base Pythons does."""

from pathlib import Path
from typing import Protocol

from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.spec.model import PythonRequest


class RuntimeProvider(Protocol):
    """A source of base Pythons."""

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        """Give the newest release that fulfils a two-part request.

        Args:
            request: What the definition asks for.
            on: The targets that it must be there for.

        Raises:
            RuntimeProviderError: There is none.
        """
        ...

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        """Put a Python into a folder, ready to be moved anywhere.

        Args:
            python: The exact Python.
            on: The target it must run on.
            folder: Where to put it; it does not exist yet.

        Raises:
            RuntimeProviderError: It cannot be had, or it does not work.
        """
        ...

    def program(self, python: PythonVersion) -> Path:
        """Give the program of a Python that runs on this machine, where it is.

        Args:
            python: The exact Python.

        Raises:
            RuntimeProviderError: It cannot be had.
        """
        ...
