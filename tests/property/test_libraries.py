"""Whatever files say of themselves, linking ends, and what it decides holds together."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.libraries import LINUX, MACOS, WINDOWS, library_layer, native_file
from venvstacks.binaries.native_image import NativeFile
from venvstacks.libraries.linkage import DYNLIB, LibraryLayer, Origin
from venvstacks.libraries.linking import link
from venvstacks.libraries.offers import matcher, offers_of
from venvstacks.libraries.search import SearchPaths
from venvstacks.platforms.compatibility import Compatibility

NAMES = (
    "liba.so",
    "libb.so.1",
    "libc.so.6",
    "m.so",
    "libd.dylib",
    "e.dll",
    "lib with\nline.so",
    "x/y.so",
    "..",
    "",
)
FOLDERS = ("one", "two/lib", "pkg.libs", "a b")
ENTRIES = (
    *("$ORIGIN", "$ORIGIN/..", "${ORIGIN}/../one", "$ORIGIN/../../../../..", "/usr/lib", ":", "$LIB"),
    *("@loader_path/../one", "@loader_path", "@executable_path/..", "@rpath"),
)
FILE_NAMES = tuple(name for name in NAMES if "/" not in name and name not in {"", ".."})
names = st.sampled_from(NAMES)
needs = st.sampled_from([*NAMES, *(f"@rpath/{name}" for name in NAMES), "ü", "$"])
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # three layers are much to draw


@st.composite
def files(draw: st.DrawFn) -> NativeFile:
    needed = draw(st.lists(needs, max_size=3))
    path = f"{draw(st.sampled_from(FOLDERS))}/{draw(st.sampled_from(FILE_NAMES))}"
    return native_file(
        path,
        *needed,
        name=draw(names),
        search=tuple(draw(st.lists(st.sampled_from(ENTRIES), max_size=3))),
        passes_search=draw(st.booleans()),
        digest=draw(st.sampled_from(["", "1", "2"])),
    )


@st.composite
def layers(draw: st.DrawFn, name: str, on: Compatibility) -> LibraryLayer:
    found = draw(st.lists(files(), max_size=4, unique_by=lambda file: file.path))
    exclude = tuple(draw(st.lists(st.sampled_from(["lib*.so", "one/**", "*", "two/lib/m.so"]), max_size=1)))
    return library_layer(name, *found, on=on, exclude=exclude)


@st.composite
def paths(draw: st.DrawFn) -> list[LibraryLayer]:
    on = draw(st.sampled_from([LINUX, MACOS, WINDOWS]))
    return [draw(layers(name, on)) for name in ("top", "middle", "bottom")]


@patiently
@given(paths())
def test_every_need_has_one_answer_and_the_answer_is_there(path: list[LibraryLayer]) -> None:
    linking = link(path[0], path[1:])
    assert linking == link(path[0], path[1:])
    by_name = {layer.build_name: layer for layer in path}
    for use in linking.uses:
        if use.source in {Origin.OWN_PATH, Origin.LAYER, Origin.BELOW}:
            assert use.provider in {file.path for file in by_name[use.layer].natives.files}
        if use.source is Origin.BELOW:
            assert use.layer != path[0].build_name
        if use.source in {Origin.LAYER, Origin.BELOW}:
            name = use.needed.rpartition("/")[2] if use.needed.startswith("@") else use.needed
            offered = offers_of(by_name[use.layer]).libraries
            assert name in offered or name.lower() in offered


@patiently
@given(paths())
def test_on_linux_what_is_linked_is_found_through_the_entries(path: list[LibraryLayer]) -> None:
    top = path[0]
    linking = link(top, path[1:])
    for use in linking.uses:
        if use.source in {Origin.LAYER, Origin.BELOW} and top.compatibility is LINUX:
            target = next(layer.install_target for layer in path if layer.build_name == use.layer)
            own = use.source is Origin.LAYER
            entries = (linking.additions or {}).get(use.file, ())
            file = next(f for f in top.natives.files if f.path == use.file)
            reached = [*entries, *file.search]
            assert any(entry.endswith(DYNLIB if own else f"/{target}/{DYNLIB}") for entry in reached)
    assert all(len(set(entries)) == len(entries) for entries in (linking.additions or {}).values())


@patiently
@given(layers("a", LINUX))
def test_searching_ends(layer: LibraryLayer) -> None:
    search = SearchPaths(layer.natives, "linux")
    for file in layer.natives.files:
        for needed in file.needed:
            search.find(file, needed)


@given(st.text(alphabet="ab*?[]!-/\\^.\n", max_size=12), st.text(alphabet="ab/.[]\n", max_size=12))
def test_globs_never_fail(glob: str, path: str) -> None:
    matcher([glob])(path)


@given(st.lists(st.sampled_from(["a", "b", "c.so"]), min_size=1, max_size=4))
def test_a_path_matches_itself_and_its_ends(parts: list[str]) -> None:
    for start in range(len(parts)):
        assert matcher(["/".join(parts[start:])])("/".join(parts))
