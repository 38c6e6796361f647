import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from fakes.counting import count_calls
from fakes.definitions import define
from fakes.locks import Kind, file_of, lock_everything, make_package, reasons_of, targets, write_lock
from venvstacks.definition.stack import Stack
from venvstacks.errors import FilesystemError, InvalidLockError
from venvstacks.files import json_hash
from venvstacks.locking.hashes import hash_first_other_inputs, hash_version_inputs
from venvstacks.locking.layer_lock import SharedPackage
from venvstacks.locking.states import load_lock, lock_states
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return _define(tmp_path)


def _define(folder: Path, *, runtime: dict[str, Any] | None = None, **application: Any) -> Stack:
    stack = define(
        folder,
        runtimes=[{"requirements": ["one"], **(runtime or {})}],
        frameworks=[{"name": "f"}, {"name": "v", "versioned": True}],
        applications=[{"name": "a", "frameworks": ["f", "v"], "requirements": ["two"], **application}],
    )
    if not stack.requirements_folder.exists():
        lock_everything(stack)
    return stack


def test_valid_locks(stack: Stack) -> None:
    assert reasons_of(stack) == {}
    assert lock_states(stack)["framework-v"].install_target == "framework-v@1"


def test_layers_that_were_never_locked(tmp_path: Path) -> None:
    states = lock_states(define(tmp_path, frameworks=[{"name": "v", "versioned": True}]))
    assert {name: state.reason for name, state in states.items()} == {
        "py": "there is none yet",
        "framework-v": "there is none yet",
    }
    assert states["framework-v"].install_target == "framework-v@1"


def _damage(kind: Kind, change: Callable[[bytes], bytes]) -> Callable[[Stack], None]:
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
    found = reasons_of(stack)
    assert found.keys() == {"app-a"}
    assert found["app-a"].startswith(reason)


def test_the_list_of_declared_requirements_may_be_missing(stack: Stack) -> None:
    file_of(stack, "framework-v", "declared").unlink()
    assert reasons_of(stack) == {}


@pytest.mark.parametrize("kind", ["pylock", "metadata"])
def test_missing_files(stack: Stack, kind: Kind) -> None:
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
    assert reasons_of(stack) == {}


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
        ({"launch_module": "other.py"}, {}),
    ],
)
def test_definitions_that_have_changed(stack: Stack, change: dict[str, Any], reasons: dict[str, str]) -> None:
    (stack.folder / "other.py").touch()
    assert reasons_of(_define(stack.folder, **change)) == reasons


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"launch_module": "other.py"}, True),
        ({"support_modules": ["other.py"]}, True),
        ({"exclude_packages": ["two"]}, True),
        ({"entry_points": ["tool"]}, True),
        ({"entry_points": True}, True),
        ({"exclude_packages": [], "entry_points": False}, False),
        ({"entry_points": []}, False),
    ],
)
@pytest.mark.parametrize("versioned", [False, True])
def test_what_is_beside_the_packages_counts_for_versioned_layers(
    tmp_path: Path, change: dict[str, Any], *, counts: bool, versioned: bool
) -> None:
    stack = _define(tmp_path, versioned=versioned)
    (stack.folder / "other.py").touch()
    reason = "its modules, excluded packages or entry points have changed"
    expected = {"app-a": reason} if counts and versioned else {}
    assert reasons_of(_define(tmp_path, versioned=versioned, **change)) == expected


def test_locks_from_before_some_fields_were_known_stay_valid(stack: Stack) -> None:
    """The hash of a layer that has none of them, as it always was."""
    layer = _define(stack.folder, versioned=True).layer("app-a")
    inputs = {
        "name": "app-a",
        "launch_module": "app",
        "launch_module_hash": "sha256:1",
        "support_modules": {},
    }
    assert hash_version_inputs(layer, {"app": "sha256:1"}) == json_hash(inputs)


def test_orders_and_spellings_do_not_count(stack: Stack) -> None:
    first, second = (
        hash_version_inputs(layer, {"app": "sha256:1"})
        for names, commands in ((["A_b", "c"], ["x", "y"]), (["c", "a-b"], ["y", "x"]))
        for changed in [_define(stack.folder, exclude_packages=names, entry_points=commands, versioned=True)]
        for layer in [changed.layer("app-a")]
    )
    assert first == second


def test_a_change_below_reaches_all_above(stack: Stack) -> None:
    changed = _define(stack.folder, runtime={"python_implementation": "cpython@3.12.8"})
    assert reasons_of(changed) == {
        "py": "the base Python has changed to cpython@3.12.8",
        "framework-f": "the layer below it, 'py', has no valid lock",
        "framework-v": "the layer below it, 'py', has no valid lock",
        "app-a": "the layer below it, 'py', has no valid lock",
    }


def test_layers_are_locked_for_one_python(stack: Stack) -> None:
    changed = _define(stack.folder, runtime={"python_implementation": "cpython@3.12.8"})
    write_lock(changed, changed.layer("py"))
    loose = _define(stack.folder, runtime={"python_implementation": "cpython@3.12"})
    assert reasons_of(loose) == {
        "framework-f": "the base Python has changed",
        "framework-v": "the base Python has changed",
        "app-a": "the layer below it, 'framework-v', has no valid lock",
    }


def test_another_number_below_is_another_folder(stack: Stack) -> None:
    write_lock(stack, stack.layer("framework-v"), lock_version=2)
    assert reasons_of(stack) == {"app-a": "its targets, the layers below it or the package indexes have changed"}


def _share(name: str, version: str, layer: str, *on: str) -> SharedPackage:
    return SharedPackage(name, Version(version), layer, targets(*(on or sorted(TARGETS))))


@pytest.mark.parametrize(
    ("runtime", "framework", "reason"),
    [
        ([("one", "1.0"), ("idna", "3.8"), ("two", "2.0")], [], ""),
        ([("one", "1.0")], [("idna", "3.8")], ""),
        ([("one", "1.1")], [], "the layer below it, 'py', locks one 1.1 now, and it was locked with 1.0"),
        ([], [], "the layer below it, 'py', no longer provides one, and it was locked with 1.0"),
        (
            [("one", "1.0"), ("own", "7.0")],
            [],
            "the layer below it, 'py', now provides own, which it installs itself",
        ),
    ],
)
def test_what_a_layer_takes_from_below_decides(
    stack: Stack, runtime: list[tuple[str, str]], framework: list[tuple[str, str]], reason: str
) -> None:
    for name, packages in (("py", [("one", "1.0")]), ("framework-f", [])):
        write_lock(stack, stack.layer(name), [make_package(*each) for each in packages])
    write_lock(stack, stack.layer("app-a"), [make_package("own")], [_share("one", "1.0", "py")])
    assert reasons_of(stack) == {}
    for name, packages in (("py", runtime), ("framework-f", framework)):
        write_lock(stack, stack.layer(name), [make_package(*each) for each in packages])
    assert reasons_of(stack) == ({"app-a": reason} if reason else {})


def test_the_first_on_the_path_provides(stack: Stack) -> None:
    write_lock(stack, stack.layer("framework-v"), [make_package("one")])
    write_lock(stack, stack.layer("app-a"), [], [_share("one", "1.0", "framework-v")])
    assert reasons_of(stack) == {}
    write_lock(stack, stack.layer("framework-f"), [make_package("one")])
    assert reasons_of(stack) == {
        "app-a": "the layer below it, 'framework-f', now provides one, which it takes from 'framework-v'"
    }


def test_what_a_layer_takes_is_judged_on_each_target(stack: Stack) -> None:
    linux, windows = ("linux_x86_64", "linux_aarch64"), ("win_amd64",)
    write_lock(
        stack, stack.layer("py"), [make_package("one", targets=linux), make_package("own", targets=windows)]
    )
    own = [make_package("own", targets=linux), make_package("one", targets=windows)]
    write_lock(stack, stack.layer("app-a"), own, [_share("one", "1.0", "py", *linux)])
    assert reasons_of(stack) == {}
    write_lock(stack, stack.layer("py"), [make_package("one", targets=linux[:1])])
    assert "no longer provides one" in reasons_of(stack)["app-a"]


def test_locks_with_all_that_was_locked_below_in_their_hash_stay_valid(stack: Stack) -> None:
    states = lock_states(stack)
    layer = stack.layer("app-a")
    below = [(state.install_target, state.metadata) for state in (states[name] for name in layer.below)]
    old = hash_first_other_inputs(stack, layer, PythonVersion("cpython", "3.12.7"), below)  # type: ignore[arg-type]
    path = file_of(stack, "app-a", "metadata")
    metadata = json.loads(path.read_text())
    present = metadata["other_inputs_hash"]
    assert old != present
    path.write_text(json.dumps(metadata | {"other_inputs_hash": old}))
    state = lock_states(stack)["app-a"]
    assert (state.reason, state.metadata and state.metadata.other_inputs_hash) == ("", present)
    write_lock(stack, stack.layer("py"), [make_package("three")])
    assert "layers below" in reasons_of(stack)["app-a"]


def test_patch_releases_within_a_request_do_not_count(stack: Stack) -> None:
    assert reasons_of(_define(stack.folder, runtime={"python_implementation": "cpython@3.12"})) == {}


def test_locks_of_a_newer_venvstacks(stack: Stack) -> None:
    path = file_of(stack, "py", "pylock")
    path.write_text(path.read_text().replace("format = 1", "format = 12"))
    states = lock_states(stack)
    assert [name for name, state in states.items() if state.is_newer] == ["py"]
    with pytest.raises(InvalidLockError) as caught:
        load_lock(stack, states["py"])
    assert caught.value.message == (
        "The lock of runtime 'py' (requirements/py/pylock.py.toml) cannot be used: it has format 12, and this "
        "venvstacks knows formats up to 1."
    )


def test_invalid_locks_are_not_loaded(stack: Stack) -> None:
    file_of(stack, "py", "pylock").unlink()
    with pytest.raises(InvalidLockError) as caught:
        load_lock(stack, lock_states(stack)["py"])
    assert str(caught.value) == (
        "The lock of runtime 'py' (requirements/py/pylock.py.toml) cannot be used: "
        "pylock.py.toml does not exist.\n"
        "hint: run `venvstacks lock`, or build with `--lock`"
    )


def test_disabled_layers_have_nothing_to_load(tmp_path: Path) -> None:
    stack = define(tmp_path, runtimes=[{"platforms": []}])
    state = lock_states(stack)["py"]
    assert state.is_valid
    assert state.python is None
    with pytest.raises(InvalidLockError, match="cannot be used: the layer is disabled"):
        load_lock(stack, state)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [("cpython@3.12", "3.12.7"), ("cpython@3.12.7", "3.12.7"), ("cpython@3.12.8", None), ("cpython@3.1", None)],
)
def test_the_python_of_an_earlier_lock(stack: Stack, request_: str, expected: str | None) -> None:
    changed = _define(stack.folder, runtime={"python_implementation": request_})
    python = lock_states(changed)["py"].python
    assert (python.release if python else None) == expected


def test_looking_at_layers_takes_work_in_proportion_to_their_number(tmp_path: Path) -> None:
    frameworks = [{"name": f"f{n}", "requirements": ["one"]} for n in range(12)]
    shared = [_share(f"b{number}", "1.0", "py") for number in range(10)]
    applications = [{"name": f"a{n}", "frameworks": [f"f{n}", f"f{(n + 1) % 12}"]} for n in range(12)]
    stack = define(
        tmp_path, runtimes=[{"name": "py"}, {"name": "other"}], frameworks=frameworks, applications=applications
    )
    for layer in stack.layers:
        own = [make_package(f"{layer.build_name[-3:]}-{number}") for number in range(10)]
        base = [make_package(f"b{number}") for number in range(10)]
        write_lock(stack, layer, [*own, *([] if layer.below else base)], shared if layer.below else ())
    states = lock_states(stack)
    assert len(states) == 26
    assert all(state.is_valid for state in states.values())
    assert count_calls(lambda: lock_states(stack)) < 1200 * len(states)


def test_looking_at_locks_imports_no_writers() -> None:
    code = "import sys, venvstacks.definition.loading, venvstacks.locking.states; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "venvstacks.locking.states" in done.stdout.split()
    assert not {"tomlkit", "packaging.pylock", "filelock", "rich"} & set(done.stdout.split())
