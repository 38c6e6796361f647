"""Finding the release that a deployment is to have: in a signed store, or in an output folder of ``publish``."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvstacks.deploying.deployment_format import Deployment
from venvstacks.deploying.settings import choose_channel
from venvstacks.errors import ReleaseError, TrustError, UsageError
from venvstacks.humanize import listed
from venvstacks.releases.publication import PublicationStore, find_publication
from venvstacks.releases.release_format import Release, decode_release
from venvstacks.stores.addresses import open_store
from venvstacks.stores.interface import Store


@dataclass(frozen=True, slots=True)
class FoundRelease:
    """A release, and where it comes from.

    Attributes:
        deployment: What the deployment is to be, with the channel that is followed, and whether it is signed.
        release: The release.
        store: The store, for what its layers consist of.
    """

    deployment: Deployment
    release: Release
    store: Store


@contextmanager
def open_source(address: str, environ: Mapping[str, str]) -> Iterator[Store]:
    """Open a store, or an output folder of ``publish``, and close it after the block."""
    store: Store = find_publication(address) or open_store(address, environ=environ)
    try:
        yield store
    finally:
        store.close()


def find_release(
    store: Store, deployment: Deployment, trust: Path, root: bytes | str | None, *, was_signed: bool
) -> FoundRelease:
    """Find the release that a deployment names, or that its channel leads to.

    Args:
        store: Where to look.
        deployment: What the deployment is to be.
        trust: Where what was verified is kept.
        root: Root metadata of a store that is not known yet, or their hash.
        was_signed: Whether what was deployed from this address before was signed.

    Raises:
        TrustError: Something is not signed as it should be.
        ReleaseError: There is no such release or channel, or none for this platform.
        StoreError: The store cannot be read.
    """
    if isinstance(store, PublicationStore):
        if was_signed or root is not None:
            raise TrustError(
                f"{deployment.store} is refused: it is an output folder of publish, which has no signatures.",
                hint="name the store, or leave out --root" if root else "name the store that it was deployed from",
            )
        return _find_published(store, deployment)
    from venvstacks.trust.client import fetch_root, read_trusted  # noqa: PLC0415 - a publication needs no TUF

    known = fetch_root(store, root) if isinstance(root, str) else root
    trusted = read_trusted(store, trust, known)
    channel = deployment.channel
    if not channel and not deployment.release:
        channel = choose_channel(deployment, trusted.catalog.channels)
    entry = trusted.catalog.find(deployment.platform, channel=channel, version=deployment.release)
    release = decode_release(trusted.read_release_file(entry), entry.version, entry.platform)
    return FoundRelease(msgspec.structs.replace(deployment, channel=channel, signed=True), release, store)


def _find_published(store: PublicationStore, deployment: Deployment) -> FoundRelease:
    if deployment.channel:
        raise UsageError(
            f"{deployment.store} is an output folder of publish, which has no channels.",
            hint="leave out --channel, or name a store that was pushed to",
        )
    platforms = [release.platform for release in store.releases]
    found = next((each for each in store.releases if each.platform == deployment.platform), None)
    if found is None:
        there = listed(platforms)
        raise ReleaseError(
            f"What is published in {deployment.store} is not for {deployment.platform}, only for {there}.",
            hint="publish for this platform as well: venvstacks publish --platform ...",
        )
    if deployment.release not in ("", found.version):
        raise ReleaseError(
            f"{deployment.store} is an output folder of publish: it has release {found.version} alone.",
            hint="leave out --release, or name a store that was pushed to",
        )
    return FoundRelease(msgspec.structs.replace(deployment, signed=False, release=""), found, store)


@contextmanager
def trust_folder(trust: Path, *, keep: bool) -> Iterator[Path]:
    """Yield the folder of what was verified; a copy of it if nothing is to be changed there."""
    if keep:
        yield trust
        return
    with tempfile.TemporaryDirectory(prefix="venvstacks-") as temporary:
        copy = Path(temporary, "trust")
        if trust.is_dir():
            shutil.copytree(trust, copy)
        yield copy
