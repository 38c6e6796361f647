"""The example comes out as the same bytes, whatever of host, time, user, folder, workers and caches differs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from venvstacks.archives.byte_comparison import compare_folders
from venvstacks.archives.formats import ArchiveFormat

EXAMPLE = Path(__file__).parents[2] / "examples" / "science"
SCRIPT = Path(__file__).with_name("reproducing.py")
_SHOWN = 20


@dataclass(frozen=True)
class Machine:
    """What differs from one machine to another.

    Attributes:
        seed: 0 for this machine as it is; otherwise folders are listed in another order, clock and user differ.
        umask: Of the run.
        jobs: Number of workers.
        environ: More environment variables.
    """

    seed: int = 0
    umask: int = 0o022
    jobs: int = 1
    environ: Mapping[str, str] = field(default_factory=dict)

    def run(self, folder: Path, *arguments: str | Path) -> None:
        program = [sys.executable, SCRIPT, str(self.seed)] if self.seed else [sys.executable, "-m", "venvstacks"]
        done = subprocess.run(
            [*program, *arguments, "--jobs", str(self.jobs)],
            cwd=folder,
            env={**os.environ, "VENVSTACKS_CACHE_LIMIT": "10GB", **self.environ},
            umask=self.umask,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr


HERE = Machine()
THERE = Machine(
    seed=1,
    umask=0o077,
    jobs=5,
    environ={
        "TZ": "Pacific/Chatham",
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "tr_TR.UTF-8",
        "USER": "nobody",
        "LOGNAME": "nobody",
        "PYTHONHASHSEED": "7",
        "SOURCE_DATE_EPOCH": "1",
    },
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Lock the example, and build it from the same locks here and there."""
    folders = tmp_path_factory.mktemp("here") / "stack", tmp_path_factory.mktemp("there") / "deeper" / "other name"
    ignored = shutil.ignore_patterns("_build", "_artifacts", "_export", "requirements", "__pycache__")
    for folder in folders:
        shutil.copytree(EXAMPLE, folder, ignore=ignored)
    HERE.run(folders[0], "lock")
    shutil.copytree(folders[0] / "requirements", folders[1] / "requirements")
    for folder, machine in zip(folders, (HERE, THERE), strict=True):
        machine.run(folder, "build")
    return folders


def assert_same(one: Path, two: Path) -> None:
    """Compare all bytes; what differs is told by entry and byte."""
    found = [str(difference) for _, difference in zip(range(_SHOWN), compare_folders(one, two), strict=False)]
    if found:
        raise AssertionError("\n".join(["they differ (the first | the second):", *found]))


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_same_bytes_everywhere(built: tuple[Path, Path], tmp_path: Path, kind: ArchiveFormat) -> None:
    here, there = built
    options = ["publish", "--format", kind.value, "--tag-outputs", "--compression", "fast"]
    caches = {name: tmp_path / name for name in ("cold", "warm")}
    runs: list[tuple[str, Callable[..., None], Path, Path]] = [
        ("here", HERE.run, here, caches["warm"]),
        ("here-warm", Machine(jobs=3).run, here, caches["warm"]),
        ("there-warm", THERE.run, there, caches["warm"]),
        ("there-cold", THERE.run, there, caches["cold"]),
    ]
    for name, run, folder, cache in runs:
        run(folder, *options, "--output-dir", tmp_path / "out" / name, "--cache-dir", cache)
    assert len(list((tmp_path / "out" / "here").glob(f"*.{kind.value}"))) == 6
    for name, *_ in runs[1:]:
        assert_same(tmp_path / "out" / "here", tmp_path / "out" / name)


def test_differences_are_told_by_entry_and_byte(built: tuple[Path, Path], tmp_path: Path) -> None:
    here, _ = built
    for name in ("one", "two"):
        shutil.copytree(here, tmp_path / name, symlinks=True)
    module = tmp_path / "two" / "apps" / "iris.py"
    module.write_text(module.read_text(encoding="utf-8").replace("import", "import ", 1), encoding="utf-8")
    for name in ("one", "two"):
        HERE.run(tmp_path / name, "build", "--lock", "--publish", "--include", "app-iris", "--compression", "fast")
    with pytest.raises(AssertionError) as caught:
        assert_same(tmp_path / "one" / "_artifacts", tmp_path / "two" / "_artifacts")
    told = str(caught.value).splitlines()
    assert any(
        line.startswith("app-iris.tar.zst: the content of 'lib/") and "iris.py' from byte" in line for line in told
    )
