import pytest

from venvstacks.libraries.globs import matcher


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
    ],
)
def test_globs_match_the_end_of_a_path(glob: str, path: str, *, matches: bool) -> None:
    assert matcher([glob])(path) is matches


def test_one_of_several_is_enough() -> None:
    assert matcher(["a", "b"])("x/b")
    assert not matcher([])("x/b")
