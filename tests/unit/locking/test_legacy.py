"""Locks that venvstacks 0.8 made, as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.definitions import define
from fakes.legacy_locks import legacy_case, make_legacy
from fakes.locking import load_all
from fakes.locks import Kind, file_of, lock_everything, reasons_of
from venvstacks.definition.stack import Stack


def test_locks_with_shared_packages(tmp_path: Path) -> None:
    stack = legacy_case("shared", tmp_path / "stack")
    assert reasons_of(stack) == {}
    locks = load_all(stack)
    own = {name: [f"{each.name}=={each.version}" for each in lock.packages] for name, lock in locks.items()}
    assert own == {
        "rt": ["idna==3.8", "six==1.16.0"],
        "framework-fw": ["python-dateutil==2.9.0"],
        "app-uses-six": [],
        "app-plain": [],
    }
    for name in ("framework-fw", "app-uses-six"):
        assert [(each.name, str(each.version), each.layer) for each in locks[name].shared] == [
            ("six", "1.16.0", "rt")
        ]
        assert locks[name].shared[0].targets == stack.layer(name).targets
    assert locks["app-plain"].install_target == "app-plain@1"
    assert locks["app-plain"].python.release == "3.11.7"


def test_a_lock_without_packages(tmp_path: Path) -> None:
    stack = legacy_case("empty", tmp_path / "stack")
    assert reasons_of(stack) == {}
    assert load_all(stack)["cpython3.11"].packages == ()


def test_lists_of_declared_requirements_are_not_needed(tmp_path: Path) -> None:
    stack = legacy_case("shared", tmp_path / "stack")
    for layer in stack.layers:
        file_of(stack, layer.build_name, "declared").unlink()
    assert reasons_of(stack) == {}


def _define(old: str, new: str) -> Callable[[Stack], Stack]:
    def change(stack: Stack) -> Stack:
        return legacy_case("shared", stack.folder, lambda text: text.replace(old, new, 1))

    return change


def _edit(name: str, kind: Kind, *words: str) -> Callable[[Stack], Stack]:
    def change(stack: Stack) -> Stack:
        path = file_of(stack, name, kind)
        text = path.read_text()
        for old, new in zip(words[::2], words[1::2], strict=True):
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)
        return stack

    return change


def _module(name: str) -> Callable[[Stack], Stack]:
    def change(stack: Stack) -> Stack:
        (stack.folder / name).write_text("edited = 1\n")
        return stack

    return change


RUNTIME = 'name = "rt"\n'
FRAMEWORK = 'name = "fw"\n'
APPLICATION = 'name = "uses-six"\n'
OTHERS = "its Python, targets or layers below have changed"
VERSIONED = "its modules or `versioned` have changed"
DECLARED = "the declared requirements have changed"


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        (_define("cpython@3.11.7", "cpython@3.12.1"), "rt", OTHERS),
        (_define("cpython@3.11.7", "cpython@3.11"), "rt", "venvstacks 0.8 locked it, and the definition gives no"),
        (_define(RUNTIME, RUNTIME + 'linux_target = "glibc@2.17"\n'), "rt", OTHERS),
        (_define(RUNTIME, RUNTIME + 'macosx_target = "14.0"\n'), "rt", OTHERS),
        (_define(FRAMEWORK, FRAMEWORK + 'linux_target = "glibc@2.35"\n'), "framework-fw", OTHERS),
        (_define('"idna==3.8"', '"idna==3.9"'), "rt", DECLARED),
        (_define(', "idna==3.8"', ""), "rt", DECLARED),
        (_define('["six"]', '["six", "idna"]'), "app-uses-six", DECLARED),
        (_define('frameworks = ["fw"]', 'runtime = "rt"'), "app-uses-six", OTHERS),
        (
            _edit("rt", "pylock", 'version = "1.16.0"', 'version = "1.15.0"'),
            "rt",
            "it is damaged",
        ),
        (
            _edit("rt", "pylock", 'requires-python = "==3.11.*"', 'requires-python = "==3.12.*"'),
            "rt",
            "it was made for",
        ),
        (
            _edit("app-uses-six", "pylock", 'version = "1.16.0"', 'version = "1.15.0"'),
            "app-uses-six",
            "the layer below it, 'rt', locks six 1.16.0 now, and it was locked with 1.15.0",
        ),
        (
            _edit("app-uses-six", "pylock", 'name = "six"', 'name = "sixty"'),
            "app-uses-six",
            "it has no six on linux_aarch64, and 'six' is required",
        ),
        (
            _edit("rt", "pylock", 'version = "3.8"', 'version = "3.7"', "idna-3.8-", "idna-3.7-"),
            "rt",
            "it has idna 3.7 on linux_aarch64, and 'idna==3.8' is required",
        ),
        (_define("versioned = true", "versioned = false"), "framework-fw", VERSIONED),
        (_define(RUNTIME, RUNTIME + "versioned = true\n"), "rt", VERSIONED),
        (_module("a.py"), "app-plain", VERSIONED),
        (_define("requirements = []", 'requirements = []\nsupport_modules = ["b.py"]'), "app-plain", VERSIONED),
        (_edit("rt", "pylock", "[[packages]]", "[[packages"), "rt", "it is damaged"),
        (_edit("rt", "pylock", "sha256 =", "md5 ="), "rt", "it is damaged"),
        (_edit("rt", "pylock", "[[packages]]", "[tool]\nvenvstacks = 5\n[[packages]]"), "rt", "it is damaged"),
        (_edit("rt", "metadata", "sha256:c88", "sha256:d88"), "rt", DECLARED),
        (_edit("rt", "metadata", "sha256:82f", "sha256:92f"), "rt", OTHERS),
        (_edit("rt", "metadata", '"lock_version": 1', '"lock_version": 0'), "rt", "its files are damaged"),
    ],
)
def test_locks_that_cannot_be_confirmed(
    tmp_path: Path, change: Callable[[Stack], Stack], name: str, reason: str
) -> None:
    stack = legacy_case("shared", tmp_path / "stack")
    (stack.folder / "b.py").touch()
    stack = change(stack)
    reasons = reasons_of(stack)
    assert reasons[name].startswith(reason)
    above = {layer.build_name for layer in stack.layers if name in layer.below}
    assert reasons.keys() <= {name, *above}


def test_two_frameworks_in_another_order(tmp_path: Path) -> None:
    frameworks = [{"name": "one"}, {"name": "two"}]
    applications = [{"name": "a", "frameworks": ["one", "two"]}]
    stack = define(tmp_path, frameworks=frameworks, applications=applications)
    lock_everything(stack)
    make_legacy(stack)
    assert reasons_of(stack) == {}
    applications[0]["frameworks"] = ["two", "one"]
    reasons = reasons_of(define(tmp_path, frameworks=frameworks, applications=applications))
    assert [name for name, reason in reasons.items() if reason.startswith(OTHERS)] == ["app-a"]


def test_an_edited_module_of_a_layer_without_number_is_no_part_of_its_lock(tmp_path: Path) -> None:
    stack = legacy_case("shared", tmp_path / "stack")
    (stack.folder / "b.py").write_text("edited = 1\n")
    changed = _define('launch_module = "a.py"', 'launch_module = "b.py"')(stack)
    assert changed.layer("app-uses-six").launch_module != stack.layer("app-uses-six").launch_module
    assert reasons_of(changed) == {}


@pytest.mark.parametrize(
    "change",
    [
        _define(RUNTIME, RUNTIME + 'linux_target = "glibc@2.28"\nmacosx_target = "13.0"\n'),
        _define(RUNTIME, RUNTIME + 'linux_target = "glibc"\nmacosx_target = "13"\n'),
        _define('["six==1.16.0", "idna==3.8"]', '["idna ==3.8", "six== 1.16.0"]'),
    ],
)
def test_other_words_for_the_same_change_nothing(tmp_path: Path, change: Callable[[Stack], Stack]) -> None:
    assert reasons_of(change(legacy_case("shared", tmp_path / "stack"))) == {}
