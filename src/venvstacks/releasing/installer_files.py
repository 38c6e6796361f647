"""Scripts that install a release, as files of a store."""

from collections.abc import Sequence

from venvstacks.errors import ConflictError, NotInStoreError
from venvstacks.releases.release_files import read_release
from venvstacks.releases.release_format import Release
from venvstacks.releasing.installer import Installer
from venvstacks.releasing.push_plan import PushPlan
from venvstacks.stores.interface import Store, WritableStore

_LARGEST = 16 << 20
_ATTEMPTS = 10


def read_platforms(plan: PushPlan, store: Store) -> tuple[Release, ...]:
    """Return what a release is on all its platforms, also on those that were pushed before."""
    pushed = (platform.release for platform in plan.platforms)
    others = (entry for entry in plan.catalog.of(plan.version) if entry.platform in plan.others)
    return (*pushed, *(read_release(store, entry) for entry in others))


def write_installers(installers: Sequence[Installer], store: WritableStore) -> None:
    """Write scripts in the place of those of earlier releases."""
    for installer in installers:
        for attempt in range(_ATTEMPTS):
            try:
                stored = store.read(installer.name, _LARGEST)
            except NotInStoreError:
                stored = None
            if stored is not None and stored.data == installer.content:
                break
            try:
                store.replace(installer.name, installer.content, None if stored is None else stored.tag)
            except ConflictError:  # another run pushes: the last one wins
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
