"""What belongs to a layer besides its files."""

import json
from pathlib import Path

import pytest

from fakes.deltas import OLD, noise
from fakes.releases import plan, publisher
from venvstacks.deploying.places import Home
from venvstacks.deploying.staged_layer import _CONFIGURATION, write_home

CONFIGURATION = {"python": "Scripts/python.exe", "base_python": "../runtime/python.exe"}


@pytest.mark.parametrize(
    ("configuration", "written"),
    [
        (CONFIGURATION, True),
        ({**CONFIGURATION, "python": "../runtime/python.exe"}, False),  # nothing of its own
        ({**CONFIGURATION, "base_python": "../other/python.exe"}, False),
        (None, False),
    ],
)
def test_virtual_environments_on_windows_name_their_runtime(
    tmp_path: Path, configuration: dict[str, str] | None, *, written: bool
) -> None:
    made = publisher(tmp_path / "published")
    home = Home(tmp_path / "deployed")
    runtime = made.layer("runtime", {"python.exe": noise(3000)})
    app = made.layer("app-a", OLD, [runtime])
    planned = plan(home, made.store, [runtime, app]).layers[1]
    place = home.place(app)
    place.path.mkdir(parents=True)
    (place.path / "pyvenv.cfg").write_text("home = ..\n")
    if configuration is not None:
        path = place.path / _CONFIGURATION
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(configuration))
    write_home(planned, place)
    expected = f"home = {home.place(runtime).path}\ninclude-system-site-packages = false\n"
    assert (place.path / "pyvenv.cfg").read_text() == (expected if written else "home = ..\n")
