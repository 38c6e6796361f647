"""Rewriting a code object changes nothing of what it means, whatever its constants are and how they are shared."""

import marshal
import string
from types import CodeType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from venvstacks.payload.compile_bytecode import canonical

CODE = compile("def inner(self): return self\n", "module.py", "exec")
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.just(...),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.binary(),
    st.text(),
    st.text(string.ascii_letters),
    st.text(st.characters(max_codepoint=255), max_size=2),
    st.sampled_from(["x" * 255, "x" * 256, "é" * 256, "\ud800"]),
)


@st.composite
def leaves(draw: st.DrawFn) -> Any:
    """Draw a constant that holds no others; as a function, it has a short name in reports."""
    return draw(_LEAVES)


CONSTANTS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.frozensets(inner, max_size=4),
        inner.map(lambda each: (each, each)),
    ),
    max_leaves=15,
)


def with_constants(constants: tuple[Any, ...]) -> CodeType:
    return CODE.replace(co_consts=(*CODE.co_consts, *constants))


def described(value: Any) -> Any:
    """Return what tells 1 from True and 0.0 from -0.0, which compare equal."""
    if isinstance(value, tuple):
        return [described(each) for each in value]
    if isinstance(value, frozenset):
        return sorted(map(repr, map(described, value)))
    return value if isinstance(value, CodeType) else (type(value), repr(value))


@given(st.lists(CONSTANTS, max_size=6).map(tuple))
def test_constants_are_what_they_were(constants: tuple[Any, ...]) -> None:
    code = with_constants(constants)
    again = marshal.loads(canonical(code))  # noqa: S302 - it is this test's own
    assert described(again.co_consts) == described(code.co_consts)
    assert again.co_names == code.co_names


@given(st.lists(CONSTANTS, max_size=6).map(tuple))
def test_sharing_makes_no_difference(constants: tuple[Any, ...]) -> None:
    content = canonical(with_constants(constants))
    apart = tuple(marshal.loads(marshal.dumps(each, 2)) for each in constants)  # noqa: S302 - it is this test's own
    assert canonical(with_constants(apart)) == content
    assert canonical(marshal.loads(content)) == content  # noqa: S302 - it is this test's own
