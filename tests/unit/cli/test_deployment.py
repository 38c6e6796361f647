"""What people see of deployments, and what scripts get."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes.pushed_stores import PushedStore, make_store, publish
from venvstacks import launch
from venvstacks.cli import deploy as deploy_module
from venvstacks.cli import main


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PushedStore:
    monkeypatch.chdir(tmp_path)
    made = make_store(tmp_path / "store")
    made.push("1", "1")
    return made


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(words) == 0
    return capsys.readouterr().out


def told_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(told(capsys, *words, "--json"))


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(words)
    out, err = capsys.readouterr()
    assert out == ""
    return status, err


@pytest.mark.usefixtures("store")
def test_from_nothing_to_a_rollback(store: PushedStore, capsys: pytest.CaptureFixture[str]) -> None:
    first = ("deploy", "store", "--to", "dir", "--root", "root-store.json", "-q")
    plan = told(capsys, *first, "--dry-run")
    assert re.fullmatch(
        r"(archive  \S+  [\d.]+ kB, 2 requests\n){4}release 1 in dir: [\d.]+ kB, 12 requests\n", plan
    )
    planned = told_json(capsys, *first, "--dry-run")
    assert told(capsys, *first[:-1]) == (
        "release 1 (generation 1) is current in dir: "
        f"{planned['bytes'] / 1000:.1f} kB, {planned['requests']} requests\n  dir/bin/hello\n  dir/bin/two\n"
    )
    assert re.fullmatch(
        r"release 1 \(generation 1\) is current in dir, nothing to do: \d+ bytes, 1 request\n",
        told(capsys, "deploy", "--to", "dir"),
    )
    store.push("2", {"app-hello": "2"})
    plan = told(capsys, "deploy", "--to", "dir", "--dry-run")
    assert re.fullmatch(
        r"( +keep  \S+\n| frames  app-hello  [\d.]+ kB, 2 requests\n){4}"
        r"release 2 instead of 1 in dir: [\d.]+ kB, 6 requests\n",
        plan,
    )
    done = told_json(capsys, "deploy", "--to", "dir")
    assert (done["release"], done["generation"], done["changed"]) == ("2", 2, True)
    assert done["programs"]["hello"] == str(Path("dir/bin/hello").absolute())
    assert done["pruned"] == {"generations": [], "layers": [], "in_use": []}
    assert told(capsys, "deployment", "rollback", "dir") == "release 1 (generation 1) is current in dir\n"
    assert told_json(capsys, "deployment", "rollback", "dir", "--generation", "2") == {
        "before": 1,
        "folder": str(Path("dir").absolute()),
        "generation": 2,
        "release": "2",
    }


@pytest.mark.usefixtures("store")
def test_status_and_pruning(store: PushedStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "store", "--to", "dir", "--root", "root-store.json", "--app", "hello"]) == 0
    for version in ("2", "3"):
        store.push(version, {"app-hello": version})
        assert main(["deploy", "--to", "dir"]) == 0
    text = told(capsys, "deployment", "status", "dir")
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(
        rf"\S+/store \(channel stable, linux_x86_64\)\n"
        rf"  \* generation 3  release 3  {moment}\n"
        rf"    generation 2  release 2  {moment}\n"
        rf"    generation 1  release 1  {moment}\n"
        r"    dir/bin/hello\n5 layers\n",
        text,
    )
    status = told_json(capsys, "deployment", "status", "dir")
    assert [each["number"] for each in status["products"][0]["generations"]] == [3, 2, 1]
    assert status["products"][0]["current"] == 3
    assert told(capsys, "deployment", "prune", "dir") == "0 generations, 0 layers removed\n"
    planned = told(capsys, "deployment", "prune", "dir", "--keep", "1", "--dry-run")
    assert planned == "1 generation, 1 layer would be removed\n"
    found = told_json(capsys, "deployment", "prune", "dir", "--keep", "1", "--dry-run")
    assert told_json(capsys, "deployment", "prune", "dir", "--keep", "1") == found
    assert found["generations"] == [{"number": 1, "product": ""}]


def test_several_products_and_an_output_folder(
    store: PushedStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.address == str(tmp_path / "store")
    assert main(["deploy", "store", "--to", "dir", "--root", "root-store.json"]) == 0
    publish(tmp_path / "output", "5")
    capsys.readouterr()
    assert main(["deploy", "output", "--to", "dir", "--product", "own"]) == 0
    err = capsys.readouterr().err
    assert "output is an output folder of publish: nothing in it is signed" in err
    assert "warning: bin/hello starts the application of the first product: start the one of own with" in err
    text = told(capsys, "deployment", "status", "dir")
    assert re.search(r"^own: \S+/output \(release published, linux_x86_64, not signed\)$", text, re.MULTILINE)
    assert main(["deployment", "rollback", "dir", "--product", "own"]) == 1
    assert main(["deployment", "prune", "dir", "--product", "own"]) == 0


@pytest.mark.usefixtures("store")
def test_errors(capsys: pytest.CaptureFixture[str]) -> None:
    status, err = failed(capsys, "deploy", "--to", "dir")
    assert (status, "its store has to be named" in err, "hint: venvstacks deploy STORE" in err) == (1, True, True)
    status, err = failed(capsys, "deploy", "store", "--to", "dir")
    assert (status, "--root" in err) == (1, True)
    status, err = failed(capsys, "deploy", "store", "--to", "dir", "--channel", "a", "--release", "b")
    assert (status, "A channel and a release are given." in err) == (2, True)
    for words in (["status"], ["rollback"], ["prune"]):
        status, err = failed(capsys, "deployment", *words, "nowhere")
        assert (status, "There is no deployment in" in err) == (1, True)
    assert not Path("nowhere").exists()


class Started(Exception):  # noqa: N818 - what starting an application is here
    pass


@pytest.mark.usefixtures("store")
def test_running_applications(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def become(argv: Sequence[str], *, env: dict[str, str]) -> int:
        raise Started(argv, env)

    monkeypatch.setattr(launch, "become", become)
    assert main(["deploy", "store", "--to", "dir", "--root", "root-store.json", "--app", "hello"]) == 0
    publish(tmp_path / "output", "5")
    assert main(["deploy", "output", "--to", "dir", "--product", "own"]) == 0

    def started(folder: str, name: str) -> str:
        with pytest.raises(Started) as caught:
            deploy_module.run.main(["--from", folder, name, "x"], standalone_mode=False)
        argv, env = caught.value.args
        assert argv[1:] == ["-P", "-m", "hello", "x"]
        assert env["PATH"].startswith(str(Path(argv[0]).parent))
        return str(Path(argv[0]).relative_to(tmp_path / "dir"))

    first = started("dir", "hello")
    assert first == started("dir", "app-hello")
    assert started("dir/products/own", "hello") != first
    assert started("dir", "two").endswith("/app-two/bin/python")  # only the other product has it
    names = deploy_module._complete
    context = deploy_module.run.make_context("run", ["--from", "dir"], resilient_parsing=True)
    assert names(context, deploy_module.run.params[-1], "h") == ["hello"]
