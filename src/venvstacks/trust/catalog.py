"""The catalog of a store: which releases there are, for which platforms, and which channels lead to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from venvstacks.errors import ReleaseError
from venvstacks.stores.interface import TARGETS


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A release on one platform, as signed metadata lists it.

    Attributes:
        version: Name of the release.
        platform: Target name.
        sha256: Hash of the release file, 64 hexadecimal digits.
        size: Bytes of the release file.
        channels: Names of the channels that lead to the release, sorted.
        complete: Whether the release has all its platforms; clients do not see the others.
        pushed: When it was pushed, seconds since 1970.
    """

    version: str
    platform: str
    sha256: str
    size: int
    channels: tuple[str, ...] = ()
    complete: bool = True
    pushed: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What there is only one of: a version for a platform."""
        return self.version, self.platform

    @property
    def path(self) -> str:
        """Name of the release file among TUF's targets."""
        return f"releases/{self.version}-{self.platform}.json"

    @property
    def name(self) -> str:
        """Name of the release file in the store."""
        return f"{TARGETS}/releases/{self.sha256}.{self.version}-{self.platform}.json"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a store offers.

    Attributes:
        entries: Sorted by the time of the push, then by version and platform; one for each of these pairs.
    """

    entries: tuple[CatalogEntry, ...] = ()

    @property
    def channels(self) -> Mapping[str, str]:
        """Name of a channel -> version of the release that it leads to."""
        return {channel: entry.version for entry in self.entries for channel in entry.channels}

    @property
    def versions(self) -> tuple[str, ...]:
        """The releases that clients see, in the order in which they were pushed first."""
        return tuple(dict.fromkeys(entry.version for entry in self.entries if entry.complete))

    def of(self, version: str) -> tuple[CatalogEntry, ...]:
        """Return the entries of a release, complete or not; none if there is no such release."""
        return tuple(entry for entry in self.entries if entry.version == version)

    def find(self, platform: str, *, channel: str = "", version: str = "") -> CatalogEntry:
        """Return a release for a platform: one that is named, or the one that a channel leads to.

        Raises:
            ReleaseError: The store has no such channel or release, or not for this platform.
        """
        if channel and not version:
            version = self._version_of(channel)
        found = [entry for entry in self.of(version) if entry.complete]
        if not found:
            raise ReleaseError(f"The store has no release {version}.", hint=self._releases_hint())
        for entry in found:
            if entry.platform == platform:
                return entry
        what = f"Release {version}" + (f", to which channel {channel} leads," if channel else "")
        there = ", ".join(sorted(entry.platform for entry in found))
        others = ", ".join(self._versions_for(platform))
        raise ReleaseError(
            f"{what} is not for {platform}, only for {there}.",
            hint=f"releases for {platform}: {others}" if others else f"no release is for {platform}",
        )

    def _version_of(self, channel: str) -> str:
        try:
            return self.channels[channel]
        except KeyError:
            names = ", ".join(sorted(self.channels))
            raise ReleaseError(
                f"The store has no channel {channel}.",
                hint=f"its channels: {names}" if names else self._releases_hint(),
            ) from None

    def _releases_hint(self) -> str:
        newest = self.versions[:-11:-1]
        return f"its newest releases: {', '.join(newest)}" if newest else "nothing has been pushed to it yet"

    def _versions_for(self, platform: str) -> tuple[str, ...]:
        found = (entry.version for entry in self.entries if entry.complete and entry.platform == platform)
        return tuple(found)[:-11:-1]

    def with_entries(self, entries: Iterable[CatalogEntry]) -> "Catalog":
        """Return a catalog with more entries, each in the place of the one with the same version and platform."""
        merged = {entry.key: entry for entry in (*self.entries, *entries)}
        return make_catalog(merged.values())

    def with_channel(self, channel: str, version: str) -> "Catalog":
        """Return a catalog in which a channel leads to a release.

        Raises:
            ReleaseError: There is no such release, or it is not complete.
        """
        found = self.of(version)
        if not found:
            raise ReleaseError(f"The store has no release {version}.", hint=self._releases_hint())
        if not all(entry.complete for entry in found):
            raise ReleaseError(
                f"Channel {channel} cannot lead to release {version}, which is not complete.",
                hint="push its last platform without --partial",
            )
        return self.without_channel(channel).with_entries(
            replace(entry, channels=tuple(sorted({*entry.channels, channel}))) for entry in found
        )

    def without_channel(self, channel: str) -> "Catalog":
        """Return a catalog without a channel; its releases stay."""
        return Catalog(
            tuple(
                replace(entry, channels=tuple(name for name in entry.channels if name != channel))
                for entry in self.entries
            )
        )

    def completed(self, version: str) -> "Catalog":
        """Return a catalog in which clients see a release."""
        return self.with_entries(replace(entry, complete=True) for entry in self.of(version))

    def without(self, version: str) -> "Catalog":
        """Return a catalog without a release.

        Raises:
            ReleaseError: A channel leads to it.
        """
        if leading := sorted(name for name, found in self.channels.items() if found == version):
            raise ReleaseError(
                f"Release {version} cannot be removed: channel {leading[0]} leads to it.",
                hint=f"promote another release to {leading[0]} first",
            )
        return Catalog(tuple(entry for entry in self.entries if entry.version != version))


def make_catalog(entries: Iterable[CatalogEntry]) -> Catalog:
    """Return the catalog of entries in any order."""
    return Catalog(tuple(sorted(entries, key=lambda entry: (entry.pushed, entry.version, entry.platform))))
