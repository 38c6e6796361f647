"""What a person sees of events, with and without a terminal."""

import io
import sys

import pytest

from venvstacks.cli.console import has_colour, is_lively, print_error, print_warning, reporter
from venvstacks.events import Event, Finished, Planned, Progressed, Started, Step, Waiting, Warned

EVENTS: tuple[Event, ...] = (
    Planned(Step.PUBLISH, ("app-a", "app-b")),
    Waiting("/some/folder"),
    Started(Step.PUBLISH, "app-a"),
    Progressed(Step.PUBLISH, "app-a", 10, 20),
    Warned("Something is odd."),
    Finished(Step.PUBLISH, "app-a", changed=True, summary="1.0 kB, build 2", seconds=0.25),
    Started(Step.PUBLISH, "app-b"),
    Finished(Step.PUBLISH, "app-b", changed=False, summary="unchanged inputs", seconds=0.0),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def told(verbosity: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with reporter(verbosity) as observe:
        for event in EVENTS:
            observe(event)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(0, capsys) == [
        "   waiting  another run is using /some/folder",
        "warning: Something is odd.",
        " published  app-a  1.0 kB, build 2, 0.2 s",
    ]


def test_more_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line for line in told(1, capsys) if line not in told(0, capsys)] == [
        " unchanged  app-b  unchanged inputs"
    ]
    assert "publishing  app-a" in told(2, capsys)


def test_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(-1, capsys) == []


@pytest.mark.parametrize(
    ("variables", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colour(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, terminal: bool, expected: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_colour(Terminal() if terminal else io.StringIO()) is expected


def test_bars_need_a_terminal_that_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_lively(Terminal())
    assert not is_lively(io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not is_lively(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not is_lively(Terminal())


def test_coloured_messages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_error("It failed.", "try this")
    print_warning("It is odd.")
    assert capsys.readouterr().err == (
        "\x1b[1;31merror:\x1b[0m It failed.\n\x1b[36mhint:\x1b[0m try this\n\x1b[33mwarning:\x1b[0m It is odd.\n"
    )


def drawn(monkeypatch: pytest.MonkeyPatch, *events: Event) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    with reporter(0) as observe:
        for event in events:
            observe(event)
    return terminal.getvalue()


def test_terminal_shows_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, *EVENTS)
    for line in ("another run is using /some/folder", "warning: Something is odd.", "1.0 kB, build 2, 0.2 s"):
        assert line in text
    assert "app-b" not in text.partition("build 2")[2].splitlines()[0]


def test_terminal_shows_names_and_paths_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks like rich's markup or emoji codes is neither; a long path is not broken in two."""
    monkeypatch.setenv("COLUMNS", "40")
    name = "app-[/red][bold]:frog:"
    path = f"/{'long/' * 30}folder"
    text = drawn(
        monkeypatch,
        Started(Step.BUILD, name),
        Progressed(Step.BUILD, name, 1, 2),
        Progressed(Step.BUILD, "never started", 1, 2),
        Finished(Step.BUILD, name, changed=True, summary="1 package", seconds=1.0),
        Warned(f"Look at {path}."),
        Waiting(path),
    )
    assert f"built  {name}  1 package" in text
    assert f"warning: Look at {path}." in text
    assert f"another run is using {path}" in text


def test_reader_that_went_away_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())
    handled = []
    with reporter(2) as observe:
        for event in EVENTS:
            observe(event)
            handled.append(event)
    assert handled == list(EVENTS)
