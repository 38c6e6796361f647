"""Which interpreter of this machine compiles modules for a Python, whatever platform that is for."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from venvstacks.definition.stack import PythonRequest
from venvstacks.errors import RuntimeProviderError, ToolError
from venvstacks.events import Warned
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.runtimes.interpreters import Interpreter, exact_request, find_interpreters
from venvstacks.work import Work


class Compilers:
    """Interpreters that compile, each looked for once a run.

    Args:
        provide: Returns the program of an exact Python, or raises: a provider's method.
        environ: This process's environment, for ``PATH``.
    """

    def __init__(self, provide: Callable[[PythonVersion], Path], environ: Mapping[str, str], work: Work) -> None:
        self._provide = provide
        self._environ = environ
        self._work = work
        self._found: dict[PythonVersion, Path] = {}
        self._guard = threading.Lock()

    def program(self, python: PythonVersion) -> Path:
        """Return the program of an interpreter that compiles for a Python.

        The best is that very release, from the provider of base Pythons or installed on this machine. Releases
        of one minor version run each other's bytecode, but now and then write it differently.
        """
        with self._guard:
            if python not in self._found:
                self._found[python] = self._find(python)
            return self._found[python]

    def _find(self, python: PythonVersion) -> Path:
        try:
            return self._provide(python)
        except (RuntimeProviderError, ToolError) as error:
            unavailable = error
        for request in stand_ins(python):
            if found := find_interpreters(request, self._environ, self._work):
                if found[0].python != python:
                    self._work.observe(Warned(_difference_warning(python, found[0])))
                return Path(found[0].executable)
        reason = unavailable.message[:1].lower() + unavailable.message[1:]
        raise RuntimeProviderError(
            f"Bytecode for {python.request} cannot be compiled: this machine has no {python.implementation} "
            f"{python.minor}, and {reason}",
            hint=f"install that Python (`uv python install {python.request}`, or your system's packages) and put "
            "it on PATH, name a mirror of managed Pythons (UV_PYTHON_INSTALL_MIRROR), or build without bytecode "
            "(--bytecode none)",
        ) from unavailable


def _difference_warning(python: PythonVersion, interpreter: Interpreter) -> str:
    return (
        f"Bytecode for {python.request} is compiled by {interpreter.python.request} ({interpreter.executable}), "
        "as this machine has no Python of the exact release: it works, but its bytes may differ from those of "
        "other machines."
    )


def stand_ins(python: PythonVersion) -> tuple[PythonRequest, ...]:
    """Return which interpreters of this machine may compile for a Python, the best first.

    The form of bytecode is fixed within a minor version, once that is released; builds with and without the
    global lock share it.
    """
    exact = exact_request(python)
    if not all(part.isdecimal() for part in python.release.split(".")):
        return (exact,)  # each preview has a form of its own
    same_kind = PythonRequest(python.implementation, python.minor, python.freethreaded)
    with_lock = PythonRequest(python.implementation, python.minor)
    return tuple(dict.fromkeys((exact, same_kind, with_lock)))
