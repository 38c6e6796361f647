"""Locking with the real uv, from tiny wheels in local folders."""

import tomllib
from pathlib import Path

import pytest

from fakes.definitions import LINUX, define
from fakes.locking import Locker, content, load_all, metadata_of, plain_environment, pylock_of, text_of
from fakes.wheels import make_wheel
from venvstacks.errors import LockError, ResolutionError
from venvstacks.locking.states import lock_states
from venvstacks.platforms.targets import TARGETS


def test_all_targets_are_locked_at_once_without_a_python_of_that_version(
    tmp_path: Path, wheels: Path, lock: Locker
) -> None:
    names = {
        "linux_x86_64": "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "linux_aarch64": "manylinux_2_28_aarch64",
        "macosx_arm64": "macosx_11_0_arm64",
        "macosx_x86_64": "macosx_10_13_universal2",
        "win_amd64": "win_amd64",
        "win_arm64": "win_arm64",
    }
    for tag in names.values():
        make_wheel(wheels, "fast", "1.5", tag=f"cp314-cp314-{tag}")
    make_wheel(wheels, "fast", "1.5", tag="cp313-cp313-win_amd64")  # for another Python: not locked
    runtime = {"python_implementation": "cpython@3.14.0", "requirements": ["fast"]}

    locked = lock(define(tmp_path / "stack", runtimes=[runtime]))["py"].lock

    assert locked.python.request == "cpython@3.14.0"
    assert {target.name: wheel.filename for target, wheel in locked.packages[0].wheels.items()} == {
        target: f"fast-1.5-cp314-cp314-{tag}.whl" for target, tag in names.items()
    }


def test_the_files_of_a_lock(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    wheel = make_wheel(wheels, "One", "1.0", requires=["two; sys_platform == 'linux'"])
    make_wheel(wheels, "two", "2.0")
    stack = define(tmp_path, runtimes=[{"platforms": ["linux_x86_64", "win_amd64"], "requirements": ["One >= 1"]}])

    lock(stack)

    assert sorted(content(stack)) == [
        "py/packages-py.txt",
        "py/pylock.py.meta.json",
        "py/pylock.py.toml",
        "py/requirements-py.in",
    ]
    digest = f'hashes = {{sha256 = "{_sha256(wheel)}"}}'
    text = text_of(stack, "py", "pylock.{}.toml")
    assert text.startswith("# Made by venvstacks")
    assert (
        f'{{name = "one-1.0-py3-none-any.whl", path = "../../wheels/one-1.0-py3-none-any.whl", {digest}}}' in text
    )
    found = tomllib.loads(text)
    assert found["lock-version"] == "1.0"
    assert found["requires-python"] == "==3.12.*"
    assert found["environments"] == [TARGETS[name].marker for name in ("linux_x86_64", "win_amd64")]
    assert [(p["name"], p["version"], p.get("marker")) for p in found["packages"]] == [
        ("one", "1.0", None),
        ("two", "2.0", 'sys_platform == "linux" and platform_machine == "x86_64"'),
    ]
    assert found["tool"] == {"venvstacks": {"format": 1}}
    assert (stack.requirements_folder / "py/packages-py.txt").read_text() == (
        "# Packages of py\n#     Made by venvstacks from its lock: do not edit\none==1.0\n"
        "two==2.0 ; sys_platform == 'linux' and platform_machine == 'x86_64'\n"
    )
    assert text_of(stack, "py", "requirements-{}.in").splitlines()[-1] == "One>=1"
    meta = metadata_of(stack, "py")
    assert sorted(meta) == [
        "lock_input_hash",
        "lock_version",
        "locked_at",
        "other_inputs_hash",
        "python_version",
        "requirements_hash",
        "tool_versions",
        "version_inputs_hash",
    ]
    assert (meta["python_version"], meta["lock_version"]) == ("3.12.7", 1)


def _sha256(path: Path) -> str:
    from hashlib import sha256  # noqa: PLC0415

    return sha256(path.read_bytes()).hexdigest()


def test_a_two_part_python_is_recorded_exactly_and_kept(tmp_path: Path, lock: Locker) -> None:
    stack = define(tmp_path, runtimes=[{"python_implementation": "cpython@3.12"}], frameworks=[{"name": "f"}])
    lock(stack)
    assert [metadata_of(stack, name)["python_version"] for name in ("py", "framework-f")] == ["3.12.9", "3.12.9"]
    path = stack.requirements_folder / "py/pylock.py.meta.json"
    path.write_text(path.read_text().replace("3.12.9", "3.12.3"))
    assert lock(stack)["framework-f"].lock.python.release == "3.12.3"
    assert lock(stack, reset=["py"])["py"].lock.python.release == "3.12.9"


def test_packages_that_no_target_needs_are_left_out(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "one", "1.0", requires=["win-only; sys_platform == 'win32'", "old; python_version < '3.9'"])
    make_wheel(wheels, "win-only", "1.0")
    stack = define(tmp_path, runtimes=[{"platforms": LINUX, "requirements": ["one", "win-only; os_name == 'nt'"]}])
    assert [package.name for package in lock(stack)["py"].lock.packages] == ["one"]


def test_layers_without_requirements_are_locked_without_packages(tmp_path: Path, lock: Locker) -> None:
    stack = define(tmp_path, frameworks=[{"name": "f"}])
    lock(stack)
    found = pylock_of(stack, "framework-f")
    assert (found["packages"], found["tool"]) == ([], {"venvstacks": {"format": 1}})
    assert text_of(stack, "framework-f", "packages-{}.txt").count("\n") == 2  # the header
    assert all(state.is_valid for state in lock_states(stack).values())
    assert load_all(stack)["framework-f"].packages == ()


def test_disabled_layers_are_left_alone(tmp_path: Path, lock: Locker) -> None:
    stack = define(
        tmp_path,
        runtimes=[{"python_implementation": "cpython@3.12", "platforms": [], "requirements": ["nowhere"]}],
        applications=[{"name": "a", "requirements": ["nowhere"]}],
    )
    assert lock(stack) == {}
    assert not stack.requirements_folder.exists()
    assert all(state.is_valid for state in lock_states(stack).values())


@pytest.mark.parametrize("name", ["f.1.2", "🐸 and 🦎", "numpy", "F_x"])
def test_names_of_layers(tmp_path: Path, wheels: Path, lock: Locker, name: str) -> None:
    make_wheel(wheels, "numpy", "1.0")
    stack = define(tmp_path, frameworks=[{"name": name, "requirements": ["numpy"]}])
    locked = lock(stack)[f"framework-{name}"].lock
    assert [package.name for package in locked.packages] == ["numpy"]
    assert (stack.requirements_folder / f"framework-{name}").is_dir()
    assert load_all(stack)[f"framework-{name}"] == locked


def test_local_wheels_are_relative_with_forward_slashes(tmp_path: Path, cache: Path) -> None:
    first, second = tmp_path / "my wheels, 🐸", tmp_path / "stack" / "more"
    make_wheel(first, "one", "1.0+local.1", requires=["two"])
    make_wheel(second, "two", "1.0")
    stack = define(tmp_path / "stack", runtimes=[{"requirements": ["one"], "platforms": LINUX}])
    locked = Locker(plain_environment(cache), (first, second))(stack)["py"].lock
    paths = [wheel.path for package in locked.packages for wheel in package.wheels.values()]
    assert paths == [
        "../../../my wheels, 🐸/one-1.0+local.1-py3-none-any.whl",
        "../../more/two-1.0-py3-none-any.whl",
    ]
    assert load_all(stack)["py"] == locked


def test_wheels_and_locks_behind_links_are_found_from_the_lock(tmp_path: Path, cache: Path, wheels: Path) -> None:
    make_wheel(wheels, "one", "1.0")
    stack = define(tmp_path / "stack", runtimes=[{"requirements": ["one"]}])
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    stack.requirements_folder.symlink_to(tmp_path / "elsewhere/deep")
    (stack.folder / "link").symlink_to(wheels)
    locked = Locker(plain_environment(cache), (stack.folder / "link",))(stack)["py"].lock
    (wheel, *_) = locked.packages[0].wheels.values()
    assert (stack.requirements_folder / "py" / (wheel.path or "")).is_file()


def test_extras_and_free_threaded_pythons(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "one", "1.0", requires=["two; extra == 'more'"], provides_extra=["more"])
    for abi in ("cp313", "cp313t"):
        make_wheel(wheels, "two", "1.0", tag=f"cp313-{abi}-manylinux_2_17_x86_64")
    runtime = {"python_implementation": "cpython@3.13.0t", "platforms": LINUX, "requirements": ["one[more]"]}
    locked = lock(define(tmp_path, runtimes=[runtime]))["py"].lock
    files = [wheel.filename for package in locked.packages for wheel in package.wheels.values()]
    assert files == ["one-1.0-py3-none-any.whl", "two-1.0-cp313-cp313t-manylinux_2_17_x86_64.whl"]


# What layers share


def test_sharing_is_decided_for_each_platform(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "shared", version)
    make_wheel(wheels, "everywhere", "1.0")
    platforms, win = ["linux_x86_64", "win_amd64"], "shared>=2; sys_platform == 'win32'"
    stack = define(
        tmp_path,
        runtimes=[{"platforms": platforms, "requirements": ["shared<2; sys_platform == 'linux'", "everywhere"]}],
        frameworks=[{"name": "f", "requirements": ["shared; os_name=='posix'", win, "everywhere"]}],
        applications=[{"name": "a", "frameworks": ["f"], "requirements": ["shared"]}],
    )
    lock(stack)

    found = pylock_of(stack, "framework-f")
    assert [(p["name"], p["version"], p["marker"]) for p in found["packages"]] == [
        ("shared", "2.0", 'sys_platform == "win32" and platform_machine == "AMD64"')
    ]
    assert found["tool"] == {
        "venvstacks": {
            "format": 1,
            "shared": [
                {"name": "everywhere", "version": "1.0", "layer": "py", "platforms": platforms},
                {"name": "shared", "version": "1.0", "layer": "py", "platforms": ["linux_x86_64"]},
            ],
        }
    }
    assert text_of(stack, "framework-f", "packages-{}.txt") == (
        "# Packages of framework-f\n#     Made by venvstacks from its lock: do not edit\n"
        "shared==2.0 ; sys_platform == 'win32' and platform_machine == 'AMD64'\n"
        "\n# Shared packages inherited from other layers\neverywhere==1.0\n"
        "shared==1.0 ; sys_platform == 'linux' and platform_machine == 'x86_64'\n"
    )
    assert pylock_of(stack, "app-a")["packages"] == []
    assert [(s.layer, str(s.version)) for s in load_all(stack)["app-a"].shared] == [
        ("py", "1.0"),
        ("framework-f", "2.0"),
    ]


def test_layers_apart_may_disagree(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "lib", version)
    frameworks = [{"name": "Old", "requirements": ["lib<2"]}, {"name": "new", "requirements": ["lib>=2"]}]
    locked = lock(define(tmp_path, frameworks=frameworks))
    versions = [str(locked[f"framework-{name}"].lock.packages[0].version) for name in ("Old", "new")]
    assert versions == ["1.0", "2.0"]


def test_a_requirement_against_a_lower_pin_names_both_layers(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "lib", version)
    stack = define(
        tmp_path,
        runtimes=[{"requirements": ["lib<2"]}],
        frameworks=[{"name": "f", "requirements": ["lib>=2; sys_platform == 'win32'"]}],
    )
    with pytest.raises(LockError) as caught:
        lock(stack)
    assert caught.value.message == (
        "Cannot lock framework 'f': it requires 'lib>=2; sys_platform == \"win32\"', "
        "but the layer below it, 'py', locks lib 1.0 on win_amd64."
    )


def test_an_indirect_contradiction_gives_the_culprit_and_the_words_of_uv(
    tmp_path: Path, wheels: Path, lock: Locker
) -> None:
    make_wheel(wheels, "lib", "1.0")
    make_wheel(wheels, "lib", "2.0")
    make_wheel(wheels, "user", "1.0", requires=["lib>=2"])
    stack = define(
        tmp_path,
        runtimes=[{"requirements": ["lib<2"], "platforms": LINUX}],
        applications=[{"name": "a", "requirements": ["user"]}],
    )
    with pytest.raises(ResolutionError) as caught:
        lock(stack)
    message = caught.value.message
    assert message.startswith("Cannot lock application 'a' for linux_x86_64. uv says:\nNo solution found")
    assert "Because all versions of user depend on lib>=2 and lib==1.0, we can conclude" in message
    assert "hint:" not in message
    assert caught.value.hint == (
        "layers below decide the version of lib (locked by 'py'): change the requirements there or here; "
        "its wheels came from a local folder: name that with --local-wheels here as well"
    )
    assert (stack.requirements_folder / "py").is_dir()
    assert not (stack.requirements_folder / "app-a").exists()


def test_overrides_replace_requirements_in_every_layer(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "lib", version)
    stack = define(
        tmp_path,
        runtimes=[{"requirements": ["lib"]}],
        frameworks=[{"name": "f", "requirements": ["lib<2"]}],
        uv={"override-dependencies": ["lib==2.0"]},
    )
    locked = lock(stack)
    assert [str(s.version) for s in locked["framework-f"].lock.shared] == ["2.0"]
    assert locked["framework-f"].lock.packages == ()


def test_pre_releases_of_lower_layers_can_be_shared(tmp_path: Path, wheels: Path, lock: Locker) -> None:
    make_wheel(wheels, "lib", "1.0")
    make_wheel(wheels, "lib", "2.0a1")
    stack = define(
        tmp_path,
        runtimes=[{"requirements": ["lib==2.0a1"]}],
        frameworks=[{"name": "f", "requirements": ["lib"]}],
    )
    assert [str(s.version) for s in lock(stack)["framework-f"].lock.shared] == ["2.0a1"]
