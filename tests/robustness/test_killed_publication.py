"""A process that is killed at any moment leaves whole files, and the next run ends as if nothing had been."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.archive_reading import read_archive
from fakes.counted_kills import chosen_moments
from fakes.small_stack import export, make_stack, options_of, publish, snapshot
from venvstacks.archives import packing
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.publishing.export_plan import ExportOptions

SCRIPT = Path(__file__).with_name("killed_publication.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def run(step: str, build: Path, output: Path, inputs: str, at: int = 0) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, SCRIPT, step, build, output, inputs, str(at)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def run_again(step: str, build: Path, output: Path, inputs: str) -> None:
    """Run in this process."""
    built = make_stack(build, inputs=inputs, version=int(inputs) if step.endswith("-versioned") else None)
    if step.startswith("publish"):
        cache = FrameCache(output.with_name(f"{output.name}-cache")) if step == "publish-cached" else None
        publish(built, options_of(step, output), cache=cache)
    else:
        export(built, ExportOptions(output))


def assert_whole(output: Path) -> None:
    """Check that each file under a final name can be read to its end."""
    for path in output.rglob("*.json"):
        assert isinstance(json.loads(path.read_bytes()), dict)
    for path in output.rglob("*.tar.zst"):
        assert read_archive(path, ArchiveFormat.TAR_ZST)


@pytest.mark.parametrize(
    "step", ["publish", "publish-tagged", "publish-cached", "publish-deltas", "export", "export-versioned"]
)
def test_run_after_a_kill_ends_as_an_undisturbed_one(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_WORTH_KEEPING", 0)
    # The first run makes the layers, the second, which is killed, replaces all of them.
    build = {inputs: tmp_path / f"build-{inputs}" for inputs in ("1", "2")}
    assert run(step, build["1"], tmp_path / "first", "1").returncode == 0
    shutil.copytree(tmp_path / "first", tmp_path / "expected", symlinks=True)
    undisturbed = run(step, build["2"], tmp_path / "expected", "2")
    expected = snapshot(tmp_path / "expected")
    count = int(undisturbed.stdout)
    assert count > 20

    def killed_at(moment: int) -> None:
        output = tmp_path / f"out-{moment}"
        shutil.copytree(tmp_path / "first", output, symlinks=True)
        assert run(step, build["2"], output, "2", moment).returncode == -signal.SIGKILL
        assert_whole(output)
        run_again(step, build["2"], output, "2")
        assert snapshot(output) == expected

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))


@pytest.mark.parametrize("step", ["publish", "export"])
def test_first_run_that_is_killed(tmp_path: Path, step: str) -> None:
    undisturbed = run(step, tmp_path / "build", tmp_path / "expected", "1")
    expected = snapshot(tmp_path / "expected")
    count = int(undisturbed.stdout)
    assert count > 20

    def killed_at(moment: int) -> None:
        output = tmp_path / f"out-{moment}"
        assert run(step, tmp_path / "build", output, "1", moment).returncode == -signal.SIGKILL
        assert_whole(output)
        run_again(step, tmp_path / "build", output, "1")
        assert snapshot(output) == expected

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))
