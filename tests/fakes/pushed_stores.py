"""Signed stores in folders, with releases of small layers whose applications can be started."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import msgspec

from fakes import publications
from fakes.deltas import Content
from venvstacks import files
from venvstacks.launch import CONFIGURATION
from venvstacks.releases.publication import PublicationStore
from venvstacks.releases.release_format import encode_release
from venvstacks.stores.addresses import open_writable
from venvstacks.stores.interface import WritableStore
from venvstacks.trust.catalog import CatalogEntry
from venvstacks.trust.keys import Signers, make_keys
from venvstacks.trust.repository import change_catalog, init_repository

RUNTIME, FRAMEWORK, APPLICATION = publications.RUNTIME, publications.FRAMEWORK, publications.APPLICATION
_layer_content = publications.layer_content


def _startable(name: str, inputs: str = "1") -> Content:
    """Return a layer's content with what it says of itself, and a program that tells what it is."""
    below = [f"../{lower}/bin" for lower in (FRAMEWORK, RUNTIME) if name not in {lower, RUNTIME}]
    configuration = {
        "python": "bin/python",
        "base_python": f"../{RUNTIME}/bin/python",
        "launch_module": "hello" if name.startswith("app") else "",
        "pylib_dirs": [],
        "bin_dirs": below,
    }
    script = f'#!/bin/sh\necho "{name} {inputs}" "$@"\n'
    return {
        **_layer_content(name, inputs),
        "!bin/python": script.encode(),
        CONFIGURATION: json.dumps(configuration).encode(),
    }


def publish(
    folder: Path,
    inputs: Mapping[str, str] | str = "1",
    *,
    applications: tuple[str, ...] = ("app-two",),
    platforms: tuple[str, ...] = (publications.PLATFORM,),
) -> Path:
    """Write an output folder; other inputs make other layers."""
    with patch.object(publications, "layer_content", _startable):
        return publications.make_publication(folder, inputs, extra_applications=applications, platforms=platforms)


@dataclass(frozen=True)
class PushedStore:
    """A store in a folder, its keys, and a file with its root metadata."""

    folder: Path
    store: WritableStore
    signers: Signers
    root: Path

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.folder)

    def push(
        self,
        version: str,
        inputs: Mapping[str, str] | str,
        *,
        channels: tuple[str, ...] = ("stable",),
        applications: tuple[str, ...] = ("app-two",),
        platforms: tuple[str, ...] = (publications.PLATFORM,),
    ) -> None:
        """Publish layers, and push them as a release."""
        output = publish(
            self.folder.with_name(f"published-{self.folder.name}-{version}"),
            inputs,
            applications=applications,
            platforms=platforms,
        )
        published = PublicationStore(output)
        for name, path in published.paths.items():
            self.store.create(name, path)
        entries, contents = [], {}
        for release in published.releases:
            data = encode_release(msgspec.structs.replace(release, version=version))
            entry = CatalogEntry(version, release.platform, files.sha256(data), len(data), pushed=len(version))
            entries.append(entry)
            contents[entry.name] = data
        change_catalog(self.store, self.signers, lambda catalog: catalog.with_entries(entries), files=contents)
        for channel in channels:
            self.promote(version, channel)

    def promote(self, version: str, channel: str = "stable") -> None:
        """Let a channel lead to a release."""
        change_catalog(self.store, self.signers, lambda catalog: catalog.with_channel(channel, version), files={})


def make_store(folder: Path) -> PushedStore:
    """Make an empty signed store."""
    store = open_writable(str(folder))
    signers = make_keys(folder.with_name(f"keys-{folder.name}"))
    root = folder.with_name(f"root-{folder.name}.json")
    root.write_bytes(init_repository(store, signers))
    return PushedStore(folder, store, signers, root)
