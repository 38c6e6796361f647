"""Publishing releases in stores, and looking after these."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from venvstacks.errors import UsageError, require_collection
from venvstacks.file_names import absolute_path
from venvstacks.files import explain_os_errors
from venvstacks.options import Options
from venvstacks.releases.publication import PublicationStore, find_publication
from venvstacks.releasing.installer import Installer, make_installers
from venvstacks.releasing.installer_files import read_platforms, write_installers
from venvstacks.releasing.promotion import PromotionPlan, run_promotion
from venvstacks.releasing.promotion import plan_promotion as decide_promotion
from venvstacks.releasing.pruning import PrunedStore, PruneRequest, StorePrunePlan, prepare_prune, run_prune
from venvstacks.releasing.push_plan import DELTAS, PushPlan, PushRequest
from venvstacks.releasing.push_prepare import prepare_push
from venvstacks.releasing.push_run import Pushed, run_push
from venvstacks.releasing.verification import StoreReport
from venvstacks.releasing.verification import verify_store as look_at_store
from venvstacks.stores.addresses import open_store, open_writable
from venvstacks.stores.interface import Store, WritableStore
from venvstacks.trust.keys import Signers, load_signers
from venvstacks.trust.repository_state import RepositoryState, read_repository
from venvstacks.work import Work

_OUTPUT = "_artifacts"
_StrPath = str | os.PathLike[str]


def plan_pushing(
    store: _StrPath,
    *,
    keys: _StrPath,
    release: str = "",
    channels: Collection[str] = (),
    output: _StrPath | None = None,
    deltas: int = DELTAS,
    partial: bool = False,
    installer: str = "",
    installer_address: str = "",
    options: Options | None = None,
) -> PushPlan:
    """Return what :func:`push` would do, with the same parameters; nothing is signed."""
    request = _request(release, channels, deltas, partial=partial, installer=installer)
    with _signed(store, keys, None, options) as signed:
        plan = signed.plan(output, request)
        signed.make_installers(plan, request, installer, installer_address or os.fspath(store))
    return plan


def push(
    store: _StrPath,
    *,
    keys: _StrPath,
    passphrase: str | Callable[[], str] | None = None,
    release: str = "",
    channels: Collection[str] = (),
    output: _StrPath | None = None,
    deltas: int = DELTAS,
    partial: bool = False,
    installer: str = "",
    installer_address: str = "",
    options: Options | None = None,
) -> Pushed:
    """Push what was published as a release: upload what the store lacks, make deltas, sign, and switch channels.

    Clients see all of it at once, at the very end. After an interrupted push, the next one only uploads what is
    missing.

    Args:
        store: Address of the store.
        keys: The keys folder; relative to the current folder, as the others.
        passphrase: Of the keys; a function is called if it is needed.
        release: Version of the release, free text without slashes and spaces; if not given, the one that has this
            very content already.
        channels: Names of the channels that shall lead to it.
        output: Output folder of ``publish``; if not given, ``_artifacts``, or nothing if nothing was published
            there and the push only finishes a release whose platforms were pushed with ``partial``.
        deltas: From how many of the last releases deltas lead to the new one.
        partial: Whether more platforms will be pushed, so that clients do not see the release yet.
        installer: Name of an application that deploys: scripts that install it, and let it deploy the release, are
            written into the store.
        installer_address: Where machines find the store, if that is not the address that it is pushed to.
        options: How; of these, only ``jobs``, ``observe`` and ``environ`` count.

    Raises:
        UsageError: It is not clear which release is meant, or nothing is published.
        ReleaseError: The release exists with other content, or what is published is incomplete.
        StoreError: The store cannot be read or written.
        TrustError: The store is not signed as it should be, or keys are missing.
    """
    request = _request(release, channels, deltas, partial=partial, installer=installer)
    with _signed(store, keys, passphrase, options) as signed:
        plan = signed.plan(output, request)
        # before anything is uploaded, since there may be no such application
        scripts = signed.make_installers(plan, request, installer, installer_address or os.fspath(store))
        pushed = run_push(plan, signed.store, signed.signers, signed.work)
        write_installers(scripts, signed.store)
    return pushed


def plan_promotion(
    store: _StrPath,
    *,
    keys: _StrPath,
    release: str,
    channels: Collection[str],
    options: Options | None = None,
) -> PromotionPlan:
    """Return what :func:`promote` would do, with the same parameters."""
    require_collection(channels=channels)
    with _signed(store, keys, None, options) as signed:
        return decide_promotion(signed.store.address, signed.state.catalog, release, tuple(channels))


def promote(
    store: _StrPath,
    *,
    keys: _StrPath,
    passphrase: str | Callable[[], str] | None = None,
    release: str,
    channels: Collection[str],
    options: Options | None = None,
) -> PromotionPlan:
    """Let channels lead to another release, also to an older one.

    Args:
        store: Address of the store.
        keys: The keys folder; relative to the current folder.
        passphrase: Of the keys; a function is called if it is needed.
        release: Version of the release.
        channels: Names of the channels.
        options: How; of these, only ``environ`` counts.

    Returns:
        What was done.

    Raises:
        ReleaseError: There is no such release, or not all of its platforms were pushed.
        StoreError: The store cannot be read or written.
        TrustError: The store is not signed as it should be, or keys are missing.
    """
    require_collection(channels=channels)
    with _signed(store, keys, passphrase, options) as signed:
        plan = decide_promotion(signed.store.address, signed.state.catalog, release, tuple(channels))
        run_promotion(plan, signed.store, signed.signers)
    return plan


def verify_store(store: _StrPath, *, root: _StrPath | None = None, options: Options | None = None) -> StoreReport:
    """Read everything that a store has, and compare it with what was signed.

    Args:
        store: Address of the store.
        root: Root metadata by which signatures are verified; if not given, the store's own first ones.
        options: How; of these, only ``jobs``, ``observe`` and ``environ`` count.

    Raises:
        StoreError: The store cannot be read.
        TrustError: Its metadata are not signed as they should be.
    """
    how = options or Options()
    with explain_os_errors("read the root metadata"):
        trusted = None if root is None else absolute_path(root, Path.cwd()).read_bytes()
    opened = _open(os.fspath(store), how)
    try:
        return look_at_store(opened, read_repository(opened, trusted), _work(how))
    finally:
        opened.close()


def plan_store_pruning(
    store: _StrPath, *, keys: _StrPath, keep: int, older_than: float = 0, options: Options | None = None
) -> StorePrunePlan:
    """Return what :func:`prune_store` would do, with the same parameters."""
    with _signed(store, keys, None, options) as signed:
        return prepare_prune(signed.store, signed.state, PruneRequest(keep, older_than))


def prune_store(
    store: _StrPath,
    *,
    keys: _StrPath,
    passphrase: str | Callable[[], str] | None = None,
    keep: int,
    older_than: float = 0,
    options: Options | None = None,
) -> PrunedStore:
    """Remove releases to which no channel leads, and then files that no release needs, and that are a day old.

    Args:
        store: Address of the store.
        keys: The keys folder; relative to the current folder.
        passphrase: Of the keys; a function is called if it is needed.
        keep: How many of the last releases stay, beside those to which channels lead.
        older_than: How many days ago a release must have been pushed to be removed.
        options: How; of these, only ``jobs`` and ``environ`` count.

    Raises:
        ReleaseError: A release file is damaged, so that nobody knows what it needs.
        StoreError: The store cannot be read or written.
        TrustError: The store is not signed as it should be, or keys are missing.
    """
    with _signed(store, keys, passphrase, options) as signed:
        plan = prepare_prune(signed.store, signed.state, PruneRequest(keep, older_than))
        return run_prune(plan, signed.store, signed.signers, signed.work)


class _Signed:
    """A store that can be written to, and keys to it."""

    def __init__(self, store: WritableStore, signers: Signers, work: Work) -> None:
        self.store = store
        self.signers = signers
        self.work = work
        self.state: RepositoryState = read_repository(store, signers.root)

    def plan(self, output: _StrPath | None, request: PushRequest) -> PushPlan:
        return prepare_push(self.store, self.state.catalog, _find_output(output, request), request, self.work)

    def make_installers(
        self, plan: PushPlan, request: PushRequest, application: str, address: str
    ) -> tuple[Installer, ...]:
        if not application:
            return ()
        releases = read_platforms(plan, self.store)
        channel = next(iter(request.channels), "")
        return make_installers(application, releases, self.state.root_data, address=address, channel=channel)


@contextmanager
def _signed(
    store: _StrPath, keys: _StrPath, passphrase: str | Callable[[], str] | None, options: Options | None
) -> Iterator[_Signed]:
    how = options or Options()
    signers = load_signers(absolute_path(keys, Path.cwd()), passphrase)
    opened = open_writable(os.fspath(store), environ=how.environ)
    try:
        yield _Signed(opened, signers, _work(how))
    finally:
        opened.close()


def _request(
    release: str, channels: Collection[str], deltas: int, *, partial: bool, installer: str
) -> PushRequest:
    require_collection(channels=channels)
    if installer and partial:
        raise UsageError(
            "A partial release has no installer: it may get more platforms.",
            hint="ask for one when its last platform is pushed, without --partial",
        )
    return PushRequest(release, tuple(dict.fromkeys(channels)), deltas, partial)


def _find_output(output: _StrPath | None, request: PushRequest) -> PublicationStore | None:
    folder = absolute_path(output or _OUTPUT, Path.cwd())
    if output is None and request.release and not request.partial:
        return find_publication(str(folder))  # nothing, to finish a release
    return PublicationStore(folder)


def _open(address: str, options: Options) -> Store:
    """Open a store so that its files can be listed, if that is possible."""
    if address.startswith(("http://", "https://")):
        return open_store(address, environ=options.environ)
    return open_writable(address, environ=options.environ)


def _work(options: Options) -> Work:
    return Work(options.observe, options.jobs)
