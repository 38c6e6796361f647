"""Errors become one message and an exit code."""

import signal

import click
import pytest

from venvstacks.cli import main
from venvstacks.cli.app import cli
from venvstacks.errors import (
    BuildError,
    BusyError,
    DefinitionError,
    FilesystemError,
    LockError,
    Problem,
    PublishError,
    RunError,
    RuntimeProviderError,
    ToolError,
    UsageError,
)


class Fault:
    """What the command ``fail`` raises."""

    def __init__(self) -> None:
        self.error: BaseException = AssertionError()

    def __call__(self) -> None:
        raise self.error


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    """Add a command that fails."""
    fault = Fault()
    monkeypatch.setitem(cli.commands, "fail", click.Command("fail", callback=fault))
    return fault


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (UsageError, 2),
        (LockError, 1),
        (BuildError, 1),
        (PublishError, 1),
        (RunError, 1),
        (RuntimeProviderError, 1),
        (ToolError, 1),
        (FilesystemError, 1),
        (BusyError, 1),
    ],
)
def test_error_with_a_hint(
    fault: Fault, capsys: pytest.CaptureFixture[str], kind: type[LockError], status: int
) -> None:
    fault.error = kind("It failed.", hint="do it again")
    assert main(["fail"]) == status
    assert capsys.readouterr() == ("", "error: It failed.\nhint: do it again\n")


def test_definition_error(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    fault.error = DefinitionError("a.toml", (Problem("", "one"), Problem("layer 'x'", "two", "a way out")))
    assert main(["fail"]) == 2
    expected = "error: a.toml has 2 problems:\n  - one\n  - layer 'x': two (a way out)\n"
    assert capsys.readouterr() == ("", expected)


def test_quiet_does_not_hide_errors(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    fault.error = LockError("It failed.")
    assert main(["-qq", "fail"]) == 1
    assert capsys.readouterr().err == "error: It failed.\n"


def test_interrupted(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    fault.error = KeyboardInterrupt()
    assert main(["fail"]) == 130
    assert "Interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("fault")
def test_told_to_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setitem(cli.commands, "fail", click.Command("fail", callback=lambda: signal.raise_signal(number)))
    assert main(["fail"]) == 128 + number
    assert "error: Stopped by a signal" in capsys.readouterr().err


@pytest.mark.usefixtures("fault")
def test_ignored_signals_stay_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts this with nohup wants it to outlive the terminal."""
    monkeypatch.setitem(cli.commands, "fail", click.Command("fail", callback=lambda: None))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["fail"]) == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("error", [KeyError("numpy"), AssertionError(), RecursionError("deep"), MemoryError()])
def test_bug_is_one_message(fault: Fault, capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    fault.error = error
    assert main(["fail"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    message, hint = err.splitlines()
    assert message.startswith(f"error: venvstacks has a bug: {type(error).__name__}")
    assert "test_entry.py" in message
    assert "-vv" in hint
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["-vv", "fail"], ["-v", "-v", "fail"]])
def test_details_of_a_bug(fault: Fault, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    fault.error = KeyError("numpy")
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert "error: venvstacks has a bug: KeyError: 'numpy'" in err
    assert err.splitlines()[-1] == "hint: please report it with the lines above"


def test_operating_system_error(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    fault.error = PermissionError(13, "Permission denied", "some/file")
    assert main(["fail"]) == 1
    assert capsys.readouterr().err == "error: Permission denied (some/file).\n"


def test_reader_that_went_away_needs_no_message(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    fault.error = BrokenPipeError()
    assert main(["fail"]) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("fault")
class TestWrongUsage:
    def test_unknown_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["frobnicate"]) == 2
        assert capsys.readouterr() == (
            "",
            "error: No such command 'frobnicate'.\nhint: see `venvstacks --help`\n",
        )

    def test_unknown_option(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["lock", "--if-neded"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: No such option '--if-neded'.")
        assert "'--if-needed'" in err
        assert err.endswith("hint: see `venvstacks lock --help`\n")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["publish", "--format", "rar"],
            ["build", "--jobs", "0"],
            ["lock", "one", "two"],
            ["run"],
            ["completion"],
        ],
    )
    def test_bad_values(self, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.endswith(f"hint: see `venvstacks {arguments[0]} --help`\n")

    def test_no_command_shows_the_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("Usage: venvstacks")
        assert "error:" not in err

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert main(["-V"]) == 0
        first, second = capsys.readouterr().out.splitlines()
        assert first == second
        assert first.startswith("venvstacks ")
