"""Where things stand in a layer, and where uv puts them."""

import sysconfig
from dataclasses import dataclass

from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import Target
from venvstacks.spec.model import LayerKind

CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"

PACKAGE_HOOK = "_package_sitecustomize"
"""What a package's own ``sitecustomize`` is called in a layered environment, whose name is taken."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of an installation, as POSIX paths relative to its top.

    Attributes:
        python: The interpreter.
        site: site-packages, for pure and platform-specific packages alike.
        scripts: Programs.
        headers: Header files of packages.
    """

    python: str
    site: str
    scripts: str
    headers: str

    def translate(self, path: str, layout: "Layout") -> str:
        """Give the place in another layout of something that stands at ``path`` in this one."""
        moves = ((self.site, layout.site), (self.headers, layout.headers), (self.scripts, layout.scripts))
        for old, new in moves:
            if path == old or path.startswith(f"{old}/"):
                return new + path[len(old) :]
        return path


def layer_layout(kind: LayerKind, target: Target, python: PythonVersion) -> Layout:
    """Give the layout of a layer, as CPython's sysconfig has it on the target."""
    if target.is_windows:
        interpreter = "python.exe" if kind is LayerKind.RUNTIME else "Scripts/python.exe"
        return Layout(interpreter, "Lib/site-packages", "Scripts", "Include")
    library = f"lib/{python.lib_name}"
    return Layout("bin/python", f"{library}/site-packages", "bin", f"include/site/{python.lib_name}")


def prefix_layout() -> Layout:
    """Give the layout that ``uv pip install --prefix`` uses with this tool's own interpreter: a virtual one's."""
    paths = _prefix_paths()
    site = paths["purelib"]
    library = site.split("/")[1] if site.count("/") > 1 else ""
    return Layout("", site, paths["scripts"], f"include/site/{library}" if library else "Include")


def other_site() -> str | None:
    """Give the folder that platform-specific packages get where it is another (``lib64/...`` on Fedora)."""
    paths = _prefix_paths()
    return None if paths["platlib"] == paths["purelib"] else paths["platlib"]


def _prefix_paths() -> dict[str, str]:
    paths = sysconfig.get_paths("venv", {"base": "", "platbase": ""})
    return {name: path.replace("\\", "/").strip("/") for name, path in paths.items()}
