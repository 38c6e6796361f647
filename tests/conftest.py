"""What holds for all tests."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests that need the cache of compressed frames say where it is; the user's own is none of theirs.
os.environ["VENVSTACKS_CACHE_LIMIT"] = "0"

# How fast the machine is decides no test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Programs that tests start obey signals, even if whoever started the tests ignores them, as nohup and shells do.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _only_some_processes_are_measured() -> None:
    """Keep coverage out of the processes that tests start, but for whole commands (`fakes.building`)."""
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        os.environ["_MEASURING"] = os.environ.pop("COVERAGE_PROCESS_CONFIG")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the session (with several workers, of this one) for what is made once and shared."""
    return tmp_path_factory.getbasetemp()
