"""Applications for Windows run from deployments: scripts that start them, and leases."""

import json
from pathlib import Path

import pytest

import venvstacks
from targets.foreign import Run, run_program
from targets.test_cross_builds import APPLICATION, define
from targets.windows import Windows, windows_path

WITH_LEASE = (
    APPLICATION
    + """\
lease = os.path.join(os.path.dirname(sys.prefix), ".layer", "lease")
try:
    os.rename(lease, lease)
    result["leased"] = False
except PermissionError:
    result["leased"] = True
result["search"] = os.environ["PATH"].split(";")
print(json.dumps(result))
sys.exit(7)
"""
)
IS_FREE = "import os, sys; os.rename(sys.argv[1], sys.argv[1]); print('free')"


@pytest.fixture
def deployed(downloads_list: str, run_windows: Run, tmp_path: Path) -> Path:
    """Deploy a stack for Windows, with absolute paths as if that had been done there."""
    stack = define(tmp_path / "built", downloads_list, "win_amd64", "3.13.2", "pygments", module=WITH_LEASE)
    venvstacks.build(stack, platforms=["win_amd64"])
    venvstacks.publish(stack, platforms=["win_amd64"])
    folder = tmp_path / "a deployment"
    venvstacks.deploy(tmp_path / "built" / "_artifacts", to=folder, platform="win_amd64")
    (runtime,) = (path for path in folder.glob("layers/*/base") if not path.is_symlink())
    for layer in folder.glob("layers/*/app-tool"):
        run_windows(runtime / "python.exe", layer / "postinstall.py", "--no-compile")
    return folder


def test_win_amd64(deployed: Path, windows: Windows, run_windows: Run) -> None:
    (layer,) = deployed.glob("layers/*/app-tool")
    for program, folder in (("bin\\tool.cmd", deployed), ("tool.cmd", deployed / "generations" / "1" / "bin")):
        done = run_program(
            ["wine", "cmd", "/d", "/c", program, "a b", "x", "ü"], windows.environment, cwd=folder, check=False
        )
        assert done.returncode == 7, done.stderr
        told = json.loads(done.stdout)
        assert told["arguments"] == ["a b", "x", "ü"]
        assert told["prefix"] == windows_path(layer)
        assert told["idna"] == "xn--grn-ioa.example"
        assert told["search"][0] == windows_path(layer / "Scripts")
        assert told["leased"]
    (runtime,) = (path for path in deployed.glob("layers/*/base") if not path.is_symlink())
    lease = layer.parent / ".layer" / "lease"
    assert run_windows(runtime / "python.exe", "-c", IS_FREE, lease).stdout.strip() == "free"


def test_nothing_to_start(deployed: Path, windows: Windows) -> None:
    (deployed / "current").write_text("generations/7\n")
    done = run_program(
        ["wine", "cmd", "/d", "/c", "bin\\tool.cmd"], windows.environment, cwd=deployed, check=False
    )
    assert done.returncode == 127
    assert "there is no such application in the current generation" in done.stderr
