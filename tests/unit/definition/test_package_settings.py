from collections.abc import Callable

from venvstacks.definition.stack import Stack

INDEXES = """
[[tool.uv.index]]
name = "one"
url = "https://one.example.invalid/simple"

[[tool.uv.index]]
name = "two.x"
url = "https://two.example.invalid/simple"
"""


def framework(name: str, settings: str, below: str = 'runtime = "py"') -> str:
    return f'\n[[frameworks]]\nname = "{name}"\nrequirements = []\n{below}\n{settings}\n'


def test_nothing_is_declared(load: Callable[..., Stack]) -> None:
    (layer,) = load().layers
    assert (layer.package_indexes, layer.priority_indexes) == ({}, ())


def test_assignments_are_inherited_and_priorities_are_not(load: Callable[..., Stack]) -> None:
    *_, top = load(
        framework("a", 'package_indexes = { Some_Thing = "one" }\npriority_indexes = ["one", "one"]')
        + framework("b", "", 'frameworks = ["a"]')
        + INDEXES,
        runtime='package_indexes = { numpy = "two.x" }',
    ).layers
    assert top.package_indexes is not None
    assert list(top.package_indexes.items()) == [("numpy", "two.x"), ("some-thing", "one")]
    assert top.priority_indexes == ()


def test_the_first_on_the_path_wins(load: Callable[..., Stack]) -> None:
    stack = load(
        framework("a", 'package_indexes = { torch = "one" }')
        + framework("b", 'package_indexes = { torch = "two.x" }')
        + framework("ab", 'index_overrides = { "two.x" = "one" }', 'frameworks = ["a", "b"]')
        + framework("ba", 'index_overrides = { one = "two.x" }', 'frameworks = ["b", "a"]')
        + framework(
            "own",
            'index_overrides = { one = "two.x" }\npackage_indexes = { torch = "two.x" }',
            'frameworks = ["a", "b"]',
        )
        + INDEXES
    )
    winners = {layer.name: (layer.package_indexes or {}).get("torch") for layer in stack.layers}
    assert winners == {"py": None, "a": "one", "b": "two.x", "ab": "one", "ba": "two.x", "own": "two.x"}


def test_the_line_to_write_is_valid_toml_and_accepted(
    load: Callable[..., Stack], problems: Callable[..., list[str]]
) -> None:
    lower = framework("a", 'package_indexes = { torch = "one" }') + framework(
        "b", 'package_indexes = { torch = "two.x" }'
    )
    (problem,) = problems(lower + framework("c", "", 'frameworks = ["a", "b"]') + INDEXES)
    line = problem.partition("write: ")[2].removesuffix(")")
    assert line == 'index_overrides = { "two.x" = "one" }'
    assert load(lower + framework("c", line, 'frameworks = ["a", "b"]') + INDEXES).layer("framework-c")


def test_existing_overrides_are_kept_in_the_line(problems: Callable[..., list[str]]) -> None:
    (problem,) = problems(
        framework("a", 'package_indexes = { torch = "two.x" }\nindex_overrides = { "two.x" = "one" }') + INDEXES,
        runtime='package_indexes = { torch = "one" }',
    )
    assert problem.endswith('write: index_overrides = { "two.x" = "one", one = "two.x" })')


def test_unknown_settings_for_uv_hide_what_depends_on_them(problems: Callable[..., list[str]]) -> None:
    assert problems("[tool]\nuv = 1", runtime='package_indexes = { torch = "one" }') == [
        "[tool.uv]: expected a table, found an integer"
    ]


def test_excluded_packages_are_normalised_and_sorted(load: Callable[..., Stack]) -> None:
    (layer,) = load(runtime='exclude_packages = ["Zope.Interface", "a_b"]').layers
    assert layer.exclude_packages == ("a-b", "zope-interface")
    assert load().layers[0].exclude_packages == ()


def test_excluded_packages_are_not_inherited(load: Callable[..., Stack]) -> None:
    upper = '\n[[frameworks]]\nname = "f"\nruntime = "py"\nrequirements = []\n'
    assert load(upper, runtime='exclude_packages = ["a"]').layer("framework-f").exclude_packages == ()
