"""The one place where errors become messages and exit codes.

A user always gets one message and no traceback; that of a bug is shown with ``-vv``.
"""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType

# Everything else is imported in `main`: what goes wrong there, an interrupt included, needs its message as well.

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
_DETAILS = 2  # -vv
# Nearly all objects of a command live until its end; collecting garbage among them takes a fifth of the time, and
# doing it once more at the very end takes a fifth of the time of a short command.
_GARBAGE_COLLECTION = (100_000, 50, 50)
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

Handler = Callable[[int, FrameType | None], object] | int | None  # what signal.getsignal gives


class _StoppedError(BaseException):
    """A signal asks this process to end; not an ``Exception``, as nothing may handle it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    before = _handle_signals(_exit)  # first of all: imports could not be interrupted otherwise
    if arguments is None:
        _use_utf8()
    details = [0]
    gc.set_threshold(*_GARBAGE_COLLECTION)
    atexit.register(gc.freeze)
    try:
        _prepare_streams()
        return _run(arguments, before, details)
    except SystemExit as end:  # click's own, after shell completion
        return end.code if isinstance(end.code, int) else FAILED
    except BaseException as error:  # noqa: BLE001 - the last place where it can be explained
        return _explain(error, show_traceback=details[0] >= _DETAILS)
    finally:
        if arguments is not None:  # this process goes on
            for number, handler in before.items():
                signal.signal(number, handler)
        else:
            _handle_signals(_exit)


def _use_utf8() -> None:
    """Restart this process in UTF-8 mode, if names of files have another encoding in this locale.

    Names in archives and definitions are UTF-8 wherever they are unpacked. This does not concern the programs that
    are started from here: unlike a variable, an option is not inherited by them.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def _run(arguments: Sequence[str] | None, before: Mapping[int, Handler], details: list[int]) -> int:
    from venvstacks.cli.app import cli  # noqa: PLC0415 - see above
    from venvstacks.cli.console import print_error  # noqa: F401, PLC0415 - errors are printed with it
    from venvstacks.cli.option_groups import Verbosity  # noqa: PLC0415

    verbosity = Verbosity()
    try:
        for number in before:
            signal.signal(number, _stop)
        result = cli.main(args=arguments, prog_name="venvstacks", standalone_mode=False, obj=verbosity)
        sys.stdout.flush()
    finally:
        details[0] = verbosity.level
    return result if isinstance(result, int) else 0


def _prepare_streams() -> None:
    """Ensure that any text can be written: a closed stream swallows it, a narrow encoding escapes it."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _handle_signals(handler: Handler) -> dict[int, Handler]:
    """Handle the signals that ask this process to end, unless it was started with them ignored."""
    before: dict[int, Handler] = {}
    for number in _SIGNALS:
        earlier = signal.getsignal(number)
        if earlier in (signal.SIG_DFL, signal.default_int_handler, _stop, _exit):
            try:
                signal.signal(number, handler)
            except ValueError:
                break
            before[number] = earlier
    return before


def _exit(number: int, frame: FrameType | None) -> None:
    """Exit at once: nothing has begun yet, or everything is done."""
    del frame
    os._exit(128 + number)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise KeyboardInterrupt if number == signal.SIGINT else _StoppedError(number)


def _explain(error: BaseException, *, show_traceback: bool) -> int:
    """Print the one message of an error."""
    import click  # noqa: PLC0415 - see above

    from venvstacks.cli.console import print_error, print_lines  # noqa: PLC0415
    from venvstacks.errors import VenvstacksError  # noqa: PLC0415

    match error:
        case VenvstacksError():
            print_error(error.message, error.hint)
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            print_lines(error.format_message())
            return MISUSED
        case click.ClickException():
            usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
            print_error(error.format_message(), f"see `{usage} --help`" if usage else None)
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            print_error("Interrupted; nothing half-done was left.", None)
            return INTERRUPTED
        case _StoppedError():
            print_error("Stopped by a signal; nothing half-done was left.", None)
            return error.status
        case BrokenPipeError():
            _forget_stdout()
        case OSError():
            where = f" ({error.filename})" if error.filename else ""
            print_error(f"{error.strerror or error}{where}.", None)
            _forget_stdout()
        case _:
            _explain_bug(error, show_traceback=show_traceback)
    return FAILED


def _forget_stdout() -> None:
    """Keep the interpreter from complaining at exit, when it flushes what nobody reads."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):  # not a real stream
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain_bug(error: BaseException, *, show_traceback: bool) -> None:
    from traceback import extract_tb, format_exception  # noqa: PLC0415 - seldom needed

    from venvstacks.cli.console import print_error, print_lines  # noqa: PLC0415

    if show_traceback:
        print_lines("".join(format_exception(error)))
    steps = extract_tb(error.__traceback__)
    where = f" (line {steps[-1].lineno} of {os.path.basename(steps[-1].filename)})" if steps else ""  # noqa: PTH119
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    print_error(
        f"venvstacks has a bug: {what}{where}.",
        "please report it with the lines above"
        if show_traceback
        else "run the command again with -vv to see what led to it, and report that",
    )
