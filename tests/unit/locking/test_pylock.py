import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Package, Pylock

from fakes.definitions import define
from fakes.locks import make_lock, make_package, targets
from venvstacks.definition.stack import Layer
from venvstacks.errors import InvalidLockError
from venvstacks.locking.layer_lock import LockedPackage, Resolution, SharedPackage
from venvstacks.locking.legacy import read_legacy_shared
from venvstacks.locking.lock_contents import Content
from venvstacks.locking.pylock import (
    choose_wheel,
    format_pylock,
    parse_pylock,
    read_candidates,
    read_packages,
    read_shared,
)
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.12.7")
LINUX = Compatibility(TARGETS["linux_x86_64"])
WINDOWS = Compatibility(TARGETS["win_amd64"])
HASHES = f'hashes = {{ sha256 = "{"0" * 64}" }}'


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    return define(tmp_path, runtimes=[{"platforms": ["linux_x86_64", "win_amd64"]}]).layers[0]


def _parse(packages: str, tail: str = "") -> Pylock:
    return parse_pylock(f'lock-version = "1.0"\ncreated-by = "x"\n{packages}\n{tail}', "the lock")


def _package(name: str, *wheels: str, marker: str = "", hashes: str = HASHES) -> str:
    listed = ", ".join(f'{{ url = "https://index.example.invalid/{wheel}", {hashes} }}' for wheel in wheels)
    return (
        f'[[packages]]\nname = "{name}"\nversion = "1.0"\n'
        + (f'marker = "{marker}"\n' if marker else "")
        + f"wheels = [{listed}]\n"
    )


def test_the_same_packages_give_the_same_text(layer: Layer) -> None:
    packages = (
        make_package("a", targets=["linux_x86_64"]),
        make_package("b", targets=["linux_x86_64", "win_amd64"]),
    )
    backwards = tuple(LockedPackage(p.name, p.version, dict(reversed(list(p.wheels.items())))) for p in packages)
    shared = (SharedPackage("c", packages[0].version, "py", targets("win_amd64")),)
    text = format_pylock(layer, Resolution(packages, shared))
    assert format_pylock(layer, Resolution(backwards, shared)) == text
    assert text.endswith("\n")
    lock = parse_pylock(text, "the lock")
    assert read_packages(lock, layer.compatibilities, PYTHON, "the lock") == packages
    assert read_shared(lock, "the lock") == shared
    assert [p.marker is None for p in lock.packages] == [False, True]
    assert lock.packages[0].wheels is not None
    assert len(lock.packages[0].wheels) == 1


def test_an_empty_lock_is_valid(layer: Layer) -> None:
    text = format_pylock(layer, Resolution())
    assert tomllib.loads(text)["packages"] == []
    assert parse_pylock(text, "x").packages == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[packages", "it is not valid TOML"),
        ("", "it is not a valid lock"),
        ('lock-version = "2.0"\ncreated-by = "x"\npackages = []', "it is not a valid lock"),
        ('lock-version = "1.0"\ncreated-by = "x"\npackages = [{name = "A b"}]', "it is not a valid lock"),
    ],
)
def test_what_is_no_lock(text: str, why: str) -> None:
    with pytest.raises(InvalidLockError) as caught:
        parse_pylock(text, "requirements/py/pylock.py.toml")
    assert caught.value.message.startswith(f"requirements/py/pylock.py.toml cannot be used: {why} (")
    assert "version control" in (caught.value.hint or "")


def test_markers_decide_where_a_package_is_needed() -> None:
    lock = _parse(
        _package("a", "a-1.0-py3-none-any.whl", marker="sys_platform == 'linux'")
        + _package("c", "c-1.0-py3-none-any.whl")
    )
    found = read_candidates(lock, [LINUX, WINDOWS], PYTHON)
    assert [(limits.target.name, package.name) for limits, package in found] == [
        ("linux_x86_64", "a"),
        ("linux_x86_64", "c"),
        ("win_amd64", "c"),
    ]


def _legacy(marker: str, version: str = '"2.0"') -> str:
    return f'[[packages]]\nname = "b"\nversion = {version}\nmarker = "{marker}"\n'


def test_packages_that_venvstacks_0_8_marks_as_shared_have_no_source() -> None:
    lock = _parse(
        _package("a", "a-1.0-py3-none-any.whl")
        + _legacy("sys_platform == 'from_lower_layer'")
        + _legacy("(sys_platform == 'win32') and sys_platform == 'from_lower_layer'", '"3.0"')
    )
    assert [package.name for package in lock.packages] == ["a"]
    below = [("f", Content({"b": [("3.0", frozenset({"win_amd64"}))]}, ()))]
    found = read_legacy_shared(lock, [LINUX, WINDOWS], PYTHON, "the lock", below)
    assert [(str(each.version), each.layer, [target.name for target in each.targets]) for each in found] == [
        ("2.0", "", ["linux_x86_64"]),
        ("2.0", "f", ["win_amd64"]),
        ("3.0", "f", ["win_amd64"]),
    ]


@pytest.mark.parametrize(
    "package",
    [
        _legacy("(x) and sys_platform == 'from_lower_layer'"),
        _legacy("sys_platform == 'from_lower_layer'", "2"),
        _legacy("sys_platform == 'from_lower_layer'", '"two"'),
        _legacy("sys_platform == 'from_lower_layer'").replace("name =", "title ="),
    ],
)
def test_shared_packages_of_venvstacks_0_8_that_are_not_understood(package: str) -> None:
    with pytest.raises(InvalidLockError, match="a package that is shared from below is not understood"):
        read_legacy_shared(_parse(package), [LINUX], PYTHON, "the lock", [])


def test_locks_of_venvstacks_0_8_without_packages_have_no_such_key() -> None:
    assert parse_pylock('lock-version = "1.0"\ncreated-by = "uv"\n', "the lock").packages == []


def test_of_two_entries_for_a_wheel_the_first_counts() -> None:
    entries = _package("a", "one/a-1.0-py3-none-any.whl", "two/a-1.0-py3-none-any.whl")
    package = _parse(entries).packages[0]
    assert choose_wheel(package, LINUX, PYTHON) is next(iter(package.wheels or ()))
    assert choose_wheel(Package(name=package.name, version=package.version), LINUX, PYTHON) is None


@pytest.mark.parametrize(
    ("package", "why"),
    [
        (
            _package("a", "a-1.0-py3-none-any.whl", hashes='hashes = { md5 = "0" }'),
            r"a-1\.0-py3-none-any\.whl has no SHA-256 hash",
        ),
        (
            _package("a", "a-1.0-py3-none-any.whl").replace('version = "1.0"\n', ""),
            "package 'a' has no version",
        ),
    ],
)
def test_packages_that_cannot_be_installed(package: str, why: str) -> None:
    with pytest.raises(InvalidLockError, match=why):
        read_packages(_parse(package), [LINUX], PYTHON, "the lock")


def test_a_platform_without_a_usable_wheel_is_in_nobody_elses_way() -> None:
    parsed = _parse(_package("a", "a-1.0-cp312-cp312-win_amd64.whl"))
    lock = make_lock("py", *read_packages(parsed, [LINUX, WINDOWS], PYTHON, "the lock"))
    assert [wheel.filename for _, wheel in lock.wheels_on(WINDOWS.target)] == ["a-1.0-cp312-cp312-win_amd64.whl"]
    with pytest.raises(
        InvalidLockError, match=r"'py' cannot be used on linux_x86_64: its lock has no wheel there of a 1\.0\."
    ):
        lock.wheels_on(LINUX.target)


@pytest.mark.parametrize(
    "tail",
    [
        '[tool]\nvenvstacks = "x"',
        '[[tool.venvstacks.shared]]\nname = "a"',
        '[[tool.venvstacks.shared]]\nname = "a"\nversion = "x"\nlayer = "py"\nplatforms = []',
        '[[tool.venvstacks.shared]]\nname = "a"\nversion = "1"\nlayer = "py"\nplatforms = ["amiga"]',
    ],
)
def test_shared_packages_that_are_not_understood(tail: str) -> None:
    with pytest.raises(InvalidLockError, match="an entry under 'shared' that is not understood"):
        read_shared(_parse("packages = []", tail), "the lock")


def test_a_lock_tells_what_a_target_gets() -> None:
    lock = make_lock("py", make_package("a", targets=["win_amd64"]), make_package("b"))
    assert [package.name for package, _ in lock.wheels_on(TARGETS["win_amd64"])] == ["a", "b"]
    assert [package.name for package, _ in lock.wheels_on(TARGETS["win_arm64"])] == ["b"]
    assert lock.locked_at_seconds == 1704067200
