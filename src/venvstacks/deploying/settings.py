"""What a deployment is to be: what was asked for now, and what is remembered from earlier times."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from venvstacks.deploying.deployment_format import FORMAT, KEEP, Deployment
from venvstacks.deploying.places import Home
from venvstacks.errors import DeploymentError, ReleaseError, UsageError, require_collection
from venvstacks.humanize import did_you_mean, listed, without_credentials
from venvstacks.platforms.targets import TARGETS, host_target
from venvstacks.releases.release_format import Release, ReleaseLayer, check_version
from venvstacks.stores.addresses import folder_of

_PREFIX = "app-"


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What is asked for; what is not given is as it is remembered.

    Attributes:
        store: Address of the store, as people write it.
        channel: The channel to follow.
        release: The release to stay at, instead of following a channel.
        applications: Names or patterns of applications; ``*`` for all of the release.
        root: File with the root metadata of a store that is not known yet, or their hash: ``sha256:HEX``.
        keep: How many generations are kept.
        product: Name of the product in a folder of several; ``.`` for the first.
        platform: Target name; this machine's if there is no deployment yet.
    """

    store: str = ""
    channel: str = ""
    release: str = ""
    applications: Collection[str] = ()
    root: str | os.PathLike[str] | None = None
    keep: int | None = None
    product: str | None = None
    platform: str = ""

    def __post_init__(self) -> None:
        require_collection(applications=self.applications)
        if self.channel and self.release:
            raise UsageError(
                "A channel and a release are given.", hint="name a channel to follow, or a release to stay at"
            )
        for name in filter(None, (self.channel, self.release)):
            check_version(name)
        if self.keep is not None and self.keep < 1:
            raise UsageError(f"{self.keep} generations cannot be kept.", hint="keep 1 or more")
        if self.platform and self.platform not in TARGETS:
            raise UsageError(
                f"There is no platform {self.platform!r}.",
                hint=did_you_mean(self.platform, TARGETS) or f"there are: {listed(TARGETS)}",
            )


def merge(request: DeployRequest, remembered: Deployment | None, home: Home) -> Deployment:
    """Return what a deployment is to be; neither channel nor release are set if nothing says which.

    Raises:
        DeploymentError: Nothing says which store it comes from.
    """
    if remembered is None and not request.store:
        raise DeploymentError(
            f"There is no deployment in {home.folder}, so that its store has to be named.",
            hint="venvstacks deploy STORE --to DIR",
        )
    before = remembered or Deployment(format=FORMAT, store="", platform=host_target().name, keep=KEEP)
    named = bool(request.channel or request.release)
    return Deployment(
        format=FORMAT,
        store=store_address(request.store) if request.store else before.store,
        signed=before.signed,
        platform=request.platform or before.platform,
        channel=request.channel if named else before.channel,
        release=request.release if named else before.release,
        applications=_patterns(request.applications) if request.applications else before.applications,
        keep=request.keep or before.keep,
    )


def store_address(address: str) -> str:
    """Return the address of a store as it is remembered: absolute, without credentials."""
    folder = folder_of(address)
    return without_credentials(address).rstrip("/") if folder is None else str(folder)


def _patterns(names: Collection[str]) -> tuple[str, ...]:
    found = {name.removeprefix(_PREFIX) for name in names}
    return () if "*" in found else tuple(sorted(found))


def choose_channel(deployment: Deployment, channels: Mapping[str, str]) -> str:
    """Return the channel of a deployment that names none, nor a release: the only one, or ``stable``.

    Raises:
        UsageError: There is neither.
    """
    if len(channels) == 1:
        return next(iter(channels))
    if "stable" in channels:
        return "stable"
    if not channels:
        raise UsageError(
            f"{deployment.store} has no channels yet.",
            hint="name a release with --release, or let a channel lead to one: `venvstacks promote`",
        )
    raise UsageError(
        f"{deployment.store} has no channel 'stable'.",
        hint=f"name one with --channel; there are: {listed(sorted(channels))}",
    )


def choose_applications(
    release: Release, patterns: tuple[str, ...]
) -> tuple[Mapping[str, ReleaseLayer], tuple[ReleaseLayer, ...]]:
    """Return the applications that are wanted of a release, and all layers that they need.

    Raises:
        ReleaseError: It has no such application, or none at all.
    """
    there = release.applications
    if not there:
        raise ReleaseError(f"Release {release.version} has no applications.", hint="publish some, and push again")
    chosen = dict(there)
    if patterns:
        chosen = {
            name: layer for name, layer in there.items() if any(fnmatchcase(name, each) for each in patterns)
        }
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in there):
            raise ReleaseError(
                f"Release {release.version} has no application {pattern!r}.",
                hint=did_you_mean(pattern, there) or f"it has {listed(sorted(there))}",
            )
    return chosen, release.closure(layer.install_target for layer in chosen.values())


def read_root(root: str | os.PathLike[str]) -> bytes | str:
    """Return the content of a file with root metadata, or their hash if that is what is given.

    Raises:
        UsageError: There is no such file.
    """
    if isinstance(root, str) and root.lower().startswith("sha256:"):
        return root
    path = Path(root).expanduser()
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_ROOT)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.",
            hint="--root takes a file with root metadata, or their hash: sha256:HEX",
        ) from error


_LARGEST_ROOT = 1 << 20
