"""Pushing publications to a signed store."""

from pathlib import Path

from fakes.publications import PLATFORM
from venvstacks import files
from venvstacks.releases.publication import PublicationStore
from venvstacks.releases.release_files import blobs_of, read_release
from venvstacks.releases.release_format import Release
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
