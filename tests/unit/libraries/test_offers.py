from fakes.libraries import MACOS, SITE, WINDOWS, library_layer, native_file
from venvstacks.binaries.native_image import NativeFile
from venvstacks.libraries.offers import offers_of
from venvstacks.platforms.compatibility import Compatibility


def offered(*files: NativeFile, on: Compatibility | None = None, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    layer = library_layer("a", *files, exclude=exclude, **({"on": on} if on else {}))
    offers = offers_of(layer)
    assert not offers.conflicts
    return {name: file.path.removeprefix(f"{SITE}/") for name, file in offers.libraries.items()}


def test_libraries_are_offered_and_modules_and_programs_are_not() -> None:
    names = ("x/libfoo.so", "x/libbar.so.1.2", "x/odd.so.3")
    others = (
        "x/fast.so",
        "x/m.cpython-312-x86_64-linux-gnu.so",
        "x/libm.abi3.so",
        "x/libp.pypy311-pp73.so",
        "tool",
    )
    found = offered(*(native_file(name) for name in (*names, *others)))
    assert set(found.values()) == set(names)
    assert "libshiboken6.abi3.so.6" in offered(native_file("x/libshiboken6.abi3.so.6"))


def test_a_library_is_offered_under_its_own_name_too() -> None:
    assert set(offered(native_file("x/libfoo.so.1.2.3", name="libfoo.so.1"))) == {"libfoo.so.1.2.3", "libfoo.so.1"}
    for odd in ("../../libfoo.so", "a/b.so", "", ".", ".."):
        assert set(offered(native_file("x/libfoo.so.1", name=odd))) == {"libfoo.so.1"}


def test_who_is_called_so_goes_before_who_calls_itself_so() -> None:
    found = offered(
        native_file("a/libfoo.so.2", name="libfoo.so.1", digest="1"), native_file("b/libfoo.so.1", digest="2")
    )
    assert found == {"libfoo.so.1": "b/libfoo.so.1", "libfoo.so.2": "a/libfoo.so.2"}


def test_what_the_system_has_is_not_offered() -> None:
    assert offered(native_file("x/libstdc++.so.6"), native_file("x/libgomp.so.1")) == {
        "libgomp.so.1": "x/libgomp.so.1"
    }


def test_what_is_excluded_is_not_offered_and_remembered() -> None:
    layer = library_layer("a", native_file("x/libfoo.so"), native_file("y/libbar.so"), exclude=("x/*",))
    offers = offers_of(layer)
    assert set(offers.libraries) == {"libbar.so"}
    assert offers.excluded["libfoo.so"].path == f"{SITE}/x/libfoo.so"


def test_different_libraries_of_one_name_are_a_conflict_and_equal_ones_are_not() -> None:
    same = [native_file(f"{place}/libfoo.so", digest="1") for place in "ab"]
    assert offered(*same) == {"libfoo.so": "a/libfoo.so"}
    offers = offers_of(library_layer("a", *same, native_file("c/libfoo.so", digest="2")))
    (conflict,) = offers.conflicts
    assert conflict.name == "libfoo.so"
    assert [file.path[-12:] for file in conflict.files] == ["/a/libfoo.so", "/c/libfoo.so"]
    assert offered(*same, native_file("c/libfoo.so", digest="2"), exclude=("c/libfoo.so",))


def test_other_systems() -> None:
    assert set(offered(native_file("x/libfoo.1.dylib"), native_file("x/m.so"), on=MACOS)) == {"libfoo.1.dylib"}
    assert set(offered(native_file("x/Foo.DLL"), native_file("x/m.pyd"), on=WINDOWS)) == {"foo.dll"}
    runtimes = [native_file(f"{place}/MSVCP140.dll", digest=place) for place in "ab"]
    assert set(offered(*runtimes, on=WINDOWS)) == {"msvcp140.dll"}
