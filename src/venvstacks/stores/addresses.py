"""From the address of a store, as people write it, to the store."""

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from venvstacks.errors import StoreError, UsageError
from venvstacks.file_names import expanded
from venvstacks.humanize import did_you_mean, quoted, without_credentials
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.interface import Store, WritableStore

_KINDS = "a folder, file://, https://, s3://, gs://, az:// or oci://"
# Scheme -> module, function in it, the extra with what it needs. They are imported when such an address is used.
_CLIENTS = {
    "http": ("web", "open_web", "deploy"),
    "https": ("web", "open_web", "deploy"),
    "s3": ("bucket", "open_bucket", "s3"),
    "gs": ("bucket", "open_bucket", "s3"),
    "az": ("bucket", "open_bucket", "s3"),
    "oci": ("registry", "open_registry", "deploy"),
    "oci+http": ("registry", "open_registry", "deploy"),
}


def open_store(address: str, *, environ: Mapping[str, str] = os.environ) -> Store:
    """Open a store for reading; the network is not used before something is read.

    Args:
        address: A folder, or an address that begins with ``file://``, ``https://``, ``http://``, ``s3://``, ``gs://``,
            ``az://``, ``oci://`` or ``oci+http://`` (a registry without TLS).
        environ: Environment variables with proxies, certificates and credentials.

    Raises:
        UsageError: No store has such an address.
        StoreError: A package that it needs is not installed, or there is no such folder.
    """
    folder = folder_of(address)
    if folder is None:
        return cast("Store", _client(address, environ))
    if not folder.is_dir():
        raise StoreError(f"There is no store in {folder}: it is no folder.", hint="check the address of the store")
    return FolderStore(folder)


def open_writable(address: str, *, environ: Mapping[str, str] = os.environ) -> WritableStore:
    """Open a store for reading and writing, as :func:`open_store` does; a folder is made with its first file.

    Raises:
        UsageError: No store has such an address, or only readers use it.
        StoreError: A package that it needs is not installed.
    """
    folder = folder_of(address)
    if folder is not None:
        return FolderStore(folder)
    if _scheme(address) in ("http", "https"):
        raise UsageError(
            f"{without_credentials(address)} can only be read.",
            hint="name the folder or the bucket that this server serves",
        )
    return cast("WritableStore", _client(address, environ))


def folder_of(address: str) -> Path | None:
    """Return the folder that an address means; None for one on the network.

    Raises:
        UsageError: It is empty, or begins like an address but is none.
    """
    scheme = _scheme(address)
    if not address:
        raise UsageError("The address of the store is empty.", hint=f"name {_KINDS}")
    if scheme in _CLIENTS:
        return None
    if not scheme:
        return Path(os.path.abspath(expanded(address)))  # noqa: PTH100 - the working directory may change later
    if scheme != "file":
        raise UsageError(
            f"{quoted(without_credentials(address))} is the address of no store.",
            hint=did_you_mean(scheme, [*_CLIENTS, "file"]) or f"name {_KINDS}",
        )
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise UsageError(f"{quoted(address)} names no folder.", hint="write three slashes: file:///folder")
    path = unquote(parts.path)
    return Path(path.lstrip("/") if sys.platform == "win32" else path)


def _scheme(address: str) -> str:
    """Return what an address begins with, in lower case; nothing for paths, also those of Windows."""
    scheme, separator, _ = address.partition("://")
    if address[:5].lower() == "file:":
        return "file"
    return scheme.lower() if separator and scheme.replace("+", "").isalnum() else ""


def _client(address: str, environ: Mapping[str, str]) -> object:
    module, function, extra = _CLIENTS[_scheme(address)]
    try:
        opener: Callable[..., object] = getattr(import_module(f"venvstacks.stores.{module}"), function)
        return opener(address, environ=environ)
    except ImportError as error:
        if (error.name or "venvstacks").partition(".")[0] == "venvstacks":
            raise
        raise StoreError(
            f"Using {without_credentials(address)} needs {error.name}, which is not installed.",
            hint=f"pip install 'venvstacks[{extra}]'",
        ) from error
