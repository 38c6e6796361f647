"""Where wheels come from: indexes with names, passwords and faults; and what must not decide it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.definitions import LINUX, define
from fakes.index_server import serve_index
from fakes.indexes import StallingIndex
from fakes.locking import Locker, content, load_all, plain_environment
from fakes.patience import PATIENCE
from fakes.wheels import make_wheel
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Stack
from venvstacks.errors import LockError, ResolutionError
from venvstacks.locking.layer_lock import LayerLock
from venvstacks.locking.states import lock_states
from venvstacks.processes import CancelledError
from venvstacks.work import Work

ACCOUNT = {"user": "anneliese", "password": "s3cr3t@"}


@pytest.fixture
def lock(cache: Path) -> Locker:
    return Locker(plain_environment(cache), no_index=False)


def _flat(name: str, folder: Path, **settings: object) -> dict[str, object]:
    return {"name": name, "url": folder.as_uri(), "format": "flat", **settings}


def _origins(lock: LayerLock) -> dict[str, str]:
    """Return the folder that each package comes from."""
    return {
        package.name: Path(wheel.path or "").parent.name
        for package in lock.packages
        for wheel in package.wheels.values()
    }


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return two folders, a default one and another, which both have ``lib`` and ``dep``, in other versions."""
    plain, special = tmp_path / "plain", tmp_path / "special"
    for folder, version in ((plain, "1.0"), (special, "2.0")):
        make_wheel(folder, "lib", version, requires=["dep; sys_platform == 'linux'"])
        make_wheel(folder, "dep", version)
    return plain, special


def test_the_default_index_comes_last(tmp_path: Path, folders: tuple[Path, Path], lock: Locker) -> None:
    plain, special = folders
    indexes = [_flat("plain", plain, default=True), _flat("special", special)]
    stack = define(tmp_path / "stack", runtimes=[{"requirements": ["lib"]}], uv={"index": indexes})
    assert _origins(lock(stack)["py"].lock) == {"dep": "special", "lib": "special"}


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"])
def test_indexes_that_the_environment_names_are_used_and_recorded(
    tmp_path: Path, folders: tuple[Path, Path], cache: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private package is not taken from a public index which has one of the same name."""
    plain, special = folders
    (plain / "lib-1.0-py3-none-any.whl").unlink()
    make_wheel(plain, "lib", "9.0")
    monkeypatch.chdir(tmp_path)
    with serve_index(plain) as public, serve_index(special, **ACCOUNT) as private:
        address = private.url.replace("://", "://anneliese:s3cr3t%40@")
        requirement = "lib<9" if variable == "UV_FIND_LINKS" else "lib"
        path = define(tmp_path / "stack", runtimes=[{"requirements": [requirement]}]).path
        given = {"UV_DEFAULT_INDEX": public.url, variable: "special" if variable == "UV_FIND_LINKS" else address}
        environ = {**plain_environment(cache), **given}
        stack = load_stack(path, environ=environ)
        locked = Locker(environ, no_index=False)(stack)["py"].lock
        assert [(package.name, str(package.version)) for package in locked.packages][-1] == ("lib", "2.0")
        assert lock_states(load_stack(path, environ=environ))["py"].is_valid
        other_account = {name: value.replace("s3cr3t%40", "changed") for name, value in environ.items()}
        assert lock_states(load_stack(path, environ=other_account))["py"].is_valid
        assert not lock_states(load_stack(path, environ={}))["py"].is_valid
        other = {**environ, "UV_INDEX": "https://index.example.invalid/"}
        assert "UV_INDEX" in lock_states(load_stack(path, environ=other))["py"].reason
    written = [file.read_text() for file in stack.requirements_folder.rglob("*") if file.is_file()]
    assert not [text for text in written if "s3cr3t" in text]


def test_environments_must_not_leave_a_target_out(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker
) -> None:
    plain, _ = folders
    settings = {"index": [_flat("plain", plain, default=True)], "environments": ["sys_platform == 'linux'"]}
    runtime = {"requirements": ["lib"], "platforms": ["linux_x86_64", "win_amd64"]}
    with pytest.raises(LockError, match=r"`environments` in \[tool\.uv\] leaves out win_amd64") as caught:
        lock(define(tmp_path / "stack", runtimes=[runtime], uv=settings))
    assert 'platforms = ["linux_x86_64"]' in str(caught.value)
    runtime["platforms"] = ["linux_x86_64"]
    lock(define(tmp_path / "stack", runtimes=[runtime], uv=settings))


def test_explicit_indexes_serve_only_where_they_are_named(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker
) -> None:
    plain, special = folders
    indexes = [_flat("special", special, explicit=True), _flat("plain", plain, default=True)]
    runtime = {"requirements": ["lib", "dep"], "package_indexes": {"LIB": "special"}}
    stack = define(tmp_path / "stack", runtimes=[runtime], uv={"index": indexes})
    assert _origins(lock(stack)["py"].lock) == {"dep": "plain", "lib": "special"}


def test_an_index_counts_for_indirect_packages_too(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker
) -> None:
    plain, special = folders
    indexes = [_flat("special", special, explicit=True), _flat("plain", plain, default=True)]
    stack = define(
        tmp_path / "stack",
        runtimes=[{"requirements": [], "package_indexes": {"dep": "special"}}],
        frameworks=[{"name": "f", "requirements": ["lib"]}],  # the assignment is inherited
        uv={"index": indexes},
    )
    locked = lock(stack)["framework-f"].lock
    assert _origins(locked) == {"dep": "special", "lib": "plain"}
    # that dep is named does not make it needed elsewhere
    assert {target.os for package in locked.packages if package.name == "dep" for target in package.wheels} == {
        "linux"
    }


def test_indirect_packages_may_be_in_their_own_index_alone(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker
) -> None:
    plain, special = folders
    (plain / "dep-1.0-py3-none-any.whl").unlink()
    make_wheel(plain, "top", "1.0", requires=["lib", "own"])
    make_wheel(special, "own", "1.0", requires=["far"])
    make_wheel(special, "far", "1.0")
    indexes = [_flat("special", special, explicit=True), _flat("plain", plain, default=True)]
    names = ("dep", "own", "far", "unused")
    runtime = {"requirements": ["top"], "package_indexes": dict.fromkeys(names, "special")}
    stack = define(tmp_path / "stack", runtimes=[runtime], uv={"index": indexes})
    assert _origins(lock(stack)["py"].lock) == {
        "dep": "special",
        "far": "special",
        "lib": "plain",
        "own": "special",
        "top": "plain",
    }


@pytest.mark.parametrize("platforms", [LINUX, ["linux_x86_64", "win_amd64"]])
def test_direct_requirements_for_some_platforms_do_not_hide_indirect_ones(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker, platforms: list[str]
) -> None:
    plain, special = folders
    indexes = [_flat("special", special, explicit=True), _flat("plain", plain, default=True)]
    runtime = {
        "platforms": platforms,
        "requirements": ["lib", "dep; sys_platform == 'win32'"],
        "package_indexes": {"dep": "special"},
    }
    stack = define(tmp_path / "stack", runtimes=[runtime], uv={"index": indexes})
    locked = lock(stack)["py"].lock
    assert _origins(locked) == {"dep": "special", "lib": "plain"}
    on = [target.name for package in locked.packages if package.name == "dep" for target in package.wheels]
    assert sorted(on) == platforms


@pytest.mark.parametrize("place", [{"default": True}, {"explicit": True}, {}])
def test_priority_indexes_come_first_for_their_layer_alone(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker, place: dict[str, bool]
) -> None:
    plain, special = folders
    last = _flat("last", tmp_path / "empty", default=True)
    (tmp_path / "empty").mkdir()
    indexes = [_flat("plain", plain), _flat("special", special, **place), *([] if "default" in place else [last])]
    stack = define(
        tmp_path / "stack",
        frameworks=[
            {"name": "with", "requirements": ["lib"], "priority_indexes": ["special"]},
            {"name": "without", "requirements": ["lib"]},
        ],
        uv={"index": indexes},
    )
    locked = lock(stack)
    assert _origins(locked["framework-with"].lock) == {"dep": "special", "lib": "special"}
    assert _origins(locked["framework-without"].lock) == {"dep": "plain", "lib": "plain"}


def test_paths_of_indexes_are_relative_to_the_definition(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    make_wheel(folders[1], "more", "1.0")
    index = {"name": "plain", "url": "../plain", "format": "flat", "default": True}
    stack = define(
        tmp_path / "stack",
        runtimes=[{"requirements": ["lib", "more"]}],
        uv={"index": [index], "find-links": ["../special"]},
    )
    assert _origins(lock(stack)["py"].lock) == {"dep": "plain", "lib": "plain", "more": "special"}


def test_without_indexes_only_the_given_folders_count(
    tmp_path: Path, folders: tuple[Path, Path], cache: Path
) -> None:
    plain, special = folders
    runtime = {"requirements": ["lib"], "package_indexes": {"lib": "special"}}
    uv = {"index": [_flat("special", special, explicit=True)], "sources": {"dep": {"index": "special"}}}
    stack = define(tmp_path / "stack", runtimes=[runtime], uv=uv)
    assert _origins(Locker(plain_environment(cache), (plain,))(stack)["py"].lock) == {
        "dep": "plain",
        "lib": "plain",
    }


# Passwords


def _with_index(folder: Path, url: str) -> Stack:
    index = {"name": "private-one", "url": url, "default": True}
    return define(folder, runtimes=[{"requirements": ["lib"], "platforms": LINUX}], uv={"index": [index]})


@pytest.mark.parametrize("in_definition", [False, True])
def test_credentials_work_and_stay_secret(
    tmp_path: Path, folders: tuple[Path, Path], cache: Path, *, in_definition: bool
) -> None:
    environ = plain_environment(cache)
    with serve_index(folders[0], **ACCOUNT) as index:
        address = index.url
        if in_definition:
            address = address.replace("://", "://anneliese:s3cr3t%40@")
        else:
            environ |= {
                "UV_INDEX_PRIVATE_ONE_USERNAME": "anneliese",
                "UV_INDEX_PRIVATE_ONE_PASSWORD": "s3cr3t@",
            }
        stack = _with_index(tmp_path / "stack", address)
        lock = Locker(environ, no_index=False)
        locked = lock(stack)["py"].lock
        missing = define(stack.folder, runtimes=[{"requirements": ["nowhere"]}], uv=dict(stack.uv.table))
        with pytest.raises(ResolutionError) as caught:
            lock(missing)
        asked = list(index.asked)
    urls = [wheel.url or "" for package in locked.packages for wheel in package.wheels.values()]
    assert [url.rpartition("/")[0] for url in urls] == [f"{index.url.removesuffix('/simple')}/files"] * 2
    assert "/simple/nowhere/" in asked
    for text in (*map(bytes.decode, content(stack).values()), str(caught.value)):
        assert "s3cr3t" not in text
        assert "anneliese" not in text


def test_the_password_in_an_address_is_no_input_of_the_lock(
    tmp_path: Path, folders: tuple[Path, Path], cache: Path
) -> None:
    with serve_index(folders[0]) as index:
        lock = Locker(plain_environment(cache), no_index=False)
        hashes = set()
        for secret in ("", "ann:one@", "ann:two@"):
            stack = _with_index(tmp_path / "stack", index.url.replace("://", f"://{secret}"))
            lock(stack)
            hashes.add(json.loads(content(stack)["py/pylock.py.meta.json"])["other_inputs_hash"])
    assert len(hashes) == 1


def test_without_credentials_the_error_says_so(tmp_path: Path, folders: tuple[Path, Path], cache: Path) -> None:
    with serve_index(folders[0], **ACCOUNT) as index:
        stack = _with_index(tmp_path / "stack", index.url)
        with pytest.raises(LockError, match=r"401|[Uu]nauthorized|authentication"):
            Locker(plain_environment(cache), no_index=False)(stack)


# Faults


def test_an_unreachable_index_is_one_message_and_loses_nothing(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker
) -> None:
    with serve_index(folders[0]) as index:
        stack = _with_index(tmp_path / "stack", index.url)
        lock(stack)
    before = content(stack)
    changed = define(
        stack.folder,
        runtimes=[{"requirements": ["lib", "unheard-of"], "platforms": LINUX}],
        uv=dict(stack.uv.table),
    )
    with pytest.raises(LockError) as caught:
        lock(changed)
    message = caught.value.message
    assert message.startswith("Cannot lock runtime 'py' for linux_x86_64. uv says:\n")
    assert f"{index.url}/" in message
    assert "Connection refused" in message
    assert content(stack) == before


def test_a_silent_index_is_given_up(tmp_path: Path, cache: Path, stalling: StallingIndex) -> None:
    environ = plain_environment(cache) | {"UV_HTTP_TIMEOUT": "1"}
    stack = _with_index(tmp_path, stalling.url)
    with pytest.raises(LockError, match=r"timed out|timeout") as caught:
        Locker(environ, no_index=False)(stack)
    assert stalling.url in caught.value.message
    assert content(stack) == {}


def test_settings_that_uv_cannot_read_are_not_ignored(
    tmp_path: Path, folders: tuple[Path, Path], lock: Locker
) -> None:
    uv = {"index": [_flat("plain", folders[0], default=True)], "prerelease": 3}
    stack = define(tmp_path / "stack", runtimes=[{"requirements": ["lib"]}], uv=uv)
    with pytest.raises(ResolutionError) as caught:
        lock(stack)
    assert "uv cannot use the settings in [tool.uv]:\n  TOML parse error" in caught.value.message
    assert "prerelease = 3" in caught.value.message


def test_settings_of_users_and_systems_have_no_effect(
    tmp_path: Path, folders: tuple[Path, Path], cache: Path
) -> None:
    plain, special = folders
    make_wheel(plain, "lib", "1.5a1")
    config = f'[[index]]\nname = "hostile"\nurl = "{special.as_uri()}"\nformat = "flat"\n'
    for folder in ("home", "system"):
        (tmp_path / folder / "uv").mkdir(parents=True)
        (tmp_path / folder / "uv/uv.toml").write_text(config)
    (tmp_path / "constraints.txt").write_text("lib==0\n")
    hostile = {
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "system"),
        "UV_CONFIG_FILE": str(tmp_path / "home/uv/uv.toml"),
        "UV_INDEX": special.as_uri(),
        "UV_FIND_LINKS": str(special),
        "UV_CONSTRAINT": str(tmp_path / "constraints.txt"),
        "UV_OVERRIDE": str(tmp_path / "constraints.txt"),
        "UV_PRERELEASE": "allow",
        "UV_RESOLUTION": "lowest",
        "UV_NO_SOURCES": "1",
        "UV_EXCLUDE_NEWER": "",
        "UV_TORCH_BACKEND": "cpu",
        "RUST_LOG": "trace",
        "PYTHONHOME": "/nowhere",
        "VIRTUAL_ENV": "/nowhere",
    }
    stack = define(
        tmp_path / "stack",
        runtimes=[{"requirements": ["lib"]}],
        uv={"index": [_flat("plain", plain, default=True)]},
    )
    locked = Locker(plain_environment(cache) | hostile, no_index=False)(stack)["py"].lock
    assert _origins(locked) == {"dep": "plain", "lib": "plain"}
    assert [str(package.version) for package in locked.packages] == ["1.0", "1.0"]
    assert load_all(stack)["py"] == locked


def test_calling_it_off_ends_uv(tmp_path: Path, cache: Path, stalling: StallingIndex) -> None:
    environ = plain_environment(cache) | {"UV_HTTP_TIMEOUT": "600"}
    work = Work()
    stack = _with_index(tmp_path, stalling.url)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(Locker(environ, no_index=False, work=work), stack)
        assert stalling.requested.wait(PATIENCE)
        work.cancellation.cancel()
        assert isinstance(running.exception(PATIENCE), CancelledError)
    assert content(stack) == {}


def test_a_forgotten_local_folder_is_no_other_version(
    tmp_path: Path, folders: tuple[Path, Path], cache: Path
) -> None:
    plain, special = folders
    make_wheel(plain, "lib", "3.0")
    with serve_index(plain) as index:
        environ = {**plain_environment(cache), "UV_DEFAULT_INDEX": index.url}
        path = define(tmp_path / "stack", runtimes=[{"requirements": ["lib<3", "dep"]}]).path
        stack = load_stack(path, environ=environ)
        named = Locker(environ, (special,), no_index=False)
        forgotten = Locker(environ, no_index=False)
        named(stack)
        before = content(stack)
        with pytest.raises(LockError, match=r"takes \w+ 2\.0 from a local folder \(.*special/") as caught:
            forgotten(stack)
        assert "--local-wheels" in str(caught.value)
        assert content(stack) == before
        named(stack)
        assert content(stack) == before
        assert all(
            wheel.path is None
            for package in forgotten(stack, reset=["py"])["py"].lock.packages
            for wheel in package.wheels.values()
        )
        named(stack, reset=["py"])
        only_there = load_stack(define(tmp_path / "stack", runtimes=[{"requirements": ["lib==2.0"]}]).path)
        with pytest.raises(ResolutionError) as caught_too:
            forgotten(only_there)
        assert str(caught_too.value.hint) == (
            "the earlier lock takes lib from a local folder: name it with --local-wheels"
        )
        make_wheel(special, "lib", "2.5")
        (special / "lib-2.0-py3-none-any.whl").unlink()
        locked = named(stack)["py"].lock
        assert [str(package.version) for package in locked.packages if package.name == "lib"] == ["2.5"]
