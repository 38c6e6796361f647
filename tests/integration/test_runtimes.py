"""Managed Pythons through uv, and this machine's interpreters, where each is special."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.indexes import StallingIndex
from fakes.pythons import (
    Download,
    host,
    host_key,
    listed,
    managed_runtimes,
    own_archive,
    own_python,
    pack,
    start,
    write_list,
)
from venvstacks.definition.stack import PythonRequest, UvSettings
from venvstacks.errors import RuntimeProviderError, ToolError
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.uv import find_uv
from venvstacks.work import Work

DEBIAN = Path("/usr/bin/python3.11")
REQUEST = PythonRequest("cpython", "3.12")


def newest(folder: Path, keys: list[str], on: tuple[Compatibility, ...], request: PythonRequest = REQUEST) -> str:
    address = write_list(folder / "list.json", [listed(key) for key in keys])
    return managed_runtimes(folder, address).newest(request, on).release


def fetch(folder: Path, download: Download, python: PythonVersion | None = None) -> Path:
    address = write_list(folder / "list.json", [download])
    managed_runtimes(folder, address).fetch(python or own_python(), host(), folder / "runtime")
    return folder / "runtime"


LINUX = Compatibility(TARGETS["linux_x86_64"])
ARM = Compatibility(TARGETS["linux_aarch64"])
MUSL = Compatibility(TARGETS["linux_x86_64"], "musl", (1, 2))
MAC = Compatibility(TARGETS["macosx_arm64"])
WINDOWS = Compatibility(TARGETS["win_amd64"])


def test_the_newest_release_is_one_that_all_targets_have(tmp_path: Path) -> None:
    keys = [
        *(f"cpython-3.12.{patch}-linux-x86_64-gnu" for patch in (2, 9, 10, 11)),
        *(f"cpython-3.12.{patch}-linux-aarch64-gnu" for patch in (2, 9, 10)),
        *(f"cpython-3.12.{patch}-darwin-aarch64-none" for patch in (2, 9)),
        *(f"cpython-3.12.{patch}-windows-x86_64-none" for patch in (2, 9, 10, 11)),
        *("cpython-3.12.12rc1-linux-x86_64-gnu", "cpython-3.13.1-linux-x86_64-gnu"),
    ]
    assert newest(tmp_path, keys, (LINUX,)) == "3.12.11"
    assert newest(tmp_path, keys, (LINUX, WINDOWS)) == "3.12.11"
    assert newest(tmp_path, keys, (LINUX, ARM)) == "3.12.10"
    assert newest(tmp_path, keys, (LINUX, ARM, MAC, WINDOWS)) == "3.12.9"
    with pytest.raises(RuntimeProviderError, match=r"No managed cpython@3\.12 is published for linux.*musl"):
        newest(tmp_path, keys, (LINUX, MUSL))


def test_free_threaded_builds_are_told_from_others(tmp_path: Path) -> None:
    keys = ["cpython-3.13.1+freethreaded-linux-x86_64-gnu", "cpython-3.13.2-linux-x86_64-gnu"]
    assert newest(tmp_path, keys, (LINUX,), PythonRequest("cpython", "3.13", freethreaded=True)) == "3.13.1"
    assert newest(tmp_path, keys, (LINUX,), PythonRequest("cpython", "3.13")) == "3.13.2"


def test_a_free_threaded_key_is_what_is_downloaded(tmp_path: Path) -> None:
    python = PythonVersion("cpython", "3.13.1", freethreaded=True)
    with pytest.raises(RuntimeProviderError, match=r"cpython@3\.13\.1t(.|\n)*3\.13\.1\+freethreaded"):
        fetch(tmp_path, listed(host_key("3.13.1", variant="freethreaded")), python)


def test_a_download_is_kept_for_the_next_time(tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "python.tar.gz"
    archive.symlink_to(own_archive(root))
    download = Download.of(archive, own_python().release)
    first = fetch(tmp_path, download)
    archive.unlink()
    first.rename(tmp_path / "first")
    assert (fetch(tmp_path, download) / "bin" / "python").exists()


def test_a_download_with_another_hash_is_refused(tmp_path: Path, root: Path) -> None:
    lying = Download(host_key(own_python().release), own_archive(root).as_uri(), "0" * 64)
    with pytest.raises(RuntimeProviderError, match=r"is not available\. uv says:(.|\n)*Hash mismatch") as caught:
        fetch(tmp_path, lying)
    assert "UV_PYTHON_INSTALL_MIRROR" in str(caught.value.hint)
    assert not (tmp_path / "runtime").exists()


def test_an_archive_with_another_python_is_refused_and_forgotten(tmp_path: Path, root: Path) -> None:
    content = tmp_path / "content"
    (content / "bin").mkdir(parents=True)
    for name in ("python", "python3", f"python{own_python().minor}"):
        (content / "bin" / name).write_text("#!/bin/sh\n")
        (content / "bin" / name).chmod(0o755)
    (content / "lib" / "python2.7").mkdir(parents=True)
    release = own_python().release
    with pytest.raises(RuntimeProviderError, match=r"is not available|not an installation"):
        fetch(tmp_path, Download.of(pack(content), release))
    assert (fetch(tmp_path, Download.of(own_archive(root), release)) / "bin" / "python").exists()


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "python.tar.gz").write_text("<html>Not found</html>")
    with pytest.raises(RuntimeProviderError, match=r"is not available\. uv says:\nFailed to install"):
        fetch(tmp_path, Download.of(tmp_path / "python.tar.gz", own_python().release))


def test_nobody_at_the_address_is_told_in_the_words_of_uv(tmp_path: Path, nobody: str) -> None:
    download = listed(host_key(own_python().release), f"{nobody}/python.tar.gz")
    address = write_list(tmp_path / "list.json", [download])
    provider = managed_runtimes(tmp_path, address)
    with pytest.raises(RuntimeProviderError, match="Connection refused"):
        provider.fetch(own_python(), host(), tmp_path / "runtime")
    with pytest.raises(ToolError, match=r"uv cannot list the Pythons for 'cpython@3\.12'"):
        managed_runtimes(tmp_path, f"{nobody}/list.json").newest(REQUEST, (LINUX,))


def test_an_impatient_provider_does_not_try_again(tmp_path: Path, stalling: StallingIndex) -> None:
    download = listed(host_key(own_python().release), f"{stalling.url}/python.tar.gz")
    provider = managed_runtimes(tmp_path, write_list(tmp_path / "list.json", [download]), impatient=True)
    with pytest.raises(RuntimeProviderError) as caught:
        provider.fetch(own_python(), host(), tmp_path / "runtime")
    assert "timed out" in caught.value.message
    assert "retries" not in caught.value.message


class Mirrors:
    """Two lists: one names a release that the other does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_list(folder / "settings" / "list.json", [listed("cpython-3.12.1-linux-x86_64-gnu")])
        self.environ = {"UV_PYTHON_DOWNLOADS_JSON_URL": write_list(folder / "b.json", [listed(LISTED)])}

    def newest(self, table: Mapping[str, object], environ: Mapping[str, str]) -> str:
        variables = {**os.environ, **environ}
        uv = find_uv(variables, self.folder / "scratch")
        settings = UvSettings(table, self.folder / "settings")
        provider = ManagedRuntimes(uv, settings, self.folder / "downloads", Work(), variables)
        return provider.newest(REQUEST, (LINUX,)).release


LISTED = "cpython-3.12.2-linux-x86_64-gnu"


def test_a_list_may_come_from_settings_and_the_environment_wins(tmp_path: Path) -> None:
    mirrors = Mirrors(tmp_path)
    for address in (
        "list.json",
        str(tmp_path / "settings" / "list.json"),
        (tmp_path / "settings" / "list.json").as_uri(),
    ):
        assert mirrors.newest({"python-downloads-json-url": address}, {}) == "3.12.1"
    assert mirrors.newest({"python-downloads-json-url": "list.json"}, mirrors.environ) == "3.12.2"


@pytest.mark.parametrize("source", ["settings", "settings-path", "environment"])
def test_an_install_mirror_is_used(tmp_path: Path, root: Path, source: str) -> None:
    name = "20250101/python.tar.gz"
    (tmp_path / "mirror" / "20250101").mkdir(parents=True)
    shutil.copy(own_archive(root), tmp_path / "mirror" / name)
    official = "https://github.com/astral-sh/python-build-standalone/releases/download"
    kept = Download.of(own_archive(root), own_python().release)
    list_address = write_list(tmp_path / "list.json", [Download(kept.key, f"{official}/{name}", kept.sha256)])
    mirror = (tmp_path / "mirror").as_uri()
    wrong = (tmp_path / "wrong").as_uri()
    table = {"settings": mirror, "settings-path": "mirror", "environment": wrong}[source]
    environ = {"UV_PYTHON_DOWNLOADS_JSON_URL": list_address, "UV_HTTP_RETRIES": "0"}
    if source == "environment":
        environ["UV_PYTHON_INSTALL_MIRROR"] = mirror
    variables = {**os.environ, **environ}
    settings = UvSettings({"python-install-mirror": table}, tmp_path)
    uv = find_uv(variables, tmp_path / "scratch")
    provider = ManagedRuntimes(uv, settings, tmp_path / "downloads", Work(), variables)
    provider.fetch(own_python(), host(), tmp_path / "runtime")
    assert start(tmp_path / "runtime" / "bin" / "python", "-c", "print('hello')") == "hello"


def local(folder: Path, *, path: str, python: PythonVersion) -> Path:
    environ = {"PATH": path, "HOME": os.environ["HOME"]}
    if "PYENV_ROOT" in os.environ:
        environ["PYENV_ROOT"] = os.environ["PYENV_ROOT"]
    LocalRuntimes(environ, Work()).fetch(python, host(), folder)
    return folder


def release_of(program: Path) -> PythonVersion:
    return PythonVersion("cpython", start(program, "-c", "import platform; print(platform.python_version())"))


def test_a_copy_of_debians_interpreter_looks_into_its_site_packages(tmp_path: Path) -> None:
    assert DEBIAN.exists(), f"this test needs Debian's {DEBIAN}: apt-get install python3.11"
    python = release_of(DEBIAN)
    runtime = local(tmp_path / "debian", path=str(DEBIAN.parent), python=python)
    site = runtime / "lib" / "python3.11" / "site-packages"
    (site / "package.py").write_text("print(__file__)")
    (site / "extra.pth").write_text("import sys; sys.extra = True\n")
    moved = runtime.rename(tmp_path / "moved")
    program = moved / "bin" / "python"
    assert (
        Path(start(program, "-c", "import package")).parent.resolve()
        == (moved / site.relative_to(runtime)).resolve()
    )
    assert start(program, "-I", "-c", "import sys; print(sys.extra, sys.prefix)") == f"True {moved}"
    assert start(program, "-c", "import sys; print([p for p in sys.path if p.startswith('/usr')])") == "[]"
    start(program, "-m", "venv", "--without-pip", str(tmp_path / "environment"))
    base = start(tmp_path / "environment" / "bin" / "python", "-c", "import sys; print(sys.base_prefix)")
    assert base == str(moved)


def test_only_the_interpreters_own_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in which everything is that must not come along."""
    home = tmp_path / "versions" / own_python().release
    LocalRuntimes(os.environ, Work()).fetch(own_python(), host(), home)
    library = home / "lib" / own_python().lib_name
    (library / "site-packages" / "numpy.py").write_text("")
    (library / "sitecustomize.py").write_text("raise SystemExit('a hook of the machine')")
    (home / "bin" / "pip").write_text("")
    monkeypatch.setattr(sys, "executable", str(home / "bin" / f"python{own_python().minor}"))
    LocalRuntimes({"PATH": "/nowhere", "HOME": "/nowhere"}, Work()).fetch(
        own_python(), host(), tmp_path / "runtime"
    )
    names = {path.name for path in (tmp_path / "runtime").rglob("*")}
    assert not names & {"numpy.py", "sitecustomize.py", "pip"}
    assert "ensurepip" in names
    assert str(home) not in start(tmp_path / "runtime" / "bin" / "python", "-c", "import sys; print(sys.path)")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("ssl.py", "its module 'ssl' cannot be imported"),
        ("sqlite3", "its module 'sqlite3' cannot be imported"),
        ("encodings", "does not start from its new location: .*encodings"),
    ],
)
def test_a_damaged_interpreter_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, message: str
) -> None:
    """The damage is done between copying and checking, as where a distributor splits packages."""
    from venvstacks.runtimes import local as module  # noqa: PLC0415

    copy = module._copy

    def damaged(interpreter: object, folder: Path) -> None:
        copy(interpreter, folder)  # type: ignore[arg-type]
        place = folder / "lib" / own_python().lib_name / broken
        place.unlink() if place.is_file() else shutil.rmtree(place)

    monkeypatch.setattr(module, "_copy", damaged)
    with pytest.raises(RuntimeProviderError, match=message) as caught:
        LocalRuntimes(os.environ, Work()).fetch(own_python(), host(), tmp_path / "runtime")
    assert caught.value.message.startswith(f"The copy of {Path(sys.base_prefix).resolve()}")
    assert caught.value.hint is not None
