"""The catalog in TUF's targets metadata: a target for each release file, with a ``custom`` field of ours.

Reading needs nothing of TUF's library, as machines that find nothing new do it at every poll.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import TrustError
from venvstacks.file_names import is_file_name
from venvstacks.trust.catalog import Catalog, CatalogEntry, make_catalog

FORMAT = 1
"""Version of the ``custom`` field; readers refuse newer ones."""

_FOLDER = "releases/"


class Custom(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ``custom`` field of a release file among TUF's targets.

    Attributes:
        format: Version of this form.
        version: Name of the release.
        platform: Target name.
        channels: Names of the channels that lead to the release, sorted.
        complete: Whether the release has all its platforms; clients do not see the others.
        pushed: When it was pushed, seconds since 1970.
    """

    format: int
    version: Annotated[str, Meta(min_length=1)]
    platform: Annotated[str, Meta(min_length=1)]
    channels: tuple[str, ...] = ()
    complete: bool = True
    pushed: Annotated[int, Meta(ge=0)] = 0


class _Hashes(msgspec.Struct):
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _Target(msgspec.Struct):
    length: Annotated[int, Meta(ge=0)]
    hashes: _Hashes
    custom: Custom


class _Numbered(msgspec.Struct):
    format: int = 0


class _AnyTarget(msgspec.Struct):
    custom: _Numbered = msgspec.field(default_factory=_Numbered)


class _Signed(msgspec.Struct):
    targets: dict[str, msgspec.Raw]


class _Targets(msgspec.Struct):
    signed: _Signed


def read_catalog(data: bytes) -> Catalog:
    """Read targets metadata whose signatures have been verified.

    Raises:
        TrustError: What they say of a release is damaged, or of a newer version.
    """
    try:
        targets = parse_json(data, _Targets).signed.targets
        return make_catalog(_entry(path, raw) for path, raw in targets.items() if path.startswith(_FOLDER))
    except DocumentError as error:
        raise TrustError(f"The store's list of releases is damaged: {error}.") from error


def _entry(path: str, raw: msgspec.Raw) -> CatalogEntry:
    newest = parse_json(bytes(raw), _AnyTarget).custom.format
    if newest > FORMAT:
        raise TrustError(
            f"The store's list of releases has format {newest}, and this venvstacks knows formats up to {FORMAT}.",
            hint="use the version of venvstacks that pushed the release, or a newer one",
        )
    target = parse_json(bytes(raw), _Target)
    custom = target.custom
    entry = CatalogEntry(
        custom.version,
        custom.platform,
        target.hashes.sha256,
        target.length,
        custom.channels,
        custom.complete,
        custom.pushed,
    )
    if entry.path != path or not is_file_name(path.removeprefix(_FOLDER)):
        raise DocumentError(f"{path!r} is no name for release {custom.version!r} on {custom.platform!r}")
    return entry


def target_fields(entry: CatalogEntry) -> Mapping[str, Any]:
    """Return what targets metadata say of an entry."""
    custom = Custom(FORMAT, entry.version, entry.platform, entry.channels, entry.complete, entry.pushed)
    return {
        "length": entry.size,
        "hashes": {"sha256": entry.sha256},
        "custom": msgspec.to_builtins(custom),
    }


def is_release(path: str) -> bool:
    """Return whether a target is the file of a release."""
    return path.startswith(_FOLDER)
