"""The most used packages with native code are built, and what is doubtful about them is known.

``python3 dev.py test-large tests/large/test_native_packages.py -k numpy`` builds one; all of them are some ten
gigabytes of downloads.
"""

from pathlib import Path

import pytest

import venvstacks
from fakes.building import Project, quick_runtimes, runtime

TAKEN = "2026-11-28T00:00:00Z"  # what the list was made with
LINES = (Path(__file__).parent / "native_packages.txt").read_text(encoding="utf-8").splitlines()
KNOWN = {
    name.split()[0]: (name.split()[1:], set(words.split()))
    for name, _, words in (line.partition(":") for line in LINES if line and not line.startswith("#"))
}


def doubts_of(layer: venvstacks.LayerLibraries) -> set[str]:
    """Return what is doubtful about a layer, in the words of the list."""
    uses = layer.linking.uses if layer.linking else ()
    several = {f"several={use.needed}" for use in uses if use.others}
    newer = {"newer"} if any("native file" in finding.message for finding in layer.findings) else set()
    return {*layer.system_libraries, *several, *newer}


@pytest.mark.parametrize("name", KNOWN)
def test_package(name: str, tmp_path: Path, root: Path) -> None:
    limits, known = KNOWN[name]
    project = Project(tmp_path, root)
    fields = {"linux_target": limits[0]} if limits else {}
    project.settings = {"exclude-newer": TAKEN}
    project.define(runtime("base", name, platforms=["linux_x86_64"], **fields))
    options = venvstacks.Options()
    with quick_runtimes(project.root):
        venvstacks.build(project.stack(), lock_if_needed=True, options=options)
    (layer,) = venvstacks.shared_libraries(project.stack(), options=options)
    assert (found := doubts_of(layer)) == known, f"{name}: {' '.join(sorted(found))}"
