"""What pruning removes, and what it must not."""

import fcntl
import time
from pathlib import Path

import pytest

from fakes.deployments import make_deployment, put_generation, put_layers, small_release
from venvstacks import files
from venvstacks.deploying.generations import current_number, generation_numbers, switch
from venvstacks.deploying.places import Home
from venvstacks.deploying.prune import (
    HOURS_WITHOUT_LOCKS,
    Pruned,
    StoredLayer,
    kept_generations,
    plan_prune,
    remove_leftovers,
    remove_unfinished,
    run_prune,
    unneeded,
)
from venvstacks.errors import DeploymentError
from venvstacks.events import Event, Warned, silent


def layer_ids(*targets: str, version: str) -> set[str]:
    return {small_release(version).layer(target).id for target in targets}


def there(home: Home) -> set[str]:
    return {path.name for path in home.layers.iterdir()}


@pytest.mark.parametrize(
    ("numbers", "current", "previous", "keep", "expected"),
    [
        ([1, 2, 3, 4, 5], 5, 4, 3, {3, 4, 5}),
        ([1, 2, 3, 4, 5], 5, 4, 1, {4, 5}),
        ([1, 2, 3, 4, 5], 5, 2, 1, {2, 5}),  # after a rollback from 4 to 2, then another release
        ([1, 2, 3, 4, 5], 2, 1, 1, {1, 2, 5}),
        ([1], 1, 0, 3, {1}),
        ([4, 5], 5, 3, 1, {5}),
        ([1, 2], None, 0, 1, {2}),
        ([], None, 0, 3, set()),
    ],
)
def test_generations_that_stay(
    numbers: list[int], current: int | None, previous: int, keep: int, expected: set[int]
) -> None:
    assert kept_generations(numbers, current, previous, keep) == expected


def test_layers_come_before_those_below_them() -> None:
    stored = [
        StoredLayer("base", frozenset()),
        StoredLayer("f", frozenset({"base"})),
        StoredLayer("a", frozenset({"f", "base", "gone"})),
        StoredLayer("kept", frozenset({"base"})),
    ]
    assert unneeded(stored, {"kept", "base"}) == {"a": ("a",), "f": ("f", "a")}
    assert list(unneeded(stored, set())) == ["a", "kept", "f", "base"]
    assert unneeded(stored, {"a"}) == {"kept": ("kept",)}  # what stands below something needed is needed


def test_layers_of_old_generations_go_and_shared_ones_stay(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2", "3", "4")
    old = layer_ids("app-one", "app-two", version="1")
    before = there(home)
    plan = plan_prune(tmp_path)
    assert plan.generations == (("", 1),)
    assert set(plan.layers) == old
    assert there(home) == before  # a plan changes nothing
    assert run_prune(plan, silent) == Pruned((("", 1),), tuple(plan.layers), ())
    assert generation_numbers(home) == (2, 3, 4)
    assert there(home) == before - old
    assert plan_prune(tmp_path).layers == {}


def test_another_number_to_keep(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2", "3", "4")
    run_prune(plan_prune(tmp_path, keep=1), silent)
    assert generation_numbers(home) == (3, 4)


def test_generations_around_one_that_was_gone_back_to(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2", "3", "4", keep=1)
    switch(home, 2)
    run_prune(plan_prune(tmp_path), silent)
    assert generation_numbers(home) == (1, 2, 4)
    assert current_number(home) == 2


def test_what_a_process_uses_stays(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    for version in ("2", "3"):
        put_generation(home, small_release(version, framework_f="new"), keep=1)
    release = small_release("1")
    with home.place(release.layer("app-one")).lease.open() as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)
        done = run_prune(plan_prune(tmp_path), silent)
        used = layer_ids("app-one", "framework-f", version="1")
        assert set(done.in_use) == used  # and what it stands on
        assert used <= there(home)
        assert set(done.layers) == layer_ids("app-two", version="1")
    done = run_prune(plan_prune(tmp_path), silent)
    assert (set(done.layers), done.in_use) == (used, ())
    assert used.isdisjoint(there(home))


def test_layers_of_other_products_stay(tmp_path: Path) -> None:
    first = make_deployment(tmp_path, "1", "2", "3", keep=1)
    other = Home(tmp_path, "acme")
    for version in ("1", "8", "9"):
        put_generation(other, small_release(version), keep=3)
    run_prune(plan_prune(tmp_path, product=""), silent)
    assert generation_numbers(first) == (2, 3)
    assert generation_numbers(other) == (1, 2, 3)
    assert layer_ids("app-one", version="1") <= there(first)
    done = run_prune(plan_prune(tmp_path, keep=1, product="acme"), silent)
    assert done.generations == (("acme", 1),)
    assert set(done.layers) == layer_ids("app-one", "app-two", version="1")


def test_without_locks_what_was_current_lately_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    home = make_deployment(tmp_path, "1", "2", "3", keep=1)
    monkeypatch.setattr(fcntl, "flock", refuse)
    events: list[Event] = []
    done = run_prune(plan_prune(tmp_path), events.append)
    old = layer_ids("app-one", "app-two", version="1")
    assert set(done.in_use) == old
    assert [event for event in events if isinstance(event, Warned) and "72 hours" in event.message]
    now = home.place(small_release("1").layer("app-one")).lease.stat().st_mtime
    monkeypatch.setattr(time, "time", lambda: now + HOURS_WITHOUT_LOCKS * 3600 + 60)
    assert set(run_prune(plan_prune(tmp_path), silent).layers) == old


def test_damaged_generations(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2", "3", "4")
    (home.generation(3) / "generation.json").write_text("{}")
    plan = plan_prune(tmp_path)
    assert plan.generations == (("", 1), ("", 3))  # nobody can go back to it
    (home.generation(4) / "generation.json").write_text("{}")
    with pytest.raises(DeploymentError, match=r"generation\.json is damaged"):
        plan_prune(tmp_path)
    (home.generation(4) / "generation.json").write_text('{"format": 9}')
    home.current.write_text("generations/2")
    with pytest.raises(DeploymentError, match="has format 9"):  # somebody can
        plan_prune(tmp_path)


def test_leftovers(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    other = make_deployment(tmp_path, "1", product="acme")
    name = f"{files.TEMPORARY_PREFIX}1"
    for folder in (home.layers, home.folder, home.generations, home.programs, other.folder, other.generations):
        (folder / name / "sub").mkdir(parents=True)
    remove_leftovers(tmp_path)
    assert [path.parent for path in tmp_path.rglob(f"{files.TEMPORARY_PREFIX}*")] == [home.layers]
    remove_unfinished(tmp_path)
    assert list(tmp_path.rglob(f"{files.TEMPORARY_PREFIX}*")) == []
    assert generation_numbers(home) == (1,)


def test_layers_that_were_never_part_of_a_generation(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    put_layers(home, small_release("2"))
    done = run_prune(plan_prune(tmp_path), silent)
    assert set(done.layers) == layer_ids("app-one", "app-two", version="2")
