import json
from pathlib import Path

import pytest

from venvstacks.errors import RuntimeProviderError
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.runtimes.smoke_test import check_runtime
from venvstacks.work import Work

PYTHON = PythonVersion("cpython", "3.12.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    return tmp_path


def pretend(folder: Path, script: str) -> None:
    program = folder / "bin" / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def answer(folder: Path, **changes: object) -> str:
    good = {
        "prefix": str(folder.resolve()),
        "release": "3.12.1",
        "freethreaded": False,
        "missing": {},
        "site": True,
    }
    return f"cat <<'END'\nsome greeting\n{json.dumps({**good, **changes})}\nEND"


def complaint(folder: Path) -> str:
    with pytest.raises(RuntimeProviderError) as caught:
        check_runtime(folder, PYTHON, Work(), title="The copy", hint="try another")
    assert caught.value.hint == "try another"
    assert not list((folder / "lib" / "python3.12" / "site-packages").iterdir())
    return caught.value.message


def test_a_good_answer_is_accepted_and_nothing_is_left(folder: Path) -> None:
    pretend(folder, answer(folder))
    check_runtime(folder, PYTHON, Work(), title="The copy", hint="")
    assert not list((folder / "lib" / "python3.12" / "site-packages").iterdir())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"release": "3.12.2"}, "it is version 3.12.2, expected 3.12.1"),
        ({"prefix": "/usr"}, "it takes /usr for its home, not the folder it lies in"),
        ({"freethreaded": True}, "it is a free-threaded build"),
        ({"site": False}, "it does not look for packages in its own site-packages"),
        (
            {"missing": {"ssl": "ImportError: libssl.so.3: cannot open"}},
            "its module 'ssl' cannot be imported (ImportError: libssl.so.3: cannot open)",
        ),
    ],
)
def test_each_problem_is_worded(folder: Path, changes: dict[str, object], problem: str) -> None:
    pretend(folder, answer(folder, **changes))
    assert complaint(folder) == f"The copy does not work as a runtime:\n  - {problem}"


def test_all_problems_are_told_at_once(folder: Path) -> None:
    pretend(folder, answer(folder, release="3.12.2", site=False))
    assert complaint(folder).count("\n  - ") == 2


def test_an_answer_that_makes_no_sense_is_quoted(folder: Path) -> None:
    pretend(folder, "echo Hello, world")
    assert "it does not respond like a Python interpreter: 'Hello, world'" in complaint(folder)


def test_the_line_that_names_the_error_is_quoted(folder: Path) -> None:
    pretend(folder, "printf 'Fatal Python error: no encodings\\n\\n<no Python frame>\\n' >&2; exit 1")
    assert complaint(folder) == "The copy does not start from its new location: Fatal Python error: no encodings"


def test_silence_is_told_by_the_exit_status(folder: Path) -> None:
    pretend(folder, "exit 7")
    assert complaint(folder) == "The copy does not start from its new location: exit status 7"


def test_a_program_that_is_none_is_told(folder: Path) -> None:
    (folder / "bin" / "python").write_text("")
    (folder / "bin" / "python").chmod(0o644)
    assert complaint(folder) == "The copy does not start: Permission denied."
