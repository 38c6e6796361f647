from fakes.libraries import SITE, library_layer, native_file
from venvstacks.binaries.native_image import NativeFile
from venvstacks.libraries.search import SearchPaths, rpath_is_system
from venvstacks.platforms.targets import OperatingSystem


def found(file: NativeFile, needed: str, *others: NativeFile, system: OperatingSystem = "linux") -> str | None:
    layer = library_layer("a", file, *others)
    result = SearchPaths(layer.natives, system).find(file, needed)
    return result.path.removeprefix(f"{SITE}/") if result else None


LIBRARY = native_file("pkg.libs/libfoo.so.1")


def test_entries_are_seen_from_the_file() -> None:
    for entry in ("$ORIGIN/../pkg.libs", "${ORIGIN}/../pkg.libs/", "$ORIGIN/../../site-packages/pkg.libs"):
        assert found(native_file("pkg/m.so", search=("/nowhere", entry)), "libfoo.so.1", LIBRARY)
    for entry in ("$ORIGIN", "../pkg.libs", "$ORIGINAL/../pkg.libs", "$ORIGIN/../../../../../../pkg.libs", ""):
        assert not found(native_file("pkg/m.so", search=(entry,)), "libfoo.so.1", LIBRARY)
    assert not found(native_file("pkg/m.so", search=("$ORIGIN/..",)), "pkg.libs/libfoo.so.1", LIBRARY)


def test_links_are_followed() -> None:
    module = native_file("/lib/m.so", search=("$ORIGIN",))
    library = native_file("/lib/libfoo.so.1.2")
    layer = library_layer(
        "a", module, library, links=(("lib/libfoo.so.1", "lib/libfoo.so.1.2"), ("lib/x", "gone"))
    )
    assert SearchPaths(layer.natives, "linux").find(module, "libfoo.so.1") == library


def chain(*, rpath: bool, runpath_between: bool = False) -> str | None:
    """An extension module finds one library, which needs another beside it and does not say where that is."""
    module = native_file("pkg/m.so", "libone.so", search=("$ORIGIN/../libs",), passes_search=rpath)
    one = native_file("libs/libone.so", "libtwo.so", search=("/elsewhere",) if runpath_between else ())
    return found(one, "libtwo.so", module, native_file("libs/libtwo.so"))


def test_an_rpath_is_passed_on_and_a_runpath_is_not() -> None:
    assert chain(rpath=True) == "libs/libtwo.so"
    assert chain(rpath=False) is None
    assert chain(rpath=True, runpath_between=True) is None


def test_what_only_some_of_the_ways_lead_to_is_not_found() -> None:
    module = native_file("pkg/m.so", "libone.so", search=("$ORIGIN/../libs",), passes_search=True)
    other = native_file("pkg/n.so", "libone.so", search=("$ORIGIN/../libs",))
    one, two = native_file("libs/libone.so", "libtwo.so"), native_file("libs/libtwo.so")
    assert found(one, "libtwo.so", module, two)
    assert not found(one, "libtwo.so", module, other, two)
    assert SearchPaths(library_layer("a", module, one, two).natives, "linux").find_alone(one, "libtwo.so") is None


def test_of_several_ways_always_the_same_is_taken() -> None:
    modules = [
        native_file(
            f"pkg/{name}.so", "libone.so", search=("$ORIGIN/../libs", f"$ORIGIN/../{name}"), passes_search=True
        )
        for name in "abcd"
    ]
    two = [native_file(f"{name}/libtwo.so") for name in "abcd"]
    assert found(native_file("libs/libone.so", "libtwo.so"), "libtwo.so", *modules, *two) == "d/libtwo.so"


def test_circles_end() -> None:
    files = [
        native_file(f"libs/lib{name}.so", *(f"lib{n}.so" for n in "abc"), search=("$ORIGIN",), passes_search=True)
        for name in "abc"
    ]
    assert found(files[0], "libb.so", *files[1:]) == "libs/libb.so"
    assert found(files[0], "liba.so", *files[1:]) == "libs/liba.so"


def test_very_many_ways_are_not_all_followed() -> None:
    """Each of sixty libraries is needed by all before it, and has an RPATH of its own to pass on."""
    count = 60
    files = [
        native_file(
            f"{n}/lib{n}.so",
            *(f"lib{m}.so" for m in range(n + 1, count)),
            search=tuple(f"$ORIGIN/../{m}" for m in range(n, count)),
            passes_search=True,
        )
        for n in range(count)
    ]
    assert found(files[0], "lib59.so", *files[1:]) == "59/lib59.so"


def test_macos() -> None:
    library = native_file("pkg/.dylibs/libfoo.dylib")
    near = native_file("pkg/m.so", search=("@loader_path/.dylibs",))
    assert found(near, "@rpath/libfoo.dylib", library, system="macosx")
    assert found(near, "@loader_path/.dylibs/libfoo.dylib", library, system="macosx")
    assert not found(near, "@executable_path/.dylibs/libfoo.dylib", library, system="macosx")
    assert not found(near, "libfoo.dylib", library, system="macosx")
    program = native_file("pkg/tool", search=("@executable_path/.dylibs",))
    assert found(program, "@executable_path/.dylibs/libfoo.dylib", library, system="macosx")
    assert found(program, "@rpath/libfoo.dylib", library, system="macosx")
    # rpaths are passed on by all
    one = native_file("pkg/.dylibs/libone.dylib", "@rpath/libfoo.dylib")
    loader = native_file("pkg/n.so", "@rpath/libone.dylib", search=("@loader_path/.dylibs",))
    assert found(one, "@rpath/libfoo.dylib", loader, library, system="macosx")
    assert rpath_is_system(native_file("m.so", search=("/usr/lib/swift",)), "@rpath/libswiftCore.dylib")
    assert not rpath_is_system(native_file("m.so"), "@rpath/libswiftCore.dylib")


def test_windows() -> None:
    library = native_file("pkg/Foo.dll")
    assert found(native_file("pkg/m.pyd"), "FOO.dll", library, system="win")
    assert not found(native_file("other/m.pyd"), "foo.dll", library, system="win")
