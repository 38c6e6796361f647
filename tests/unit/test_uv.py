import sys
from pathlib import Path

import pytest
import uv as uv_package
from packaging.version import Version

from venvstacks.errors import ToolError
from venvstacks.processes import CancelledError
from venvstacks.uv import OLDEST_UV, Uv, clean_environment, explanation, find_uv, list_pythons
from venvstacks.work import Work


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def _find(monkeypatch: pytest.MonkeyPatch, program: Path) -> Uv:
    monkeypatch.setattr(uv_package, "find_uv_bin", lambda: str(program))
    return find_uv({"PATH": "/usr/bin:/bin"}, program.parent / "scratch")


def test_the_uv_of_the_package_is_found(tmp_path: Path) -> None:
    found = find_uv({}, tmp_path)
    assert found.executable == Path(uv_package.find_uv_bin())
    assert found.version >= OLDEST_UV
    assert (tmp_path / "uv/uv.toml").read_text() == ""


def test_a_uv_on_the_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _program(tmp_path / "uv", "echo 'uv 0.99.1 (abc 2026-01-01)'")

    def absent() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(uv_package, "find_uv_bin", absent)
    found = find_uv({"PATH": str(tmp_path)}, tmp_path / "scratch")
    assert (found.executable, found.version) == (program, Version("0.99.1"))
    with pytest.raises(ToolError, match=r"^The program 'uv' was not found\.") as caught:
        find_uv({"PATH": "/nowhere"}, tmp_path / "scratch")
    assert caught.value.hint == "install it: python -m pip install uv"
    monkeypatch.setitem(sys.modules, "uv", None)
    assert find_uv({"PATH": str(tmp_path)}, tmp_path / "scratch").executable == program
    monkeypatch.chdir(tmp_path.parent)
    assert find_uv({"PATH": tmp_path.name}, tmp_path / "scratch").executable == program  # wherever it is run


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'uv 0.12.9'", r"^uv 0\.12\.9 \(.*/uv\) is too old: 0\.13 or newer is needed\."),
        ("echo nonsense", r"/uv does not report its version: nonsense\n*(hint|$)"),
    ],
)
def test_a_uv_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        _find(monkeypatch, _program(tmp_path / "uv", text))


def test_a_uv_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(ToolError, match=r"/uv cannot be started: Permission denied\.") as caught:
        _find(monkeypatch, program)
    assert "reinstall uv" in (caught.value.hint or "")
    gone = Uv(tmp_path / "gone", Version("1"), {})
    with pytest.raises(ToolError, match=r"/gone cannot be started: No such file or directory\."):
        list_pythons(gone, {}, "cpython@3.12", Work())


def test_failures_of_uv_are_told_in_its_own_words(tmp_path: Path) -> None:
    program = _program(tmp_path / "uv", "echo 'warning: odd' >&2; echo 'error: no list' >&2; exit 2")
    with pytest.raises(ToolError) as caught:
        list_pythons(Uv(program, Version("1"), {}), {}, "cpython@3.12", Work())
    assert caught.value.message == "uv cannot list the Pythons for 'cpython@3.12':\nno list"


def test_uv_is_not_started_once_the_work_is_called_off(tmp_path: Path) -> None:
    program = _program(tmp_path / "uv", f"touch {tmp_path / 'started'}")
    work = Work()
    work.cancellation.cancel()
    with pytest.raises(CancelledError):
        list_pythons(Uv(program, Version("1"), {}), {}, "cpython@3.12", work)
    assert not (tmp_path / "started").exists()


def test_only_what_leaves_no_trace_in_a_lock_reaches_uv(tmp_path: Path) -> None:
    kept = {
        "HOME": "/home/anna",
        "HTTPS_PROXY": "http://proxy.example.invalid",
        "UV_CACHE_DIR": "/cache",
        "UV_DEFAULT_INDEX": "https://index.example.invalid/simple",
        "UV_EXCLUDE_NEWER": "2024-01-01",
        "UV_INDEX_MY_ONE_USERNAME": "anna",
        "UV_INDEX_MY_ONE_PASSWORD": "-",
    }
    dropped = {
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "PYTHONPATH": "/lib",
        "RUST_LOG": "trace",
        "UV_CONFIG_FILE": "uv.toml",
        "UV_HTTP_TIMEOUT": "",
        "UV_PRERELEASE": "allow",
        "VIRTUAL_ENV": "/venv",
    }
    environ = clean_environment(
        {**kept, **dropped, "XDG_CONFIG_HOME": "/home/anna/.config", "TZ": "Asia/Tokyo", "COLUMNS": "20"}, tmp_path
    )
    assert kept.items() <= environ.items()
    assert not dropped.keys() & environ.keys()
    assert environ["XDG_CONFIG_HOME"] == environ["XDG_CONFIG_DIRS"] == str(tmp_path)
    assert (environ["TZ"], environ["COLUMNS"]) == ("UTC", "10000")


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("error: plain\n", "plain"),
        ("\x1b[1m\x1b[31merror\x1b[39m\x1b[0m: coloured\n", "coloured"),
        ("warning: first\n  more\nerror: second\nwarning: third\n  cause: fourth\n", "second\n  cause: fourth"),
        ("  × No solution found:\n  ╰─▶ Because a\n", "× No solution found:\n  ╰─▶ Because a"),
        (
            "error: No solution\n\nhint: While the active Python version is 3.11, it failed.\n\nhint: keep this\n",
            "No solution\n\nhint: keep this",
        ),
        ("error: x\n\nhint: change `tool.uv.environments`\n", "x"),
        ("error: x\nhint: Wheels are required for `a` because building from source is disabled\n", "x"),
        (
            "error: https://anna:p%40ss@index.example.invalid/simple/a/ and ftp://token@host",
            "https://index.example.invalid/simple/a/ and ftp://host",
        ),
        ("error: http://anna:p@ss@host:80/x@y", "http://host:80/x@y"),
        ("", "(nothing: something ended it)"),
    ],
)
def test_explanations_are_without_noise_and_secrets(stderr: str, words: str) -> None:
    assert explanation(stderr) == words


@pytest.mark.parametrize(
    ("name", "value", "passed"),
    [
        ("UV_INDEX", "mine=wheels ../other https://index.example.invalid/simple?a=b", None),
        ("UV_EXTRA_INDEX_URL", "https://me:secret@index.example.invalid/simple", None),
        ("UV_FIND_LINKS", "wheels,https://files.example.invalid/", "{here}/wheels,https://files.example.invalid/"),
        ("UV_FIND_LINKS", "with=sign,/there/a=b", "{here}/with=sign,/there/a=b"),
        ("UV_DEFAULT_INDEX", "/there/a=b", None),
        ("UV_INDEX", "my-one=c=d", "my-one={here}/c=d"),
        ("UV_INDEX_STRATEGY", "unsafe-best-match", None),
    ],
)
def test_indexes_of_the_environment_reach_uv(tmp_path: Path, name: str, value: str, passed: str | None) -> None:
    here = Path.cwd()
    if name == "UV_INDEX" and passed is None:
        passed = f"mine={here}/wheels {here}/../other https://index.example.invalid/simple?a=b"
    assert clean_environment({name: value}, tmp_path)[name] == (passed or value).replace("{here}", str(here))
