"""Every error a user can meet, in one tree.

::

    VenvstacksError                exit code 1: the operation failed
    |- UsageError                  exit code 2: wrong options or arguments
    |- DefinitionError             exit code 2: the definition file, with all its problems
    |- LockError                   a layer cannot be locked
    |  |- ResolutionError          uv found no solution (its explanation is part of the message)
    |  |- CoverageError            a target has no usable wheel of a package
    |  `- InvalidLockError         a lock file is missing, damaged or does not match the definition
    |- RuntimeProviderError        no usable base Python
    |- BuildError                  a layer cannot be built
    |  |- RequirementsError        a built layer does not see what its packages require
    |  |- BinariesError            native files of a layer do not run on its target
    |  |- FindingsError            something may be wrong with a layer, and findings are to be errors
    |  |- WheelError               a wheel would put files where they do not belong, or is not what it says
    |  `- BinaryFormatError        a native file is damaged
    |- PublishError                an archive, manifest or export cannot be made
    |- ArchiveError                an archive or its index is damaged, forged, or of a newer version
    |- DeltaError                  a delta is damaged, forged, newer, or not for the folder it is applied to
    |- StoreError                  a store cannot be read or written
    |  |- NotInStoreError          a store does not have a file
    |  |- TooLargeError            a file of a store is larger than it may be
    |  `- ConflictError            another run has changed a file of a store meanwhile
    |- TrustError                  what a store says is not signed, expired, or older than what was seen before
    |- ReleaseError                a release cannot be made, or its file is damaged
    |- DeploymentError             a deployment cannot be made, changed or verified
    |- RunError                    an application cannot be started
    |- ToolError                   uv or another helper program failed
    |- FilesystemError             the operating system refused to read or write
    `- BusyError                   another run holds the build folder or the output folder

A message is one block of text: what failed, where, why. ``hint`` says what to do next.
"""

import os
from dataclasses import dataclass


class VenvstacksError(Exception):
    """An error with a message for people.

    Args:
        message: What failed, on which layer and platform, and why.
        hint: What to do next; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(VenvstacksError):
    """Options or arguments that cannot be carried out as given."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a definition file.

    Attributes:
        where: The layer and field, for example ``framework 'torch', field 'platforms'``; empty for the file.
        message: What was found and what was expected.
        hint: A suggestion, if one is near.
    """

    where: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


def require_collection(**parameters: object) -> None:
    """Refuse a single string or path where several are expected: a string would be taken for its letters.

    Args:
        parameters: Name of a parameter -> what was given.

    Raises:
        UsageError: One of them is a string or a path.
    """
    for name, value in parameters.items():
        if isinstance(value, str | os.PathLike):
            kind = "string" if isinstance(value, str) else "path"
            raise UsageError(f"{name}={value!r} is a {kind}, not a collection.", hint=f"write {name}=[{value!r}]")


class DefinitionError(VenvstacksError):
    """A definition file that cannot be used, with every problem found in it.

    Args:
        path: The file, as the user named it.
        problems: At least one problem, in the order of the file.
    """

    exit_code = 2

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        self.path = path
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{path} has {count}:{lines}")


class LockError(VenvstacksError):
    """A layer that cannot be locked."""


class ResolutionError(LockError):
    """Requirements for which uv found no solution."""


class CoverageError(LockError):
    """A package without a usable wheel for one of the layer's targets."""


class InvalidLockError(LockError):
    """A lock that is missing, damaged, or does not match the definition."""


class RuntimeProviderError(VenvstacksError):
    """A base Python that cannot be had, or that does not work."""


class BuildError(VenvstacksError):
    """A layer that cannot be built."""


class RequirementsError(BuildError):
    """Built layers whose packages do not find what they require."""


class BinariesError(BuildError):
    """A layer with native files that do not run on its target."""


class FindingsError(BuildError):
    """A layer with which something may be wrong, where such findings are to be errors."""


class WheelError(BuildError):
    """A wheel that would put files where they do not belong, or that is not what it says."""


class BinaryFormatError(BuildError):
    """A native file that is damaged.

    Args:
        path: The file.
        kind: The format that it begins as: ``ELF``, ``Mach-O`` or ``PE``.
        reason: What is wrong with it.
    """

    def __init__(self, path: str, kind: str, reason: str) -> None:
        self.path = path
        self.kind = kind
        self.reason = reason
        super().__init__(f"{path}, {kind} by its first bytes, is damaged: {reason}")


class PublishError(VenvstacksError):
    """An archive, manifest or export that cannot be made."""


class ArchiveError(VenvstacksError):
    """An archive, or something beside it, that is damaged, forged, or made by a newer version."""


class DeltaError(VenvstacksError):
    """A delta that cannot be applied: damaged, forged, made by a newer version, or for another folder."""


class StoreError(VenvstacksError):
    """A store that cannot be read or written."""


class NotInStoreError(StoreError):
    """A file that a store does not have."""


class TooLargeError(StoreError):
    """A file of a store that is larger than it may be."""


class ConflictError(StoreError):
    """A file of a store that another run has changed meanwhile."""


class TrustError(VenvstacksError):
    """Something that a store says and that may not be believed."""


class ReleaseError(VenvstacksError):
    """A release that cannot be made, or whose file is damaged."""


class DeploymentError(VenvstacksError):
    """A deployment that cannot be made, changed or verified."""


class RunError(VenvstacksError):
    """An application that cannot be started."""


class ToolError(VenvstacksError):
    """A helper program that is missing, too old, or failed."""


class FilesystemError(VenvstacksError):
    """The operating system refused to read or write a file."""


class BusyError(VenvstacksError):
    """Another run is using the same build or output folder."""
