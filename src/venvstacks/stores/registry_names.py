"""Names in an OCI registry: repositories in addresses, and tags for the files and releases of a store.

A tag has at most 128 of the characters ``A-Z a-z 0-9 . _ -``, and does not begin with a dot or a hyphen. A
file's tag is its name after a slash, with ``_s`` for a slash, ``__`` for an underscore, and ``_x`` with two
digits for each byte of anything else; a release's is its version, in the same way, and ``_p`` with a platform
after it for the manifest of this platform. Versions contain no slash, so that no release has the tag of a
file. What would be too long is hashed, after ``_h``; its manifest tells the name.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from venvstacks.errors import UsageError
from venvstacks.files import sha256
from venvstacks.humanize import quoted
from venvstacks.stores.http_errors import shown

DOCKER_HUB = "registry-1.docker.io"
_HUB_NAMES = ("docker.io", "index.docker.io", DOCKER_HUB)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_LONGEST_TAG = 128
_HASHED = "_h"
_FILE = "_s"  # begins the tags of files, since it stands for a slash
_PLATFORM = "_p"  # stands between version and platform
_ESCAPE = re.compile(r"_(?:[s_]|x([0-9a-f]{2}))")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a registry.

    Attributes:
        address: As people name it: ``oci://HOST/REPOSITORY``.
        api: Address of the registry's interface, without a slash at its end.
        host: Whom Docker's credential files know a login for: host and port.
        name: The repository in the registry.
    """

    address: str
    api: str
    host: str
    name: str

    def url(self, path: str) -> str:
        """Return the address of something in the repository."""
        return f"{self.api}/{self.name}/{path}"


def parse_registry(address: str) -> Repository:
    """Read the address of a repository.

    Raises:
        UsageError: It is none.
    """
    scheme, _, rest = address.partition("://")
    plain = scheme.lower() == "oci+http"
    parts = urlsplit(f"{'http' if plain else 'https'}://{rest}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"{quoted(shown(address))}: the address of a registry contains no login.",
            hint="run docker login (or skopeo login), whose credentials are used",
        )
    name = parts.path.strip("/")
    if (
        scheme.lower() not in ("oci", "oci+http")
        or not _has_host(address, rest)
        or not _REPOSITORY.fullmatch(name)
    ):
        raise UsageError(
            f"{quoted(address)} is no address of a repository.",
            hint="write oci://HOST/REPOSITORY in lower case, without a tag; oci+http:// where there is no TLS",
        )
    server = DOCKER_HUB if parts.netloc in _HUB_NAMES else parts.netloc
    host = "index.docker.io" if parts.netloc in _HUB_NAMES else parts.netloc
    return Repository(f"{scheme.lower()}://{parts.netloc}/{name}", f"{parts.scheme}://{server}/v2", host, name)


def file_tag(name: str) -> str:
    """Return the tag of a file of the store."""
    return _fitting(_escaped(f"/{name}"))


def release_tag(version: str) -> str:
    """Return the tag of a release."""
    return _fitting(_escaped(version))


def platform_tag(version: str, platform: str) -> str:
    """Return the tag of a release on one platform: some registries collect what has none of its own."""
    return _fitting(f"{_escaped(version)}{_PLATFORM}{_escaped(platform)}")


def is_of_platform(tag: str) -> bool:
    """Return whether a tag is one of a release on one platform."""
    return _PLATFORM in _ESCAPE.sub("", tag)


def tagged_file(tag: str) -> str | None:
    """Return the name of the file that has a tag; None if it is no tag of a file, or a hashed one."""
    return _plain(tag).removeprefix("/") if tag.startswith(_FILE) else None


def is_hashed(tag: str) -> bool:
    """Return whether only its manifest tells what a tag stands for."""
    return tag.startswith(_HASHED)


def _escaped(text: str) -> str:
    first, *others = [_escaped_character(character) for character in text] or [""]
    return "".join([f"_x{ord(first):02x}" if first in (".", "-") else first, *others])


def _escaped_character(character: str) -> str:
    if character == "_":
        return "__"
    if character == "/":
        return _FILE
    if character.isascii() and (character.isalnum() or character in ".-"):
        return character
    return "".join(f"_x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _plain(tag: str) -> str:
    def replacement(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else {"_s": "/", "__": "_"}[found[0]]

    return _ESCAPE.sub(replacement, tag).encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _fitting(tag: str) -> str:
    return tag if len(tag) <= _LONGEST_TAG else f"{_HASHED}{sha256(tag.encode())}"


def _has_host(address: str, rest: str) -> bool:
    try:
        parts = urlsplit(f"https://{rest}")
        return bool(parts.hostname) and (parts.port or 1) > 0 and not any(map(str.isspace, address))
    except ValueError:
        return False
