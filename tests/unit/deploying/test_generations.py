"""Documents, switches, rollbacks and programs of deployments."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.deployments import NOWHERE, make_deployment, put_generation, small_release
from venvstacks.deploying.deployment_format import Deployment, deployment_schema, generation_schema
from venvstacks.deploying.generations import (
    current_number,
    generation_numbers,
    read_current,
    read_deployment,
    read_generation,
    switch,
    write_deployment,
)
from venvstacks.deploying.new_generation import is_same, next_number
from venvstacks.deploying.places import Home
from venvstacks.deploying.products import choose_home, find_home, homes, product_name, require_homes
from venvstacks.deploying.switching import make_current, plan_rollback
from venvstacks.errors import DeploymentError, UsageError
from venvstacks.events import Event, Warned, silent
from venvstacks.files import canonical_json

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


def test_documents(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert (read_deployment(home), current_number(home), read_current(home), generation_numbers(home)) == (
        None,
        None,
        None,
        (),
    )
    make_deployment(tmp_path, "1", "2")
    assert read_deployment(home) == Deployment(format=1, store=NOWHERE, platform="linux_x86_64", channel="s")
    current = read_current(home)
    assert current is not None
    assert (current.number, current.previous, current.release) == (2, 1, "2")
    assert current == read_generation(home, 2)
    assert (tmp_path / "current").read_text() == "generations/2\n"
    release = small_release("2")
    one = current.applications["one"]
    assert one.layer == f"layers/{release.layer('app-one').id}/app-one"
    assert (home.generation(2) / one.launcher).is_file()
    assert os.access(home.generation(2) / one.launcher, os.X_OK)
    assert one.path[0] == f"layers/{release.layer('framework-f').id}/framework-f/bin"
    assert next_number(home) == 3
    assert is_same(current, release, release.layers, release.applications)
    assert not is_same(current, small_release("3"), release.layers, release.applications)
    assert not is_same(current, release, release.layers, ["one"])
    assert not is_same(current, release, release.layers[1:], release.applications)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}', '{"format": "x"}', "\x00"])
def test_damaged_documents(tmp_path: Path, damage: str) -> None:
    home = make_deployment(tmp_path, "1")
    (home.generation(1) / "generation.json").write_text(damage)
    home.document.write_text(damage)
    with pytest.raises(DeploymentError, match=r"generation\.json is damaged") as caught:
        read_current(home)
    assert "deploy" in str(caught.value)
    with pytest.raises(DeploymentError, match=r"deployment\.json is damaged"):
        read_deployment(home)


def test_documents_of_newer_versions(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    home.document.write_text('{"format": 2, "what": "ever"}')
    with pytest.raises(DeploymentError, match="has format 2"):
        read_deployment(home)


@pytest.mark.parametrize(
    "damage", ["", "x", "generations/", "generations/0", "generations/../1", "generations/1\n\n"]
)
def test_a_damaged_current(tmp_path: Path, damage: str) -> None:
    home = make_deployment(tmp_path, "1")
    home.current.write_text(damage)
    with pytest.raises(DeploymentError, match="current is damaged"):
        read_current(home)


def test_generations_that_are_not_there(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2")
    (home.generations / ".venvstacks-tmp-1").mkdir()
    assert generation_numbers(home) == (1, 2)
    with pytest.raises(DeploymentError, match="no generation 7") as caught:
        read_generation(home, 7)
    assert "there are: 1, 2" in str(caught.value)


def rolled_back(home: Home, number: int | None = None) -> int:
    plan = plan_rollback(home, number)
    make_current(home, plan.generation, silent)
    return plan.generation.number


def test_going_back_step_by_step(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2", "3")
    assert [rolled_back(home), rolled_back(home)] == [2, 1]
    with pytest.raises(DeploymentError, match="no generation before generation 1") as caught:
        plan_rollback(home)
    assert "--generation: 2, 3" in str(caught.value)
    assert rolled_back(home, 3) == 3


def test_when_layers_were_used_last_is_noted(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    lease = home.place(small_release("1").layer("app-one")).lease
    os.utime(lease, (1000, 1000))
    put_generation(home, small_release("2"))
    assert lease.stat().st_mtime > 1000  # in use until now


def test_what_was_gone_back_from_is_not_gone_back_to(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2", "3")
    rolled_back(home)
    put_generation(home, small_release("4"))
    assert current_number(home) == 4
    assert rolled_back(home) == 2  # 3 was not current before 4


def test_nothing_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="has no current generation"):
        plan_rollback(Home(tmp_path))
    home = make_deployment(tmp_path, "1")
    with pytest.raises(DeploymentError, match="no generation before generation 1"):
        plan_rollback(home)


def test_a_generation_without_its_layers(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2")
    place = home.place(small_release("1").layer("app-two"))
    place.path.rename(place.path.with_name("gone"))
    with pytest.raises(DeploymentError, match="is not complete: there is no") as caught:
        plan_rollback(home)
    assert "repair" in str(caught.value)
    assert current_number(home) == 2


def test_programs_of_applications_that_are_gone(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    (home.programs / "own").write_text("#!/bin/sh\n")
    put_generation(home, small_release("2", app_three="3"))
    assert {path.name for path in home.programs.iterdir()} == {"one", "two", "three", "own"}
    make_current(home, read_generation(home, 1), silent)
    assert {path.name for path in home.programs.iterdir()} == {"one", "two", "own"}


def test_names_that_two_products_have(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    other = Home(tmp_path, "acme")
    put_generation(other, small_release("9"))
    events: list[Event] = []
    generation = read_current(other)
    assert generation is not None
    make_current(other, generation, events.append)
    assert [event.message for event in events if isinstance(event, Warned)] == [
        f"bin/{name} starts the application of the first product: start the one of acme with "
        f"{other.programs / name}."
        for name in ("one", "two")
    ]
    assert homes(tmp_path) == (home, other)
    switch(home, 1)


def test_which_product_is_meant(tmp_path: Path) -> None:
    first, acme = Home(tmp_path), Home(tmp_path, "acme")
    address = "https://host.example.invalid/stores/acme"
    assert choose_home(tmp_path, address, None) == (first, None)
    make_deployment(tmp_path, "1")
    deployment = read_deployment(first)
    assert deployment is not None
    assert choose_home(tmp_path, "", None) == (first, deployment)
    assert choose_home(tmp_path, NOWHERE, None) == (first, deployment)
    assert choose_home(tmp_path, address, None) == (acme, None)
    assert choose_home(tmp_path, address, ".") == (first, deployment)  # another address of the same
    theirs = msgspec.structs.replace(deployment, store=address)
    acme.folder.mkdir(parents=True)
    write_deployment(acme, theirs)
    assert choose_home(tmp_path, address, None) == (acme, theirs)
    assert choose_home(tmp_path, f"{address}/acme", None)[0] == Home(tmp_path, "acme-2")
    assert choose_home(tmp_path, address, "other")[0] == Home(tmp_path, "other")
    for name in ("", "a/b", "..", "a b", "con"):
        with pytest.raises(UsageError, match="cannot name a product"):
            choose_home(tmp_path, address, name)
    assert require_homes(tmp_path) == (first, acme)
    assert require_homes(tmp_path, "acme") == (acme,)
    assert require_homes(tmp_path, ".") == (first,)
    with pytest.raises(DeploymentError, match="no product 'x'"):
        require_homes(tmp_path, "x")
    with pytest.raises(DeploymentError, match="no deployment in"):
        require_homes(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host.example.invalid", "host-example-invalid"),
        ("https://host.example.invalid/a/b%20c/", "b-20c"),
        ("s3://bucket/prefix", "prefix"),
        ("s3://bucket", "bucket"),
        ("oci://host:5000/some/repo", "repo"),
        ("/srv/stores/acme/", "acme"),
        ("/", "product"),
        ("/ü", "product"),
    ],
)
def test_names_of_products(address: str, name: str) -> None:
    assert product_name(address) == name


def test_which_folders_are_deployments(tmp_path: Path) -> None:
    assert find_home(tmp_path) is None
    home = make_deployment(tmp_path, "1")
    other = make_deployment(tmp_path, "1", product="acme")
    assert find_home(tmp_path) == home
    assert find_home(other.folder) == other
    assert find_home(home.layers) is None


def test_the_form_of_documents(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    told = json.loads((home.generation(1) / "generation.json").read_text())
    assert list(told) == [
        "applications",
        "created",
        "format",
        "layers",
        "number",
        "platform",
        "previous",
        "release",
        "store",
    ]


@pytest.mark.parametrize(
    ("name", "schema"), [("deployment", deployment_schema()), ("generation", generation_schema())]
)
def test_schemas_are_current(name: str, schema: dict[str, Any]) -> None:
    committed = REFERENCE / f"{name}.schema.json"
    assert committed.read_text(encoding="utf-8") == canonical_json(schema), "run: python3 dev.py docs"
    kind = schema["$defs"][name.capitalize()]
    assert set(kind["required"]) <= set(kind["properties"])
    assert all(field["description"] for field in kind["properties"].values())
