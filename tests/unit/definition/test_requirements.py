from collections.abc import Callable

from venvstacks.definition.stack import Stack


def test_excluded_packages_are_normalised_and_sorted(load: Callable[..., Stack]) -> None:
    (layer,) = load(runtime='exclude_packages = ["Zope.Interface", "a_b"]').layers
    assert layer.exclude_packages == ("a-b", "zope-interface")
    assert load().layers[0].exclude_packages == ()


def test_they_are_not_inherited(load: Callable[..., Stack]) -> None:
    upper = '\n[[frameworks]]\nname = "f"\nruntime = "py"\nrequirements = []\n'
    assert load(upper, runtime='exclude_packages = ["a"]').layer("framework-f").exclude_packages == ()
