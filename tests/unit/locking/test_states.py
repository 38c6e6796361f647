import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from fakes.definitions import define
from fakes.locks import file_of, lock_everything, write_lock
from venvstacks.errors import FilesystemError, InvalidLockError
from venvstacks.files import json_hash
from venvstacks.locking.hashes import version_inputs_hash
from venvstacks.locking.states import load_lock, lock_states, python_of
from venvstacks.spec.model import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return _define(tmp_path)


def _define(folder: Path, *, runtime: dict[str, object] | None = None, **application: object) -> Stack:
    stack = define(
        folder,
        runtimes=[{"requirements": ["one"], **(runtime or {})}],
        frameworks=[{"name": "f"}, {"name": "v", "versioned": True}],
        applications=[{"name": "a", "frameworks": ["f", "v"], "requirements": ["two"], **application}],
    )
    if not stack.requirements_folder.exists():
        lock_everything(stack)
    return stack


def _reasons(stack: Stack) -> dict[str, str]:
    return {name: state.reason for name, state in lock_states(stack).items() if state.reason}


def test_valid_locks(stack: Stack) -> None:
    assert _reasons(stack) == {}
    assert lock_states(stack)["framework-v"].install_target == "framework-v@1"


def test_layers_that_were_never_locked(tmp_path: Path) -> None:
    states = lock_states(define(tmp_path, frameworks=[{"name": "v", "versioned": True}]))
    assert {name: state.reason for name, state in states.items()} == {
        "py": "there is none yet",
        "framework-v": "there is none yet",
    }
    assert states["framework-v"].install_target == "framework-v@1"


def _damage(kind: str, change: Callable[[bytes], bytes]) -> Callable[[Stack], None]:
    def apply(stack: Stack) -> None:
        path = file_of(stack, "app-a", kind)
        path.write_bytes(change(path.read_bytes()))

    return apply


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_damage("pylock", lambda b: b.replace(b"1.0", b"1.1")), "its packages were changed by hand, or the file"),
        (_damage("pylock", lambda b: b[:-20]), "its packages were changed by hand, or the file is not complete"),
        (_damage("pylock", lambda _: b"\xff"), "its files are damaged"),
        (_damage("declared", lambda b: b + b"three\n"), "the list of declared requirements was changed by hand"),
        (_damage("declared", lambda b: b[:5]), "the list of declared requirements was changed by hand"),
        (_damage("metadata", lambda b: b[:50]), "its files are damaged"),
        (_damage("metadata", lambda _: b""), "its files are damaged"),
        (_damage("metadata", lambda _: b"[]"), "its files are damaged"),
        (_damage("metadata", lambda b: b.replace(b": 1", b": 0")), "its files are damaged"),
        (_damage("metadata", lambda b: b.replace(b"2024-", b"next ")), "its files are damaged"),
        (_damage("metadata", lambda b: b.replace(b"3.12.7", b"3.12.x")), "its files are damaged"),
        (
            _damage("metadata", lambda b: b.replace(b"3.12.7", b"3.12.8")),
            "the base Python has changed to cpython@3.12.7",
        ),
        (
            _damage(
                "metadata", lambda b: b.replace(b'other_inputs_hash": "sha256:', b'other_inputs_hash": "sha256:0')
            ),
            "its",
        ),
    ],
)
def test_locks_that_do_not_count(stack: Stack, damage: Callable[[Stack], None], reason: str) -> None:
    damage(stack)
    found = _reasons(stack)
    assert found.keys() == {"app-a"}
    assert found["app-a"].startswith(reason)


@pytest.mark.parametrize("kind", ["declared", "pylock", "metadata"])
def test_missing_files(stack: Stack, kind: str) -> None:
    path = file_of(stack, "framework-v", kind)
    path.unlink()
    state = lock_states(stack)["framework-v"]
    assert state.reason == f"{path.name} does not exist"
    assert (state.metadata is None) == (kind == "metadata")  # the number is not given away again


def test_line_ends_and_the_list_for_people_do_not_count(stack: Stack) -> None:
    for kind in ("declared", "pylock", "metadata"):
        path = file_of(stack, "app-a", kind)
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    file_of(stack, "app-a", "summary").write_text("anything")
    assert _reasons(stack) == {}


def test_files_that_cannot_be_read(stack: Stack) -> None:
    path = file_of(stack, "py", "pylock")
    path.unlink()
    path.mkdir()
    with pytest.raises(FilesystemError, match=r"^Cannot read the lock of runtime 'py': Is a directory"):
        lock_states(stack)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"requirements": ["two", "three"]}, {"app-a": "the declared requirements have changed"}),
        (
            {"platforms": ["win_amd64"]},
            {"app-a": "its targets, the layers below it or the package indexes have changed"},
        ),
        (
            {"linux_target": "glibc@2.17"},
            {"app-a": "its targets, the layers below it or the package indexes have changed"},
        ),
        (
            {"frameworks": ["v", "f"]},
            {"app-a": "its targets, the layers below it or the package indexes have changed"},
        ),
        ({"versioned": True}, {"app-a": "its targets, the layers below it or the package indexes have changed"}),
        ({"dynlib_exclude": ["*.so"]}, {}),
        ({"launch_module": "other.py"}, {"app-a": "its modules, excluded packages or entry points have changed"}),
        (
            {"support_modules": ["other.py"]},
            {"app-a": "its modules, excluded packages or entry points have changed"},
        ),
        ({"exclude_packages": ["two"]}, {"app-a": "its modules, excluded packages or entry points have changed"}),
        ({"entry_points": ["tool"]}, {"app-a": "its modules, excluded packages or entry points have changed"}),
        ({"entry_points": True}, {"app-a": "its modules, excluded packages or entry points have changed"}),
        ({"exclude_packages": [], "entry_points": False}, {}),
        ({"entry_points": []}, {}),
    ],
)
def test_definitions_that_have_changed(stack: Stack, change: dict[str, object], reasons: dict[str, str]) -> None:
    (stack.folder / "other.py").touch()
    assert _reasons(_define(stack.folder, **change)) == reasons


def test_locks_from_before_some_fields_were_known_stay_valid(stack: Stack) -> None:
    """The hash of a layer that has none of them, as it always was."""
    layer = stack.layer("app-a")
    inputs = {
        "name": "app-a",
        "launch_module": "app",
        "launch_module_hash": "sha256:1",
        "support_modules": {},
    }
    assert version_inputs_hash(layer, {"app": "sha256:1"}) == json_hash(inputs)


def test_orders_and_spellings_do_not_count(stack: Stack) -> None:
    first, second = (
        version_inputs_hash(layer, {"app": "sha256:1"})
        for names, commands in ((["A_b", "c"], ["x", "y"]), (["c", "a-b"], ["y", "x"]))
        for layer in [_define(stack.folder, exclude_packages=names, entry_points=commands).layer("app-a")]
    )
    assert first == second


def test_other_exclusions_of_a_runtime_reach_all_above(stack: Stack) -> None:
    reasons = _reasons(_define(stack.folder, runtime={"exclude_packages": ["one"]}))
    assert reasons.pop("py") == "its excluded packages have changed"
    assert set(reasons) == {"framework-f", "framework-v", "app-a"}


def test_a_change_below_reaches_all_above(stack: Stack) -> None:
    changed = _define(stack.folder, runtime={"python_implementation": "cpython@3.12.8"})
    assert _reasons(changed) == {
        "py": "the base Python has changed to cpython@3.12.8",
        "framework-f": "the layer below it, 'py', has no valid lock",
        "framework-v": "the layer below it, 'py', has no valid lock",
        "app-a": "the layer below it, 'py', has no valid lock",
    }


def test_a_lower_layer_that_was_locked_again(stack: Stack) -> None:
    write_lock(stack, stack.layer("framework-v"), lock_version=2)
    assert _reasons(stack) == {"app-a": "its targets, the layers below it or the package indexes have changed"}
    # a new time and new tools change nothing
    write_lock(stack, stack.layer("framework-v"), lock_version=1)
    path = file_of(stack, "framework-v", "metadata")
    path.write_text(path.read_text().replace("2024", "2025"))
    assert _reasons(stack) == {}


def test_an_edited_module(stack: Stack) -> None:
    (stack.folder / "app.py").write_text("print('edited')\n")
    assert _reasons(stack) == {"app-a": "its modules, excluded packages or entry points have changed"}


def test_locks_of_a_newer_venvstacks(stack: Stack) -> None:
    path = file_of(stack, "py", "pylock")
    path.write_text(path.read_text().replace("format = 1", "format = 12"))
    states = lock_states(stack)
    assert [name for name, state in states.items() if state.is_newer] == ["py"]
    with pytest.raises(InvalidLockError) as caught:
        load_lock(stack, states["py"], {})
    assert caught.value.message == (
        "The lock of runtime 'py' (requirements/py/pylock.py.toml) cannot be used: it has format 12, and this "
        "venvstacks knows formats up to 1."
    )


def test_invalid_locks_are_not_loaded(stack: Stack) -> None:
    file_of(stack, "py", "pylock").unlink()
    with pytest.raises(InvalidLockError) as caught:
        load_lock(stack, lock_states(stack)["py"], {})
    assert str(caught.value) == (
        "The lock of runtime 'py' (requirements/py/pylock.py.toml) cannot be used: "
        "pylock.py.toml does not exist.\n"
        "hint: run `venvstacks lock`, or build with `--lock`"
    )


def test_disabled_layers_have_nothing_to_load(tmp_path: Path) -> None:
    stack = define(tmp_path, runtimes=[{"platforms": []}])
    state = lock_states(stack)["py"]
    assert state.is_valid
    assert python_of(state) is None
    with pytest.raises(InvalidLockError, match="cannot be used: the layer is disabled"):
        load_lock(stack, state, {})


@pytest.mark.parametrize(
    ("request_", "expected"),
    [("cpython@3.12", "3.12.7"), ("cpython@3.12.7", "3.12.7"), ("cpython@3.12.8", None), ("cpython@3.1", None)],
)
def test_the_python_of_an_earlier_lock(stack: Stack, request_: str, expected: str | None) -> None:
    changed = _define(stack.folder, runtime={"python_implementation": request_})
    python = python_of(lock_states(changed)["py"])
    assert (python.release if python else None) == expected


LEGACY = {
    "requirements_hash": "a",
    "lock_input_hash": "b",
    "lock_version": 3,
    "locked_at": "2024-01-01T00:00:00+00:00",
}


@pytest.mark.parametrize(
    ("declared", "runtime", "reason"),
    [
        ("# header\n\none>=1,<2\n", {}, ""),
        ("  one <2, >=1  \n", {}, ""),
        ("one\n", {}, "the declared requirements have changed since venvstacks 0.8 locked it"),
        ("--option\n", {}, "the list of declared requirements is not understood"),
        (
            "one>=1,<2\n",
            {"python_implementation": "cpython@3.12"},
            "venvstacks 0.8 locked it, and the definition gives no exact Python version",
        ),
    ],
)
def test_locks_of_venvstacks_0_8(tmp_path: Path, declared: str, runtime: dict[str, str], reason: str) -> None:
    stack = define(tmp_path, runtimes=[{"requirements": ["one>=1,<2"], **runtime}])
    folder = stack.requirements_folder / "py"
    folder.mkdir(parents=True)
    (folder / "pylock.py.meta.json").write_text(json.dumps(LEGACY))
    (folder / "pylock.py.toml").write_text('lock-version = "1.0"\ncreated-by = "venvstacks"\npackages = []\n')
    (folder / "requirements-py.in").write_text(declared)
    state = lock_states(stack)["py"]
    assert state.reason == reason
    assert state.metadata is not None
    assert state.metadata.lock_version == 3
    if not reason:
        assert load_lock(stack, state, {}).python.release == "3.12.7"


def test_looking_at_many_layers_is_quick(tmp_path: Path) -> None:
    frameworks = [{"name": f"f{n}", "requirements": ["one"]} for n in range(24)]
    applications = [{"name": f"a{n}", "frameworks": [f"f{n}", f"f{(n + 1) % 24}"]} for n in range(24)]
    stack = define(
        tmp_path, runtimes=[{"name": "py"}, {"name": "other"}], frameworks=frameworks, applications=applications
    )
    lock_everything(stack)
    times = []
    for _ in range(3):
        start = process_time()
        states = lock_states(stack)
        times.append(process_time() - start)
    assert len(states) == 50
    assert all(state.is_valid for state in states.values())
    assert min(times) < 0.1


def test_looking_at_locks_imports_no_writers() -> None:
    code = "import sys, venvstacks.spec.loading, venvstacks.locking.states; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "venvstacks.locking.states" in done.stdout.split()
    assert not {"tomlkit", "packaging.pylock", "filelock", "rich"} & set(done.stdout.split())
