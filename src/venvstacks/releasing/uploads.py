"""Uploading blobs: what is missing, and what a run that prunes the store might delete meanwhile."""

from collections.abc import Iterable

from venvstacks import files
from venvstacks.errors import ReleaseError
from venvstacks.releasing.push_plan import Upload
from venvstacks.stores.interface import WritableStore

PRUNED_AFTER = 86_400
"""Seconds after which a blob that no release needs may be deleted."""

_DUE = PRUNED_AFTER // 2


def upload_blob(store: WritableStore, upload: Upload) -> None:
    """Write a blob in the place of what has its name: that is nothing, or has another size.

    Raises:
        ReleaseError: The file is not what was published.
        StoreError: It cannot be written.
    """
    if upload.path.stat().st_size != upload.size or files.file_sha256(upload.path) != upload.blob.sha256:
        raise ReleaseError(
            f"{upload.path} is not the {upload.what} that was published: it was changed meanwhile, or damaged.",
            hint="run `venvstacks publish` again, then push again",
        )
    if not store.create(upload.blob.name, upload.path) and store.size(upload.blob.name) != upload.size:
        store.delete(upload.blob.name)
        store.create(upload.blob.name, upload.path)


def find_endangered(store: WritableStore, uploads: Iterable[Upload], now: float) -> list[Upload]:
    """Find blobs that are in a store for so long that they may be deleted at any moment, as no release needs them.

    Args:
        store: The store.
        uploads: Blobs that no release needs.
        now: The time, seconds since 1970.
    """
    found = []
    for upload in uploads:
        name = upload.blob.name
        if any(each.name == name and now - each.modified > _DUE for each in store.names(name)):
            found.append(upload)
    return found
