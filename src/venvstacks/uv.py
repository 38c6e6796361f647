"""The only module that runs uv: finds it, checks its version, builds argument lists, reads its errors."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from venvstacks.definition.uv_settings import INDEX_VARIABLES
from venvstacks.errors import ResolutionError, ToolError
from venvstacks.file_names import expanded
from venvstacks.humanize import without_credentials
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.processes import Cancellation, Completed
from venvstacks.work import Work

OLDEST_UV = Version("0.13")  # the first that writes the hashes of local wheels into a pylock file

# Settings of the environment that may reach uv. Whatever else starts with UV_ could change a lock without
# a trace in the definition. Credentials of indexes (UV_INDEX_NAME_USERNAME, ..._PASSWORD) pass as well.
_PASSED = {
    "UV_CACHE_DIR",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_CONCURRENT_INSTALLS",
    "UV_EXCLUDE_NEWER",
    "UV_HTTP_CONNECT_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_HTTP_TIMEOUT",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_OFFLINE",
    "UV_PYPY_INSTALL_MIRROR",
    "UV_PYTHON_DOWNLOADS_JSON_URL",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_REQUEST_TIMEOUT",
    "UV_SYSTEM_CERTS",
}
_CREDENTIALS = re.compile(r"UV_INDEX_.+_(USERNAME|PASSWORD)")
# What else would change uv's answers or drown them, and what belongs to another environment.
_DROPPED = {"CONDA_PREFIX", "MACOSX_DEPLOYMENT_TARGET", "PYTHONHOME", "PYTHONPATH", "RUST_LOG", "VIRTUAL_ENV"}
_NAMED_INDEX = re.compile(r"(?P<name>([A-Za-z0-9_.-]+=)?)(?P<place>.*)", re.DOTALL)
_SETTINGS_IGNORED = "during settings discovery"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Uv:
    """A uv program and its whole environment: this process's own, less the settings that would leave no trace."""

    executable: Path
    version: Version
    environ: Mapping[str, str]


def find_uv(environ: Mapping[str, str], scratch: Path) -> Uv:
    """Find uv and ensure that it is new enough."""
    executable = _uv_executable(environ)
    if executable is None:
        raise ToolError("The program 'uv' was not found.", hint="install it: python -m pip install uv")
    try:
        found = Cancellation().run([executable, "--version"], env=environ)
    except OSError as error:
        raise _not_started(executable, error) from error
    match = re.search(r"uv (\d+[\w.]*)", found.stdout)
    if match is None:
        raise ToolError(f"{executable} does not report its version: {found.stdout}{found.stderr}".rstrip())
    version = Version(match[1])
    if version < OLDEST_UV:
        raise ToolError(
            f"uv {version} ({executable}) is too old: {OLDEST_UV} or newer is needed.",
            hint="update it: python -m pip install --upgrade uv",
        )
    return Uv(executable, version, clean_environment(environ, scratch))


def _uv_executable(environ: Mapping[str, str]) -> Path | None:
    try:
        import uv  # noqa: PLC0415 - the wheel that brings the binary; a uv on PATH will do as well

        return Path(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv", path=environ.get("PATH"))
        return Path(found).absolute() if found else None  # uv is run in other folders


def clean_environment(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Return the environment for uv: no settings from users or systems, only network, cache and credentials."""
    empty = scratch / "uv"
    empty.mkdir(parents=True, exist_ok=True)
    (empty / "uv.toml").touch()
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _DROPPED
        and (not name.startswith("UV_") or (value and (name in _PASSED or _CREDENTIALS.fullmatch(name))))
    }
    indexes = {name: _located(name, environ[name]) for name in INDEX_VARIABLES if environ.get(name)}
    return {
        **kept,
        **indexes,
        **dict.fromkeys(("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "APPDATA"), str(scratch)),
        "COLUMNS": "10000",  # explanations are read and shown in whole lines
        "UV_NO_PROGRESS": "1",
        "UV_NO_ENV_FILE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_INSTALLER_METADATA": "1",
        "NO_COLOR": "1",
        "TZ": "UTC",  # uv takes a date without a time zone as the machine's
    }


def _located(name: str, value: str) -> str:
    """Make the paths in a variable absolute, since uv runs elsewhere: they are relative to the current folder."""
    if name == "UV_INDEX_STRATEGY":
        return value
    if name == "UV_FIND_LINKS":
        return ",".join(map(_absolute, value.split(",")))
    indexes = (_NAMED_INDEX.fullmatch(index) for index in value.split(" "))
    return " ".join(f"{index['name']}{_absolute(index['place'])}" for index in indexes if index)


def _absolute(place: str) -> str:
    return place if "://" in place or not place else str(expanded(place).absolute())


def compile_lock(
    uv: Uv,
    project: Path,
    output: Path,
    *,
    python: PythonVersion,
    no_index: bool,
    dependencies: bool = True,
    source_distributions: bool = False,
    work: Work,
) -> None:
    """Resolve a project's dependencies for all its environments into a pylock file."""
    arguments: list[str | Path] = [
        *("pip", "compile", "--universal", "--format", "pylock.toml", "--no-header"),
        *([] if source_distributions else ["--only-binary", ":all:"]),
        *("--python-version", python.release),
        *("--python", sys.executable, "--output-file", output),
        *([] if dependencies else ["--no-deps"]),
        *(["--no-index", "--no-sources"] if no_index else []),
    ]
    done = _run(uv, [*arguments, "pyproject.toml"], cwd=project, work=work)
    if _SETTINGS_IGNORED in done.stderr:  # uv only warns, and resolves as if there were no settings
        raise ResolutionError(_settings_problem(done.stderr))
    if done.returncode != 0:
        raise ResolutionError(explanation(done.stderr))


def install_wheels(
    uv: Uv,
    lock: Path,
    prefix: Path,
    *,
    interpreter: Path,
    python: PythonVersion,
    compatibility: Compatibility,
    no_index: bool,
    work: Work,
) -> Completed:
    """Install exactly what a lock names into a prefix, with every hash checked."""
    arguments: list[str | Path] = [
        *("pip", "install", "--prefix", prefix, "--python", interpreter, "--break-system-packages"),
        *("--python-version", python.release, "--python-platform", compatibility.uv_platform),
        *("--no-deps", "--no-build", "--require-hashes", "--quiet", "--preview-features", "pylock"),
        *(["--offline"] if no_index else []),
    ]
    # uv assumes macOS 13 unless this is set, and would refuse wheels for newer ones
    settings = {"MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, compatibility.macos_version))}
    return _run(uv, [*arguments, "--requirements", lock], cwd=lock.parent, settings=settings, work=work)


def list_pythons(uv: Uv, settings: Mapping[str, str], request: str, work: Work) -> str:
    """List the Pythons that can be downloaded, for all platforms."""
    everything = ("--only-downloads", "--all-versions", "--all-platforms", "--all-arches")
    arguments = ["python", "list", *everything, "--output-format", "json", request]
    done = _run(uv, arguments, settings=settings, work=work)
    if done.returncode != 0:
        raise ToolError(f"uv cannot list the Pythons for {request!r}:\n{explanation(done.stderr)}")
    return done.stdout


def install_python(uv: Uv, settings: Mapping[str, str], key: str, folder: Path, work: Work) -> Completed:
    """Download a managed Python into ``folder/KEY``."""
    arguments: list[str | Path] = ["python", "install", "--no-bin", "--no-registry", "--install-dir", folder, key]
    return _run(uv, arguments, settings={**settings, "UV_PYTHON_DOWNLOADS": "manual"}, work=work)


def _run(
    uv: Uv,
    arguments: Sequence[str | Path],
    *,
    work: Work,
    cwd: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Completed:
    environ = {**uv.environ, **(settings or {})}
    try:
        return work.cancellation.run([uv.executable, *arguments], env=environ, cwd=cwd)
    except OSError as error:
        raise _not_started(uv.executable, error) from error


def _not_started(executable: Path, error: OSError) -> ToolError:
    return ToolError(
        f"{executable} cannot be started: {error.strerror or error}.",
        hint="reinstall uv: python -m pip install --force-reinstall uv",
    )


def _settings_problem(stderr: str) -> str:
    """Return uv's words on settings it cannot read: the indented lines under its warning."""
    _, _, rest = _plain(stderr).partition(_SETTINGS_IGNORED)
    lines = rest.partition("\n")[2].splitlines()
    end = next((i for i, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
    return "\n".join(["uv cannot use the settings in [tool.uv]:", *lines[:end]]).rstrip()


def explanation(stderr: str) -> str:
    """Return uv's own words on a failure, without warnings, colours and secrets in addresses."""
    lines = _plain(stderr).splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith("error:")), 0)
    kept = [line for line in lines[first:] if not line.startswith("warning:") and not _is_beside_the_point(line)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept))
    return text.strip().removeprefix("error: ") or "(nothing: something ended it)"


def _plain(stderr: str) -> str:
    return without_credentials(_ANSI.sub("", stderr))


def _is_beside_the_point(line: str) -> bool:
    """Whether a line advises on what the layer decides: the Python, the environments, builds from source."""
    advice = ("active Python version", "building from source is disabled")
    return "tool.uv.environments" in line or (line.startswith("hint:") and any(words in line for words in advice))
