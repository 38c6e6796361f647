"""What a layer is made for: its Python, its platforms, and the oldest systems it must run on."""

import re
from collections.abc import Mapping, Sequence

from venvstacks.definition.references import Draft
from venvstacks.definition.stack import PythonRequest
from venvstacks.definition.tables import Report, Table
from venvstacks.humanize import did_you_mean, listed, quoted
from venvstacks.platforms.compatibility import Compatibility, Version
from venvstacks.platforms.targets import TARGETS, Libc, Target

DEPLOYMENT_TARGET = "MACOSX_DEPLOYMENT_TARGET"
"""The environment variable that holds the default of ``macosx_target``."""

_IMPLEMENTATIONS = ("cpython", "pypy")
_PYTHON = "python_implementation"
_LEGACY_PYTHON = "fully_versioned_name"
_PYTHON_VERSION = re.compile(r"(?P<version>[0-9]+\.[0-9]+(\.[0-9]+((a|b|rc)[0-9]+)?)?)(?P<freethreaded>t?)")
_FIRST_FREETHREADED = (3, 13)
_DEFAULT_MACOS: Version = (13, 0)
_LINUX_TARGET = re.compile(r"(?P<libc>glibc|musl)(@(?P<major>[0-9]+)\.(?P<minor>[0-9]+))?")
_MACOS_TARGET = re.compile(r"(?P<major>[0-9]+)(\.(?P<minor>[0-9]+)(\.[0-9]+)?)?")
_SYSTEMS = {"darwin": "macosx", "mac": "macosx", "osx": "macosx", "win": "win", "linux": "linux"}
_DEFAULT_LIBC: dict[Libc, Version] = {"glibc": (2, 28), "musl": (1, 2)}
_Linux = tuple[Libc, Version]


def default_macos(environ: Mapping[str, str], report: Report) -> Version:
    """Return the macOS version of layers that do not set one."""
    text = environ.get(DEPLOYMENT_TARGET, "").strip()
    if not text:
        return _DEFAULT_MACOS
    version = _macos_version(text)
    if version is None:
        about = report.about(f"environment variable {DEPLOYMENT_TARGET}")
        about.add(None, f"{quoted(text)} is not a macOS version: expected X or X.Y, for example '13.0'")
    return version or _DEFAULT_MACOS


def read_python(table: Table) -> PythonRequest | None:
    """Read a runtime's ``python_implementation``, or its legacy name."""
    if {_PYTHON, _LEGACY_PYTHON} <= table.given:
        message = f"is set beside '{_PYTHON}', whose former name it is"
        table.report.add(_LEGACY_PYTHON, message, f"remove '{_LEGACY_PYTHON}'")
        return None
    field = _LEGACY_PYTHON if _LEGACY_PYTHON in table.given else _PYTHON
    if field not in table.given:
        table.report.add(field, "is required, but missing", f'for example: {_PYTHON} = "cpython@3.13"')
        return None
    text = table.text(field)
    return None if text is None else _parse_python(text, field, table.report)


def _parse_python(text: str, field: str, report: Report) -> PythonRequest | None:
    implementation, _, version = text.partition("@")
    if implementation not in _IMPLEMENTATIONS:
        report.add(
            field,
            f"{quoted(text)} does not start with a known implementation: expected "
            f"one of {listed(_IMPLEMENTATIONS)}, an '@' and a version",
            did_you_mean(implementation, _IMPLEMENTATIONS),
        )
        return None
    match = _PYTHON_VERSION.fullmatch(version)
    if match is None:
        report.add(
            field,
            f"{quoted(text)} has no usable version: expected X.Y or X.Y.Z, with a 't' behind it for a "
            "free-threaded build",
            f"for example: '{implementation}@3.11' or '{implementation}@3.11.13'",
        )
        return None
    request = PythonRequest(implementation, match["version"], bool(match["freethreaded"]))
    minor = request.exactly(request.version).minor_version
    is_new_cpython = implementation == "cpython" and minor >= _FIRST_FREETHREADED
    if request.freethreaded and not is_new_cpython:
        report.add(field, f"{quoted(text)} has no free-threaded build: only CPython 3.13 and later have one")
        return None
    return request


def read_compatibilities(
    table: Table, below: Sequence[Draft] | None, macos: Version
) -> tuple[Compatibility, ...] | None:
    """Find out what a layer is made for."""
    targets = _own_targets(table)
    linux = _linux_target(table, below or ())
    macos_version = _macos_target(table, macos)
    if below is None or targets is None or linux is None or macos_version is None:
        return None
    if any(draft.compatibilities is None for draft in below):
        return None  # a layer below has a problem of its own
    allowed = frozenset(TARGETS.values()).intersection(*map(_targets_of, below))
    if "platforms" not in table.given:
        targets = allowed
    surplus = sorted(targets - allowed)
    if surplus:
        _report_surplus(surplus, below, table.report)
        return None
    return tuple(
        Compatibility(target, *linux, macos_version)
        if target.os == "linux"
        else Compatibility(target, macos_version=macos_version)
        for target in sorted(targets)
    )


def _own_targets(table: Table) -> frozenset[Target] | None:
    """Return the platforms that a layer lists; all if it lists none itself."""
    if "platforms" not in table.given:
        return frozenset(TARGETS.values())
    names = table.texts("platforms")
    unknown = [name for name in names if name not in TARGETS]
    for name in unknown:
        table.report.add("platforms", f"{quoted(name)} is not a target platform", which_target(name))
    return None if unknown or table.unusable("platforms") else frozenset(TARGETS[name] for name in names)


def which_target(found: str, words: Sequence[str] = ()) -> str:
    """Describe which platforms there are to somebody who wrote another name."""
    text = found.casefold()
    system = next((system for mark, system in _SYSTEMS.items() if mark in text), "")
    suffix = ("arm64", "aarch64") if "arm" in text or "aarch" in text else ("x86_64", "amd64")
    meant = [name for name in TARGETS if name.startswith(system) and name.endswith(suffix)] if system else []
    known = (*words, *TARGETS)
    suggestion = f"did you mean {quoted(meant[0])}?" if meant else did_you_mean(found, known) or ""
    return f"{suggestion} there are: {', '.join(known)}".lstrip()


def _report_surplus(surplus: Sequence[Target], below: Sequence[Draft], report: Report) -> None:
    limiting = [draft for draft in below if any(target not in _targets_of(draft) for target in surplus)]
    names = ", ".join(f"'{target.name}'" for target in surplus)
    layers = " and ".join(
        f"{draft.title} ({', '.join(target.name for target in _targets_of(draft)) or 'no platform'})"
        for draft in limiting
    )
    report.add("platforms", f"lists {names}, but depends on {layers}", "a layer can only narrow what is below it")


def _targets_of(draft: Draft) -> tuple[Target, ...]:
    return tuple(compatibility.target for compatibility in draft.compatibilities or ())


def _linux_target(table: Table, below: Sequence[Draft]) -> _Linux | None:
    """Read ``linux_target``; a layer without one on a musl runtime takes the runtime's.

    The C library is loaded once into a process, so that all layers of a path must be made for the same one.
    """
    made_for = ((draft.title, each) for draft in reversed(below) for each in draft.compatibilities or ())
    under = next(((title, (c.libc, c.libc_version)) for title, c in made_for if c.target.os == "linux"), None)
    if "linux_target" not in table.given:
        return under[1] if under and under[1][0] == "musl" else ("glibc", _DEFAULT_LIBC["glibc"])
    text = table.text("linux_target")
    linux = None if text is None else _parse_linux(text, table.report)
    if linux and under and linux[0] != under[1][0]:
        message = f"asks for {linux[0]}, but {under[0]} below is made for {under[1][0]}"
        table.report.add("linux_target", message)
        return None
    return linux


def _parse_linux(text: str, report: Report) -> _Linux | None:
    match = _LINUX_TARGET.fullmatch(text)
    if match is None:
        report.add(
            "linux_target",
            f"{quoted(text)} is not a C library: expected glibc, glibc@X.Y, musl or musl@X.Y",
            "for example: 'glibc@2.28'",
        )
        return None
    libc: Libc = "musl" if match["libc"] == "musl" else "glibc"
    default = _DEFAULT_LIBC[libc]
    if match["major"] is None:
        return libc, default
    if int(match["major"]) != default[0]:
        expected = f"{libc}@{default[0]}.Y"
        report.add("linux_target", f"{quoted(text)} is not a release of {libc}: expected {expected}")
        return None
    return libc, (default[0], int(match["minor"]))


def _macos_target(table: Table, default: Version) -> Version | None:
    if "macosx_target" not in table.given:
        return default
    text = table.text("macosx_target")
    version = None if text is None else _macos_version(text)
    if text is not None and version is None:
        message = f"{quoted(text)} is not a macOS version: expected X or X.Y"
        table.report.add("macosx_target", message, "for example: '13.0'")
    return version


def _macos_version(text: str) -> Version | None:
    match = _MACOS_TARGET.fullmatch(text)
    return (int(match["major"]), int(match["minor"] or 0)) if match else None
