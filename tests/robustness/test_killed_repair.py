"""A repair that is killed at any moment leaves what the next one makes whole, and nothing is lost."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from fakes.archiving import facts
from fakes.built_layers import make_tree
from fakes.counted_kills import chosen_moments
from fakes.handmade_deployments import APPLICATION, RUNTIME, Handmade, make_deployment
from venvstacks.deploying.places import Home
from venvstacks.deploying.repair import prepare_repair
from venvstacks.deploying.repair_run import run_repair
from venvstacks.deploying.verify import verify_deployment
from venvstacks.work import Work

SCRIPT = Path(__file__).with_name("killed_repair.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def run(saved: Path, root: Path, at: int = 0) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, SCRIPT, saved, root, str(at)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def damage_files(deployed: Handmade) -> None:
    """Damage some of everything."""
    runtime, application = deployed.layer(RUNTIME), deployed.layer(APPLICATION)
    (runtime / "lib/os.py").write_bytes(b"?")
    (runtime / "lib/libx.so").unlink()
    (runtime / "bin/python").chmod(0o600)
    deployed.home.place(deployed.release.layer(RUNTIME)).index.write_bytes(b"?")
    shutil.rmtree(application / "pkg")
    (application / "hello.py").unlink()
    make_tree(application, {"hello.py/mine.txt": b"mine", "mine.txt": b"mine, too"})
    (application.parent / RUNTIME).unlink()
    (deployed.home.programs / "hello").unlink()
    deployed.home.current.unlink()


def damage_layer(deployed: Handmade) -> None:
    """Remove most of a layer."""
    shutil.rmtree(deployed.layer(RUNTIME))
    (deployed.layer(RUNTIME).parent / "mine.txt").write_bytes(b"mine")


def mine(root: Path) -> list[bytes]:
    """Return what was added, wherever it is."""
    return sorted(path.read_bytes() for path in root.rglob("mine.txt"))


def assert_ends_well(tmp_path: Path, deployed: Handmade) -> None:
    """Kill repairs at every moment, and repair then."""
    undisturbed = replace(deployed, home=Home(tmp_path / "undisturbed"))
    deployed.save(tmp_path / "saved")
    added = mine(deployed.home.root)
    shutil.copytree(deployed.home.root, undisturbed.home.root, symlinks=True)
    count = int(run(tmp_path / "saved", undisturbed.home.root).stdout)
    assert count > 20

    def killed_at(moment: int) -> None:
        root = tmp_path / f"root-{moment}"
        shutil.copytree(deployed.home.root, root, symlinks=True)
        assert run(tmp_path / "saved", root, moment).returncode == -signal.SIGKILL
        assert mine(root) == added
        own = replace(deployed, home=Home(root))
        run_repair(prepare_repair(root, own, Work(jobs=1)), Work(jobs=1))
        assert verify_deployment(root, Work(jobs=1)).findings == ()
        assert mine(root) == added
        assert not list(root.rglob(".venvstacks-tmp-*"))
        for target in (RUNTIME, APPLICATION):
            assert facts(own.layer(target)) == facts(undisturbed.layer(target))
        shutil.rmtree(root)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))


def test_repair_of_files_that_is_killed(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path / "made")
    damage_files(deployed)
    assert_ends_well(tmp_path, deployed)


def test_repair_of_a_layer_that_is_killed(tmp_path: Path) -> None:
    deployed = make_deployment(tmp_path / "made")
    damage_layer(deployed)
    assert_ends_well(tmp_path, deployed)
