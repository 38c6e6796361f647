"""Has ctypes find shared libraries of the layers by their names. Written by venvstacks; imported with ctypes."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LibraryFinder:
    """Adapts ctypes and ctypes.util as soon as they have been imported.

    Args:
        folders: Where the layers offer libraries, in path order, absolute.
    """

    def __init__(self, folders: "list[str]") -> None:
        self.folders = folders
        for name in ("ctypes", "ctypes.util"):
            if name in sys.modules:
                self.adapt(sys.modules[name])

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Give what the other finders give, and follow the import."""
        if name not in {"ctypes", "ctypes.util"}:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                self.follow(spec.loader)
                return spec
        return None

    def follow(self, loader: "Any") -> None:
        """Have a module adapted when it has been run."""
        run = loader.exec_module

        def run_and_adapt(module: "Any") -> None:
            run(module)
            self.adapt(module)

        loader.exec_module = run_and_adapt

    def adapt(self, module: "Any") -> None:
        """Have ``CDLL`` and ``find_library`` look into the layers."""
        if module.__name__ == "ctypes":
            load = getattr(module, "_dlopen", None)  # where CDLL of CPython asks
            if load is not None:
                module._dlopen = lambda name, *mode: load(self.located(load, name), *mode)  # noqa: SLF001
        else:
            find = module.find_library
            module.find_library = lambda name: self.called(name) or find(name)

    def located(self, load: "Any", name: "Any") -> "Any":
        """Give the path of a library that is asked for by its name, unless it is loaded already."""
        if not isinstance(name, str) or os.sep in name or not name:
            return name
        for folder in self.folders:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                try:
                    load(name, os.RTLD_NOLOAD)
                except OSError:
                    return os.path.realpath(path)
                break
        return name

    def called(self, name: str) -> "str | None":
        """Give the path of a library by its short name: ``z`` for ``libz.so.1``."""
        for folder in self.folders:
            names = os.listdir(folder)
            for start in (f"lib{name}.so", f"lib{name}.dylib", f"{name}.dylib"):
                found = [n for n in names if n == start or n.startswith(f"{start}.")]
                if found:
                    return os.path.realpath(os.path.join(folder, min(found, key=lambda n: (len(n), n))))
        return None
