"""Locking where wheels are missing."""

import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from fakes.definitions import define
from fakes.index_server import serve_index
from fakes.locking import Locker, load_all, plain_environment
from fakes.wheels import make_wheel
from venvstacks.errors import CoverageError, ResolutionError
from venvstacks.events import Event, Warned
from venvstacks.work import Work


def test_missing_wheels_are_explained(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "native", "1.0")
    make_wheel(wheels, "native", "1.5", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(wheels, "native", "1.5", tag="cp312-cp312-win_amd64")
    make_wheel(wheels, "native", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(wheels, "other", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    platforms = ["linux_x86_64", "linux_aarch64", "win_amd64"]
    stack = define(
        tmp_path, runtimes=[{"name": "Py", "platforms": platforms, "requirements": ["native>1.5", "other"]}]
    )
    with pytest.raises(CoverageError) as caught:
        lock(stack)
    assert caught.value.message == (
        "Cannot lock runtime 'Py': not every target has a wheel of every package.\n"
        "  - native 2.0 has no usable wheel for linux_aarch64 (glibc 2.28), win_amd64; "
        "the newest version that has is 1.0\n"
        "  - other 1.0 has no usable wheel for linux_aarch64 (glibc 2.28), win_amd64"
    )
    assert not stack.requirements_folder.exists()
    assert caught.value.hint == "set `platforms = [\"linux_x86_64\"]` on runtime 'Py', or require other versions"
    runtime = {"name": "Py", "platforms": ["linux_x86_64"], "requirements": ["native>1.5", "other"]}
    assert [
        str(package.version) for package in lock(define(tmp_path, runtimes=[runtime]))["Py"].lock.packages
    ] == [
        "2.0",
        "1.0",
    ]


@pytest.mark.parametrize(
    ("limits", "tags", "told"),
    [
        (
            {"linux_target": "glibc@2.17"},
            "manylinux_2_28_x86_64 manylinux_2_17_x86_64",
            ("glibc 2.17", "there is one for linux_x86_64 (glibc 2.28)", 'linux_target = "glibc@2.28"'),
        ),
        (
            {"linux_target": "glibc@2.20"},
            "manylinux_2_24_x86_64 manylinux2014_x86_64",
            ("glibc 2.20", "there is one for linux_x86_64 (glibc 2.24)", 'linux_target = "glibc@2.24"'),
        ),
        (
            {"linux_target": "musl"},
            "manylinux_2_17_x86_64 musllinux_1_1_x86_64",
            ("musl 1.2", "the newest version that has is 1.0", ""),
        ),
        (
            {"macosx_target": "12.0"},
            "macosx_13_0_arm64 macosx_12_0_universal2",
            ("macOS 12.0", "there is one for macosx_arm64 (macOS 13.0)", 'macosx_target = "13.0"'),
        ),
    ],
)
def test_limits_of_targets(
    tmp_path: Path, lock: Locker, limits: dict[str, str], tags: str, told: tuple[str, str, str]
) -> None:
    where, way, setting = told
    for version, tag in zip(("2.0", "1.0"), tags.split(), strict=True):
        make_wheel(lock.wheels[0], "native", version, tag=f"cp312-cp312-{tag}")
    platform = "macosx_arm64" if "macosx" in tags else "linux_x86_64"
    runtime = {"platforms": [platform], "requirements": ["native"], **limits}
    with pytest.raises(CoverageError) as caught:
        lock(define(tmp_path, runtimes=[runtime]))
    assert f"native 2.0 has no usable wheel for {platform} ({where}); {way}" in caught.value.message
    instead = f"set `{setting}` on runtime 'py', or require other versions"
    assert caught.value.hint == (
        instead if setting else "require other versions of these packages in runtime 'py'"
    )
    locked = lock(define(tmp_path, runtimes=[{**runtime, "requirements": ["native<2"]}]))["py"].lock
    assert [str(package.version) for package in locked.packages] == ["1.0"]


def test_wheels_without_free_threading_do_not_cover_it(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "native", "2.0", tag="cp313-cp313-win_amd64")
    make_wheel(wheels, "native", "1.0", tag="cp313-cp313t-win_amd64")
    runtime = {"python_implementation": "cpython@3.13.0t", "platforms": ["win_amd64"], "requirements": ["native"]}
    with pytest.raises(CoverageError, match=r"native 2\.0 has no usable .*the newest version that has is 1\.0"):
        lock(define(tmp_path, runtimes=[runtime]))


def test_packages_without_wheels_cannot_be_locked(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    (wheels / "source-1.0.tar.gz").write_bytes(b"never opened")
    platforms = ["win_amd64", "win_arm64"]
    with pytest.raises(CoverageError) as caught:
        lock(define(tmp_path, runtimes=[{"requirements": ["source"], "platforms": platforms}]))
    assert caught.value.message.endswith("\n  - source 1.0 has no usable wheel for win_amd64, win_arm64")
    assert str(caught.value.hint).startswith(
        "build a wheel of source (`python -m pip wheel NAME`) and name its folder"
    )
    assert "--no-build" not in str(caught.value)


def test_other_versions_are_chosen_where_the_newest_has_no_wheel(
    tmp_path: Path, wheels: Path, lock: Locker
) -> None:
    make_wheel(wheels, "native", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(wheels, "native", "1.0", tag="cp312-cp312-win_amd64")
    runtime = {"platforms": ["linux_x86_64", "win_amd64"], "requirements": ["native"]}
    locked = lock(define(tmp_path, runtimes=[runtime]))["py"].lock
    assert [(str(p.version), [t.name for t in p.wheels]) for p in locked.packages] == [
        ("1.0", ["win_amd64"]),
        ("2.0", ["linux_x86_64"]),
    ]
    assert load_all(define(tmp_path, runtimes=[runtime]))["py"] == locked


def test_what_is_in_the_way_beside_wheels_is_not_hidden(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "native", "2.0", tag="cp312-cp312-win_amd64")
    runtime = {"platforms": ["linux_x86_64", "win_amd64"], "requirements": ["native", "lost; os_name == 'nt'"]}
    with pytest.raises(ResolutionError) as caught:
        lock(define(tmp_path, runtimes=[runtime]))
    assert caught.value.message.startswith("Cannot lock runtime 'py' for linux_x86_64, win_amd64. uv says:\n")


def test_where_a_lower_layer_provides_no_wheel_is_needed(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "native", "1.0", tag="cp312-cp312-manylinux_2_28_x86_64")
    stack = define(
        tmp_path,
        runtimes=[{"requirements": ["native; sys_platform == 'linux' and platform_machine == 'x86_64'"]}],
        frameworks=[{"name": "f", "requirements": ["native"], "platforms": ["linux_x86_64", "win_amd64"]}],
    )
    with pytest.raises(CoverageError, match=r"native 1\.0 has no usable wheel for win_amd64") as caught:
        lock(stack)
    assert caught.value.hint is not None
    assert 'platforms = ["linux_x86_64"]' in caught.value.hint


@pytest.fixture
def told(lock: Locker) -> list[str]:
    """Return the warnings of locking."""
    messages: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            messages.append(event.message)

    object.__setattr__(lock, "work", Work(observe))
    return messages


def test_versions_that_differ_between_platforms_are_told(
    tmp_path: Path, wheels: Path, lock: Locker, told: list[str]
) -> None:
    make_wheel(wheels, "native", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(wheels, "native", "1.0", tag="cp312-cp312-win_amd64")
    lock(define(tmp_path, runtimes=[{"platforms": ["linux_x86_64", "win_amd64"], "requirements": ["native"]}]))
    (message,) = told
    assert message.startswith(
        "Platforms of runtime 'py' get different versions of packages: native 1.0 on win_amd64, "
    )
    assert message.endswith(", native 2.0 on linux_x86_64.")


@pytest.mark.parametrize("requirement", ["top", "top>=0.5", "top==1.0"])
def test_a_release_that_is_passed_over_for_want_of_a_wheel(
    tmp_path: Path, wheels: Path, lock: Locker, told: list[str], requirement: str
) -> None:
    make_wheel(wheels, "top", "1.0")
    make_wheel(wheels, "top", "2.0", requires=["source"])
    (wheels / "source-1.0.tar.gz").write_bytes(b"never opened")
    stack = define(tmp_path, runtimes=[{"requirements": [requirement]}])
    lock(stack)
    expected = "Runtime 'py' is locked with older versions: top 1.0, and not 2.0, as source has no wheel."
    assert told == ([] if "==" in requirement else [expected])
    told.clear()
    lock(stack)
    assert told == []  # what is pinned is kept, and known


def test_what_another_layer_keeps_back_is_no_surprise(
    tmp_path: Path, wheels: Path, lock: Locker, told: list[str]
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "base", version)
        make_wheel(wheels, "top", version, requires=[f"base=={version}"])
    runtime = {"requirements": ["base<2"]}
    lock(define(tmp_path, runtimes=[runtime], frameworks=[{"name": "f", "requirements": ["top"]}]))
    assert told == []


def test_a_lock_that_goes_back_is_told(tmp_path: Path, wheels: Path, lock: Locker, told: list[str]) -> None:
    make_wheel(wheels, "top", "1.0")
    newer = make_wheel(wheels, "top", "2.0")
    stack = define(tmp_path, runtimes=[{"requirements": ["top"]}])
    lock(stack)
    newer.unlink()
    lock(stack)
    assert told == ["The lock of runtime 'py' goes back: top from 2.0 to 1.0."]
    told.clear()
    newer = make_wheel(wheels, "top", "2.0")
    lock(stack, reset=["py"])
    newer.unlink()
    lock(stack, reset=["py"])
    assert told == []


def _source_distribution(folder: Path, name: str, version: str, ran: Path) -> None:
    """Write a source distribution that leaves a file behind if it is built."""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "setup.py": f"open({str(ran)!r}, 'w')\n",
    }
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))


@pytest.mark.parametrize("requirement", ["top", "top[x]>=0.5", "top==1.0", "top<2"])
def test_a_release_without_any_wheel_is_seen_and_not_built(
    tmp_path: Path, wheels: Path, lock: Locker, told: list[str], requirement: str
) -> None:
    make_wheel(wheels, "top", "1.0", provides_extra=["x"])
    _source_distribution(wheels, "top", "2.0", tmp_path / "ran")
    lock(define(tmp_path, runtimes=[{"requirements": [requirement]}]))
    expected = "Runtime 'py' is locked with older versions: top 1.0, and not 2.0, as top has no wheel."
    assert told == ([expected] if requirement in {"top", "top[x]>=0.5"} else [])
    assert not (tmp_path / "ran").exists()


def test_a_release_without_any_wheel_is_not_built_from_an_index(
    tmp_path: Path, wheels: Path, cache: Path, told: list[str], lock: Locker
) -> None:
    make_wheel(wheels, "top", "1.0")
    _source_distribution(wheels, "top", "2.0", tmp_path / "ran")
    with serve_index(wheels) as index:
        indexes = [{"name": "main", "url": index.url, "default": True}]
        stack = define(tmp_path, runtimes=[{"requirements": ["top"]}], uv={"index": indexes})
        Locker(plain_environment(cache), no_index=False, work=lock.work)(stack)
        asked = list(index.asked)
    assert [message.partition(": ")[2] for message in told] == ["top 1.0, and not 2.0, as top has no wheel."]
    assert not (tmp_path / "ran").exists()
    assert not any(path.endswith(".tar.gz") for path in asked)


def test_older_versions_that_are_asked_for_are_no_step_back(
    tmp_path: Path, wheels: Path, lock: Locker, told: list[str]
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "low", version)
        make_wheel(wheels, "top", version, requires=[f"low=={version}"])
    lock(define(tmp_path, runtimes=[{"requirements": ["top"]}]))
    lock(define(tmp_path, runtimes=[{"requirements": ["top<2"]}]))
    assert told == []


def test_a_forgotten_folder_is_told_with_what_it_held(
    tmp_path: Path, wheels: Path, lock: Locker, told: list[str]
) -> None:
    make_wheel(wheels, "top", "1.0")
    make_wheel(wheels, "top", "2.0", requires=["low"])
    _source_distribution(wheels, "low", "1.0", tmp_path / "ran")
    make_wheel(tmp_path / "built", "low", "1.0")
    stack = define(tmp_path, runtimes=[{"requirements": ["top"]}])
    replace(lock, wheels=(wheels, tmp_path / "built"))(stack)
    assert told == []
    lock(stack)
    assert told == [
        "The lock of runtime 'py' goes back: top from 2.0 to 1.0.",
        "Runtime 'py' is locked with older versions: top 1.0, and not 2.0, as low has no wheel.",
    ]
    assert not (tmp_path / "ran").exists()
