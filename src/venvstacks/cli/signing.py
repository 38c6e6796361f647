"""The options of commands that sign: the keys folder, and its passphrase."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option

if TYPE_CHECKING:
    from venvstacks.trust.keys import Signers

PASSPHRASE = "VENVSTACKS_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable

keys = click.option(
    "--keys",
    "keys_folder",
    type=option.FOLDER,
    required=True,
    envvar="VENVSTACKS_KEYS",
    show_envvar=True,
    metavar="DIR",
    help="Keys folder, relative to the current folder.",
)
store = click.argument("address", metavar="STORE")
root = click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Verify the store by this ROOT.json, instead of by its own first root.",
)


def ask_passphrase() -> str:
    """Return the passphrase of keys: from the environment, or as it is typed in."""
    given = os.environ.get(PASSPHRASE)
    if given is None and _is_terminal():
        given = str(click.prompt("Passphrase of the keys", hide_input=True, err=True))
    return given or ""


def new_passphrase() -> str | None:
    """Return a passphrase for new keys, from the environment or as it is typed in twice; None for none."""
    given = os.environ.get(PASSPHRASE)
    if given is None and _is_terminal():
        text = "Passphrase for the new keys (empty for none)"
        again = "The same again"
        given = str(
            click.prompt(
                text, hide_input=True, default="", show_default=False, confirmation_prompt=again, err=True
            )
        )
    return given or None


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def open_signers(folder: Path) -> "Signers":
    """Open a keys folder; its passphrase is asked for when a key is needed that has one."""
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick
    from venvstacks.trust.keys import load_signers  # noqa: PLC0415

    return load_signers(expanded(folder).absolute(), _Once())


class _Once:
    """Asks for the passphrase once, however many keys need it."""

    def __init__(self) -> None:
        self._given: str | None = None

    def __call__(self) -> str:
        if self._given is None:
            self._given = ask_passphrase()
        return self._given
