from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.interpreters import NOBODY, fake
from venvstacks.definition.stack import PythonRequest
from venvstacks.errors import RuntimeProviderError, ToolError, VenvstacksError
from venvstacks.events import Event, Warned
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.runtimes.compilers import Compilers, stand_ins
from venvstacks.work import Work

PYTHON = PythonVersion("cpython", "3.99.4")
UNAVAILABLE = RuntimeProviderError("No managed cpython@3.99.4 is published for this machine.")

Make = Callable[..., Compilers]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def asked() -> list[PythonVersion]:
    """What the provider was asked for."""
    return []


@pytest.fixture
def make(events: list[Event], asked: list[PythonVersion], tmp_path: Path) -> Make:
    """Make what chooses, for a machine with some interpreters."""

    def make(answer: Path | VenvstacksError = UNAVAILABLE, **interpreters: str) -> Compilers:
        for name, release in interpreters.items():
            fake(tmp_path / name / "python3.99", release.removesuffix("t"), freethreaded=release.endswith("t"))
            (tmp_path / name / "python3.99t").symlink_to("python3.99")
        path = ":".join(str(tmp_path / name) for name in interpreters)

        def provide(python: PythonVersion) -> Path:
            assert python.minor == "3.99"
            asked.append(python)
            if isinstance(answer, Path):
                return answer
            raise answer

        return Compilers(provide, {**NOBODY, "PATH": path}, Work(events.append))

    return make


def test_the_exact_release_of_the_provider_is_the_best(make: Make, events: list[Event]) -> None:
    compilers = make(Path("/managed/python"), a="3.99.4")
    assert compilers.program(PYTHON) == Path("/managed/python")
    assert events == []


def test_it_is_looked_for_once_for_each_python(make: Make, asked: list[PythonVersion]) -> None:
    compilers = make(Path("/managed/python"))
    other = PythonVersion("cpython", "3.99.5")
    for python in (PYTHON, other, PYTHON, other):
        compilers.program(python)
    assert asked == [PYTHON, other]


@pytest.mark.parametrize("error", [UNAVAILABLE, ToolError("uv cannot list the Pythons.")])
def test_the_exact_release_of_this_machine_comes_next(
    make: Make, events: list[Event], tmp_path: Path, error: VenvstacksError
) -> None:
    compilers = make(error, newer="3.99.9", exact="3.99.4")
    assert compilers.program(PYTHON) == tmp_path / "exact" / "python3.99"
    assert events == []


def test_another_release_of_the_minor_version_serves_with_a_warning(
    make: Make, events: list[Event], tmp_path: Path
) -> None:
    compilers = make(UNAVAILABLE, old="3.99.1", other="3.98.4", new="3.99.3")
    assert compilers.program(PYTHON) == compilers.program(PYTHON) == tmp_path / "new" / "python3.99"
    assert events == [
        Warned(
            f"Bytecode for cpython@3.99.4 is compiled by cpython@3.99.3 ({tmp_path}/new/python3.99), as this "
            "machine has no Python of the exact release: it works, but its bytes may differ from those of other "
            "machines."
        )
    ]


@pytest.mark.parametrize(
    ("interpreters", "chosen"),
    [
        ({"lock": "3.99.4", "free": "3.99.1t"}, "free"),
        ({"lock": "3.99.1", "newer": "3.99.4"}, "newer"),
        ({"lock": "3.99.4", "free": "3.99.4t"}, "free"),
    ],
)
def test_a_free_threaded_python_prefers_its_kind(
    make: Make, events: list[Event], tmp_path: Path, interpreters: dict[str, str], chosen: str
) -> None:
    program = make(UNAVAILABLE, **interpreters).program(PythonVersion("cpython", "3.99.4", freethreaded=True))
    assert program == tmp_path / chosen / "python3.99"
    assert len(events) == (0 if interpreters[chosen] == "3.99.4t" else 1)


def test_others_are_no_stand_ins() -> None:
    exact = PythonRequest("cpython", "3.99.4")
    assert stand_ins(PYTHON) == (exact, PythonRequest("cpython", "3.99"))
    assert stand_ins(PythonVersion("pypy", "3.11.13"))[-1] == PythonRequest("pypy", "3.11")
    preview = PythonRequest("cpython", "3.99.0rc1")
    assert stand_ins(PythonVersion("cpython", "3.99.0rc1")) == (preview,), "each preview has bytecode of its own"


def test_where_there_is_none_the_error_says_how_to_get_one(make: Make, events: list[Event]) -> None:
    with pytest.raises(RuntimeProviderError) as caught:
        make(UNAVAILABLE, free="3.99.4t", other="3.98.4").program(PYTHON)
    assert caught.value.message == (
        "Bytecode for cpython@3.99.4 cannot be compiled: this machine has no cpython 3.99, and no managed "
        "cpython@3.99.4 is published for this machine."
    )
    assert caught.value.hint == (
        "install that Python (`uv python install cpython@3.99.4`, or your system's packages) and put it on PATH, "
        "name a mirror of managed Pythons (UV_PYTHON_INSTALL_MIRROR), or build without bytecode (--bytecode none)"
    )
    assert events == []
