import pytest

from fakes.libraries import LINUX, MACOS, SITE, WINDOWS, library_layer, native_file
from venvstacks.binaries.native_image import NativeFile
from venvstacks.libraries.offers import matcher, offers_of
from venvstacks.platforms.compatibility import Compatibility


def offered(*files: NativeFile, on: Compatibility = LINUX, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    layer = library_layer("a", *files, exclude=exclude, on=on)
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
    assert set(offers.conflicts) == {"libfoo.so"}
    assert [file.path[-12:] for file in offers.conflicts["libfoo.so"]] == ["/a/libfoo.so", "/c/libfoo.so"]
    assert offered(*same, native_file("c/libfoo.so", digest="2"), exclude=("c/libfoo.so",))


def test_other_systems() -> None:
    assert set(offered(native_file("x/libfoo.1.dylib"), native_file("x/m.so"), on=MACOS)) == {"libfoo.1.dylib"}
    assert set(offered(native_file("x/Foo.DLL"), native_file("x/m.pyd"), on=WINDOWS)) == {"foo.dll"}
    runtimes = [native_file(f"{place}/MSVCP140.dll", digest=place) for place in "ab"]
    assert set(offered(*runtimes, on=WINDOWS)) == {"msvcp140.dll"}


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("libfoo.so.*", "lib/site-packages/x/libfoo.so.1", True),
        ("libfoo.so.*", "libfoo.so.1", True),
        ("libfoo.so", "lib/xlibfoo.so", False),
        ("libfoo.so", "lib/libfoo.so.1", False),
        ("x/libfoo.so", "a/x/libfoo.so", True),
        ("x/libfoo.so", "a/y/libfoo.so", False),
        ("x/*", "a/x/b/libfoo.so", False),
        ("vendored/**", "a/vendored/b/c/libfoo.so", True),
        ("vendored/**", "a/unvendored/libfoo.so", False),
        ("x/**/libfoo.so", "a/x/libfoo.so", True),
        ("x/**/libfoo.so", "a/x/y/z/libfoo.so", True),
        ("**/libfoo.so", "libfoo.so", True),
        ("lib?oo.so", "x/libfoo.so", True),
        ("lib[a-f]oo.so", "x/libfoo.so", True),
        ("lib[!a-f]oo.so", "x/libfoo.so", False),
        ("lib[z-a]oo.so", "x/libfoo.so", False),
        ("lib[]].so", "x/lib].so", True),
        ("lib[.so", "x/lib[.so", True),
        ("lib(a|b).so", "x/lib(a|b).so", True),
        ("*", "a name\nwith a line feed", True),
        ("", "x", False),
        ("vendored/**", "a/vendored", False),
        ("vendored", "vendored/libfoo.so", False),
        ("x/**/y/**/z", "a/x/y/b/c/z", True),
        ("**", "x", True),
        ("x//libfoo.so/", "a/x/libfoo.so", True),
        ("!libfoo.so", "libfoo.so", False),
        ("lib\\*.so", "lib\\x.so", True),
        ("[!a]b", "/b", False),
    ],
)
def test_globs_match_the_end_of_a_path(glob: str, path: str, *, matches: bool) -> None:
    assert matcher([glob])(path) is matches


def test_one_of_several_is_enough() -> None:
    assert matcher(["a", "b"])("x/b")
    assert not matcher([])("x/b")
