"""Build scripts: what the package itself offers, and that the documented examples run."""

import re
import shutil
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import venvstacks
from fakes.building import Project
from fakes.patience import PATIENCE
from fakes.projects import LAYERS, built_project, content, locked_project, make_project
from venvstacks import Event, Finished, Options, Planned, Progressed, Started, Step, Waiting

ROOT = Path(__file__).parents[2]
DOCUMENTED = {
    "docstring": Path(venvstacks.__file__),
    "guide": ROOT / "docs" / "how-to" / "build-script.md",
}


@dataclass
class Log:
    """An observer that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Started | Finished], step: Step) -> list[str]:
        found = [event for event in self.events if isinstance(event, kind)]
        return [event.layer for event in found if event.step is step]


def offline(project: Project, log: Log | None = None) -> Options:
    return Options(
        local_wheels=(Path("wheels"),),
        no_index=True,
        observe=log or Log(),
        environ=project.environment(),
    )


def test_the_whole_way(root: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", root)
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    log = Log()
    options = offline(project, log)
    assert [layer.build_name for layer in stack.layers] == list(LAYERS)

    plan = venvstacks.plan_locking(stack)
    assert plan.resolve == set(LAYERS)
    locked = venvstacks.lock(stack, options=options)
    assert [item.lock.layer for item in locked] == list(LAYERS)
    assert all(item.changed for item in locked)
    assert [package.name for package in locked[0].lock.packages] == ["alpha"]
    assert not any(item.changed for item in venvstacks.lock(stack, if_needed=True, options=options))

    assert [item.layer.build_name for item in venvstacks.plan_building(stack).to_build] == list(LAYERS)
    built = venvstacks.build(stack, options=options)
    assert [item.layer.build_name for item in built] == list(LAYERS)
    assert all(item.folder == project.folder / "_build" / item.layer.build_name for item in built)
    assert venvstacks.plan_building(stack).to_build == ()

    settings = venvstacks.PublishSettings(output="archives", format="tar.gz", level=1)
    (planned_archives,) = venvstacks.plan_publication(stack, **settings)
    assert [item.is_kept for item in planned_archives.layers] == [False] * 4
    (published,) = venvstacks.publish(stack, options=options, **settings)
    assert [item.layer for item in published.layers] == list(LAYERS)
    assert all(
        item.created and item.path.stat().st_size == item.manifest.archive_size for item in published.layers
    )
    assert published.manifest_path.is_file()
    (again,) = venvstacks.publish(stack, options=options, **settings)
    assert not any(item.created for item in again.layers)
    assert again.manifest == published.manifest

    target = tmp_path / "export"
    (planned_exports,) = venvstacks.plan_exporting(stack, output=target)
    assert [item.is_kept for item in planned_exports.layers] == [False] * 4
    (exported,) = venvstacks.export(stack, output=target, options=options)
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == [
        "__venvstacks__",
        "app-hello",
        "app-🦎@1",
        "framework-🐸",
        "py",
    ]
    assert all(layer.created for layer in exported.layers)

    archives = [archive.path for archive in published.layers]
    unpacked = venvstacks.unpack(archives, tmp_path / "unpacked", options=options)
    assert [layer.path.name for layer in unpacked] == ["py", "framework-🐸", "app-hello", "app-🦎@1"]

    for step in (Step.LOCK, Step.BUILD, Step.PUBLISH, Step.EXPORT, Step.UNPACK):
        assert set(log.of(Started, step)) == set(LAYERS)
        assert set(log.of(Finished, step)) == set(LAYERS)
    planned = [event for event in log.events if isinstance(event, Planned)]
    assert next(set(event.layers) for event in planned if event.step is Step.PUBLISH) == set(LAYERS)
    for step in (Step.PUBLISH, Step.EXPORT):
        last = [e for e in log.events if isinstance(e, Progressed) and (e.step, e.layer) == (step, "py")][-1]
        assert last.done == last.total > 0


def test_plans_change_nothing(root: Path) -> None:
    project = built_project(root)
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    before = content(project.folder)
    plans = {
        "lock": venvstacks.plan_locking(stack, reset=["py"]),
        "build": venvstacks.plan_building(stack, options=Options(clean=True)),
        "publish": venvstacks.plan_publication(stack, force=True),
        "export": venvstacks.plan_exporting(stack, force=True),
    }
    assert all(plans.values())
    assert content(project.folder) == before


def test_some_layers(root: Path, tmp_path: Path) -> None:
    project = locked_project(root).copied(tmp_path / "project")
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    built = venvstacks.build(stack, include=["framework-🐸"], options=offline(project))
    assert [item.layer.build_name for item in built] == ["py", "framework-🐸"]
    (result,) = venvstacks.publish(stack, include=["framework-🐸"], options=offline(project))
    assert [archive.layer for archive in result.layers] == ["framework-🐸"]
    with pytest.raises(venvstacks.BuildError, match="Application 'hello'") as caught:
        venvstacks.publish(stack, include=["app-hello"], options=offline(project))
    assert "venvstacks build" in (caught.value.hint or "")
    assert venvstacks.build(stack, include=[], options=offline(project)) == ()


def test_errors_have_types_hints_and_codes(root: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", root)
    for wheel in (project.folder / "wheels").glob("gamma-*"):
        wheel.unlink()
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(venvstacks.ResolutionError) as caught:
        venvstacks.lock(stack, options=offline(project))
    assert isinstance(caught.value, venvstacks.LockError)
    assert "gamma" in caught.value.message
    assert caught.value.exit_code == 1
    assert str(caught.value).startswith(caught.value.message)


def test_error_of_an_observer_ends_the_step(root: Path, tmp_path: Path) -> None:
    """It reaches the script as it is, and the folder is free afterwards."""
    project = locked_project(root).copied(tmp_path / "project")
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")

    def observe(event: Event) -> None:
        if isinstance(event, Started):
            raise LookupError(event.layer)  # noqa: TRY004 - what an observer may do

    options = Options(
        no_index=True, local_wheels=(Path("wheels"),), observe=observe, environ=project.environment()
    )
    with pytest.raises(LookupError):
        venvstacks.build(stack, options=options)
    built = venvstacks.build(stack, include=["framework-🐸"], options=offline(project))
    assert len(built) == 2


def test_two_runs_in_one_process(root: Path) -> None:
    """The second waits until the first has finished, or fails if that is not wanted."""
    project = built_project(root)
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    holding, released, waiting = threading.Event(), threading.Event(), threading.Event()

    def hold(event: Event) -> None:
        if isinstance(event, Planned):
            holding.set()
            assert released.wait(PATIENCE)

    def tell(event: Event) -> None:
        if isinstance(event, Waiting):
            assert event.folder == str(project.folder / "_build")
            waiting.set()

    results: list[object] = []

    def build(observe: venvstacks.Observer) -> threading.Thread:
        options = Options(observe=observe, environ=project.environment())
        thread = threading.Thread(target=lambda: results.append(venvstacks.build(stack, options=options)))
        thread.start()
        return thread

    first = build(hold)
    assert holding.wait(PATIENCE)
    with pytest.raises(venvstacks.BusyError, match="Another run is using"):
        venvstacks.build(stack, options=Options(wait=False, environ=project.environment()))
    second = build(tell)
    assert waiting.wait(PATIENCE)
    assert results == []
    released.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert len(results) == 2


def code_in(path: Path) -> str:
    """Return the example in a docstring (indented) or a page (fenced)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        block = re.search(r"::\n\n((?:    .*\n|\n)+)", text)
    else:
        block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return textwrap.dedent(block[1])


@pytest.mark.parametrize("where", DOCUMENTED)
def test_documented_example(root: Path, tmp_path: Path, where: str) -> None:
    """It runs as it stands, as a script in a folder with a definition; no requirements, no network."""
    project = make_project(tmp_path / "project", root)
    shutil.rmtree(project.folder / "wheels")
    definition = project.folder / "venvstacks.toml"
    text = re.sub(r"requirements = .*", "requirements = []", definition.read_text(encoding="utf-8"))
    definition.write_text(text, encoding="utf-8")
    script = project.folder / "build.py"
    script.write_text(code_in(DOCUMENTED[where]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for layer in LAYERS:
        assert re.search(rf"{re.escape(layer)}(@1)?\.tar\.zst \d+", done.stdout)
    assert (project.folder / "_artifacts" / "__venvstacks__" / "venvstacks.json").is_file()
