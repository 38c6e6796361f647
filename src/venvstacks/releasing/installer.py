"""Scripts that install a release on machines without Python: ``install.sh`` and ``install.ps1``.

They fetch the layers of an application of the release that deploys, check them against hashes that stand in the
script, and let it deploy the rest. What they need is on every machine: so those layers are in formats that it can
unpack.
"""

import base64
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from venvstacks.errors import ReleaseError
from venvstacks.humanize import listed, without_credentials
from venvstacks.releases.release_format import Release, ReleaseLayer

_PLACE = re.compile(r"@([A-Z]+)@")
_PLAIN = re.compile(r"[A-Za-z0-9._@+-]+")
_FORMATS = {False: (".tar.gz",), True: (".tar.gz", ".zip")}  # by whether it is for Windows


@dataclass(frozen=True, slots=True)
class Installer:
    """A script that installs a release.

    Attributes:
        name: Its file name: ``install.sh`` or ``install.ps1``.
        content: The script.
    """

    name: str
    content: bytes


def make_installers(
    application: str, releases: Sequence[Release], root: bytes, *, address: str = "", channel: str = ""
) -> tuple[Installer, ...]:
    """Make the scripts that install a release: for those of its platforms that each is for.

    Args:
        application: Name of the application that deploys, without the prefix ``app-``.
        releases: The release, for each of its platforms.
        root: Content of the store's root metadata.
        address: Where machines find the store; if it is none that a script can fetch from, the scripts have to lie
            in the store, or are told.
        channel: The channel that is followed unless they are told otherwise.

    Raises:
        ReleaseError: There is no such application, or its layers are not published in a format that can be
            unpacked without Python.
    """
    address = without_credentials(address)
    address = address if re.match(r"https?://", address) else ""
    platforms = {release.platform: _layers(release, application) for release in releases}
    first = releases[0]
    found = []
    for name, windows in (("install.sh", False), ("install.ps1", True)):
        chosen = {
            platform: layers
            for platform, layers in sorted(platforms.items())
            if platform.startswith("win") == windows
        }
        if chosen:
            facts = _Facts(application, first.version, chosen, root, address, channel)
            found.append(Installer(name, (_fill_ps1 if windows else _fill_sh)(name, facts)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Facts:
    application: str
    version: str
    platforms: Mapping[str, Sequence[ReleaseLayer]]
    root: bytes
    address: str
    channel: str


def _layers(release: Release, application: str) -> tuple[ReleaseLayer, ...]:
    layer = release.applications.get(application.removeprefix("app-"))
    if layer is None:
        raise ReleaseError(
            f"Release {release.version} has no application {application!r} for {release.platform}.",
            hint=f"its applications there: {listed(release.applications) or 'none'}",
        )
    layers = release.closure([layer.install_target])
    formats = _FORMATS[release.platform.startswith("win")]
    for each in layers:
        if not each.archive_name.endswith(formats):
            raise ReleaseError(
                f"{each.layer_name} for {release.platform} is published as {each.archive_name}, which a machine "
                "without Python cannot unpack.",
                hint="publish the layers of the application that installs with --format tar.gz",
            )
        if not all(map(_PLAIN.fullmatch, (each.layer_name, each.install_target, each.archive_name))):
            raise ReleaseError(
                f"{each.install_target!r} cannot be installed by a script.", hint="rename the layer"
            )
    return layers


def _fill_sh(name: str, facts: _Facts) -> bytes:
    lines = []
    for platform, layers in facts.platforms.items():
        described = " ".join(f"{e.archive.sha256}:{e.archive.size}:{e.install_target}" for e in layers)
        lines.append(f"    {platform}) layers='{described}' ;;")
    root = facts.root.decode()
    values = {
        "NAME": facts.application,
        "VERSION": facts.version,
        "STORE": shlex.quote(facts.address),
        "CHANNEL": shlex.quote(f"--channel={facts.channel}" if facts.channel else ""),
        "DEPLOYER": shlex.quote(facts.application.removeprefix("app-")),
        "ROOT": "'{}'".format(root.replace("'", "'\\''")),
        "PLATFORMS": ",".join(f" {platform}" for platform in facts.platforms),
        "LAYERS": "\n".join(lines),
    }
    return _fill(name, values.__getitem__).encode()


def _fill_ps1(name: str, facts: _Facts) -> bytes:
    lines = []
    for platform, layers in facts.platforms.items():
        lines.append(f"    '{platform}' = @(")
        described = [
            f"        , @('{each.archive.sha256}', {each.archive.size}, '{each.install_target}', "
            f"'{each.archive_name}')"
            for each in layers
        ]
        lines += [*described, "    )"]
    values = {
        "NAME": facts.application,
        "VERSION": facts.version,
        "STORE": _quote_ps1(facts.address),
        "CHANNEL": _quote_ps1(facts.channel),
        "DEPLOYER": _quote_ps1(facts.application.removeprefix("app-")),
        "ROOT": base64.b64encode(facts.root).decode(),
        "LAYERS": "\n".join(lines),
    }
    # Windows PowerShell takes a script without a mark for one in the encoding of the system
    return b"\xef\xbb\xbf" + _fill(name, values.__getitem__).replace("\n", "\r\n").encode()


def _quote_ps1(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def _fill(name: str, value: Callable[[str], str]) -> str:
    template = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return _PLACE.sub(lambda found: value(found[1]), template)
