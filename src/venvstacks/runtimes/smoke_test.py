"""Start a runtime once from its new place, and ensure that it is whole."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import RuntimeProviderError
from venvstacks.humanize import bullets
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.work import Work

NEEDED_MODULES = ("ssl", "sqlite3", "ctypes", "lzma")

_PROBE = "_venvstacks_probe"
_SCRIPT = f"""
import importlib, json, os, platform, sys
missing = {{}}
for name in {NEEDED_MODULES!r}:
    try:
        importlib.import_module(name)
    except Exception as error:
        missing[name] = f"{{type(error).__name__}}: {{error}}"
try:
    import {_PROBE}
    site = True
except ImportError:
    site = False
print()
print(json.dumps({{
    "prefix": os.path.realpath(sys.prefix),
    "release": platform.python_version(),
    "freethreaded": hasattr(sys, "abiflags") and "t" in sys.abiflags,
    "missing": missing,
    "site": site,
}}))
"""


class _Answer(msgspec.Struct, frozen=True):
    prefix: str
    release: str
    freethreaded: bool
    missing: dict[str, str]
    site: bool


def check_runtime(folder: Path, python: PythonVersion, work: Work, *, title: str, hint: str) -> None:
    """Start a runtime that was put into a folder, and ask it about itself."""
    probe = folder / "lib" / python.lib_name / "site-packages" / f"{_PROBE}.py"
    probe.write_text("")
    try:
        interpreter = folder / "bin" / "python"
        done = work.cancellation.run([interpreter, "-I", "-B", "-c", _SCRIPT], env={"LC_ALL": "C.UTF-8"})
    except OSError as error:
        raise RuntimeProviderError(f"{title} does not start: {error.strerror}.", hint=hint) from error
    finally:
        probe.unlink()
    if done.returncode != 0:
        reason = _reason(done.stderr) or f"exit status {done.returncode}"
        raise RuntimeProviderError(f"{title} does not start from its new location: {reason}", hint=hint)
    if problems := [*_problems(done.stdout, folder, python)]:
        raise RuntimeProviderError(f"{title} does not work as a runtime:{bullets(problems)}", hint=hint)


def _reason(stderr: str) -> str:
    """Return the line that says the most: the one that names an error, else the last."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()]
    return (telling or lines or [""])[-1].strip()


def _problems(stdout: str, folder: Path, python: PythonVersion) -> Iterator[str]:
    try:
        answer = parse_json((stdout.splitlines() or [""])[-1], _Answer)
    except DocumentError:
        yield f"it does not respond like a Python interpreter: {stdout.strip()[:80]!r}"
        return
    if answer.release != python.release:
        yield f"it is version {answer.release}, expected {python.release}"
    if answer.freethreaded != python.freethreaded:
        yield f"it is {'' if answer.freethreaded else 'not '}a free-threaded build"
    if answer.prefix != str(folder.resolve()):
        yield f"it takes {answer.prefix} for its home, not the folder it lies in"
    for name, reason in answer.missing.items():
        yield f"its module {name!r} cannot be imported ({reason})"
    if not answer.site:
        yield "it does not look for packages in its own site-packages"
