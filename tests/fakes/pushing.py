"""Pushing publications to a signed store."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fakes.publications import PLATFORM
from venvstacks import files
from venvstacks.releases.publication import PublicationStore
from venvstacks.releases.release_files import blobs_of, read_release
from venvstacks.releases.release_format import Release
from venvstacks.releasing.promotion import plan_promotion, run_promotion
from venvstacks.releasing.pruning import PrunedStore, PruneRequest, prepare_prune, run_prune
from venvstacks.releasing.push_plan import PushPlan, PushRequest
from venvstacks.releasing.push_prepare import prepare_push
from venvstacks.releasing.push_run import Pushed, run_push
from venvstacks.stores.interface import WritableStore
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.keys import make_keys
from venvstacks.trust.repository import init_repository
from venvstacks.trust.repository_state import RepositoryState, read_repository
from venvstacks.work import Work


class Publisher:
    """Somebody with keys to a store.

    Attributes:
        store: The store.
        signers: The keys.
        root: The first root metadata.
    """

    def __init__(self, store: WritableStore, keys: Path) -> None:
        self.store = store
        self.signers = make_keys(keys)
        self.root = init_repository(store, self.signers)

    def plan(self, output: Path | None, request: PushRequest, work: Work | None = None) -> PushPlan:
        publication = None if output is None else PublicationStore(output)
        return prepare_push(self.store, self.catalog(), publication, request, work or Work(jobs=2))

    def push(
        self,
        output: Path | None,
        release: str = "",
        channels: tuple[str, ...] = (),
        *,
        partial: bool = False,
        deltas: int = 3,
        work: Work | None = None,
    ) -> Pushed:
        plan = self.plan(output, PushRequest(release, channels, deltas, partial), work)
        return run_push(plan, self.store, self.signers, work or Work(jobs=2))

    def catalog(self) -> Catalog:
        """Return what the store offers, to whom expired signatures do not matter."""
        return self.state().catalog

    def state(self) -> RepositoryState:
        return read_repository(self.store, self.root)

    def release(self, version: str, platform: str = PLATFORM) -> Release:
        return read_release(self.store, self.catalog().find(platform, version=version))

    def assert_whole(self) -> None:
        """Check that all blobs of all releases are there, and what their names say."""
        for entry in self.catalog().entries:
            for blob in blobs_of(read_release(self.store, entry)):
                content = b"".join(self.store.stream(blob.name))
                assert (len(content), files.sha256(content)) == (blob.size, blob.sha256)

    def promote(self, version: str, *channels: str) -> bool:
        plan = plan_promotion(self.store.address, self.catalog(), version, channels)
        run_promotion(plan, self.store, self.signers)
        return plan.changes

    def prune(self, keep: int, days: float = 0, *, later: float = 0, work: Work | None = None) -> PrunedStore:
        """Prune as if it were some days later."""
        now = time.time() + later * 86_400
        plan = prepare_prune(self.store, self.state(), PruneRequest(keep, days), now=now)
        return run_prune(plan, self.store, self.signers, work or Work(jobs=2), now=now)


STEPS: Mapping[str, Callable[[Publisher, Path, Work], object]] = {
    "push": lambda publisher, output, work: publisher.push(output, "3.0", ("stable",), work=work),
    "promote": lambda publisher, _, __: publisher.promote("2.0", "stable", "beta"),
    "prune": lambda publisher, _, work: publisher.prune(1, later=2, work=work),
}
"""What may be killed at any moment, in a store with releases 1.0 (stable) and 2.0."""
