from dataclasses import replace

import pytest

from fakes.libraries import MACOS, SITE, WINDOWS, library_layer, native_file
from venvstacks.libraries.linkage import BASE_PYTHON, DYNLIB, LibraryLayer, Origin
from venvstacks.libraries.linking import link

MODULE = native_file("pkg/m.so", "libfoo.so.1", "libc.so.6")
LIBRARY = native_file("foo/libfoo.so.1")
UP = "$ORIGIN/../../../../"


def sources(layer: LibraryLayer, *below: LibraryLayer) -> dict[str, Origin]:
    return {use.needed: use.source for use in link(layer, below).uses}


def additions(layer: LibraryLayer, *below: LibraryLayer) -> dict[str, tuple[str, ...]]:
    found = link(layer, below).additions or {}
    return {path.removeprefix(f"{SITE}/"): entries for path, entries in found.items()}


def test_a_library_of_another_layer_is_reached_through_its_links() -> None:
    upper, lower = library_layer("upper", MODULE), library_layer("lower", LIBRARY, version="@3")
    linking = link(upper, [lower])
    use = linking.uses[1]
    assert (use.source, use.layer, use.provider) == (Origin.BELOW, "framework-lower", LIBRARY.path)
    assert additions(upper, lower) == {"pkg/m.so": (f"{UP}../framework-lower@3/{DYNLIB}",)}
    assert link(lower, []).links == {"libfoo.so.1": LIBRARY.path}
    assert link(lower, []).additions == {}


def test_a_library_elsewhere_in_the_layer_is_reached_the_same_way() -> None:
    layer = library_layer("a", MODULE, LIBRARY)
    assert sources(layer)["libfoo.so.1"] is Origin.LAYER
    assert additions(layer) == {"pkg/m.so": (f"{UP}{DYNLIB}",)}


def test_who_needs_nothing_from_elsewhere_is_left_alone() -> None:
    own = native_file("pkg/m.so", "libfoo.so.1", "libstdc++.so.6", search=("$ORIGIN/../foo",))
    layer = library_layer("a", own, LIBRARY, native_file("bar/libstdc++.so.6"))
    assert sources(layer) == {"libfoo.so.1": Origin.OWN_PATH, "libstdc++.so.6": Origin.SYSTEM}
    assert additions(layer) == {}


def test_layers_come_in_path_order_and_the_first_wins() -> None:
    module = native_file("pkg/m.so", "libz9.so", "libfoo.so.1", "libbar.so")
    near = library_layer("near", LIBRARY, native_file("libz9.so"))
    far = library_layer("far", LIBRARY, native_file("libbar.so"))
    linking = link(library_layer("a", module), [near, far])
    use = next(use for use in linking.uses if use.needed == "libfoo.so.1")
    assert (use.layer, use.shadowed) == ("framework-near", ("framework-far",))
    assert additions(library_layer("a", module), near, far) == {
        "pkg/m.so": (f"{UP}../framework-near/{DYNLIB}", f"{UP}../framework-far/{DYNLIB}")
    }


def test_files_look_into_all_layers_of_which_one_is_there() -> None:
    gpu, other, cpu = (library_layer(name, LIBRARY) for name in ("gpu", "other", "cpu"))
    upper = replace(library_layer("a", MODULE), stand_ins={"framework-gpu": {"framework-cpu"}})
    assert additions(upper, gpu, other, cpu) == {
        "pkg/m.so": (f"{UP}../framework-gpu/{DYNLIB}", f"{UP}../framework-cpu/{DYNLIB}")
    }
    assert additions(upper, other, gpu, cpu) == {"pkg/m.so": (f"{UP}../framework-other/{DYNLIB}",)}


def test_a_library_that_is_reached_through_a_link_finds_what_it_needs_from_there() -> None:
    """The loader takes the folder of the link for $ORIGIN."""
    needing = native_file("two/libtwo.so.1", "libfoo.so.1")
    lower = library_layer("lower", LIBRARY)
    assert additions(library_layer("a", needing), lower) == {
        "two/libtwo.so.1": (f"{UP}../framework-lower/{DYNLIB}", f"$ORIGIN/../../../../framework-lower/{DYNLIB}")
    }
    beside = native_file("foo/libtwo.so.1", "libfoo.so.1", search=("$ORIGIN",))
    assert additions(library_layer("a", beside, LIBRARY)) == {}
    around = native_file("two/libtwo.so.1", "libfoo.so.1", search=("$ORIGIN/../foo",))
    assert additions(library_layer("a", around, LIBRARY)) == {"two/libtwo.so.1": ("$ORIGIN",)}
    excluded = library_layer("a", around, LIBRARY, exclude=("libfoo*",))
    assert additions(excluded) == {"two/libtwo.so.1": (f"$ORIGIN/../../../{SITE}/foo",)}


def test_what_is_private_to_a_wheel_is_left_alone_unless_somebody_else_comes_by() -> None:
    module = native_file("pkg/m.so", "libone-0123abcd.so.1", search=("$ORIGIN/../pkg.libs",), passes_search=True)
    one = native_file("pkg.libs/libone-0123abcd.so.1", "libtwo-4567cdef.so.2")
    two = native_file("pkg.libs/libtwo-4567cdef.so.2")
    assert additions(library_layer("a", module, one, two)) == {}
    public = native_file("pkg/libpublic.so", "libone-0123abcd.so.1", search=("$ORIGIN/../pkg.libs",))
    found = additions(library_layer("a", module, one, two, public))
    assert found["pkg/libpublic.so"] == ("$ORIGIN",)
    assert set(found["pkg.libs/libone-0123abcd.so.1"]) >= {"$ORIGIN"}


def test_a_new_runpath_takes_nothing_away() -> None:
    """With a RUNPATH of its own, a file no longer looks where those look that load it."""
    module = native_file("pkg/m.so", "libone.so", search=("$ORIGIN/../libs",), passes_search=True)
    one = native_file("libs/libone.so", "libtwo.so", "libfoo.so.1")
    layer = library_layer("a", module, one, native_file("libs/libtwo.so"))
    found = additions(layer, library_layer("lower", LIBRARY))
    assert f"{UP}{DYNLIB}" in found["libs/libone.so"]


def test_the_base_python_is_left_alone() -> None:
    module = native_file("/lib/python3.12/lib-dynload/_ssl.so", "libssl.so.3", "libfoo.so.1", owner=BASE_PYTHON)
    layer = library_layer("a", module, LIBRARY)
    linking = link(layer, [])
    assert not linking.missing
    assert linking.additions == {}


def test_what_nobody_has_is_missing_with_a_reason_if_there_is_one() -> None:
    missing = link(library_layer("a", MODULE), [library_layer("lower", LIBRARY, exclude=("libfoo*",))]).missing
    assert [(use.needed, use.file) for use in missing] == [("libfoo.so.1", MODULE.path)]
    assert "framework 'lower' has it as" in missing[0].remark
    allowed = library_layer("a", MODULE, allow_missing=("libfoo.*",))
    assert sources(allowed)["libfoo.so.1"] is Origin.ALLOWED
    assert not link(library_layer("a", MODULE, exclude=("pkg/*",)), []).uses
    path = native_file("pkg/m.so", "/opt/x/libfoo.so.1")
    assert link(library_layer("a", path, LIBRARY), []).missing


def test_what_a_file_can_do_without_need_not_be_there() -> None:
    module = native_file("m.pyd", "nvcuda.dll", optional=("nvcuda.dll",))
    assert sources(library_layer("a", module, on=WINDOWS)) == {"nvcuda.dll": Origin.ALLOWED}


def test_circles_and_odd_names() -> None:
    one = native_file("a/libone.so", "libtwo.so", "libone.so", "lib with\nline feed.so")
    two = native_file("b/libtwo.so", "libone.so")
    odd = native_file("c/lib with\nline feed.so")
    layer = library_layer("a", one, two, odd)
    assert not link(layer, []).missing
    assert set(link(layer, []).links or ()) == {"libone.so", "libtwo.so", "lib with\nline feed.so"}


def test_macos_tells_processes_of_layers_and_changes_nothing() -> None:
    module = native_file("pkg/m.so", "@rpath/libfoo.dylib", "/usr/lib/libSystem.B.dylib")
    lower = library_layer("lower", native_file("foo/libfoo.dylib"), on=MACOS)
    linking = link(library_layer("a", module, on=MACOS), [lower])
    assert (linking.dyld, linking.additions) == (("framework-lower",), {})
    assert link(library_layer("a", native_file("m.so", "/usr/lib/libz.1.dylib"), on=MACOS), [lower]).dyld == ()
    assert link(library_layer("a", native_file("m.so", "/opt/lib/libbar.dylib"), on=MACOS), [lower]).missing


def test_macos_tells_upper_layers_of_what_lower_ones_need() -> None:
    lowest = library_layer("lowest", native_file("foo/libfoo.dylib"), on=MACOS)
    lower = library_layer("lower", native_file("pkg/m.so", "@rpath/libfoo.dylib"), on=MACOS)
    assert link(library_layer("top", on=MACOS), [lower, lowest]).dyld == ("framework-lowest",)


@pytest.mark.parametrize("needed", ["Foo.dll", "FOO.DLL"])
def test_windows_tells_processes_of_folders(needed: str) -> None:
    module = native_file("pkg/m.pyd", needed, "KERNEL32.dll")
    lower = library_layer("lower", native_file("foo/bin/foo.dll"), on=WINDOWS)
    linking = link(library_layer("a", module, native_file("own/x.dll"), on=WINDOWS), [lower])
    assert not linking.missing
    assert not linking.links
    assert not linking.additions
    assert linking.dll_folders == (f"{SITE}/own", f"../framework-lower/{SITE}/foo/bin")
    (missing,) = link(library_layer("a", native_file("m.pyd", "MSVCP140.dll"), on=WINDOWS), []).missing
    assert "msvc-runtime" in missing.remark


def test_a_hundred_layers_and_thousands_of_files_take_no_time() -> None:
    layers = [
        library_layer(
            str(n), *(native_file(f"p{n}/lib{n}_{m}.so", "libc.so.6", f"lib{n}_0.so") for m in range(100))
        )
        for n in range(30)
    ]
    assert not link(layers[0], layers[1:]).missing
