"""The programs that start the applications of a deployment.

``bin/APP`` reads which generation is current, once, and goes on with what that generation says of the application;
``generations/N/bin/APP`` starts it in that very generation. Both are for sh, or for cmd on Windows, and start no
program but the application's own interpreter, so that hardly any time is lost.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from venvstacks.deploying.deployment_format import GenerationApplication
from venvstacks.deploying.places import PRODUCTS
from venvstacks.errors import ReleaseError
from venvstacks.file_names import control_characters, is_file_name, windows_problem

STARTS = "start"
"""In a generation, what its launchers and those of the deployment have in common."""

PROGRAMS = "bin"
"""In a generation, its own launchers."""

MARK = b"Written by venvstacks."
"""What is at the beginning of each launcher."""

_PART = re.compile("@([A-Z]+)@")
_MEANS_MORE = re.compile(r"([&^()<>|])")  # to cmd, outside of quotes

# Variables have names that nobody else uses, as those that are in the environment already would be passed on. The
# quick way to the deployment's folder is taken if its path has nothing that only the system can resolve.
_SH = """\
#!/bin/sh
# Starts an application of a deployment. Written by venvstacks.
_venvstacks_self=$0
case $_venvstacks_self in
*/*) ;;
*) _venvstacks_self=./$_venvstacks_self ;;
esac
while [ -L "$_venvstacks_self" ]; do
    _venvstacks_link=$(readlink "$_venvstacks_self")
    case $_venvstacks_link in
    /*) _venvstacks_self=$_venvstacks_link ;;
    *) _venvstacks_self=${_venvstacks_self%/*}/$_venvstacks_link ;;
    esac
done
_venvstacks_bin=${_venvstacks_self%/*}
case $_venvstacks_bin/ in
[!/]* | *//* | */./* | */../*) _venvstacks_root= ;;
*) _venvstacks_root=$_venvstacks_bin ;;
esac
if [ -z "$_venvstacks_root" ] || [ -L "$_venvstacks_bin" ]; then
    _venvstacks_root=$(CDPATH= cd -P "$_venvstacks_bin/@UP@" && pwd -P) || exit 127
    _venvstacks_root=${_venvstacks_root%/}
else
    _venvstacks_root=${_venvstacks_root%@SUFFIX@}
fi
@GENERATION@if ! [ -f "$_venvstacks_root"@HOME@/"$_venvstacks_generation"/start/@APP@ ]; then
    echo @MESSAGE@ >&2
    exit 127
fi
. "$_venvstacks_root"@HOME@/"$_venvstacks_generation"/start/@APP@
"""

_SH_CURRENT = """\
_venvstacks_generation=
if [ -r "$_venvstacks_root"@HOME@/current ]; then
    IFS= read -r _venvstacks_generation <"$_venvstacks_root"@HOME@/current
fi
"""

_SH_START = """\
if [ "${PYTHONHOME+set}" ]; then
    echo @APP@': PYTHONHOME is set, which is of no use to this program: it starts without it' >&2
    unset PYTHONHOME
fi
case ${PATH-/bin:/usr/bin}: in
"$_venvstacks_root"/@BIN@:*) ;;
*) PATH=$_venvstacks_root/@BIN@:${PATH-/bin:/usr/bin} ;;
esac
@BELOW@export PATH
exec "$_venvstacks_root"/@PYTHON@ @ARGUMENTS@ "$@"
"""

_SH_BELOW = """\
case :$PATH: in
*:"$_venvstacks_root"/@FOLDER@:*) ;;
*) PATH=$PATH:$_venvstacks_root/@FOLDER@ ;;
esac
"""

_CMD = """\
@echo off
rem Starts an application of a deployment. Written by venvstacks.
setlocal DisableDelayedExpansion
for %%I in ("%~dp0@UP@") do set "_VENVSTACKS_ROOT=%%~fI"
@GENERATION@if not exist "%_VENVSTACKS_ROOT%@HOME@\\%_VENVSTACKS_GENERATION%\\start\\@APP@.cmd" (
    >&2 echo @MESSAGE@
    exit /b 127
)
"%_VENVSTACKS_ROOT%@HOME@\\%_VENVSTACKS_GENERATION%\\start\\@APP@.cmd" %*
"""

_CMD_CURRENT = """\
set "_VENVSTACKS_GENERATION="
if exist "%_VENVSTACKS_ROOT%@HOME@\\current" set /p _VENVSTACKS_GENERATION=<"%_VENVSTACKS_ROOT%@HOME@\\current"
set "_VENVSTACKS_GENERATION=%_VENVSTACKS_GENERATION:/=\\%"
"""

_CMD_START = """\
@if defined PYTHONHOME >&2 echo @APP@: PYTHONHOME is set, which is of no use to this program: it starts without it
@set "PYTHONHOME="
@set "PATH=%_VENVSTACKS_ROOT%\\@BIN@;%PATH%@BELOW@"
@"%_VENVSTACKS_ROOT%\\@PYTHON@" @ARGUMENTS@ %*
"""


@dataclass(frozen=True, slots=True)
class Launcher:
    """A file that starts an application.

    Attributes:
        name: Its name, without a folder.
        content: Always the same for the same application.
        executable: Whether it is started itself.
    """

    name: str
    content: bytes
    executable: bool = True


def check_name(application: str, *, windows: bool) -> None:
    """Refuse an application whose name can be no program's.

    Raises:
        ReleaseError: It leads elsewhere, cannot be written, or means a device.
    """
    problem = "" if is_file_name(application) and not control_characters(application) else "is no name of a file"
    problem = problem or (windows and windows_problem(application)) or ""
    if problem or application.startswith(("-", ".")):
        raise ReleaseError(
            f"An application of the release cannot be installed: {application!r} {problem or 'begins so'}.",
            hint="the publisher has to rename it",
        )


def current_launcher(application: str, *, product: str, home: str, windows: bool) -> Launcher:
    """Make what starts an application in whatever generation is current.

    Args:
        application: Its name.
        product: The product that it belongs to; empty for the one in the deployment's root.
        home: The product whose ``bin`` folder the launcher is for; empty for the one of the root.
        windows: Whether it is for Windows.
    """
    message = f"{application}: there is no such application in the current generation"
    return _launcher(application, product, _up(home) + 1, "", message, windows=windows)


def generation_launcher(application: str, number: int, *, product: str, windows: bool) -> Launcher:
    """Make what starts an application in one generation."""
    message = f"{application}: generation {number} is not complete"
    return _launcher(application, product, _up(product) + 3, f"generations/{number}", message, windows=windows)


def start_file(application: str, how: GenerationApplication, *, windows: bool) -> Launcher:
    """Make the part of launchers that starts an application in a certain generation."""
    folder = how.python.rpartition("/")[0]
    if windows:
        below = "".join(f";%_VENVSTACKS_ROOT%\\{_backslashes(path)}" for path in how.path)
        parts = {
            "APP": _spoken(application),
            "BIN": _backslashes(folder),
            "BELOW": below,
            "PYTHON": _backslashes(how.python),
            "ARGUMENTS": " ".join(how.arguments),
        }
        return _cmd(application, _CMD_START, parts, executable=False)
    folders = "".join(_fill(_SH_BELOW, {"FOLDER": shlex.quote(path)}) for path in how.path)
    parts = {
        "APP": shlex.quote(application),
        "BIN": shlex.quote(folder),
        "BELOW": folders,
        "PYTHON": shlex.quote(how.python),
        "ARGUMENTS": shlex.join(how.arguments),
    }
    return Launcher(application, _fill(_SH_START, parts).encode(), executable=False)


def _launcher(
    application: str, product: str, levels: int, generation: str, message: str, *, windows: bool
) -> Launcher:
    folder = f"/{PRODUCTS}/{product}" if product else ""
    if windows:
        fixed = f'set "_VENVSTACKS_GENERATION={_backslashes(generation)}"\n'
        parts = {
            "UP": "\\".join([".."] * levels),
            "GENERATION": fixed if generation else _fill(_CMD_CURRENT, {"HOME": _backslashes(folder)}),
            "HOME": _backslashes(folder),
            "APP": _percents(application),
            "MESSAGE": _spoken(message),
        }
        return _cmd(application, _CMD, parts)
    home = shlex.quote(folder) if folder else ""
    fixed = f"_venvstacks_generation={generation}\n"
    parts = {
        "UP": "/".join([".."] * levels),
        "SUFFIX": "/*" * levels,
        "GENERATION": fixed if generation else _fill(_SH_CURRENT, {"HOME": home}),
        "HOME": home,
        "APP": shlex.quote(application),
        "MESSAGE": shlex.quote(message),
    }
    return Launcher(application, _fill(_SH, parts).encode())


def _cmd(application: str, template: str, parts: Mapping[str, str], *, executable: bool = True) -> Launcher:
    """Write a script for cmd, which reads the encoding of its console unless it is told otherwise."""
    text = _fill(template, parts)
    if not text.isascii():
        text = f"@chcp 65001 >nul\n{text}"
    return Launcher(f"{application}.cmd", text.replace("\n", "\r\n").encode(), executable)


def _up(product: str) -> int:
    """Return how many folders a product's own is below the deployment's root."""
    return 2 if product else 0


def _fill(template: str, parts: Mapping[str, str]) -> str:
    """Put values in the place of names between @ signs."""
    return _PART.sub(lambda found: parts[found[1]], template)


def _backslashes(path: str) -> str:
    return _percents(path.replace("/", "\\"))


def _percents(text: str) -> str:
    return text.replace("%", "%%")


def _spoken(text: str) -> str:
    return _MEANS_MORE.sub(r"^\1", _percents(text))
