"""Pushing publications to a signed store."""

from pathlib import Path

from venvstacks.releases.publication import PublicationStore
from venvstacks.releasing.push_plan import PushPlan, PushRequest
from venvstacks.releasing.push_prepare import prepare_push
from venvstacks.releasing.push_run import Pushed, run_push
from venvstacks.stores.interface import WritableStore
from venvstacks.trust.keys import make_keys
from venvstacks.trust.repository import init_repository
from venvstacks.trust.repository_state import read_repository
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
        catalog = read_repository(self.store, self.root).catalog
        return prepare_push(self.store, catalog, publication, request, work or Work(jobs=2))

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
