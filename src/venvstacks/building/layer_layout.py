"""Where things are in a layer."""

from dataclasses import dataclass

from venvstacks.definition.stack import LayerKind
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import Target

CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"

BASE = "share/venv/base"
"""A link in a layered environment on POSIX to its runtime.

CPython joins the link of its program to the folder where it was started, without a look at the folder's own
links. So the way to the runtime leads through a link inside of the layer, which the kernel follows from where the
layer really is.
"""

VENV_LAUNCHERS = "Lib/venv/scripts/nt"
"""Where a CPython for Windows keeps the launchers of virtual environments."""

_RENAMED_LAUNCHERS = (3, 13)

ACTIVATION = "_venvstacks_activate"
"""The module of a layered environment that puts the layers below on the path."""

LIBRARY_HOOK = "_venvstacks_libraries"
"""The module of a layered environment on POSIX that is imported together with ctypes."""

PACKAGE_HOOK = "_venvstacks_packages"
"""The module of a layered environment that finds packages of which several layers have a part."""

OWN_MODULES = frozenset({ACTIVATION, LIBRARY_HOOK, PACKAGE_HOOK})
"""The modules of a layered environment that belong to the layer itself."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The interpreter and the folders of an installation, as POSIX paths relative to its top.

    ``data`` is for what packages install relative to the top, and empty for the top itself. With ``folds_case``,
    other spellings of these folders mean the same ones.
    """

    python: str
    site: str
    scripts: str
    headers: str
    data: str = ""
    folds_case: bool = False

    def translate(self, path: str, layout: "Layout") -> str:
        """Return the place in another layout of what is at ``path`` in this one."""
        moves = (
            (self.site, layout.site),
            (self.headers, layout.headers),
            (self.scripts, layout.scripts),
            (self.data, layout.data),
        )
        for old, new in moves:
            if path == old or path.startswith(f"{old}/"):
                return layout.respell((new + path[len(old) :]).lstrip("/"))
        return path

    def respell(self, path: str) -> str:
        """Return a path with its top folder as the layout spells it: on Windows, ``lib`` and ``Lib`` are one."""
        if self.folds_case:
            first, slash, rest = path.partition("/")
            for known in (self.site, self.scripts, self.headers):
                top = known.partition("/")[0]
                if first.casefold() == top.casefold():
                    return f"{top}{slash}{rest}"
        return path


def layer_layout(kind: LayerKind, target: Target, python: PythonVersion) -> Layout:
    """Return the layout of a layer, as CPython's sysconfig has it on the target."""
    if target.is_windows:
        interpreter = "python.exe" if kind is LayerKind.RUNTIME else "Scripts/python.exe"
        return Layout(interpreter, "Lib/site-packages", "Scripts", "Include", folds_case=True)
    library = f"lib/{python.lib_name}"
    return Layout("bin/python", f"{library}/site-packages", "bin", f"include/site/{python.lib_name}")


def venv_launchers(python: PythonVersion) -> dict[str, str]:
    """Return what starts Python in an environment on Windows: CPython's own launchers.

    They read ``home`` from ``pyvenv.cfg`` and start the Python there.
    """
    if python.minor_version < _RENAMED_LAUNCHERS:
        return {name: f"{VENV_LAUNCHERS}/{name}" for name in ("python.exe", "pythonw.exe")}
    threads = "t" if python.freethreaded else ""
    return {
        "python.exe": f"{VENV_LAUNCHERS}/venvlauncher{threads}.exe",
        "pythonw.exe": f"{VENV_LAUNCHERS}/venvwlauncher{threads}.exe",
    }
