"""Makes the layers below this one importable, wherever the stack lies. Written by venvstacks."""

import os
import site
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The site-packages of the layers below, in path order, relative to the folder of this file.
LAYERS_BELOW: "tuple[str, ...]" = ()

# Where this layer and those below offer shared libraries, in path order, relative to the folder of this file.
LIBRARY_FOLDERS: "tuple[str, ...]" = ()


def _activate() -> None:
    if os.name == "posix":
        # As pyvenv.cfg names no home, Python takes this program for its own base; `-m venv` needs the true one.
        sys._base_executable = os.path.realpath(sys.executable)  # type: ignore[attr-defined]  # noqa: SLF001
    here = os.path.dirname(os.path.abspath(__file__))
    _offer_libraries(here)
    customized = [(here, "_package_sitecustomize")]
    for position, relative in enumerate(LAYERS_BELOW, start=1):
        folder = os.path.normpath(os.path.join(here, relative))
        if os.path.isdir(folder):
            site.addsitedir(folder)
            is_runtime = position == len(LAYERS_BELOW)  # which has no file like this one
            customized.append((folder, "sitecustomize" if is_runtime else "_package_sitecustomize"))
        else:
            print(f"venvstacks: a layer is missing beside this one: there is no {folder}", file=sys.stderr)
    for folder, name in reversed(customized):
        _customize(folder, name)
    if not sys.flags.no_user_site:  # in a virtual environment, Python itself does not look for it
        try:
            import usercustomize  # noqa: F401
        except ImportError as error:
            if error.name != "usercustomize":
                _report("usercustomize", error)
        except Exception as error:
            _report("usercustomize", error)


def _offer_libraries(here: str) -> None:
    """Have shared libraries of the layers found by their names."""
    if sys.platform == "darwin" and (saved := os.environ.pop("_VENVSTACKS_DYLD_LIBRARY_PATH", None)) is not None:
        os.environ.pop("DYLD_LIBRARY_PATH", None)  # it was for this process only, which has read it
        if saved:
            os.environ["DYLD_LIBRARY_PATH"] = saved[1:]
    folders = [os.path.normpath(os.path.join(here, relative)) for relative in LIBRARY_FOLDERS]
    folders = [folder for folder in folders if os.path.isdir(folder)]
    if sys.platform == "win32":
        for folder in folders:
            os.add_dll_directory(folder)
    elif folders:
        watch = _CtypesWatch(folders)
        sys.meta_path.insert(0, watch)
        if "ctypes" in sys.modules:  # a .pth file has imported it
            watch.find_spec("ctypes")


class _CtypesWatch:
    """Waits for the import of ctypes, the only part of Python that asks for libraries by their names."""

    def __init__(self, folders: "list[str]") -> None:
        self.folders = folders

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name != "ctypes":
            return None
        sys.meta_path.remove(self)
        from _venvstacks_libraries import LibraryFinder

        finder = LibraryFinder(self.folders)
        sys.meta_path.insert(0, finder)
        return finder.find_spec(name, path, target)


def _customize(folder: str, name: str) -> None:
    """Run the ``sitecustomize`` that a package brought into a layer, if one did."""
    package = os.path.join(folder, name)
    for path, inside in ((os.path.join(package, "__init__.py"), [package]), (f"{package}.py", None)):
        if os.path.exists(path):
            _run(path, inside)
            return


def _run(path: str, inside: "list[str] | None") -> None:
    """Import a file under the name that it was written for, in the place of this module."""
    import importlib.util

    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "sitecustomize"}
    try:
        for name in before:
            del sys.modules[name]
        spec = importlib.util.spec_from_file_location("sitecustomize", path, submodule_search_locations=inside)
        module = sys.modules["sitecustomize"] = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    except Exception as error:
        sys.modules.update(before)
        _report(path, error)


def _report(what: str, error: Exception) -> None:
    # as Python does for its own: say so, and go on
    print(f"Error in {what}:\n{type(error).__name__}: {error}", file=sys.stderr)


_activate()
