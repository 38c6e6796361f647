"""Native files that do not fit a layer's target, and wheels that are not what they say."""

import zipfile
from pathlib import Path

import pytest

from fakes.building import Project, framework, runtime
from fakes.native_files import elf
from venvstacks.building.state import STATE_FILE
from venvstacks.errors import BinariesError, WheelError
from venvstacks.platforms.targets import host_target

HERE = host_target()
ELSEWHERE = {"x86_64": "aarch64", "aarch64": "x86_64"}[HERE.arch]
TAG = f"py3-none-manylinux_2_28_{HERE.arch}"


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path / "project", tmp_path_factory.getbasetemp())


def define(project: Project) -> Path:
    project.define(runtime(), framework("one", "alpha", platforms=[HERE.name]))
    return project.built / "framework-one"


def native(project: Project, needs: str) -> None:
    content = elf(HERE.arch, versions={"libc.so.6": [needs]})
    project.wheel("alpha", tag=TAG, files={"alpha/core.so": content})


def test_a_wheel_that_lies_about_its_architecture_is_refused_and_named(project: Project) -> None:
    layer = define(project)
    project.wheel("alpha", tag=TAG, files={"alpha/core.so": elf(ELSEWHERE)})
    with pytest.raises(BinariesError) as caught:
        project.build()
    for word in ("alpha/core.so", "alpha 1", ELSEWHERE, HERE.arch, "ramework 'one'"):
        assert word in caught.value.message
    assert "--no-check-binaries" in (caught.value.hint or "")
    assert not layer.exists(), "nothing is left behind"


def test_who_knows_better_builds_it_and_the_next_strict_build_looks_again(project: Project) -> None:
    layer = define(project)
    project.wheel(
        "alpha", tag=TAG, files={"alpha/core.so": elf(HERE.arch, versions={"libc.so.6": ["GLIBC_2.99"]})}
    )
    project.build(check_binaries=False)
    assert (layer / STATE_FILE).is_file()
    project.build(check_binaries=False)
    assert project.changed() == []
    with pytest.raises(BinariesError, match=r"2\.99"):
        project.build()


def test_files_that_fit_are_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    define(project)
    project.wheel(
        "alpha", tag=TAG, files={"alpha/core.so": elf(HERE.arch, versions={"libc.so.6": ["GLIBC_2.28"]})}
    )
    project.build()
    monkeypatch.setattr("venvstacks.building.making.check_native", lambda *_: pytest.fail("files were read again"))
    project.build()
    assert project.changed() == []


@pytest.mark.parametrize("entry", ["../outside.py", "/absolute.py", "alpha/../../outside.py"])
def test_a_wheel_that_reaches_out_is_refused_and_named(project: Project, entry: str) -> None:
    layer = define(project)
    path = project.wheel("alpha", files={"alpha/__init__.py": ""})
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.writestr(entry, "x = 1\n")
    with pytest.raises(WheelError) as caught:
        project.build()
    assert path.name in caught.value.message
    assert entry in caught.value.message
    assert not layer.exists()
