"""What makes a folder with packages a layer: its interpreter, its configuration, its modules."""

import shutil
from pathlib import Path

from venvstacks.building.layout import CONFIGURATION
from venvstacks.building.plan import LayerBuild, payload
from venvstacks.errors import BuildError
from venvstacks.files import canonical_json
from venvstacks.spec.model import LayerKind, SourceModule
from venvstacks.spec.source_trees import source_files

_NO_LAYERS = 'LAYERS_BELOW: "tuple[str, ...]" = ()'


def assemble(build: LayerBuild, staging: Path) -> None:
    """Complete a layer whose base Python or packages are in place.

    Args:
        build: The layer.
        staging: Its unfinished folder.

    Raises:
        BuildError: A launch or support module has the name of a package's module.
    """
    site = staging / build.layout.site
    site.mkdir(parents=True, exist_ok=True)
    if build.layer.kind is not LayerKind.RUNTIME:
        _make_environment(build, staging)
        (site / "sitecustomize.py").write_text(sitecustomize(build), encoding="utf-8", newline="\n")
    for module in _modules(build):
        _copy_module(build, module, site)
    configuration = staging / CONFIGURATION
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(canonical_json(dict(build.configuration)), encoding="utf-8", newline="\n")
    (staging / "postinstall.py").write_text(payload("postinstall.py"), encoding="utf-8", newline="\n")


def _modules(build: LayerBuild) -> tuple[SourceModule, ...]:
    launch = build.layer.launch_module
    return (*((launch,) if launch else ()), *build.layer.support_modules)


def _make_environment(build: LayerBuild, staging: Path) -> None:
    """Make a virtual environment that finds its base from where it stands.

    Without a ``home`` key, CPython follows the interpreter's link to find its standard library, and ``site``
    takes the folder of ``pyvenv.cfg`` for the prefix.
    """
    (staging / "pyvenv.cfg").write_text("include-system-site-packages = false\n", newline="\n")
    if build.target.is_windows:
        return
    programs = staging / build.layout.scripts
    programs.mkdir(parents=True, exist_ok=True)
    base = str(build.configuration["base_python"])
    links = {"python": f"../{base}", "python3": "python", f"python{build.lock.python.minor}": "python"}
    for name, link in links.items():
        if (programs / name).exists():
            raise BuildError(
                f"A package of {build.layer.title} brings a program named {name!r}, which is the layer's."
            )
        (programs / name).symlink_to(link)


def sitecustomize(build: LayerBuild) -> str:
    """Write the module that makes the layers below importable."""
    up = "../" * (build.layout.site.count("/") + 1)
    below = "".join(f'    "{up}{path}",\n' for path in build.configuration["pylib_dirs"])
    text = payload("sitecustomize.py")
    if _NO_LAYERS not in text:
        raise BuildError("The installed venvstacks is damaged: install it again.")
    return text.replace(_NO_LAYERS, f'LAYERS_BELOW: "tuple[str, ...]" = (\n{below})')


def _copy_module(build: LayerBuild, module: SourceModule, site: Path) -> None:
    for name in (module.name, f"{module.name}.py"):
        if (site / name).exists():
            raise BuildError(
                f"The module {module.name!r} of {build.layer.title} has the name of a module that a package "
                "of the layer installs.",
                hint="rename the module, or move the package to a framework below",
            )
    for relative, path in source_files(module):
        place = site / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
