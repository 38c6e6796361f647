"""What publishing and exporting tell while they work."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from venvstacks import files
from venvstacks.building.model import BuiltLayer
from venvstacks.errors import PublishError
from venvstacks.events import Observer, Progressed, Step
from venvstacks.publishing.manifests import LAYER_METADATA_FOLDER, METADATA_FOLDER

_INTERVAL = 4 << 20


class Meter:
    """Counts the bytes of one layer, and reports now and then; any thread may use it.

    Args:
        observe: Gets the reports.
        step: The kind of work.
        built: The layer.
    """

    def __init__(self, observe: Observer, step: Step, built: BuiltLayer) -> None:
        self._observe = observe
        self._step = step
        self._built = built
        self._total = content_size(built)
        self._done = 0
        self._reported = 0
        self._guard = threading.Lock()

    def add(self, count: int) -> None:
        """Count some bytes."""
        with self._guard:
            self._done += count
            due = self._done - self._reported >= _INTERVAL or self._reported < self._total <= self._done
            if due:
                self._reported = self._done
                layer, platform = self._built.layer.build_name, self._built.target.name
                self._observe(Progressed(self._step, layer, self._done, self._total, platform))


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
