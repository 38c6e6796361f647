"""What a small change costs: in locks, in what is built and in what is published."""

import json
from pathlib import Path

import pytest

from fakes.building import Project
from fakes.legacy_locks import make_legacy
from fakes.locking import metadata_of
from fakes.projects import OFFLINE, content, locked_project
from fakes.wheels import make_wheel
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Stack
from venvstacks.platforms.targets import host_target

VERSIONED = "app-🦎"
WHOLE = "__venvstacks__/venvstacks.json"


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return locked_project(root).copied(tmp_path / "project")


def _redefine(project: Project, *changes: tuple[str, str]) -> None:
    path = project.folder / "venvstacks.toml"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def _stack(project: Project) -> Stack:
    return load_stack(project.folder / "venvstacks.toml", environ={})


def _above_the_runtime(project: Project) -> dict[str, bytes | str]:
    """Return locks, archives and the layers' own manifests, but for those of the runtime."""
    made = content(project.folder / "requirements") | content(project.folder / "_artifacts")
    return {name: data for name, data in made.items() if not name.startswith("py") and "/py.json" not in name}


def test_an_update_that_nothing_above_uses_changes_nothing_above(project: Project) -> None:
    make_wheel(project.folder / "wheels", "idna", "3.8")
    _redefine(project, ('requirements = ["alpha"]', 'requirements = ["alpha", "idna"]'))
    project.succeed("build", "--lock", "--publish", *OFFLINE)
    before = _above_the_runtime(project)
    before.pop(WHOLE)
    make_wheel(project.folder / "wheels", "idna", "3.9")
    project.succeed("build", "--lock", "--reset-lock", "py", "--publish", *OFFLINE)
    assert metadata_of(_stack(project), VERSIONED)["lock_version"] == 1
    after = _above_the_runtime(project)
    after.pop(WHOLE)
    assert after == before
    manifest = json.loads((project.folder / "_artifacts/__venvstacks__/env_metadata/py.json").read_bytes())
    assert manifest["archive_build"] == 2

    make_wheel(project.folder / "wheels", "alpha", "1.1")  # this one is used
    project.succeed("build", "--lock", "--reset-lock", "py", "--publish", *OFFLINE)
    used = "framework-🐸/pylock.framework-🐸.meta.json"
    assert _above_the_runtime(project)[used] != before[used]


def test_editing_a_module_of_an_unversioned_application_needs_no_locking(project: Project) -> None:
    versioned = 'versioned = true\nlaunch_module = "{}"'
    _redefine(project, (versioned.format("hello.py"), versioned.format("o.py")))
    (project.folder / "o.py").touch()
    project.succeed("lock", *OFFLINE)
    project.succeed("build", "--publish", *OFFLINE)
    locks = content(project.folder / "requirements")
    archive = project.folder / "_artifacts/app-hello.tar.zst"
    before = archive.read_bytes()
    (project.folder / "hello.py").write_text("print('edited')\n")
    project.succeed("build", "--publish", *OFFLINE)
    assert project.succeed("run", "hello").stdout == "edited\n"
    assert archive.read_bytes() != before
    project.succeed("lock", *OFFLINE)
    assert content(project.folder / "requirements") == locks
    (project.folder / "o.py").write_text("changed = 1\n")  # the other one is versioned
    ended = project.run("build", *OFFLINE)
    assert ended.status != 0
    assert "its modules, excluded packages or entry points have changed" in ended.stderr


def test_a_stack_that_venvstacks_0_8_locked(project: Project) -> None:
    make_legacy(_stack(project), lock_version=3)
    locks = content(project.folder / "requirements")
    project.succeed("build", "--publish", *OFFLINE)
    assert content(project.folder / "requirements") == locks
    archives = {path.name for path in (project.folder / "_artifacts").glob("*.tar.zst")}
    assert f"{VERSIONED}@3.tar.zst" in archives
    before = content(project.folder / "_artifacts")
    make_wheel(project.folder / "wheels", "beta", "9.0")
    project.succeed("build", "--lock", "--publish", *OFFLINE)
    assert metadata_of(_stack(project), VERSIONED)["lock_version"] == 3
    after = content(project.folder / "_artifacts")
    assert {name: after[name] for name in after if name.endswith(".zst")} == {
        name: before[name] for name in before if name.endswith(".zst")
    }


def test_only_the_platforms_that_are_built_need_wheels(project: Project) -> None:
    host, other = host_target().name, "win_arm64"
    make_wheel(project.folder / "wheels", "native", "1.0", tag=f"py3-none-{_platform_tag()}")
    only_here = f'platforms = ["{host}"]\n'
    _redefine(project, ('["gamma"]\n', f'["gamma", "native"]\n{only_here}'))
    project.succeed("lock", *OFFLINE)
    make_legacy(_stack(project))
    _redefine(project, (only_here, f'platforms = ["{host}", "{other}"]\n'))
    project.succeed("build", *OFFLINE)
    ended = project.run("build", "--platform", other, "--include", "app-hello", *OFFLINE)
    assert ended.status != 0
    assert f"'app-hello' cannot be used on {other}: its lock has no wheel there of native 1.0." in ended.stderr


def _platform_tag() -> str:
    from packaging.tags import platform_tags  # noqa: PLC0415

    return next(iter(platform_tags()))
