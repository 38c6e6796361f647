"""``venvstacks store keys``: who may sign what in a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli import signing
from venvstacks.cli.common import print_json, print_result, print_tree, shorten, warn
from venvstacks.errors import UsageError
from venvstacks.humanize import counted

if TYPE_CHECKING:
    from securesystemslib.signer import Key

    from venvstacks.stores.interface import WritableStore
    from venvstacks.trust.key_report import KeyReport
    from venvstacks.trust.keys import Signers
    from venvstacks.trust.root_edits import Edit
    from venvstacks.trust.root_signing import RootChange

_ROLES = ("root", "targets", "snapshot", "timestamp")

_roles = click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(_ROLES),
    help="Role that the key signs for; may be repeated.",
)
_new_key = option.group(
    click.option(
        "--key", "uri", metavar="URI", help="A key of a key service or hardware, as for `store init --key`."
    ),
    click.option(
        "--public",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The public key of somebody else, as `store keys make` writes it.",
    ),
)


@contextmanager
def _opened(address: str, folder: Path) -> "Iterator[tuple[WritableStore, Signers]]":
    from venvstacks.stores.addresses import open_writable  # noqa: PLC0415 - help must be quick

    store = open_writable(address)
    try:
        yield store, signing.open_signers(folder)
    finally:
        store.close()


@click.group()
@option.verbosity
def keys() -> None:
    """Show and change the keys of a store.

    Each change is a new root, which the old root keys and the new ones have to sign. It is published at once if
    they are all in the keys folder. Otherwise it waits in the store until the other holders of keys sign it.

    \b
    Example:
      venvstacks store keys show /srv/store --keys ~/keys/app
    """


@keys.command()
@signing.store
@signing.keys
@option.json
@option.verbosity
def show(*, address: str, keys_folder: Path, as_json: bool) -> None:
    """Show who may sign what, and which of the keys are here.

    \b
    Example:
      venvstacks store keys show /srv/store --keys ~/keys/app --json
    """
    from venvstacks.trust.key_report import report_keys  # noqa: PLC0415 - help must be quick

    with _opened(address, keys_folder) as (store, signers):
        found = report_keys(store, signers)
    if as_json:
        print_json(found.as_json())
    else:
        print_tree(_draw(found))


def _draw(found: "KeyReport") -> Iterator[str]:
    yield f"root {found.version}"
    for role in found.roles:
        yield f"  {role.role}: {role.threshold} of {counted(len(role.keys), 'key')}"
        for key in role.keys:
            yield f"    {key.keyid[:8]}  {key.kind}  {key.where or 'not here'}"
    if found.waiting is not None:
        yield f"root {found.waiting.version} waits for signatures"
        yield from (f"  {change}" for change in found.waiting.changes)
        yield from (f"  needed: {missing}" for missing in found.waiting.missing)


@keys.command()
@signing.keys
@option.verbosity
def make(*, keys_folder: Path) -> None:
    """Make one more key, for a holder of keys of their own.

    The public part, in a file that ends with .public.json, goes to whoever adds it to the store with
    `store keys add --public`. Nothing is signed with the key before that.

    \b
    Example:
      venvstacks store keys make --keys ~/keys/mine
    """
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick
    from venvstacks.trust.keys import add_key, begin_folder, write_public  # noqa: PLC0415

    folder = begin_folder(expanded(keys_folder).absolute())
    signers, keyid = add_key(folder, passphrase=signing.new_passphrase())
    print_result(f"{keyid[:8]}  {shorten(write_public(signers, keyid))}")


def _key_for(signers: "Signers", uri: str | None, public: Path | None) -> "tuple[Signers, Key]":
    """Return the key that is meant: in a service, of somebody else, or a new one."""
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick
    from venvstacks.trust.keys import add_elsewhere, add_key, add_public  # noqa: PLC0415

    if uri and public:
        raise UsageError("--key and --public name two keys.", hint="give one of both")
    if uri:
        signers, keyid = add_elsewhere(signers, uri)
    elif public:
        signers, keyid = add_public(signers, expanded(public))
    else:
        signers, keyid = add_key(signers, passphrase=signing.new_passphrase())
    return signers, signers.key(keyid)


def _change(store: "WritableStore", signers: "Signers", edit: "Edit") -> None:
    from venvstacks.trust.root_signing import change_root  # noqa: PLC0415 - help must be quick

    _print_change(change_root(store, signers, edit))


def _print_change(change: "RootChange") -> None:
    for role in change.changes:
        print_result(str(role))
    if change.published:
        print_result(f"root {change.version} is published")
    else:
        print_result(f"root {change.version} waits in the store")
        for missing in change.missing:
            warn(f"It needs {missing}.")


@keys.command()
@signing.store
@signing.keys
@_roles
@_new_key
@option.verbosity
def add(*, address: str, keys_folder: Path, roles: tuple[str, ...], uri: str | None, public: Path | None) -> None:
    """Let one more key sign for roles; without --key and --public, a new one is made.

    \b
    Example:
      venvstacks store keys add /srv/store --keys ~/keys/app --role root --public hers.public.json
    """
    from venvstacks.trust.root_edits import adding  # noqa: PLC0415 - help must be quick

    if not roles:
        raise UsageError("A key needs at least one role.", hint=f"give --role with one of {', '.join(_ROLES)}")
    with _opened(address, keys_folder) as (store, signers):
        changed, key = _key_for(signers, uri, public)
        _change(store, changed, adding(key, roles))


@keys.command()
@signing.store
@click.argument("old", metavar="KEY")
@signing.keys
@_roles
@_new_key
@option.verbosity
def replace(
    *, address: str, old: str, keys_folder: Path, roles: tuple[str, ...], uri: str | None, public: Path | None
) -> None:
    """Let another key sign instead of KEY, by default for all of its roles.

    KEY is the first digits of its ID. Without --key and --public, a new key is made. What the old key has signed
    is signed again.

    \b
    Example:
      venvstacks store keys replace /srv/store 0123abcd --keys ~/keys/app
    """
    from venvstacks.trust.root_edits import replacing  # noqa: PLC0415 - help must be quick

    with _opened(address, keys_folder) as (store, signers):
        changed, key = _key_for(signers, uri, public)
        _change(store, changed, replacing(old, key, roles))


@keys.command()
@signing.store
@click.argument("old", metavar="KEY")
@signing.keys
@_roles
@option.verbosity
def revoke(*, address: str, old: str, keys_folder: Path, roles: tuple[str, ...]) -> None:
    """Let KEY no longer sign for its roles, or for some of them.

    KEY is the first digits of its ID.

    \b
    Example:
      venvstacks store keys revoke /srv/store 0123abcd --keys ~/keys/app
    """
    from venvstacks.trust.root_edits import revoking  # noqa: PLC0415 - help must be quick

    with _opened(address, keys_folder) as (store, signers):
        _change(store, signers, revoking(old, roles))


@keys.command()
@signing.store
@click.argument("number", metavar="N", type=click.IntRange(min=1))
@signing.keys
@_roles
@option.verbosity
def threshold(*, address: str, number: int, keys_folder: Path, roles: tuple[str, ...]) -> None:
    """Change how many keys have to sign for roles.

    \b
    Example:
      venvstacks store keys threshold /srv/store 2 --keys ~/keys/app --role root
    """
    from venvstacks.trust.root_edits import requiring  # noqa: PLC0415 - help must be quick

    if not roles:
        raise UsageError(
            "A threshold needs at least one role.", hint=f"give --role with one of {', '.join(_ROLES)}"
        )
    with _opened(address, keys_folder) as (store, signers):
        _change(store, signers, requiring(dict.fromkeys(roles, number)))


@keys.command()
@click.argument("address", metavar="[STORE]", required=False)
@signing.keys
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Without STORE: sign this copy of metadata/next-root.json. With STORE: take its signatures over.",
)
@option.verbosity
def sign(*, address: str | None, keys_folder: Path, path: Path | None) -> None:
    """Sign the root that waits in a store, and publish it when nothing is missing.

    A machine without network signs a copy of the store's metadata/next-root.json with --file and no STORE; whoever
    has access to the store then gives it to this command with --file and STORE.

    \b
    Example:
      venvstacks store keys sign /srv/store --keys ~/keys/mine
    """
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick
    from venvstacks.files import explain_os_errors, write_bytes  # noqa: PLC0415
    from venvstacks.trust.root_signing import sign_next_root, sign_root_file  # noqa: PLC0415

    if address is None and path is None:
        raise UsageError("There is nothing to sign.", hint="give a store, or --file with a copy of its next root")
    with explain_os_errors("read the next root"):
        signed = None if path is None else expanded(path).read_bytes()
    if address is not None:
        with _opened(address, keys_folder) as (store, signers):
            _print_change(sign_next_root(store, signers, signed=signed))
        return
    data, changes = sign_root_file(signed or b"", signing.open_signers(keys_folder))
    with explain_os_errors("write the next root"):
        write_bytes(expanded(path or Path()), data)
    for change in changes:
        print_result(str(change))
    print_result(f"signed: {path}")


@keys.command()
@signing.store
@signing.keys
@option.verbosity
def drop(*, address: str, keys_folder: Path) -> None:
    """Drop the root that waits in a store for signatures.

    \b
    Example:
      venvstacks store keys drop /srv/store --keys ~/keys/app
    """
    from venvstacks.trust.root_signing import drop_next_root  # noqa: PLC0415 - help must be quick

    with _opened(address, keys_folder) as (store, _):
        print_result("dropped" if drop_next_root(store) else "no root waits")
