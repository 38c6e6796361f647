"""Publishes or exports a small stack, and kills itself at a given moment.

Arguments: ``publish`` or ``export``, the build folder, the output folder, the inputs, and the number of the
moment (0: none). Moments are: before and after each renaming, each removal of a tree, and each event.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from fakes.small_stack import export, make_stack, options_of, publish
from venvstacks import files
from venvstacks.archives import packing
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.events import Event
from venvstacks.publishing.export_plan import ExportOptions
from venvstacks.work import Work

moments = 0
last = 0


def moment() -> None:
    """Count, and end everything when it is time."""
    global moments  # noqa: PLW0603 - counts in all threads of one short run
    moments += 1
    if moments == last:
        os.kill(os.getpid(), signal.SIGKILL)


def observed(function: Any) -> Any:
    """Make a moment of the beginning and the end of a function."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        moment()
        result = function(*args, **kwargs)
        moment()
        return result

    return wrapper


def observe(_: Event) -> None:
    """Make a moment of an event."""
    moment()


def main() -> None:
    """Run, and print the number of moments that there were."""
    global last  # noqa: PLW0603 - as above
    step, build, output, inputs, at = sys.argv[1:]
    version = int(inputs) if step.endswith("-versioned") else None
    built = make_stack(Path(build), inputs=inputs, version=version)
    Path.replace = observed(Path.replace)  # type: ignore[method-assign]
    files.remove_tree = observed(files.remove_tree)
    last = int(at)
    work = Work(observe=observe, jobs=1)
    if step.startswith("publish"):
        packing._WORTH_KEEPING = 0
        cache = FrameCache(Path(f"{output}-cache")) if step == "publish-cached" else None
        publish(built, options_of(step, Path(output)), work=work, cache=cache)
    else:
        export(built, ExportOptions(Path(output)), work=work)
    print(moments)


if __name__ == "__main__":
    main()
