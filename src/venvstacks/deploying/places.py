"""Where things are in a deployment's folder (see the reference, *Deployments*)."""

from dataclasses import dataclass
from pathlib import Path

from venvstacks.releases.release_format import ID_DIGITS, ReleaseLayer

LAYER_FOLDER = ".layer"
"""In a layer's folder by its ID, what belongs to the deployment: the index, and the lease."""

PRODUCTS = "products"
"""In a deployment's folder, the homes of further products."""


@dataclass(frozen=True, slots=True)
class LayerPlace:
    """Where a layer is.

    Attributes:
        id: The first digits of its closure ID.
        install_target: Name of its folder.
        folder: ``layers/ID``, which also contains links to the layers below it.
    """

    id: str
    install_target: str
    folder: Path

    @property
    def path(self) -> Path:
        """The layer itself."""
        return self.folder / self.install_target

    @property
    def index(self) -> Path:
        """The index of the archive that it was published as."""
        return self.folder / LAYER_FOLDER / "index.zst"

    @property
    def lease(self) -> Path:
        """What processes that run from the layer hold a shared lock on."""
        return self.folder / LAYER_FOLDER / "lease"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one product's deployment: the root, or ``products/NAME`` in it.

    Attributes:
        root: The folder that ``--to`` names, absolute; its layers are shared by all products.
        product: Name of a further product; empty for the one in the root itself.
    """

    root: Path
    product: str = ""

    @property
    def folder(self) -> Path:
        """Where this product's own files are."""
        return self.root / PRODUCTS / self.product if self.product else self.root

    @property
    def document(self) -> Path:
        """What the deployment is: store, channel, applications."""
        return self.folder / "deployment.json"

    @property
    def trust(self) -> Path:
        """TUF metadata of the store, as last verified."""
        return self.folder / "trust"

    @property
    def generations(self) -> Path:
        """The folder of generations."""
        return self.folder / "generations"

    @property
    def current(self) -> Path:
        """A file with one line, ``generations/N``."""
        return self.folder / "current"

    @property
    def pending(self) -> Path:
        """A file with the number of the generation after whose switch a command has not succeeded yet."""
        return self.folder / "pending"

    @property
    def programs(self) -> Path:
        """What starts applications in the current generation."""
        return self.folder / "bin"

    @property
    def layers(self) -> Path:
        """The folder of all layers, of all products."""
        return self.root / "layers"

    @property
    def downloads(self) -> Path:
        """Unfinished downloads, by hash."""
        return self.root / "downloads"

    @property
    def added(self) -> Path:
        """Where repairs move files that no layer has."""
        return self.root / "added"

    @property
    def lock(self) -> Path:
        """What the one run that changes anything in the root locks."""
        return self.root / ".lock"

    def generation(self, number: int) -> Path:
        """Return the folder of a generation."""
        return self.generations / str(number)

    def place(self, layer: ReleaseLayer) -> LayerPlace:
        """Return where a layer of a release is, or will be."""
        return self.place_of(layer.closure_id, layer.install_target)

    def place_of(self, closure_id: str, install_target: str) -> LayerPlace:
        """Return where the layer with a closure ID, or the first digits of it, is."""
        digits = closure_id[:ID_DIGITS]
        return LayerPlace(digits, install_target, self.layers / digits)
