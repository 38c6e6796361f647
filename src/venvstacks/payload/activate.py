"""Makes the layers below this one importable, wherever the stack lies. Written by venvstacks.

The layer's first .pth file calls it, before any other .pth file is read and any hook of a package runs.
"""

import os
import site
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# The site-packages of the layers below, in path order, relative to the layer's folder.
LAYERS_BELOW: "tuple[str, ...]" = ()

# Those that may be missing, by the names of their folders: one that replaces it must be there, none that needs it.
OPTIONAL_LAYERS: "dict[str, dict[str, list[str]]]" = {}

# Packages of which several layers have a part: the folder whose __init__.py runs, then all, relative to the layer.
JOINED_PACKAGES: "dict[str, list[str]]" = {}

# Where this layer and those below offer shared libraries, in path order, relative to the layer's folder.
LIBRARY_FOLDERS: "tuple[str, ...]" = ()

_LAST_STREAM = 2  # the number of stderr

_is_active = False


def activate() -> None:
    """Put the layers below on the path, and read their .pth files, those of the lowest layer first."""
    global _is_active  # noqa: PLW0603 - site reads .pth files twice; layers below have such a file, too
    own = os.path.dirname(os.path.abspath(__file__))
    if _is_active or not own.startswith(os.path.abspath(sys.prefix)):
        return  # in the second case, another Python took the layer for a folder with packages
    _is_active = True
    layer = os.path.realpath(sys.prefix) if os.path.islink(sys.prefix) else sys.prefix
    _hold_lease(layer)
    _name_runtime(layer)
    _offer_libraries(layer)
    found = {relative: os.path.normpath(os.path.join(layer, relative)) for relative in LAYERS_BELOW}
    below = [folder for folder in found.values() if os.path.isdir(folder)]
    if len(below) < len(found):
        _tell_missing({relative.split("/")[1]: folder for relative, folder in found.items()}, below)
    sys.path += [folder for folder in below if folder not in sys.path]
    if JOINED_PACKAGES:
        _join_packages(layer)
    known = {os.path.normcase(path) for path in sys.path}
    for folder in reversed(below):
        before = set(sys.path)
        site.addsitedir(folder, known)
        _move_added(before, folder)
    _finish_later(own)


def _hold_lease(layer: str) -> None:
    """Keep the layer from being removed while this process runs, if it belongs to a deployment.

    The lock ends with the process, however that ends; those that are forked share it, others take their own. On
    Windows, a file that is open keeps its folders in place by itself. An error is no reason not to start.
    """
    try:
        lease = os.open(os.path.dirname(layer) + "/.layer/lease", os.O_RDONLY)
    except OSError:
        return
    try:
        import fcntl

        if lease <= _LAST_STREAM:  # that stream is closed, and others may take its number for it
            closed, lease = lease, fcntl.fcntl(lease, fcntl.F_DUPFD_CLOEXEC, _LAST_STREAM + 1)
            os.close(closed)
        _lock_shared(fcntl.flock, lease, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (ImportError, OSError):
        pass


def _lock_shared(flock: "Any", lease: int, how: int) -> None:
    """Wait a moment for whoever looks whether the layer is in use, but for nobody who locks it for long."""
    for _ in range(20):
        try:
            flock(lease, how)
        except BlockingIOError:
            import time

            time.sleep(0.001)
        else:
            return


def _tell_missing(folders: "dict[str, str]", there: "list[str]") -> None:
    """Say which layers are missing, unless others stand for them."""
    present = {name for name, folder in folders.items() if folder in there}
    for name, folder in folders.items():
        if name not in present and is_missed(OPTIONAL_LAYERS, name, present):
            print(f"venvstacks: a layer is missing beside this one: there is no {folder}", file=sys.stderr)


def is_missed(optional: "Any", name: str, present: "set[str]") -> bool:
    """Tell whether a layer that is not there is needed: none that is there stands for it, or one needs it."""
    absence = optional.get(name)
    if absence is None or not present.isdisjoint(absence["needed_by"]):
        return True
    return bool(absence["replaced_by"]) and present.isdisjoint(absence["replaced_by"])


def _name_runtime(layer: str) -> None:
    """Have Python name its base by the runtime's own place, not by the link in the layer that leads there."""
    link = sys.base_prefix
    if not os.path.islink(link):  # as on Windows, or with PYTHONHOME
        return
    place = os.path.join(os.path.dirname(layer + link[len(sys.prefix) :]), os.readlink(link))
    base = sys.base_prefix = sys.base_exec_prefix = os.path.normpath(place)
    # As pyvenv.cfg names no home, Python takes this program for its own base; `-m venv` needs the true one.
    sys._base_executable = os.path.join(base, "bin", "python")  # type: ignore[attr-defined]  # noqa: SLF001

    def moved(path: str) -> str:
        return base + path[len(link) :] if path.startswith(link + os.sep) else path

    for path in sys.path:
        finder = sys.path_importer_cache.get(path)
        if finder is not None and moved(path) != path:  # it has listed the folder, which takes time
            finder.path = moved(path)  # type: ignore[attr-defined]
            sys.path_importer_cache[moved(path)] = finder
    sys.path[:] = map(moved, sys.path)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file:
            module.__file__ = moved(file)
    if sys.implementation.name == "cpython":  # which names the files of its frozen modules after it
        sys._stdlib_dir = moved(sys._stdlib_dir)  # type: ignore[attr-defined]  # noqa: SLF001


def _join_packages(layer: str) -> None:
    """Have Python look for packages in all layers that have a part of them."""
    from _venvstacks_packages import PackageFinder

    places = {
        name: [
            os.path.normpath(os.path.join(layer if folder.startswith("../") else sys.prefix, folder))
            for folder in folders
        ]
        for name, folders in JOINED_PACKAGES.items()
    }
    sys.meta_path.insert(0, PackageFinder(places))


def _move_added(before: "Collection[str]", folder: str) -> None:
    """Move what .pth files have appended to the path to the folder that they are in."""
    start = len(sys.path)
    while start and sys.path[start - 1] not in before:
        start -= 1
    added = sys.path[start:]
    del sys.path[start:]
    place = sys.path.index(folder) + 1
    sys.path[place:place] = added


def _finish_later(own: str) -> None:
    """Do the rest when Python has read all .pth files."""
    before = set(sys.path)
    customize = site.execsitecustomize

    def finish() -> None:
        site.execsitecustomize = customize
        _move_added(before, own)
        customize()
        if not sys.flags.no_user_site:  # in a virtual environment, Python itself does not look for it
            site.execusercustomize()

    site.execsitecustomize = finish


def _offer_libraries(layer: str) -> None:
    """Have shared libraries of the layers found by their names."""
    if sys.platform == "darwin" and (saved := os.environ.pop("_VENVSTACKS_DYLD_LIBRARY_PATH", None)) is not None:
        os.environ.pop("DYLD_LIBRARY_PATH", None)  # it was for this process only, which has read it
        if saved:
            os.environ["DYLD_LIBRARY_PATH"] = saved[1:]
    folders = [os.path.normpath(os.path.join(layer, relative)) for relative in LIBRARY_FOLDERS]
    folders = [folder for folder in folders if os.path.isdir(folder)]
    if sys.platform == "win32":
        for folder in folders:
            os.add_dll_directory(folder)
    elif folders:
        sys.meta_path.insert(0, _CtypesWatch(folders))


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
