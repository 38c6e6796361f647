"""Whatever ends a run, and whenever: nothing is lost, and the next run ends as if nothing had been."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from fakes.building import Project
from fakes.indexes import StallingIndex
from fakes.patience import PATIENCE
from fakes.projects import LAYERS, OFFLINE, await_end, await_line, built_project, content, started, use_index
from fakes.wheels import make_wheel
from venvstacks.files import TEMPORARY_PREFIX

DRIVER = Path(__file__).with_name("killed_cli.py")
STACK = "__venvstacks__/venvstacks.json"
POINTS = 10
ARCHIVES = tuple(f"_artifacts/{name}.tar.zst" for name in LAYERS[:3])
PRIVATE = (".venvstacks", ".venvstacks-build.json")  # what is in there differs: times, downloads


@dataclass(frozen=True)
class Step:
    """A step that replaces what an earlier one left.

    Attributes:
        arguments: The command; ``OUT`` stands for where it writes.
        output: Where that is, relative to the project's folder.
    """

    arguments: tuple[str, ...]
    output: str

    def command(self, out: Path) -> list[str]:
        return [word.replace("OUT", str(out)) for word in self.arguments]


STEPS = {
    "lock": Step(("lock", "--reset-lock", "*", *OFFLINE), "requirements"),
    "build": Step(("build", "--build-dir", "OUT", *OFFLINE), "_build"),
    "publish": Step(("publish", "--output-dir", "OUT", "--compression-level", "1"), "_artifacts"),
    "local-export": Step(("local-export", "--output-dir", "OUT"), "_export"),
    "unpack": Step(("unpack", "--force", *ARCHIVES, "--to", "OUT"), "_unpacked"),
}


@dataclass(frozen=True)
class Stage:
    """What a step is tried on: a project, and what an earlier run with other inputs left where the step writes."""

    project: Project
    earlier: Path
    expected: dict[str, bytes | str]
    moments: int


def settled(folder: Path) -> dict[str, bytes | str]:
    """Return the content of a folder without what the clock decides."""
    found = content(folder, without=PRIVATE)
    return {
        name: re.sub(rb'"locked_at": "[^"]+"', b"", value) if isinstance(value, bytes) else value
        for name, value in found.items()
    }


def linked(source: Path, destination: Path) -> Path:
    """Copy a folder with hardlinks: nothing that the program writes may go through them."""
    shutil.copytree(source, destination, symlinks=True, copy_function=os.link)
    return destination


@cache
def changed_project(root: Path) -> Project:
    """Return a project whose lock and all that was made of it are of earlier inputs. Once a session."""
    project = built_project(root).copied(root / "changed 🐸")
    project.succeed("publish", "--compression-level", "1")
    for name in ("local-export", "unpack"):
        project.succeed(*STEPS[name].command(project.folder / STEPS[name].output))
    make_wheel(project.folder / "wheels", "gamma", "2.0")
    make_wheel(project.folder / "wheels", "beta", "2.0", requires=["alpha"])
    module = project.folder / "hello.py"
    module.write_text(f"{module.read_text(encoding='utf-8')}\n# changed\n", encoding="utf-8")
    return project


@cache
def stage(root: Path, name: str) -> Stage:
    """Set a step up, and carry it out once undisturbed."""
    step = STEPS[name]
    project = changed_project(root).copied(root / f"stage {name}")
    earlier = (project.folder / step.output).rename(root / f"earlier {name}")
    for before in list(STEPS)[: list(STEPS).index(name)]:
        project.succeed(*STEPS[before].command(project.folder / STEPS[before].output))
    out = linked(earlier, project.folder / "requirements" if name == "lock" else root / f"undisturbed {name}")
    ended = hit(project, signal.SIGKILL, 0, step.command(out))
    moments = int(ended[1].rpartition("moments: ")[2])
    assert ended[0] == 0
    found = Stage(project, earlier, settled(out), moments)
    shutil.rmtree(out)
    return found


def hit(project: Project, number: signal.Signals, moment: int, command: list[str]) -> tuple[int, str]:
    """Run with a signal at a given moment, until all that was started is gone; give the status and stderr."""
    program: list[str | Path] = [sys.executable, DRIVER, str(number.value), str(moment), *command]
    with started(program, project.folder, project.environment()) as process:
        err = process.communicate()[1] if number is signal.SIGKILL else await_end(process)
        return process.returncode, err


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(f"*{TEMPORARY_PREFIX}*")]


def prepared(root: Path, name: str, tmp_path: Path) -> tuple[Stage, Project, Path]:
    """Return a stage, its project (a copy where the step writes into it), and what the step is to replace."""
    set_up = stage(root, name)
    if name != "lock":
        return set_up, set_up.project, linked(set_up.earlier, tmp_path / "out")
    project = Project(tmp_path / "project", set_up.project.root)
    ignored = shutil.ignore_patterns(*(other.output for other in STEPS.values() if other is not STEPS["lock"]))
    shutil.copytree(set_up.project.folder, project.folder, ignore=ignored)
    return set_up, project, linked(set_up.earlier, project.folder / "requirements")


def nothing_is_mixed(out: Path, set_up: Stage, name: str) -> None:
    """Check that each file, and each layer's folder, is the earlier one, the new one, or (a folder) absent."""
    now, earlier = settled(out), settled(set_up.earlier)
    if name in {"lock", "publish"}:
        finished = {path for path in now if TEMPORARY_PREFIX not in path}
        if name == "publish":  # when it fails, the stack's manifest tells of what is there
            finished.discard(STACK)
            listed = json.loads((out / STACK).read_bytes())["layers"]
            told = {layer["layer_name"]: layer for layers in listed.values() for layer in layers}
            files = (out / "__venvstacks__/env_metadata").glob("*.json")
            there = [json.loads(file.read_bytes()) for file in files]
            old = json.loads((set_up.earlier / STACK).read_bytes())["layers"] == listed
            assert old or told == {layer["layer_name"]: layer for layer in there}
        assert [path for path in finished if now[path] not in (earlier.get(path), set_up.expected.get(path))] == []
        return
    for folder in {path.partition("/")[0] for path in now if TEMPORARY_PREFIX not in path} - {"__venvstacks__"}:
        part, before, after = (
            {path: value for path, value in found.items() if path.partition("/")[0] == folder}
            for found in (now, earlier, set_up.expected)
        )
        assert part in (before, after)


@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("name", STEPS)
def test_kill(root: Path, tmp_path: Path, name: str, point: int) -> None:
    set_up, project, out = prepared(root, name, tmp_path)
    command = STEPS[name].command(out)
    untouched = content(set_up.earlier)
    moment = random.Random(name).sample(range(1, set_up.moments * 9 // 10), POINTS)[point]  # noqa: S311
    assert hit(project, signal.SIGKILL, moment, command)[0] == -signal.SIGKILL
    nothing_is_mixed(out, set_up, name)
    ended = project.run(*command)
    assert ended.status == 0, ended.stderr
    assert settled(out) == set_up.expected
    assert leftovers(out) == []
    assert content(set_up.earlier) == untouched


@pytest.mark.parametrize("point", range(3))
def test_kill_of_a_first_build(root: Path, tmp_path: Path, point: int) -> None:
    set_up = stage(root, "build")
    out = tmp_path / "out"
    command = STEPS["build"].command(out)
    moment = random.Random("first").sample(range(1, 60), 3)[point]  # noqa: S311
    assert hit(set_up.project, signal.SIGKILL, moment, command)[0] == -signal.SIGKILL
    set_up.project.succeed(*command)
    assert settled(out) == set_up.expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", STEPS)
def test_interruption(root: Path, tmp_path: Path, name: str, number: signal.Signals) -> None:
    """Ctrl-C and kill, at some moment: a word, a status, nothing left over, and on it goes."""
    set_up, project, out = prepared(root, name, tmp_path)
    command = STEPS[name].command(out)
    moment = random.Random(f"{name}{number}").randrange(8, set_up.moments * 9 // 10)  # noqa: S311
    status, err = hit(project, number, moment, command)
    assert status == 128 + number
    assert ("Interrupted" if number == signal.SIGINT else "Stopped by a signal") in err.splitlines()[-1]
    assert "Traceback" not in err
    assert leftovers(out) == []
    nothing_is_mixed(out, set_up, name)
    assert project.run(*command).status == 0
    assert settled(out) == set_up.expected


# ---- While something else takes its time


@contextmanager
def stalled_lock(project: Project, index: StallingIndex) -> Iterator["subprocess.Popen[str]"]:
    """Start to lock from an index that does not answer; uv waits for it."""
    use_index(project, index.url)
    environ = project.environment(UV_HTTP_TIMEOUT="600")
    with started(project.command("lock"), project.folder, environ) as process:
        assert index.requested.wait(PATIENCE)
        yield process


@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "one process"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_of_a_download(
    root: Path, tmp_path: Path, stalling: StallingIndex, number: signal.Signals, *, to_group: bool
) -> None:
    """uv waits for an index that does not answer; a terminal sends Ctrl-C to it as well, kill does not."""
    project = changed_project(root).copied(tmp_path / "project")
    before = content(project.folder / "requirements")
    with stalled_lock(project, stalling) as process:
        (os.killpg if to_group else os.kill)(process.pid, number)
        err = await_end(process)
        assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert content(project.folder / "requirements") == before
    assert leftovers(project.folder) == []


def test_interruption_of_compression(root: Path, tmp_path: Path) -> None:
    project = built_project(root)
    out = tmp_path / "out"
    command = project.command(
        "publish", "-vv", "--format", "tar.xz", "--compression-level", "9", "--output-dir", out
    )
    with started(command, project.folder, project.environment()) as process:
        assert process.stderr is not None
        await_line(process.stderr, "publishing  py")
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        assert process.returncode == 130
    assert leftovers(out) == []
    assert not list(out.glob("py.*"))


def test_two_interruptions(root: Path, tmp_path: Path, stalling: StallingIndex) -> None:
    """Someone impatient presses Ctrl-C again: that gives no traceback either."""
    project = changed_project(root).copied(tmp_path / "project")
    with stalled_lock(project, stalling) as process:
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130
    assert "Traceback" not in err


# ---- Two runs at once


def test_second_run_waits(root: Path, tmp_path: Path, stalling: StallingIndex) -> None:
    project = changed_project(root).copied(tmp_path / "project")
    definition = project.folder / "venvstacks.toml"
    plain = definition.read_text(encoding="utf-8")
    with stalled_lock(project, stalling) as first:
        definition.write_text(plain, encoding="utf-8")
        ended = project.run("build", "--no-wait", "--lock", *OFFLINE)
        assert ended.status == 1
        assert f"error: Another run is using {project.folder / '_build'}." in ended.stderr
        assert "--build-dir" in ended.stderr
        for command in ("lock", "publish", "local-export"):
            ended = project.run(command, "--no-wait")
            assert "error: Another run is using" in ended.stderr
        assert project.run("show", "-v").status == 0
        assert project.succeed("build", "--lock", "--build-dir", "other", "--include", "py", *OFFLINE).status == 0
        waiting = project.command("build", "--lock", *OFFLINE)
        with started(waiting, project.folder, project.environment()) as second:
            assert second.stderr is not None
            lines = await_line(second.stderr, "waiting")
            assert lines == [f"   waiting  another run is using {project.folder / '_build'}\n"]
            assert second.poll() is None
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 143
            out, err = second.communicate()
            assert second.returncode == 0, err
            assert out == "4 layers in _build, 2 built\n"


def test_waiting_can_be_interrupted(root: Path, tmp_path: Path, stalling: StallingIndex) -> None:
    project = changed_project(root).copied(tmp_path / "project")
    with (
        stalled_lock(project, stalling),
        started(project.command("lock"), project.folder, project.environment()) as second,
    ):
        assert second.stderr is not None
        await_line(second.stderr, "waiting")
        second.send_signal(signal.SIGINT)
        assert second.wait(PATIENCE) == 130


_KILLS_ITSELF = """\
import os, sys
number, count = map(int, os.environ["KILLED"].split())

def watch(event, arguments):
    global count
    if event == "import" and hasattr(sys.modules.get("venvstacks.cli.entry"), "main"):
        count -= 1
        if count == 0:
            os.kill(os.getpid(), number)

sys.addaudithook(watch)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("imports", [1, 2, 5, 15, 40, 120])
def test_a_signal_while_the_command_is_imported(tmp_path: Path, number: signal.Signals, imports: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(_KILLS_ITSELF)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "KILLED": f"{number} {imports}"}
    done = subprocess.run([sys.executable, "-m", "venvstacks", "show"], env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (128 + number, b"")
    told = b"nothing half-done was left" if imports > 40 else b""
    assert told in done.stderr
    assert bool(done.stderr) == bool(told)
    assert b"Traceback" not in done.stderr
