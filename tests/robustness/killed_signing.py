"""Changes what is signed in a store, in a folder, and kills itself at a given moment.

Arguments: ``init``, ``push``, ``refresh``, ``keys`` or ``lost-key``, the folder with store and keys, and the
number of the moment (0: none). Moments are: before and after each writing of the store, and before and after each
file gets its name.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fakes.counted_kills import kill_at, moments, watch
from fakes.signed_stores import make_entry, release_file
from venvstacks.stores.folder import FolderStore
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.keys import add_key, load_signers, make_keys
from venvstacks.trust.repository import change_catalog, init_repository, read_for_signing, refresh_timestamp
from venvstacks.trust.root_edits import replacing
from venvstacks.trust.root_signing import change_root


def push(store: FolderStore, folder: Path, version: str) -> None:
    """Push a release, and let a channel lead to it."""
    entry = make_entry(version)

    def change(catalog: Catalog) -> Catalog:
        return catalog.with_entries([entry]).with_channel("stable", version)

    change_catalog(store, load_signers(folder / "keys"), change, files={entry.name: release_file(version)})


def replace_key(store: FolderStore, folder: Path) -> None:
    """Replace the first key of the timestamp by a new one, unless that is done."""
    signers = load_signers(folder / "keys")
    first = next(record for record in signers.records if record.roles == ("timestamp",))
    state, _ = read_for_signing(store, signers)
    if first.keyid in state.root.signed.roles["timestamp"].keyids:
        signers, keyid = add_key(signers, passphrase=None)
        change_root(store, signers, replacing(first.keyid, signers.key(keyid)))
    refresh_timestamp(store, signers)


def run(step: str, folder: Path) -> None:
    """Do a step, or finish what an earlier run began."""
    store = FolderStore(folder / "store")
    match step:
        case "init":
            init_repository(store, make_keys(folder / "keys", separate=True))
        case "push":
            push(store, folder, "2")
        case "refresh":
            later = datetime.now(UTC) + timedelta(days=300)
            refresh_timestamp(store, load_signers(folder / "keys"), now=later)
        case _:
            replace_key(store, folder)


def main() -> None:
    """Run, and print the number of moments that there were."""
    step, folder, at = sys.argv[1:]
    watch(FolderStore, "create", "replace", "delete")
    watch(Path, "replace", "unlink")
    watch(os, "link")
    kill_at(int(at))
    run(step, Path(folder))
    print(moments())


if __name__ == "__main__":
    main()
