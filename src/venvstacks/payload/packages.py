"""Finds packages of which several layers have a part. Written by venvstacks; only where there are any."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PackageFinder:
    """Has Python look for modules of some packages in several folders.

    Args:
        folders: Name of a package -> the folder whose ``__init__.py`` runs, then all its folders; absolute.
    """

    def __init__(self, folders: "dict[str, list[str]]") -> None:
        self.folders = folders

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Give what the other finders give, with all parts of the package."""
        folders = self.folders.get(name)
        if folders is None:
            return None
        spec = self.found(name, path, target)
        places = None if spec is None else spec.submodule_search_locations
        if places is None or not any(place in folders for place in places):
            return spec  # another one comes before them on the path
        if places[0] != folders[0]:
            spec = self.found(name, [os.path.dirname(folders[0])], target) or spec  # it may be missing
        spec.submodule_search_locations = [folder for folder in folders[1:] if os.path.isdir(folder)]
        return spec

    def found(self, name: str, path: "Any", target: "Any") -> "Any":
        """Ask the other finders."""
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None
