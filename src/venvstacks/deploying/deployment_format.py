"""The documents of a deployment: ``deployment.json`` and ``generation.json``."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from venvstacks.archives.index import ContentHash, Count, describe_schema

FORMAT = 1
"""Version of both forms; readers refuse newer ones."""

KEEP = 3
"""How many generations are kept by default."""

LayerId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]


class Deployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a deployment is.

    Attributes:
        format: Version of this form.
        store: Address of the store, without credentials; a local folder's path is absolute.
        signed: Whether the store is signed; an output folder of ``publish`` is not.
        platform: Target name.
        channel: The channel that is followed; empty if a release is named.
        release: The release that is named; empty if a channel is followed.
        applications: Names without the prefix ``app-``, sorted; empty for all of the release.
        keep: How many generations are kept.
    """

    format: Count
    store: str
    signed: bool = True
    platform: str
    channel: str = ""
    release: str = ""
    applications: tuple[str, ...] = ()
    keep: int = KEEP


class GenerationLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of a generation, at ``layers/ID/TARGET`` below the deployment's root.

    Attributes:
        id: The first 32 digits of its closure ID.
        install_target: Name of its folder.
        layer_name: Build name.
        kind: ``runtime``, ``framework`` or ``application``.
        content_hash: Of everything in it.
        below: Install targets of the layers below it, in path order.
    """

    id: LayerId
    install_target: str
    layer_name: str
    kind: str
    content_hash: ContentHash
    below: tuple[str, ...] = ()


class GenerationApplication(msgspec.Struct, frozen=True, kw_only=True):
    """How an application of a generation is started.

    Attributes:
        layer: POSIX path of its layer, relative to the deployment's root: ``layers/ID/TARGET``.
        launcher: POSIX path of its launcher, relative to ``generation.json``.
        python: POSIX path of its interpreter, relative to the deployment's root.
        arguments: What the interpreter is given before the application's own arguments.
        path: POSIX paths of the folders with programs of the layers below, relative to the deployment's root;
            they come last on PATH, and the folder of the interpreter first.
    """

    layer: str
    launcher: str
    python: str
    arguments: tuple[str, ...]
    path: tuple[str, ...] = ()


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a deployment.

    Attributes:
        format: Version of this form.
        number: Of the generation; later ones have higher numbers.
        release: Version of the release.
        platform: Target name.
        store: Address of the store that it came from.
        created: When it was made, seconds since 1970.
        previous: The generation that was current when this one was made; 0 if none was.
        layers: Each after those below it.
        applications: Name without the prefix ``app-`` -> how it is started.
    """

    format: Count
    number: Count
    release: str
    platform: str
    store: str
    created: Count
    previous: Count = 0
    layers: tuple[GenerationLayer, ...]
    applications: Mapping[str, GenerationApplication]


def deployment_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``deployment.json``."""
    return describe_schema("A venvstacks deployment", Deployment)


def generation_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``generation.json``."""
    return describe_schema(
        "A generation of a venvstacks deployment", Generation, GenerationLayer, GenerationApplication
    )
