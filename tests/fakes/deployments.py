"""Deployments without stores: layers and generations are put where they belong."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from venvstacks.deploying.deployment_format import FORMAT, Deployment
from venvstacks.deploying.generations import current_number, write_deployment
from venvstacks.deploying.new_generation import make_generation
from venvstacks.deploying.places import Home
from venvstacks.deploying.switching import make_current
from venvstacks.events import silent
from venvstacks.files import sha256
from venvstacks.launch import CONFIGURATION
from venvstacks.releases.release_format import FORMAT as RELEASE_FORMAT
from venvstacks.releases.release_format import BlobReference, Release, ReleaseLayer, closure_id

NOWHERE = "https://store.example.invalid"
BLOB = BlobReference("0" * 64, 1)
# Says which generation's file it is, how it was started, and with what.
PROGRAM = """\
#!/bin/sh
printf '%s\\n' "$0" "$PATH" "${PYTHONHOME-unset}" "CONTENT" "$@"
"""


def make_release(
    version: str,
    contents: Mapping[str, str],
    *,
    below: Mapping[str, Sequence[str]],
    platform: str = "linux_x86_64",
) -> Release:
    """Describe a release: install target -> anything that stands for its content; what is below each."""
    hashes = {target: f"sha256:{sha256(text.encode())}" for target, text in contents.items()}
    layers = []
    for target in contents:
        lower = tuple(below.get(target, ()))
        kind = {"app": "application", "framework": "framework"}.get(target.partition("-")[0], "runtime")
        layers.append(
            ReleaseLayer(
                layer_name=target.partition("@")[0],
                install_target=target,
                kind=kind,
                below=lower,
                content_hash=hashes[target],
                closure_id=closure_id(target, hashes[target], [(name, hashes[name]) for name in lower]),
                archive=BLOB,
                archive_name=f"{target}.tar.zst",
                index=BLOB,
                launch_module="module" if kind == "application" else "",
            )
        )
    return Release(format=RELEASE_FORMAT, version=version, platform=platform, layers=tuple(layers))


def small_release(version: str, **contents: str) -> Release:
    """Describe a release with two applications on one framework, whose contents are the version if not given."""
    targets = {"base": "1", "framework-f": "1", "app-one": version, "app-two": version}
    targets |= {name.replace("_", "-"): text for name, text in contents.items()}
    below = {"framework-f": ["base"], "app-one": ["framework-f", "base"], "app-two": ["framework-f", "base"]}
    return make_release(version, targets, below=below)


def put_layers(home: Home, release: Release) -> None:
    """Put layers with a program of sh for an interpreter in their places, as fetching would do."""
    for layer in release.layers:
        place = home.place(layer)
        if place.folder.exists():
            continue
        (place.path / "bin").mkdir(parents=True)
        program = place.path / "bin" / "python"
        program.write_text(PROGRAM.replace("CONTENT", f"{layer.install_target} of {release.version}"))
        program.chmod(0o755)
        configuration = {
            "python": "bin/python",
            "base_python": "../base/bin/python",
            "launch_module": layer.launch_module,
            "pylib_dirs": [],
            "bin_dirs": [f"../{name}/bin" for name in layer.below],
        }
        path = place.path / CONFIGURATION
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(configuration))
        for name in layer.below:
            (place.folder / name).symlink_to(f"../{release.layer(name).id}/{name}")
        place.lease.parent.mkdir()
        place.lease.touch()


def put_generation(home: Home, release: Release, *, keep: int = 3) -> None:
    """Put a generation of a release into its place and make it the current one."""
    put_layers(home, release)
    deployment = Deployment(
        format=FORMAT, store=NOWHERE + home.product, platform=release.platform, channel="s", keep=keep
    )
    write_deployment(home, deployment)
    before = current_number(home) or 0
    created = 1_700_000_000 + before
    names = release.applications
    make_current(
        home, make_generation(home, release, names, previous=before, store=NOWHERE, created=created), silent
    )


def make_deployment(root: Path, *versions: str, product: str = "", keep: int = 3) -> Home:
    """Make a deployment with a generation of each of some releases."""
    home = Home(root, product)
    for version in versions:
        put_generation(home, small_release(version), keep=keep)
    return home
