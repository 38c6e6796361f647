import platform
import sys
from pathlib import Path

import pytest

from fakes.interpreters import NOBODY, fake
from fakes.pythons import own_python
from venvstacks.definition.stack import PythonRequest
from venvstacks.runtimes.interpreters import find_interpreters
from venvstacks.work import Work


def request(version: str, *, freethreaded: bool = False) -> PythonRequest:
    return PythonRequest("cpython", version, freethreaded)


def found(wanted: PythonRequest, environ: dict[str, str]) -> list[str]:
    return [interpreter.release for interpreter in find_interpreters(wanted, environ, Work())]


def test_the_newest_release_on_path_and_under_pyenv_comes_first(tmp_path: Path) -> None:
    fake(tmp_path / "path" / "python3.99", "3.99.9")
    fake(tmp_path / "pyenv" / "versions" / "3.99.10" / "bin" / "python3.99", "3.99.10")
    fake(tmp_path / "pyenv" / "versions" / "3.98.1" / "bin" / "python3", "3.98.1")
    environ = {"PATH": str(tmp_path / "path"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    assert found(request("3.99"), environ) == ["3.99.10", "3.99.9"]


def test_previews_and_versions_that_are_none_are_left_out(tmp_path: Path) -> None:
    for folder, release in {"a": "3.99.0rc1", "b": "3.99.0+", "c": "3.99.0"}.items():
        fake(tmp_path / folder / "python3.99", release)
    path = ":".join(str(tmp_path / folder) for folder in "abc")
    assert found(request("3.99"), {**NOBODY, "PATH": path}) == ["3.99.0"]
    assert found(request("3.99.0rc1"), {**NOBODY, "PATH": path}) == ["3.99.0rc1"]


@pytest.mark.parametrize(
    "changes", [{"implementation": "pypy"}, {"freethreaded": True}, {"prefix": 1}, {"libpython": None}]
)
def test_other_kinds_do_not_serve(tmp_path: Path, changes: dict[str, object]) -> None:
    fake(tmp_path / "python3.99", "3.99.0", **changes)
    assert found(request("3.99"), {**NOBODY, "PATH": str(tmp_path)}) == []


def test_free_threaded_interpreters_are_found_by_their_own_name(tmp_path: Path) -> None:
    fake(tmp_path / "python3.99t", "3.99.0", freethreaded=True)
    assert found(request("3.99", freethreaded=True), {**NOBODY, "PATH": str(tmp_path)}) == ["3.99.0"]
    assert found(request("3.99"), {**NOBODY, "PATH": str(tmp_path)}) == []


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "#!/nowhere/sh\n", ""])
def test_programs_that_do_not_answer_are_passed_over(tmp_path: Path, text: str) -> None:
    fake(tmp_path / "good" / "python3", "3.99.0")
    bad = fake(tmp_path / "bad" / "python3.99", "3.99.1")
    bad.write_text(text)
    path = f"{bad.parent}:{tmp_path / 'good'}"
    assert found(request("3.99"), {**NOBODY, "PATH": path}) == ["3.99.0"]


def test_nobody_else_is_asked_once_an_exact_release_is_found(tmp_path: Path) -> None:
    first = fake(tmp_path / "a" / "python3.99", "3.99.1")
    second = fake(tmp_path / "b" / "python3.99", "3.99.1")
    assert found(request("3.99.1"), {**NOBODY, "PATH": f"{first.parent}:{second.parent}"}) == ["3.99.1"]
    assert Path(f"{first}.log").exists()
    assert not Path(f"{second}.log").exists()


def test_one_program_under_several_names_is_asked_once(tmp_path: Path) -> None:
    program = fake(tmp_path / "python3.99", "3.99.1")
    (tmp_path / "python3").symlink_to(program.name)
    assert found(request("3.99"), {**NOBODY, "PATH": str(tmp_path)}) == ["3.99.1"]
    assert Path(f"{program}.log").read_text() == "asked\n"


def test_shims_of_pyenv_are_not_started(tmp_path: Path) -> None:
    shim = fake(tmp_path / "shims" / "python3.99", "3.99.1")
    assert found(request("3.99"), {"PATH": str(shim.parent), "PYENV_ROOT": str(tmp_path)}) == []
    assert not Path(f"{shim}.log").exists()


def test_the_interpreter_that_runs_this_is_found_without_path() -> None:
    running = own_python()
    exact = find_interpreters(request(running.release), NOBODY, Work())
    assert [interpreter.python for interpreter in exact] == [running]
    assert Path(exact[0].prefix).resolve() == Path(sys.base_prefix).resolve()
    assert (Path(exact[0].stdlib) / "os.py").is_file()
    newest = find_interpreters(request(running.minor), NOBODY, Work())
    assert [interpreter.release for interpreter in newest] == [platform.python_version()]
