"""How work is done."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from venvstacks.errors import require_collection
from venvstacks.events import Observer, silent
from venvstacks.file_names import absolute_path
from venvstacks.work import default_jobs

if TYPE_CHECKING:
    from venvstacks.definition.stack import Stack


@dataclass(frozen=True, slots=True)
class Options:
    """How work is done; what is done is each function's own.

    Attributes:
        build_dir: The build folder; relative to the definition's folder.
        local_wheels: Folders with wheels; relative to the definition's folder.
        no_index: Whether these folders alone are used.
        check_binaries: Whether native files of the layers are checked.
        strict: Whether what may be wrong with a layer is an error; None for what the definition says.
        cache_dir: Folder for caches, relative to the definition's folder: downloaded wheels in ``uv``, compressed
            parts of archives in ``frames``. None for uv's own cache, and the user's cache folder.
        clean: Whether each build rebuilds all its layers, and building and locking forget what was downloaded.
        wait: Whether to wait for another run in the same build or output folder.
        jobs: How many layers are handled at once.
        observe: Called with each event, from any thread.
        environ: The environment variables that are honoured. Passwords of indexes may be among them, so that they
            are not shown.
    """

    build_dir: str | os.PathLike[str] = "_build"
    local_wheels: Collection[str | os.PathLike[str]] = ()
    no_index: bool = False
    check_binaries: bool = True
    strict: bool | None = None
    cache_dir: str | os.PathLike[str] | None = None
    clean: bool = False
    wait: bool = True
    jobs: int = field(default_factory=default_jobs)
    observe: Observer = silent
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def __post_init__(self) -> None:
        require_collection(local_wheels=self.local_wheels)


class PublishSettings(TypedDict, total=False):
    """How to publish; what is not given is as in :class:`PublishOptions`."""

    output: str | os.PathLike[str]
    format: str | None
    level: int | None
    tag_outputs: bool
    force: bool
    compression: str | None
    delta_from: Collection[str | os.PathLike[str]]
    deltas: int


class ExportSettings(TypedDict, total=False):
    """How to export; what is not given is as in :class:`ExportOptions`."""

    output: str | os.PathLike[str]
    force: bool


class DeploySettings(TypedDict, total=False):
    """What to deploy; what is not given is as it is remembered.

    Attributes:
        channel: The channel to follow.
        release: The release to stay at, instead of following a channel.
        applications: Names or patterns of applications; ``*`` for all of the release.
        root: File with the root metadata of a store that is not known yet, or their hash: ``sha256:HEX``.
        keep: How many generations are kept.
        product: Name of the product in a folder of several; ``.`` for the first.
        platform: Target name; this machine's if there is no deployment yet.
    """

    channel: str
    release: str
    applications: Collection[str]
    root: str | os.PathLike[str] | None
    keep: int | None
    product: str | None
    platform: str


def in_definition(stack: "Stack", path: str | os.PathLike[str]) -> Path:
    """Return a folder that is relative to the definition's as an absolute path; ``~`` is expanded."""
    return absolute_path(path, stack.folder)


def cache_folder(stack: "Stack", options: Options) -> Path | None:
    """Return the folder for caches, absolute; None if none is named."""
    return None if options.cache_dir is None else in_definition(stack, options.cache_dir)
