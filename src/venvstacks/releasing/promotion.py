"""Letting channels lead to another release, also to an older one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from venvstacks.releases.release_format import check_version
from venvstacks.stores.interface import WritableStore
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.keys import Signers
from venvstacks.trust.repository import change_catalog


@dataclass(frozen=True, slots=True)
class PromotionPlan:
    """What a promotion will do.

    Attributes:
        store: Address of the store.
        version: Version of the release.
        channels: Name of a channel -> version that it leads to now, or empty.
    """

    store: str
    version: str
    channels: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return any(before != self.version for before in self.channels.values())

    def as_json(self) -> dict[str, Any]:
        """Return the plan as values for JSON."""
        channels = dict(self.channels)
        return {"store": self.store, "release": self.version, "channels": channels, "changes": self.changes}


def plan_promotion(address: str, catalog: Catalog, version: str, channels: Sequence[str]) -> PromotionPlan:
    """Decide what a promotion does.

    Raises:
        UsageError: A channel cannot have such a name.
        ReleaseError: There is no such release, or not all of its platforms were pushed.
    """
    for name in channels:
        check_version(name)
    _lead(catalog, channels, version)
    return PromotionPlan(address, version, {name: catalog.channels.get(name, "") for name in channels})


def run_promotion(plan: PromotionPlan, store: WritableStore, signers: Signers) -> Catalog:
    """Let the channels lead to the release, and return what the store offers then.

    Raises:
        ReleaseError: The release was removed meanwhile.
        StoreError: The store cannot be read or written.
        TrustError: Keys are missing.
    """
    return change_catalog(store, signers, lambda catalog: _lead(catalog, plan.channels, plan.version))


def _lead(catalog: Catalog, channels: Iterable[str], version: str) -> Catalog:
    for channel in channels:
        catalog = catalog.with_channel(channel, version)
    return catalog
