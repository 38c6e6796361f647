"""``venvstacks store``: making stores, and what is signed in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli import signing
from venvstacks.cli.common import print_json, print_result, print_tree, shorten, warn
from venvstacks.cli.store_contents import prune, verify
from venvstacks.cli.store_keys import keys
from venvstacks.errors import UsageError
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from venvstacks.releasing.store_status import StoreStatus
    from venvstacks.stores.interface import WritableStore
    from venvstacks.trust.keys import Signers

_DAYS = click.IntRange(min=1)


@contextmanager
def _writable(address: str) -> "Iterator[WritableStore]":
    from venvstacks.stores.addresses import open_writable  # noqa: PLC0415 - help must be quick

    store = open_writable(address)
    try:
        yield store
    finally:
        store.close()


@click.group()
@option.verbosity
def store() -> None:
    """Make stores, and look after what is signed in them.

    A store is a folder, a bucket (s3://, gs://, az://) or an OCI registry (oci://) that target machines fetch
    releases from, also through a web server (https://), which is read-only.

    \b
    Example:
      venvstacks store init s3://example-bucket/app --keys ~/keys/app
    """


for _command in (keys, verify, prune):
    store.add_command(_command)


def _expiry_option(role: str, default: int) -> option.Decorator:
    return click.option(
        f"--{role}-days",
        type=_DAYS,
        metavar="DAYS",
        help=f"How long signatures of {role} metadata last (default: {default}).",
    )


@store.command()
@signing.store
@signing.keys
@click.option(
    "--key",
    "uris",
    multiple=True,
    metavar="URI",
    help="Sign with a key of a key service or hardware, instead of making keys: awskms:, gcpkms:, azurekms:, "
    "hsm:, ... as securesystemslib names them, or file2:PATH. Once for all roles, or four times: for root, "
    "targets, snapshot and timestamp.",
)
@option.flag("--separate-keys", help="Make a key for each role, instead of one for all.")
@_expiry_option("root", 365)
@_expiry_option("targets", 90)
@_expiry_option("snapshot", 7)
@_expiry_option("timestamp", 7)
@option.json
@option.verbosity
def init(
    *,
    address: str,
    keys_folder: Path,
    uris: tuple[str, ...],
    separate_keys: bool,
    root_days: int | None,
    targets_days: int | None,
    snapshot_days: int | None,
    timestamp_days: int | None,
    as_json: bool,
) -> None:
    """Make a signed store.

    Ed25519 keys are made in the keys folder, unless keys are there already. They are encrypted if
    VENVSTACKS_KEY_PASSPHRASE is set, or if a passphrase is typed in. Keep the folder secret, and a copy of it: who
    has the keys can sign releases, and nobody else can.

    ROOT.json in the keys folder is public. It tells machines whose signatures to believe: give it to them, or its
    hash. How long signatures last is remembered in the store.

    \b
    Example:
      venvstacks store init /srv/store --keys ~/keys/app
    """
    from venvstacks.trust.client import root_hash  # noqa: PLC0415 - help must be quick
    from venvstacks.trust.keys import ROOT_FILE  # noqa: PLC0415
    from venvstacks.trust.repository import init_repository  # noqa: PLC0415
    from venvstacks.trust.roles import Expiry  # noqa: PLC0415

    if uris and separate_keys:
        raise UsageError(
            "--separate-keys makes keys, and --key names keys that there are.", hint="give one of both"
        )
    days = {"root": root_days, "targets": targets_days, "snapshot": snapshot_days, "timestamp": timestamp_days}
    given = {role: number for role, number in days.items() if number is not None}
    with _writable(address) as opened:
        signers = _make_signers(keys_folder, uris, separate=separate_keys)
        root = init_repository(opened, signers, expiry=Expiry(**given) if given else None)
    where = signers.folder / ROOT_FILE
    if as_json:
        print_json({"root": str(where), "root_hash": root_hash(root)})
        return
    print_result(f"{opened.address} is a signed store.")
    print_result(f"Its root metadata, which machines need: {shorten(where)}")
    print_result(f"Their hash: {root_hash(root)}")


def _make_signers(folder: Path, uris: tuple[str, ...], *, separate: bool) -> "Signers":
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick
    from venvstacks.trust.keys import DOCUMENT, make_keys, use_keys  # noqa: PLC0415

    folder = expanded(folder).absolute()
    if (folder / DOCUMENT).exists():
        if uris:
            raise UsageError(f"{folder} has keys already.", hint="leave out --key, or name another folder")
        return signing.open_signers(folder)
    if uris:
        return use_keys(folder, uris, signing.ask_passphrase)
    return make_keys(folder, passphrase=signing.new_passphrase(), separate=separate)


@store.command()
@signing.store
@signing.keys
@option.verbosity
def refresh(*, address: str, keys_folder: Path) -> None:
    """Sign the timestamp of a store again: for a daily job.

    Machines refuse a store whose signatures have expired, since an attacker may hold back newer ones. What else
    has lived for half of its time is signed again as well, if its keys are in the keys folder.

    \b
    Example:
      venvstacks store refresh s3://example-bucket/app --keys ~/keys/app
    """
    from venvstacks.trust.repository import refresh_timestamp  # noqa: PLC0415 - help must be quick

    with _writable(address) as opened:
        state = refresh_timestamp(opened, signing.open_signers(keys_folder))
    role, moment = min(state.expires.items(), key=lambda item: item[1])
    print_result(f"{opened.address} can be used until {moment:%Y-%m-%d %H:%M} UTC ({role} metadata).")


@store.command()
@signing.store
@signing.root
@option.json
@option.verbosity
def status(*, address: str, root: Path | None, as_json: bool) -> None:
    """Show what a store offers, and when its signatures expire.

    \b
    Example:
      venvstacks store status https://example.invalid/app --json
    """
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick
    from venvstacks.files import explain_os_errors  # noqa: PLC0415
    from venvstacks.releasing.store_status import read_store_status  # noqa: PLC0415
    from venvstacks.stores.addresses import open_store  # noqa: PLC0415

    with explain_os_errors("read the root metadata"):
        trusted = None if root is None else expanded(root).read_bytes()
    opened = open_store(address)
    try:
        found = read_store_status(opened, trusted)
    finally:
        opened.close()
    if as_json:
        print_json(found.as_json())
    else:
        print_tree(_draw(found, "first" if root is None else "given"))
    for warning in found.warnings:
        warn(warning)


def _draw(found: "StoreStatus", which: str) -> Iterator[str]:
    """Draw channels, then releases, then signatures."""
    yield found.address
    yield "  channels" if found.catalog.channels else "  no channels"
    for channel, version in sorted(found.catalog.channels.items()):
        yield f"    {channel} -> {version}"
    yield f"  releases ({size_text(found.size)})" if found.releases else "  no releases"
    for release in found.releases:
        entry = release.entry
        remark = "" if entry.complete else ", not complete"
        layers = counted(release.layers, "layer")
        yield f"    {entry.version}  {entry.platform}  {layers}, {size_text(release.size)}{remark}"
    yield "  signatures last until"
    for role, moment in found.expires.items():
        yield f"    {moment:%Y-%m-%d %H:%M} UTC  {role}"
    yield f"  root {found.root_version}, {which} root {found.root_hash}"
