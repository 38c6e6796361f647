"""Who provides what a layer's files need, and what has to be done for them to find it.

For each needed library, the first of these that has it: where the file looks by itself, the target's system, the
file's layer, the layers below in path order. Only what the third and the fourth provide takes doing anything.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from venvstacks.binaries.native_image import NativeFile
from venvstacks.libraries.linkage import BASE_PYTHON, DYNLIB, LibraryLayer, Linking, Origin, Use
from venvstacks.libraries.offers import is_shared_library, matcher, offers_of
from venvstacks.libraries.search import SearchPaths, rpath_is_system
from venvstacks.libraries.system import REDISTRIBUTABLE, system_libraries

_PRIVATE = re.compile(r".*-[0-9a-f]{8}(\.\d+)*\.so(\.\d+)*", re.DOTALL)
"""Names that auditwheel gives to the copies it puts into a wheel: nothing outside of the wheel asks for them."""


def link(layer: LibraryLayer, below: Sequence[LibraryLayer]) -> Linking:
    """Decide how a layer's files find what they need."""
    linker = _Linker(layer, tuple(below))
    target = layer.compatibility.target
    uses = tuple(sorted(linker.uses(), key=lambda use: (use.file, use.needed)))
    return Linking(
        uses=uses,
        links={} if target.is_windows else linker.links,
        additions=linker.additions(uses) if target.os == "linux" else {},
        dyld=_dyld(linker) if target.os == "macosx" else (),
        dll_folders=linker.dll_folders() if target.is_windows else (),
    )


def _dyld(linker: "_Linker") -> tuple[str, ...]:
    """Return the layers that the loader has to be led to, for the files of this layer and of those below it."""
    linkers = (linker, *(_Linker(each, linker.below[n:]) for n, each in enumerate(linker.below, 1)))
    linked = {name for each in linkers for use in each.uses() for name in each.layers_to_search(use)}
    return tuple(each.install_target for each in linker.path if each.build_name in linked)


class _Linker:
    def __init__(self, layer: LibraryLayer, below: tuple[LibraryLayer, ...]) -> None:
        self.layer = layer
        self.below = below
        self.path = (layer, *below)
        self.offers = {each.build_name: offers_of(each) for each in self.path}
        self.own = self.offers[layer.build_name]
        self.links = {name: file.path for name, file in self.own.libraries.items()}
        self.search = SearchPaths(layer.natives, layer.compatibility.target.os)
        self.is_system = system_libraries(layer.compatibility)
        self.is_excluded = matcher(layer.exclude)

    # ---- Who provides what

    def uses(self) -> Iterator[Use]:
        """Return what every file needs that takes part, with who provides it."""
        for file in self.layer.natives.files:
            if not self.is_excluded(file.path):
                yield from (self._use(file, needed) for needed in dict.fromkeys(file.needed))

    def _use(self, file: NativeFile, needed: str) -> Use:
        name = self._name(needed)
        if found := self.search.find(file, needed):
            return Use(file.path, file.owner, needed, Origin.OWN_PATH, self.layer.build_name, found.path)
        if self.is_system(name) or rpath_is_system(file, needed):
            return Use(file.path, file.owner, needed, Origin.SYSTEM)
        if provided := self._find_provider(file, needed, name):
            return provided
        may_be_missing = file.owner == BASE_PYTHON or needed in file.optional or self._is_allowed(name)
        source = Origin.ALLOWED if may_be_missing else Origin.MISSING
        return Use(file.path, file.owner, needed, source, remark=self._remark(name))

    def _name(self, needed: str) -> str:
        """Return the name by which layers offer a library."""
        match self.layer.compatibility.target.os:
            case "win":
                return needed.lower()
            case "macosx" if not needed.startswith(("/usr/lib/", "/System/")):
                return posixpath.basename(needed)
        return needed

    def _find_provider(self, file: NativeFile, needed: str, name: str) -> Use | None:
        if file.owner == BASE_PYTHON and self.layer.compatibility.target.os != "win":
            return None  # it comes as a whole, and is left alone
        providers = [each for each in self.path if name in self.offers[each.build_name].libraries]
        if not providers:
            return None
        first, *further = (each.build_name for each in providers)
        provider = self.offers[first].libraries[name].path
        source = Origin.LAYER if first == self.layer.build_name else Origin.BELOW
        namesakes = () if providers[0].is_top else self.offers[first].conflicts.get(name, ())
        others = tuple(other.path for other in namesakes if other.path != provider)
        return Use(file.path, file.owner, needed, source, first, provider, tuple(further), others=others)

    def _is_allowed(self, name: str) -> bool:
        fold = str.lower if self.layer.compatibility.target.is_windows else str
        return any(fnmatchcase(name, fold(glob)) for glob in self.layer.allow_missing)

    def _remark(self, name: str) -> str:
        for each in self.path:
            if excluded := self.offers[each.build_name].excluded.get(name):
                return f"{each.title} has it as {excluded.path}, which its dynlib_exclude leaves out"
        if self.layer.compatibility.target.is_windows and REDISTRIBUTABLE.fullmatch(name):
            return "it is part of Microsoft's C++ runtime; the package 'msvc-runtime' contains it"
        return ""

    def layers_to_search(self, use: Use) -> tuple[str, ...]:
        """Name the layers in which a file has to be made to look: where the library is, or is on some machines."""
        if use.source not in {Origin.LAYER, Origin.BELOW}:
            return ()
        stand_ins = self.layer.stand_ins.get(use.layer, ())
        return (use.layer, *(name for name in use.shadowed if name in stand_ins))

    # ---- Linux

    def additions(self, all_uses: Sequence[Use]) -> dict[str, tuple[str, ...]]:
        """Return the entries that have to be added to where files look."""
        uses: dict[str, list[Use]] = {}
        for use in all_uses:
            uses.setdefault(use.file, []).append(use)
        offered = self._needing_from_links()
        found: dict[str, tuple[str, ...]] = {}
        for file in self.layer.natives.files:
            if file.owner == BASE_PYTHON or file.path not in uses:
                continue
            up = "../" * file.path.count("/")
            entries = [self._entry(name, up) for use in uses[file.path] for name in self.layers_to_search(use)]
            if file.path in offered:
                entries += [self._entry_from_links(file, needed) for needed in self._unfound_from_links(file)]
            if entries and not file.search:  # with a RUNPATH of its own, it no longer looks where its loaders look
                entries += [self._entry(use.layer, up) for use in self._no_longer_found(file)]
            entries = [entry for entry in dict.fromkeys(entries) if entry and entry not in file.search]
            if entries:
                found[file.path] = self._ordered(entries)
        return found

    def _ordered(self, entries: list[str]) -> tuple[str, ...]:
        """Order entries as the layers are on the path, the layer's own first."""
        rank = {each.install_target: number for number, each in enumerate(self.below, 1)}

        def key(entry: str) -> int:
            return next((rank[name] for name in rank if entry.endswith(f"/{name}/{DYNLIB}")), 0)

        return tuple(sorted(entries, key=key))

    def _entry(self, build_name: str, up: str) -> str:
        if build_name == self.layer.build_name:
            return f"$ORIGIN/{up}{DYNLIB}"
        provider = next(each for each in self.below if each.build_name == build_name)
        return f"$ORIGIN/{up}../{provider.install_target}/{DYNLIB}"

    def _no_longer_found(self, file: NativeFile) -> Iterator[Use]:
        for needed in dict.fromkeys(file.needed):
            is_found = self.search.find_alone(file, needed) is not None or self.is_system(needed)
            if not is_found and (use := self._find_provider(file, needed, needed)) is not None:
                yield use

    # A library that is loaded through a link has the folder of the link for its $ORIGIN: from there, too, it has
    # to find what it needs.

    def _needing_from_links(self) -> set[str]:
        """Return the offered libraries that somebody else may ask for, and the private ones that these need."""
        offered = {file.path: file for file in self.own.libraries.values()}
        waiting = [file for file in offered.values() if not _PRIVATE.fullmatch(file.file_name)]
        found = {file.path for file in waiting}
        while waiting:
            for needed in waiting.pop().needed:
                library = self.own.libraries.get(needed)
                if library is not None and library.path not in found:
                    found.add(library.path)
                    waiting.append(library)
        return found

    def _unfound_from_links(self, file: NativeFile) -> Iterator[str]:
        for needed in dict.fromkeys(file.needed):
            if not self.is_system(needed) and not self.search.finds_from(file, DYNLIB, needed, self.links):
                yield needed

    def _entry_from_links(self, file: NativeFile, needed: str) -> str:
        if needed in self.links:
            return "$ORIGIN"
        if found := self.search.find(file, needed):  # what is excluded has no link
            return f"$ORIGIN/../../../{found.folder}"
        for each in self.below:
            if needed in self.offers[each.build_name].libraries:
                return f"$ORIGIN/../../../../{each.install_target}/{DYNLIB}"
        return ""

    # ---- Windows

    def dll_folders(self) -> tuple[str, ...]:
        """Return the folders with DLLs that processes have to search, in path order."""
        found: dict[str, None] = {}
        for each in self.path:
            start = "" if each is self.layer else f"../{each.install_target}/"
            for file in self.offers[each.build_name].libraries.values():
                if file.owner != BASE_PYTHON and is_shared_library(file, each.compatibility.target):
                    found.setdefault(f"{start}{file.folder}")
        return tuple(found)
