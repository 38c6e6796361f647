"""What developers use: the pinned constraints, and the demo's arithmetic."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
SETS = ("demo", "test", "lint", "docs", "uv")  # which are installed together, "lowest" over "test"


def pins(name: str) -> list[tuple[Requirement, list[str]]]:
    text = (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split("--hash=") for line in text.splitlines()]
    return [(Requirement(requirement), hashes) for requirement, *hashes in lines]


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", [*SETS, "lowest", "servers"])
def test_constraints_are_exact_hashed_and_without_addresses(name: str) -> None:
    assert "://" not in (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8")
    for requirement, hashes in pins(name):
        assert re.fullmatch(r"==[^*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", found) for found in hashes), requirement


def test_sets_agree_on_versions() -> None:
    versions: dict[str, set[str]] = {}
    for name in SETS:
        for requirement, _ in pins(name):
            key = f"{canonicalize_name(requirement.name)} {requirement.marker}"
            versions.setdefault(key, set()).add(str(requirement.specifier))
    assert {key: found for key, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", ["demo", "test", "lint", "docs"])
def test_constraints_fulfil_what_the_project_declares(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    declared += project["dependency-groups"].get(name, [])
    pinned = {canonicalize_name(requirement.name): requirement for requirement, _ in pins(name)}
    for wanted in map(Requirement, declared):
        found = pinned.get(canonicalize_name(wanted.name))
        assert found is not None, f"{wanted} is not pinned; run: python3 dev.py constraints"
        (version,) = found.specifier
        assert version.version in wanted.specifier, (
            f"{wanted} is pinned to {version}; run: python3 dev.py constraints"
        )


def test_the_lowest_constraints_are_the_lowest_versions_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = {canonicalize_name(requirement.name): requirement.specifier for requirement, _ in pins("lowest")}
    for wanted in map(Requirement, project["project"]["dependencies"]):
        (declared,) = wanted.specifier
        (pin,) = pinned[canonicalize_name(wanted.name)]
        assert Version(pin.version) == Version(declared.version), f"{wanted}; run: python3 dev.py constraints"


@pytest.fixture(autouse=True)
def _tools_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def test_packages_are_installed_without_starting_what_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = load("tools/debian.py")
    policy, steps = tmp_path / "policy", []
    monkeypatch.setattr(debian, "_POLICY", policy)
    monkeypatch.setattr(debian, "_run", lambda step: steps.append((step[-1], policy.read_text().splitlines()[-1])))
    monkeypatch.setattr(debian.shutil, "which", lambda name, **_: None if name == "absent" else name)
    monkeypatch.setattr(debian.sys, "platform", "linux")
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0, raising=False)
    assert debian.missing({"absent": "one", "present": "two"}) == ["one"]
    debian.install(["one"])
    assert steps == [("update", "exit 101"), ("one", "exit 101")]
    assert not policy.exists()
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000, raising=False)
    with pytest.raises(debian.MissingError, match=r"sudo apt-get .* install .* one"):
        debian.install(["one"])
    with pytest.raises(debian.MissingError, match="need Debian 12 on sparc, with its packages one"):
        debian.install(["one"], machine="sparc")


def test_demo_counts_each_layer_once_for_every_application_on_it() -> None:
    demo = load("tools/demo.py")
    base = demo.Row("base", (), is_application=False, packages=1, unpacked=100, archived=50)
    middle = demo.Row("framework-m", ("base",), is_application=False, packages=2, unpacked=10, archived=5)
    one = demo.Row("app-one", ("framework-m", "base"), is_application=True, packages=0, unpacked=1, archived=1)
    two = demo.Row("app-two", ("base",), is_application=True, packages=0, unpacked=1, archived=1)
    assert demo.apart([base, middle, one, two]) == (1 + 10 + 100 + 1 + 100, 1 + 5 + 50 + 1 + 50)


def test_demo_table_is_aligned() -> None:
    demo = load("tools/demo.py")
    base = demo.Row("base", (), is_application=False, packages=1, unpacked=200_000_000, archived=50_000_000)
    one = demo.Row("app-one", ("base",), is_application=True, packages=0, unpacked=1000, archived=900)
    two = demo.Row("app-two", ("base",), is_application=True, packages=0, unpacked=1000, archived=900)
    lines = demo.table([base, one, two]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split()[-4:] == ["50", "%", "50", "%"]


def test_fleet_asks_each_machine_once_in_the_time_between_polls() -> None:
    fleet_of = load("tools/fleet.py")
    fleet, cost = fleet_of.Fleet(machines=7_000, polls=24, releases=1), fleet_of.Cost(requests=2, sent=500)
    assert fleet.polling(cost) == fleet_of.Cost(requests=336_000, sent=84_000_000)
    assert fleet.updating(cost) == fleet_of.Cost(requests=2_000, sent=500_000)
    rush = fleet.rush(cost)
    assert rush.requests * 3600 == pytest.approx(2 * 7_000)
    assert rush.sent * 3600 == pytest.approx(500 * 7_000)


def test_fleet_reads_what_the_benchmark_measured(tmp_path: Path) -> None:
    fleet_of = load("tools/fleet.py")
    rows = [
        {"what": "deploy: nothing new, requests", "value": 2, "rival_value": 20},
        {"what": "deploy: nothing new, bytes", "value": 500, "rival_value": 7000},
        {"what": "deploy: update of x", "value": 1, "rival_value": 3},
        {"what": "deploy: update of x, requests", "value": 5, "rival_value": 20},
        {"what": "deploy: update of x, bytes", "value": 1000, "rival_value": 9000},
        {"what": "publish", "value": 1.0, "rival_value": 2.0},
    ]
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"results": rows}), encoding="utf-8")
    cost, headers = fleet_of.Cost, fleet_of.HEADERS
    asked = fleet_of.measured(results)
    assert asked.poll == cost(2, 500 + 2 * headers)
    assert asked.updates == {"x": (cost(5, 1000 + 5 * headers), cost(20, 9000 + 20 * headers))}
    assert "| update of x | 5 requests" in fleet_of.table(fleet_of.Fleet(1, 1, 1), asked)


def test_static_server_answers_ranges_and_counts(tmp_path: Path) -> None:
    server_of = load("tools/static_server.py")
    (tmp_path / "file").write_bytes(b"0123456789")
    with server_of.serving(tmp_path) as server:
        request = Request(f"{server.address}/file", headers={"Range": "bytes=2-4"})  # noqa: S310 - own server
        with urlopen(request) as answer:  # noqa: S310
            assert (answer.status, answer.headers["Content-Range"], answer.read()) == (206, "bytes 2-4/10", b"234")
        with urlopen(f"{server.address}/file") as answer:  # noqa: S310
            assert answer.read() == b"0123456789"
        with pytest.raises(HTTPError, match="404") as refused:
            urlopen(f"{server.address}/../outside")  # noqa: S310
        refused.value.close()
        assert server.taken() == (3, 13)
        assert server.taken() == (0, 0)
