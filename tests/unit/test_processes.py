import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from venvstacks.processes import Cancellation, CancelledError

WAIT = "import threading; threading.Event().wait(60)"


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_what_a_program_leaves(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['WHAT'], os.getcwd()); sys.stderr.buffer.write(b'\\xff'); sys.exit(3)"
    done = Cancellation().run(python(code), env={**os.environ, "WHAT": "here"}, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"here {tmp_path}\n", "\N{REPLACEMENT CHARACTER}")


def test_programs_read_nothing() -> None:
    assert Cancellation().run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


def test_cancelling_ends_what_runs() -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.05, cancellation.cancel)
    timer.start()
    with pytest.raises(CancelledError):
        cancellation.run(python(WAIT))
    timer.join()


def test_nothing_is_started_after_a_cancellation(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.check()
    cancellation.cancel()
    with pytest.raises(CancelledError):
        cancellation.check()
    with pytest.raises(CancelledError):
        cancellation.run(python(f"open({str(tmp_path / 'started')!r}, 'w')"))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_no_program_behind(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def interrupt() -> None:
        while not started.exists() or not started.read_text():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Cancellation().run(python(f"import os; open({str(started)!r}, 'w').write(str(os.getpid())); {WAIT}"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
