"""Locking where there are locks already."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.definitions import define
from fakes.legacy_locks import make_legacy
from fakes.locking import Locker, content, load_all, metadata_of, plain_environment, pylock_of
from fakes.wheels import make_wheel
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Stack
from venvstacks.errors import InvalidLockError, LockError, ResolutionError
from venvstacks.locking.lock_run import LockedLayer
from venvstacks.locking.states import lock_states


def _three_layers(tmp_path: Path, **application: object) -> Stack:
    return define(
        tmp_path,
        runtimes=[{"requirements": ["lib"]}],
        frameworks=[{"name": "f", "requirements": ["lib"], "versioned": True}, {"name": "g"}],
        applications=[
            {"name": "a", "frameworks": ["f"], "requirements": ["tool"], "versioned": True, **application}
        ],
    )


@pytest.fixture
def three(tmp_path: Path, wheels: Path) -> Stack:
    make_wheel(wheels, "lib", "1.0")
    make_wheel(wheels, "tool", "1.0")
    return _three_layers(tmp_path / "stack")


def test_locking_twice_changes_no_byte(three: Stack, lock: Locker) -> None:
    first = lock(three)
    assert all(layer.changed for layer in first.values())
    before = content(three)
    second = lock(three)
    assert content(three) == before
    assert not any(layer.changed for layer in second.values())
    assert [layer.lock for layer in second.values()] == [layer.lock for layer in first.values()]


def test_time_and_tools_stay_while_the_content_does(three: Stack, lock: Locker) -> None:
    lock(three)
    path = three.requirements_folder / "py/pylock.py.meta.json"
    meta = json.loads(path.read_text()) | {
        "locked_at": "2020-01-01T00:00:00+00:00",
        "tool_versions": {"uv": "0.1", "venvstacks": "0"},
    }
    text = json.dumps(meta, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    path.write_text(text)
    assert not lock(three)["py"].changed
    assert path.read_text() == text


def test_another_folder_umask_and_time_zone_give_the_same_bytes(
    tmp_path: Path, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(wheels, "lib", "1.0", requires=["b; sys_platform=='linux'", "c"])
    for name in ("b", "c"):
        make_wheel(wheels, name, "1.0")
    root = tmp_path / "one"
    shutil.copytree(wheels, root / "wheels")
    runtime = {"requirements": ["lib", "c[x,y] >=1,<2"]}
    uv = {"exclude-newer": "2024-05-06T07:08:09Z"}
    stack = define(root, runtimes=[runtime], frameworks=[{"name": "f", "requirements": ["lib"]}], uv=uv)
    Locker(plain_environment(cache), (root / "wheels",))(stack)

    other = tmp_path / "a longer folder 🦎" / "two"
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("requirements"))
    monkeypatch.chdir(other)
    environ = {**plain_environment(tmp_path / "cold-cache"), "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    again = load_stack(Path("venvstacks.toml"), environ={})
    previous = os.umask(0o077)
    try:
        Locker(environ, (other / "wheels",))(again)
    finally:
        os.umask(previous)
    assert content(again) == content(stack)
    assert metadata_of(stack, "py")["locked_at"] == "2024-05-06T07:08:09+00:00"


def test_pins_are_kept_until_they_are_reset(three: Stack, wheels: Path, lock: Locker) -> None:
    lock(three)
    for name in ("lib", "tool"):
        make_wheel(wheels, name, "1.1")
    kept = lock(three)
    assert not any(layer.changed for layer in kept.values())
    reset = lock(three, needed=[], reset=["py"], include=["py"])
    assert _version(reset, "py") == "1.1"
    assert _version(reset, "app-a") == "1.0"


def _version(locked: Mapping[str, LockedLayer], name: str) -> str:
    return str(locked[name].lock.packages[0].version)


def test_layers_above_a_changed_one_are_locked_again(three: Stack, wheels: Path, lock: Locker) -> None:
    lock(three)
    make_wheel(wheels, "lib", "1.1")
    locked = lock(three, include=["py"], reset=["py"])
    assert {name: layer.changed for name, layer in locked.items()} == {
        "py": True,
        "framework-f": True,
        "framework-g": False,  # takes nothing
        "app-a": True,
    }
    assert all(state.is_valid for state in lock_states(three).values())


def test_only_what_needs_it_is_locked_if_needed(three: Stack, lock: Locker) -> None:
    everything = [layer.build_name for layer in three.layers]
    lock(three)
    before = content(three)
    assert not any(layer.changed for layer in lock(three, needed=everything).values())
    (three.requirements_folder / "framework-f/pylock.framework-f.toml").unlink()
    lock(three, needed=everything)
    assert content(three) == before


def test_the_number_of_a_versioned_layer_rises_with_its_content(
    tmp_path: Path, three: Stack, wheels: Path, lock: Locker
) -> None:
    assert lock(three)["app-a"].lock.install_target == "app-a@1"
    packages = pylock_of(three, "app-a")["packages"]
    make_wheel(wheels, "tool", "1.1")
    (three.folder / "app.py").write_text("print('changed')\n")
    assert lock_states(three)["app-a"].reason == "its modules, excluded packages or entry points have changed"
    second = lock(three, needed=["app-a"])["app-a"].lock
    assert (second.metadata.lock_version, second.install_target) == (2, "app-a@2")
    assert pylock_of(three, "app-a")["packages"] == packages  # the newer tool has to wait for a reset
    assert lock(three, include=["app-a"])["app-a"].lock.metadata.lock_version == 2
    assert lock(three, include=["app-a"], reset=["app-a"])["app-a"].lock.metadata.lock_version == 3
    again = _three_layers(tmp_path / "stack", versioned=False)
    plain = lock(again)["app-a"].lock
    assert (plain.metadata.lock_version, plain.install_target) == (1, "app-a")


def test_what_is_not_installed_is_locked_as_before(tmp_path: Path, three: Stack, lock: Locker) -> None:
    lock(three)
    before = content(three)
    changes = {"exclude_packages": ["Tool"], "entry_points": ["tool"]}
    changed = _three_layers(tmp_path / "stack", **changes)
    locked = lock(changed, needed=["app-a"])
    assert {name: layer.lock.install_target for name, layer in locked.items()}["app-a"] == "app-a@2"
    after = content(changed)
    different = {name for name in before if after[name] != before[name]}
    assert different == {"app-a/pylock.app-a.meta.json", "app-a/packages-app-a.txt"}
    assert after["app-a/packages-app-a.txt"].endswith(b"\ntool==1.0  # excluded\n")
    lock(changed)
    assert content(changed) == after


def test_an_unversioned_layer_stays_at_one_and_changes_its_time(
    tmp_path: Path, wheels: Path, lock: Locker
) -> None:
    make_wheel(wheels, "lib", "1.0")
    uv = {"exclude-newer": "2024-01-01"}
    stack = define(tmp_path, runtimes=[{"requirements": ["lib"]}], uv=uv)
    lock(stack)
    assert metadata_of(stack, "py")["locked_at"] == "2024-01-01T00:00:00+00:00"
    stack = define(
        tmp_path, runtimes=[{"requirements": ["lib>0"]}], uv={"exclude-newer": "2024-02-02T03:00:00+03:00"}
    )
    lock(stack)
    meta = metadata_of(stack, "py")
    assert (meta["lock_version"], meta["locked_at"]) == (1, "2024-02-02T00:00:00+00:00")


def test_layers_above_a_versioned_one_follow_its_number(three: Stack, wheels: Path, lock: Locker) -> None:
    lock(three)
    make_wheel(wheels, "lib", "1.1")
    lock(three, include=["py"], reset=["py"])
    assert lock_states(three)["framework-f"].install_target == "framework-f@2"
    assert load_all(three)["app-a"].install_target == "app-a@2"


def test_a_deleted_lock_file_does_not_give_a_number_away_again(three: Stack, wheels: Path, lock: Locker) -> None:
    lock(three)
    (three.requirements_folder / "app-a/pylock.app-a.toml").unlink()
    make_wheel(wheels, "tool", "1.1")
    assert lock(three)["app-a"].lock.install_target == "app-a@2"


def test_two_layers_cannot_get_one_folder(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "lib", "1.0")
    versioned = {"name": "a", "versioned": True, "requirements": ["lib"]}
    lock(define(tmp_path, frameworks=[versioned]))
    stack = define(tmp_path, frameworks=[versioned, {"name": "A@1"}])
    before = content(stack)
    expected = (
        r"Cannot use framework 'a' at lock version 1: it would be installed as 'framework-a@1', "
        r"which is the folder of framework 'A@1'\."
    )
    for include in (None, ["framework-A@1"], ["framework-a"]):
        with pytest.raises(LockError, match=expected):
            lock(stack, include=include)
    assert not (stack.requirements_folder / "framework-a").joinpath(".venvstacks").exists()
    assert {k: v for k, v in content(stack).items() if "framework-a/" in k} == {
        k: v for k, v in before.items() if "framework-a/" in k
    }
    with pytest.raises(LockError, match=expected):
        load_all(stack)
    # at the next number there is room again
    moved = define(tmp_path, frameworks=[{**versioned, "requirements": ["lib>0"]}, {"name": "A@1"}])
    assert lock(moved)["framework-a"].lock.install_target == "framework-a@2"


def test_locks_that_are_damaged_are_made_again_and_refused_for_use(three: Stack, lock: Locker) -> None:
    lock(three)
    before = content(three)
    pylock = three.requirements_folder / "py/pylock.py.toml"
    damages = {
        "truncated": pylock.read_bytes()[: pylock.stat().st_size // 2],
        "edited": pylock.read_bytes().replace(b"1.0", b"1.1"),
        "no text": b"\xff\xfe\x00",
        "empty": b"",
    }
    for damage in damages.values():
        pylock.write_bytes(damage)
        with pytest.raises(InvalidLockError) as caught:
            load_all(three)
        assert caught.value.message.startswith(
            "The lock of runtime 'py' (requirements/py/pylock.py.toml) cannot be"
        )
        assert pylock.read_bytes() == damage
        lock(three)
        assert content(three) == before


def test_locks_of_a_newer_venvstacks_are_not_overwritten(three: Stack, lock: Locker) -> None:
    lock(three)
    pylock = three.requirements_folder / "py/pylock.py.toml"
    pylock.write_text(pylock.read_text().replace("format = 1", "format = 7"))
    before = content(three)
    for attempt in (lambda: lock(three), lambda: load_all(three)):
        with pytest.raises(
            InvalidLockError, match="it has format 7, and this venvstacks knows formats up to 1"
        ) as e:
            attempt()
        assert "update venvstacks" in (e.value.hint or "")
        assert content(three) == before
    lock(three, reset=["py"])
    assert all(state.is_valid for state in lock_states(three).values())


def test_what_a_killed_run_left_in_the_locks_is_removed(three: Stack, lock: Locker) -> None:
    lock(three)
    before = content(three)
    (three.requirements_folder / "py/.venvstacks-tmp-abc").write_text("half a")
    lock(three)
    assert content(three) == before


def test_a_failure_leaves_the_earlier_lock(tmp_path: Path, three: Stack, lock: Locker) -> None:
    lock(three)
    before = content(three)
    broken = _three_layers(tmp_path / "stack", requirements=["tool", "nowhere"])
    with pytest.raises(ResolutionError, match="Cannot lock application 'a'"):
        lock(broken)
    assert content(broken) == before


def test_locks_of_venvstacks_0_8(three: Stack, wheels: Path, lock: Locker) -> None:
    before = {name: locked.lock for name, locked in lock(three).items()}
    make_legacy(three, lock_version=4)
    states = lock_states(three)
    assert {name: state.reason for name, state in states.items()} == dict.fromkeys(states, "")
    legacy = load_all(three)
    assert {name: each.packages for name, each in legacy.items()} == {
        name: each.packages for name, each in before.items()
    }
    assert {name: each.shared for name, each in legacy.items()} == {
        name: each.shared for name, each in before.items()
    }
    assert legacy["app-a"].install_target == "app-a@4"
    for name in ("lib", "tool"):
        make_wheel(wheels, name, "9.0")
    assert not any(layer.changed for layer in lock(three, needed=[*before]).values())  # they serve as they are
    locked = lock(three)
    assert _version(locked, "py") == _version(locked, "app-a") == "1.0"  # earlier pins are preferred
    for name, each in locked.items():  # only the format is another
        earlier, present = legacy[name].metadata, each.lock.metadata
        assert (present.lock_version, present.locked_at) == (earlier.lock_version, earlier.locked_at)
        assert each.lock.install_target == legacy[name].install_target
    assert all(state.legacy is None and state.is_valid for state in lock_states(three).values())
    after = content(three)
    lock(three)
    assert content(three) == after


def test_a_changed_lock_of_venvstacks_0_8_gets_a_new_number(three: Stack, wheels: Path, lock: Locker) -> None:
    lock(three)
    make_legacy(three, lock_version=4)
    make_wheel(wheels, "tool", "9.0")
    assert lock(three, reset=["app-a"])["app-a"].lock.install_target == "app-a@5"


def test_a_stale_lock_of_venvstacks_0_8_keeps_its_pins(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    for name in ("lib", "tool"):
        make_wheel(wheels, name, "1.0")

    def stack(*requirements: str) -> Stack:
        frameworks = [
            {"name": "f", "requirements": ["lib", "tool", *requirements]},
            {"name": "empty", "requirements": requirements},
        ]
        return define(tmp_path / "stack", runtimes=[{"requirements": ["lib"]}], frameworks=frameworks)

    lock(stack())
    make_legacy(stack())
    for name in ("lib", "tool", "new"):
        make_wheel(wheels, name, "9.0")
    changed = stack("new")
    assert [name for name, state in lock_states(changed).items() if not state.is_valid] == [
        "framework-f",
        "framework-empty",
    ]
    locked = lock(changed, needed=[layer.build_name for layer in changed.layers])
    found = {
        name: [f"{package.name}=={package.version}" for package in each.lock.packages]
        for name, each in locked.items()
    }
    assert found == {
        "py": ["lib==1.0"],
        "framework-f": ["new==9.0", "tool==1.0"],
        "framework-empty": ["new==9.0"],
    }


def test_the_list_for_people_keeps_the_dots_of_a_name(tmp_path: Path, lock: Locker) -> None:
    stack = define(tmp_path, runtimes=[{"name": "py3.12"}])
    old = stack.requirements_folder / "py3.12/packages-py3_12.txt"
    old.parent.mkdir(parents=True)
    old.touch()
    lock(stack)
    assert sorted(content(stack)) == [
        "py3.12/packages-py3.12.txt",
        "py3.12/pylock.py3_12.meta.json",
        "py3.12/pylock.py3_12.toml",
        "py3.12/requirements-py3_12.in",
    ]


def test_an_update_that_nothing_above_uses(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    for name in ("lib", "idna", "tool"):
        make_wheel(wheels, name, "1.0")

    def stack(*idna: str) -> Stack:
        return define(
            tmp_path / "stack",
            runtimes=[{"requirements": ["lib", *idna]}],
            frameworks=[{"name": "f", "requirements": ["lib", "tool"], "versioned": True}],
            applications=[{"name": "a", "frameworks": ["f"], "versioned": True}],
        )

    lock(stack())
    before = _without_runtime(stack())
    make_wheel(wheels, "idna", "1.1")
    for idna in (["idna==1.0"], ["idna==1.1"], []):
        changed = stack(*idna)
        locked = lock(changed, needed=[layer.build_name for layer in changed.layers])
        assert {name: layer.changed for name, layer in locked.items()} == {
            "py": True,
            "framework-f": False,
            "app-a": False,
        }
        assert _without_runtime(changed) == before
        assert all(state.is_valid for state in lock_states(changed).values())
    # what is used raises all that uses it, and what depends on that under its new name
    make_wheel(wheels, "lib", "1.1")
    locked = lock(stack(), include=["py"], reset=["py"])
    assert locked["framework-f"].lock.install_target == "framework-f@2"
    assert locked["app-a"].lock.install_target == "app-a@2"
    # a package that the framework installs itself comes from below now
    with_tool = stack("tool")
    assert locked["framework-f"].lock.packages
    locked = lock(with_tool, needed=["framework-f"])
    assert locked["framework-f"].lock.install_target == "framework-f@3"
    assert not locked["framework-f"].lock.packages


def _without_runtime(stack: Stack) -> dict[str, bytes]:
    return {name: data for name, data in content(stack).items() if not name.startswith("py/")}
