"""Where the layers of a deployment can be fetched from again: the stores of its products."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from venvstacks.deploying.contents import DeployedProduct, read_products
from venvstacks.deploying.deployment_format import Generation
from venvstacks.deploying.find_release import open_source, trust_folder
from venvstacks.deploying.generations import read_deployment
from venvstacks.deploying.repair_plan import Origin
from venvstacks.errors import DeploymentError, ReleaseError, TrustError, VenvstacksError
from venvstacks.releases.publication import PublicationStore
from venvstacks.releases.release_format import Release, decode_release
from venvstacks.stores.interface import Store

_MOST_READ = 20  # releases in which a layer is looked for whose own release is not offered any more


class StoreOrigins:
    """The stores of a deployment's products, opened and verified when something of them is needed.

    Args:
        root: The deployment's folder.
        environ: Environment variables, for the stores.
        keep: Whether what is verified is kept for the next run.
    """

    def __init__(self, root: Path, environ: Mapping[str, str], *, keep: bool) -> None:
        self._products = read_products(root)
        self._environ = environ
        self._keep = keep
        self._stack = ExitStack()
        self._opened: dict[str, _Source | VenvstacksError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def find(self, layer_id: str) -> Origin:
        """Return where a layer can be fetched from.

        Raises:
            VenvstacksError: Nowhere; the message says why.
        """
        reasons: list[VenvstacksError] = []
        for product in self._products:
            generations = [
                generation
                for generation in reversed(product.generations.values())
                if layer_id in {layer.id for layer in generation.layers}
            ]
            if not generations:
                continue
            try:
                return self._source(product, generations[0]).find(layer_id, generations)
            except VenvstacksError as error:
                reasons.append(error)
        raise reasons[0] if reasons else ReleaseError("no product has this layer.")

    def _source(self, product: DeployedProduct, generation: Generation) -> "_Source":
        name = product.home.product
        if name not in self._opened:
            try:
                self._opened[name] = self._open(product, generation)
            except VenvstacksError as error:
                self._opened[name] = error
        found = self._opened[name]
        if isinstance(found, VenvstacksError):
            raise found
        return found

    def _open(self, product: DeployedProduct, generation: Generation) -> "_Source":
        trust = product.home.trust
        try:
            deployment = read_deployment(product.home)
        except DeploymentError:
            deployment = None
        address = deployment.store if deployment is not None else generation.store
        signed = deployment.signed if deployment is not None else trust.is_dir()
        store = self._stack.enter_context(open_source(address, self._environ))
        if isinstance(store, PublicationStore):
            if signed:
                raise TrustError(
                    f"{address} is refused: it is an output folder of publish, which has no signatures.",
                    hint="name the store again with `venvstacks deploy`",
                )
            return _Source(product, store, lambda _: iter(store.releases))
        folder = self._stack.enter_context(trust_folder(trust, keep=self._keep))
        return _Source(product, store, _signed_releases(store, folder))


class _Source:
    """The store of a product, and its releases."""

    def __init__(
        self, product: DeployedProduct, store: Store, releases: Callable[[Generation], Iterator[Release]]
    ) -> None:
        self._product = product
        self._store = store
        self._releases = releases

    def find(self, layer_id: str, generations: list[Generation]) -> Origin:
        for generation in generations:
            for release in self._releases(generation):
                for layer in release.layers:
                    if layer.id == layer_id and release.platform == generation.platform:
                        return Origin(self._product.home, self._store, release, layer)
        raise ReleaseError(
            f"{self._store.address} has no release with this layer any more.",
            hint="deploy a release that it has",
        )


def _signed_releases(store: Store, trust: Path) -> Callable[[Generation], Iterator[Release]]:
    from venvstacks.trust.client import read_trusted  # noqa: PLC0415 - a publication needs no TUF

    trusted = read_trusted(store, trust)
    known: dict[str, Release] = {}

    def releases(generation: Generation) -> Iterator[Release]:
        """Return the release of a generation, then others, the latest first."""
        there = [
            entry
            for entry in reversed(trusted.catalog.entries)
            if entry.platform == generation.platform and entry.complete
        ]
        there.sort(key=lambda entry: entry.version != generation.release)
        for entry in there[:_MOST_READ]:
            if entry.sha256 not in known:
                data = trusted.read_release_file(entry)
                known[entry.sha256] = decode_release(data, entry.version, entry.platform)
            yield known[entry.sha256]

    return releases
