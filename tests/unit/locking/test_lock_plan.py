from pathlib import Path

import pytest

from fakes.definitions import define
from fakes.locks import file_of, lock_everything
from venvstacks.definition.stack import Stack
from venvstacks.errors import InvalidLockError, LockError
from venvstacks.locking.lock_plan import plan_lock
from venvstacks.locking.states import lock_states


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = define(
        tmp_path,
        runtimes=[{"name": "py"}, {"name": "other"}],
        frameworks=[{"name": "f"}, {"name": "g"}],
        applications=[
            {"name": "a", "frameworks": ["f"]},
            {"name": "b", "frameworks": ["f", "g"]},
            {"name": "c", "runtime": "other"},
        ],
    )
    lock_everything(stack)
    return stack


def _plan(stack: Stack, resolve: str = "", needed: str = "", reset: str = "") -> dict[str, bool]:
    """Return build name -> whether it is resolved."""
    plan = plan_lock(
        stack,
        lock_states(stack),
        resolve=resolve.split(),
        needed=needed.split(),
        forget_pins=reset.split(),
    )
    return {state.layer.build_name: state.layer.build_name in plan.resolve for state in plan.states}


def test_valid_locks_are_kept_where_only_needed(stack: Stack) -> None:
    assert _plan(stack, needed="app-a") == {"py": False, "framework-f": False, "app-a": False}
    assert _plan(stack) == {}


def test_what_is_above_a_resolved_layer_is_resolved_and_what_is_below_is_needed(stack: Stack) -> None:
    assert _plan(stack, resolve="framework-f") == {
        "py": False,
        "framework-f": True,
        "framework-g": False,
        "app-a": True,
        "app-b": True,
    }
    assert _plan(stack, resolve="app-c") == {"other": False, "app-c": True}
    assert all(_plan(stack, resolve="py").values())


def test_an_invalid_layer_that_is_needed_takes_along_what_is_above(stack: Stack) -> None:
    file_of(stack, "framework-g", "pylock").unlink()
    assert _plan(stack, needed="app-a") == {"py": False, "framework-f": False, "app-a": False}
    assert _plan(stack, needed="app-b") == {
        "py": False,
        "framework-f": False,
        "framework-g": True,
        "app-b": True,
    }
    file_of(stack, "framework-f", "pylock").unlink()
    # app-a depends on f, which app-b needs
    assert _plan(stack, needed="app-b")["app-a"]
    assert _plan(stack, resolve="app-a") == {
        "py": False,
        "framework-f": True,
        "framework-g": True,
        "app-a": True,
        "app-b": True,
    }


def test_forgotten_pins_make_a_layer_resolve(stack: Stack) -> None:
    assert _plan(stack, needed="app-c", reset="app-c framework-f") == {"other": False, "app-c": True}


def test_disabled_layers_are_left_out(tmp_path: Path) -> None:
    stack = define(tmp_path, frameworks=[{"name": "f", "platforms": []}, {"name": "g"}])
    assert _plan(stack, resolve="py framework-f framework-g") == {"py": True, "framework-g": True}


def test_newer_locks_stop_the_plan_unless_they_are_reset(stack: Stack) -> None:
    path = file_of(stack, "py", "pylock")
    path.write_text(path.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(
        InvalidLockError, match=r"^The lock of runtime 'py' would be overwritten: it has format 2"
    ) as e:
        _plan(stack, needed="app-a")
    assert "--reset-lock" in (e.value.hint or "")
    assert _plan(stack, needed="app-a", reset="py")["py"]
    assert _plan(stack, resolve="app-c") == {"other": False, "app-c": True}


def test_layers_with_one_folder_stop_the_plan(tmp_path: Path) -> None:
    stack = define(tmp_path, frameworks=[{"name": "ä@1"}, {"name": "ä", "versioned": True}])
    lock_everything(stack)
    with pytest.raises(LockError, match="would be installed as 'framework-ä@1', which is the folder of framework"):
        _plan(stack, resolve="framework-ä@1")
    assert _plan(stack, resolve="framework-ä") == {"py": False, "framework-ä": True}  # may get another number
