"""Reading JSON and TOML that may be anything: damaged, forged, far too large, or nested without end."""

import threading
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

LARGEST = 256 << 20
"""Bytes beyond which no file is read: the largest of ours, the state of a layer with a million files, has half."""

_Kind = TypeVar("_Kind")
_decoders: dict[Any, "msgspec.json.Decoder[Any]"] = {}
_making_decoders = threading.Lock()


class Numbered(msgspec.Struct, frozen=True):
    """What every form of a document of ours begins with: the version of the form."""

    format: int


class DocumentError(ValueError):
    """What is wrong with a document, in a few words; whoever reads it says where it is and what that means."""


def read_json(path: Path, kind: type[_Kind]) -> _Kind:
    """Read a JSON file."""
    with path.open("rb") as file:
        return parse_json(file.read(LARGEST + 1), kind)


def parse_json(text: bytes | str, kind: type[_Kind]) -> _Kind:
    """Read a JSON text."""
    if len(text) > LARGEST:
        raise DocumentError(f"it is larger than {LARGEST} bytes")
    try:
        return _decoder(kind).decode(text)
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise DocumentError(str(error)) from error


def _decoder(kind: type[_Kind]) -> "msgspec.json.Decoder[_Kind]":
    """Return what decodes a type; made in one thread at a time, since msgspec 0.22 crashes otherwise."""
    with _making_decoders:
        found = _decoders.get(kind)
        if found is None:
            found = _decoders[kind] = msgspec.json.Decoder(kind)
        return found


def parse_toml(text: str) -> dict[str, Any]:
    """Read a TOML text."""
    if len(text) > LARGEST:
        raise DocumentError(f"it is larger than {LARGEST} bytes")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error
    except ValueError as error:  # besides TOMLDecodeError, tomllib lets through that of an impossible number
        raise DocumentError(str(error)) from error
