"""The one place where errors become messages and exit codes."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from venvstacks.cli.console import print_error
from venvstacks.errors import VenvstacksError

INTERRUPTED = 130
TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; those of this process by default.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage or definition, 130 interrupted.
    """
    from venvstacks.cli.app import cli  # noqa: PLC0415 - an import that fails is an error like others

    signal.signal(signal.SIGTERM, _terminate)
    try:
        result = cli.main(args=arguments, prog_name="venvstacks", standalone_mode=False)
        sys.stdout.flush()
    except VenvstacksError as error:
        print_error(error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
        print_error(error.format_message(), f"see `{usage} --help`" if usage else None)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print_error("Interrupted; nothing half-done was left.", None)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone; what the interpreter flushes at the end must not complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print_error(f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}.", None)
        return 1
    return result if isinstance(result, int) else 0


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(TERMINATED)
