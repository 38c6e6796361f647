"""Any two trees: the delta between them makes the new one of the old one."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.deltas import Content, edited, full_facts, make_pair, noise

PATHS = ("a", "a/b", "a/b.py", "lib/x-1.0/RECORD", "lib/x-1.1/RECORD", "lib/y.so", "c", "d/e/f", "d/e")
contents = st.one_of(
    st.binary(max_size=200),
    st.builds(noise, st.sampled_from((10, 3000, 8192, 8193, 20_000)), st.integers(0, 2)),
    st.builds(lambda size, seed: edited(noise(size, seed)), st.sampled_from((3000, 20_000)), st.integers(0, 2)),
    st.just("elsewhere"),
    st.none(),
)


@st.composite
def trees(draw: st.DrawFn) -> Content:
    content: dict[str, bytes | str | None] = {}
    for path in draw(st.lists(st.sampled_from(PATHS), unique=True)):
        parents = {"/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)}
        if not parents & content.keys() and not any(other.startswith(f"{path}/") for other in content):
            content[path] = draw(contents)
    executable = draw(st.sets(st.sampled_from(PATHS)))
    return {
        f"!{path}" if path in executable and isinstance(value, bytes) else path: value
        for path, value in content.items()
    }


@given(trees(), trees())
@settings(max_examples=60, deadline=None)
def test_round_trip(old: Content, new: Content) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = make_pair(Path(folder), old, new)
        before = full_facts(pair.old)
        assert full_facts(pair.patch().path) == full_facts(pair.new)
        assert full_facts(pair.old) == before
