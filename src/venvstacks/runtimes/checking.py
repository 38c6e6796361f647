"""Start a runtime once from its new place, and see that it is whole."""

import json
from pathlib import Path

from venvstacks.errors import RuntimeProviderError
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
print(json.dumps({{
    "prefix": os.path.realpath(sys.prefix),
    "release": platform.python_version(),
    "missing": missing,
    "site": site,
    "path": sys.path,
}}))
"""


def check_runtime(folder: Path, python: PythonVersion, work: Work, *, title: str) -> None:
    """Start a runtime that was put into a folder, and ask it about itself.

    Args:
        folder: The runtime.
        python: What it has to be.
        work: The way to call it off.
        title: How messages name it.

    Raises:
        RuntimeProviderError: It does not start, has another version, does not know its place, lacks modules
            of the standard library, or does not look into its own site-packages.
    """
    probe = folder / "lib" / python.lib_name / "site-packages" / f"{_PROBE}.py"
    probe.write_text("")
    try:
        interpreter = folder / "bin" / "python"
        done = work.cancellation.run([interpreter, "-I", "-B", "-c", _SCRIPT], env={"LC_ALL": "C.UTF-8"})
    except OSError as error:
        raise RuntimeProviderError(f"{title} does not start from its new place: {error.strerror}.") from error
    finally:
        probe.unlink()
    if done.status != 0:
        reason = (done.stderr.strip() or f"exit status {done.status}").splitlines()[-1]
        raise RuntimeProviderError(f"{title} does not start from its new place: {reason}")
    problems = _problems(json.loads(done.stdout), folder, python)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise RuntimeProviderError(
            f"{title} does not work as a runtime:{listed}",
            hint='use another interpreter, or managed Pythons (local-runtime = "never")',
        )


def _problems(answer: dict[str, object], folder: Path, python: PythonVersion) -> list[str]:
    problems = []
    if answer["release"] != python.release:
        problems.append(f"it is version {answer['release']}, expected {python.release}")
    if answer["prefix"] != str(folder.resolve()):
        problems.append(f"it takes {answer['prefix']} for its home, not the folder it stands in")
    missing = answer["missing"]
    if isinstance(missing, dict):
        problems += [f"its module {name!r} cannot be imported ({reason})" for name, reason in missing.items()]
    if not answer["site"]:
        problems.append("it does not look for packages in its own site-packages")
    return problems
