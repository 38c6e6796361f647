"""C3 is what Python itself does with classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvstacks.definition.references import InconsistentOrderError, linearise


@st.composite
def hierarchies(draw: st.DrawFn) -> list[list[int]]:
    """For each class, those of the earlier ones that it is made from."""
    size = draw(st.integers(1, 9))
    return [
        draw(st.lists(st.integers(0, number - 1), unique=True, max_size=4)) if number else []
        for number in range(size)
    ]


@given(hierarchies())
def test_same_order_as_python_classes(hierarchy: list[list[int]]) -> None:
    classes: dict[int, type] = {}
    orders: dict[int, tuple[int, ...]] = {}
    for number, bases in enumerate(hierarchy):
        if any(base not in classes for base in bases):
            continue
        try:
            made = type(str(number), tuple(classes[base] for base in bases), {})
        except TypeError:
            with pytest.raises(InconsistentOrderError) as caught:
                linearise(bases, orders)
            assert len(caught.value.sequences) > 1
            continue
        classes[number] = made
        orders[number] = linearise(bases, orders)
        assert [str(item) for item in orders[number]] == [base.__name__ for base in made.__mro__[1:-1]]
