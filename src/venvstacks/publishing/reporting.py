"""What publishing and exporting tell while they work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from venvstacks import files
from venvstacks.archives.formats import LAYER_METADATA_FOLDER, METADATA_FOLDER
from venvstacks.building.model import BuiltLayer
from venvstacks.errors import PublishError


def content_size(built: BuiltLayer) -> int:
    """Add up the sizes of a layer's files, in bytes."""
    return sum(entry.size for entry in built.entries)


def remove_leftovers(output: Path) -> None:
    """Remove what an interrupted run left in an output folder."""
    with explained(f"clean the folder {output}"):
        for folder in (output, output / METADATA_FOLDER, output / LAYER_METADATA_FOLDER):
            files.remove_leftovers(folder)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn operating system errors of a block into messages, and say of its own errors where they arose.

    Args:
        doing: What the block does, for example ``publish app 'hello' for linux_x86_64``.

    Raises:
        PublishError: The block raised it.
        FilesystemError: The block raised an OSError.
    """
    try:
        yield
    except PublishError as error:
        raise PublishError(f"Cannot {doing}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise files.explain_os_error(error, doing) from error
