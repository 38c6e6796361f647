from dataclasses import replace
from pathlib import Path
from typing import Never

import pytest

from fakes.definitions import define
from venvstacks.definition.stack import Layer
from venvstacks.errors import ResolutionError
from venvstacks.locking.divide import Gap
from venvstacks.locking.missing import Search, explain_missing_wheels
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.12.7")
UV_SAYS = Path(__file__).parent / "uv_says"


def _asked(_: object) -> Never:
    pytest.fail("asked")


NEVER = Search(_asked, _asked, _asked)


def _layer(folder: Path, **fields: object) -> Layer:
    return define(folder, runtimes=[fields]).layers[0]


def test_other_failures_are_not_taken_for_missing_wheels(tmp_path: Path) -> None:
    layer = _layer(tmp_path)
    assert explain_missing_wheels(layer, PYTHON, ResolutionError("there is no version of a==7"), NEVER) is None


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ("scipy", "scipy"),
        ("dlltracer", "dlltracer"),
        ("torch", "torch"),
        ("sklearn", "scikit-learn"),
        ("one_version", "native 2.0"),
        ("source_only", "source 1.0"),
        ("other_python", "native 2.0"),
        ("other_abi", "native 2.0"),
        ("transitive", "native"),
        ("ranges", "native"),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_missing_wheels_in_the_words_of_uv(tmp_path: Path, shape: str, named: str, *, several: bool) -> None:
    """What uv said in as many real resolutions; who reads which package lacks what needs none of it."""
    requirements = ["a", "b"] if several else ["a"]
    layer = _layer(tmp_path, platforms=["win_amd64", "win_arm64"], requirements=requirements)
    error = ResolutionError((UV_SAYS / f"{shape}.txt").read_text(encoding="utf-8"))

    def gaps_of(asked: Layer) -> list[Gap]:
        if asked.targets == (TARGETS["win_arm64"],):
            raise error
        return []

    def offers_of(_: Layer) -> dict[object, object]:
        raise ResolutionError("none")

    found = explain_missing_wheels(layer, PYTHON, error, Search(gaps_of, offers_of, offers_of))  # type: ignore[arg-type]
    assert str(found) == (
        "Cannot lock runtime 'py': not every target has a wheel of every package.\n"
        f"  - {named} has no usable wheel for win_arm64\n"
        "hint: set `platforms = [\"win_amd64\"]` on runtime 'py', or require other versions"
    )


def test_uv_is_heard_where_no_requirement_alone_is_in_the_way(tmp_path: Path) -> None:
    layer = _layer(tmp_path, platforms=["win_amd64", "win_arm64"], requirements=["a", "b"])
    error = ResolutionError("native==2.0 has no usable wheels")

    def gaps_of(asked: Layer) -> list[Gap]:
        if asked.targets == (TARGETS["win_arm64"],) and len(asked.requirements) > 1:
            raise error
        return []

    found = explain_missing_wheels(layer, PYTHON, error, replace(NEVER, gaps_of=gaps_of, tries=iter(())))
    assert "\nuv says:\nnative==2.0 has no usable wheels" in str(found)
