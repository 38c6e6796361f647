import pytest

from venvstacks.definition.references import InconsistentOrderError, linearise


def test_nothing_below() -> None:
    assert linearise((), {}) == ()


def test_one_chain() -> None:
    assert linearise(("c",), {"c": ("b", "a")}) == ("c", "b", "a")


def test_diamond() -> None:
    assert linearise(("left", "right"), {"left": ("base",), "right": ("base",)}) == ("left", "right", "base")


def test_not_depth_first() -> None:
    # The example of Python's own description of the method resolution order.
    orders = {"f": ("o",), "e": ("o",), "d": ("o",), "c": ("d", "f", "o"), "b": ("d", "e", "o")}
    assert linearise(("b", "c"), orders) == ("b", "c", "d", "e", "f", "o")


def test_contradiction_carries_what_was_left() -> None:
    with pytest.raises(InconsistentOrderError) as caught:
        linearise(("x", "y"), {"x": ("a", "b"), "y": ("b", "a")})
    assert caught.value.sequences == (("a", "b"), ("b", "a"))


def test_each_order_is_kept() -> None:
    assert linearise((1, 2), {1: (3,), 2: (3,)}) == (1, 2, 3)
