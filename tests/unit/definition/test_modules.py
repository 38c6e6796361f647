from collections.abc import Callable
from pathlib import Path

import pytest

from venvstacks.definition.stack import SourceModule, Stack


def app(launch: str, rest: str = "") -> str:
    return f'[[applications]]\nname = "a"\nruntime = "py"\nrequirements = []\nlaunch_module = "{launch}"\n{rest}'


def test_paths_are_relative_to_the_definition(
    load: Callable[..., Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.py").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    launch = load(app("elsewhere/.././run.py")).layer("app-a").launch_module
    assert launch is not None
    assert (launch.path, launch.name) == (tmp_path / "run.py", "run")


@pytest.mark.parametrize(
    ("file", "name", "place"),
    [
        ("my-mod.py", "my-mod", "my-mod.py"),
        ("2nd mod.py", "2nd mod", "2nd mod.py"),
        ("script", "script", "script.py"),
        ("start.pyw", "start", "start.py"),
    ],
)
def test_files_that_are_launched_can_be_found_by_python(
    load: Callable[..., Stack], tmp_path: Path, file: str, name: str, place: str
) -> None:
    (tmp_path / file).touch()
    launch = load(app(file)).layer("app-a").launch_module
    assert launch == SourceModule(tmp_path / file, name, place)


def test_supporting_files_keep_their_names(load: Callable[..., Stack], tmp_path: Path) -> None:
    names = ("run.py", "my-mod.py", "script", "data.json", "a.b.py")
    for name in names:
        (tmp_path / name).touch()
    layer = load(app("run.py", f"support_modules = {list(names[1:])}")).layer("app-a")
    assert [module.place for module in layer.support_modules] == list(names[1:])
    assert [module.name for module in layer.support_modules] == ["my-mod", "script", "data.json", "a.b"]


def test_conflicts_come_before_missing_files(problems: Callable[..., list[str]]) -> None:
    found = problems(app("b/run.py", 'support_modules = ["c/other.py", "d/run"]'))
    assert "'run' is the import name of both 'b/run.py' and 'd/run'" in found[0]
    assert ["does not exist" in problem for problem in found] == [False, True, True, True]


def test_conflicts_are_told_even_if_the_layer_is_disabled(problems: Callable[..., list[str]]) -> None:
    (found,) = problems(app("b/run.py", 'support_modules = ["d/run"]\nplatforms = []'))
    assert "is the import name of both" in found


def test_missing_files_are_told_if_the_platforms_are_not_known(problems: Callable[..., list[str]]) -> None:
    found = problems(app("run.py", 'platforms = ["vax"]'))
    assert len(found) == 2
    assert "does not exist" in found[1]


@pytest.mark.parametrize("name", ["a" * 5000, "nul\\u0000byte"])
def test_impossible_paths(problems: Callable[..., list[str]], name: str) -> None:
    assert problems(app(name))
