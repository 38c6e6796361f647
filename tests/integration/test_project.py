"""A project reads each file once, and holds the build folder until it is closed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.building import Project as Fake
from fakes.building import application, runtime
from fakes.foreign_pythons import list_of_all
from fakes.pythons import host
from venvstacks import builds
from venvstacks.building import build_state


@pytest.fixture
def fake(tmp_path: Path, root: Path) -> Fake:
    fake = Fake(tmp_path / "project", root)
    fake.define(runtime(), application("app"))
    fake.build()
    return fake


def test_each_file_is_read_once(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def spy(module: object, name: str) -> None:
        function = getattr(module, name)

        def record(*arguments: object) -> object:
            read.append(f"{name} {arguments[-1] if name == 'read_state' else ''}".strip())
            return function(*arguments)

        monkeypatch.setattr(module, name, record)

    spy(builds, "lock_states")
    spy(builds, "load_lock")
    spy(build_state, "read_state")
    with venvstacks.Project(fake.stack(), fake.options()) as project:
        project.status()
        project.plan.lock(if_needed=True)
        project.plan.build()
        project.plan.publish()
        project.plan.export()
        project.publish()
        project.export()
    folders = [fake.built / name for name in ("base", "app-app")]
    assert read == ["lock_states", "load_lock", "load_lock", *(f"read_state {folder}" for folder in folders)]


def test_what_a_project_writes_is_seen(fake: Fake) -> None:
    with venvstacks.Project(fake.stack(), fake.options()) as project:
        assert project.plan.build().to_build == ()
        fake.write("app.py", "print('changed')\n")
        project.lock()
        assert [build.layer.build_name for build in project.plan.build().to_build] == ["app-app"]
        project.build()
        assert project.plan.build().to_build == ()
        (outputs,) = project.publish(format="tar.gz", output="out")
        assert [output.created for output in outputs.layers] == [True, True]


def test_others_wait_until_it_is_closed(fake: Fake) -> None:
    impatient = venvstacks.Options(wait=False)
    with venvstacks.Project(fake.stack(), fake.options()) as project:
        venvstacks.plan_building(fake.stack(), options=impatient)  # plans hold nothing
        project.build()
        with pytest.raises(venvstacks.BusyError):
            venvstacks.export(fake.stack(), options=impatient)
    venvstacks.export(fake.stack(), options=impatient)


def test_a_failed_step_does_not_cancel_the_next_one(fake: Fake) -> None:
    with venvstacks.Project(fake.stack(), fake.options()) as project:
        (fake.built / "app-app" / "foreign").touch()
        with pytest.raises(venvstacks.BuildError):
            project.build()
        (fake.built / "app-app" / "foreign").unlink()
        assert [build.layer.build_name for build in project.build()] == ["base", "app-app"]


def test_steps_for_several_platforms_follow_each_other(fake: Fake) -> None:
    fake.policy = "never"
    fake.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(fake.folder / "pythons", fake.root)
    limits: dict[str, Any] = {"platforms": sorted({host().target.name, "win_amd64"}), "linux_target": "glibc@2.40"}
    fake.define(runtime(**limits), application("app", **limits))
    with venvstacks.Project(fake.stack(), fake.options()) as project:
        project.lock()
        for name in ("base", "app-app"):
            project.build(include=[name], platforms=["all"])
        assert project.plan.build(platforms=["all"]).to_build == ()


def test_opening_loads_the_definition(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fake.folder)
    with venvstacks.open(bytecode="ship", jobs=3, build_dir="elsewhere") as project:
        assert (project.stack.bytecode, project.options.jobs) == ("ship", 3)
        assert [build.folder for build in project.plan.build().layers] == [
            fake.folder / "elsewhere" / name for name in ("base", "app-app")
        ]
    with pytest.raises(venvstacks.UsageError, match="local_wheels='wheels' is a string"):
        venvstacks.open(local_wheels="wheels")


def test_a_step_after_closing_holds_the_build_folder_again(fake: Fake) -> None:
    project = venvstacks.Project(fake.stack(), fake.options())
    project.build()
    project.close()
    before = project.builds.states
    project.close()
    assert project.builds.states is not before, "another run may have written locks"
    with project:
        project.build()
        with pytest.raises(venvstacks.BusyError):
            venvstacks.export(fake.stack(), options=venvstacks.Options(wait=False))


def test_no_layers_at_all(fake: Fake) -> None:
    with venvstacks.Project(fake.stack(), fake.options()) as project:
        assert project.build(include=[]) == ()
        assert project.plan.publish(include=[]) == ()
        assert project.publish(include=[]) == ()
        assert project.plan.export(include=[]) == ()
        assert project.export(include=[]) == ()
    assert not (fake.folder / "_artifacts" / "__venvstacks__").exists()


def test_levels_are_those_of_the_format_in_the_definition(fake: Fake) -> None:
    stack = replace(fake.stack(), archive_formats=dict.fromkeys(fake.stack().archive_formats, "tar.xz"))
    with venvstacks.Project(stack, fake.options()) as project:
        project.publish(level=0, output="out")
        with pytest.raises(venvstacks.UsageError, match=r"levels of tar\.xz are 0 to 9, not 10"):
            project.publish(level=10, output="other")
    assert not (fake.folder / "other").exists()
