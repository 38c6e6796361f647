"""Publishes or exports a small stack, and kills itself at a given moment.

Arguments: ``publish`` or ``export``, the build folder, the output folder, the inputs, and the number of the
moment (0: none). Moments are: before and after each renaming, each removal of a tree, and each event.
"""

import sys
from pathlib import Path

from fakes.counted_kills import kill_at, moments, observe, watch
from fakes.small_stack import export, make_stack, options_of, publish
from venvstacks import files
from venvstacks.archives import packing
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.publishing.export_plan import ExportOptions
from venvstacks.work import Work


def main() -> None:
    """Run, and print the number of moments that there were."""
    step, build, output, inputs, at = sys.argv[1:]
    version = int(inputs) if step.endswith("-versioned") else None
    built = make_stack(Path(build), inputs=inputs, version=version)
    watch(Path, "replace")
    watch(files, "remove_tree")
    kill_at(int(at))
    work = Work(observe=observe, jobs=1)
    if step.startswith("publish"):
        packing._WORTH_KEEPING = 0
        cache = FrameCache(Path(f"{output}-cache")) if step == "publish-cached" else None
        publish(built, options_of(step, Path(output)), work=work, cache=cache)
    else:
        export(built, ExportOptions(Path(output)), work=work)
    print(moments())


if __name__ == "__main__":
    main()
