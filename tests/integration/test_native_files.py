"""Native files that do not fit a layer's target, and wheels that are not what they say."""

import zipfile
from pathlib import Path

import pytest

from fakes.building import Project, framework, runtime
from fakes.native_files import elf
from venvstacks.building.build_state import STATE_FILE
from venvstacks.errors import BinariesError, FindingsError, WheelError
from venvstacks.platforms.targets import host_target

HERE = host_target()
ELSEWHERE = {"x86_64": "aarch64", "aarch64": "x86_64"}[HERE.arch]
TAG = f"py3-none-manylinux_2_28_{HERE.arch}"


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "project", root)


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
    assert not project.warnings()
    with pytest.raises(BinariesError, match=r"2\.99"):
        project.build()


def test_a_variant_for_newer_systems_is_a_finding_told_once(project: Project) -> None:
    """As of bitsandbytes, whose variants for new graphics cards need a newer glibc."""
    define(project)
    variants = {
        "alpha/core.so": elf(HERE.arch, versions={"libc.so.6": ["GLIBC_2.28"]}),
        "alpha/new.so": elf(HERE.arch, versions={"libc.so.6": ["GLIBC_2.99"]}),
    }
    project.wheel("alpha", tag=TAG, files=variants)
    with pytest.raises(FindingsError, match=r"alpha 1 has 1 native file .*alpha/new\.so \(needs glibc 2\.99\)"):
        project.build(strict=True)
    assert not (project.built / "framework-one").exists()
    project.build(check_binaries=False)
    assert not project.warnings()
    project.build()
    assert project.changed() == []
    (warning,) = project.warnings()
    assert "raise `linux_target`" in warning
    project.build()
    assert not project.warnings()
    with pytest.raises(FindingsError, match=r"2\.99"):
        project.build(strict=True)
    with pytest.raises(FindingsError, match=r"2\.99"):
        project.build(strict=True, clean=True)
    project.build(clean=True)
    assert project.warnings() == [warning]


def test_a_wheel_that_was_renamed_for_another_python_is_accepted(project: Project) -> None:
    """As bpy is: what a WHEEL file says is not what installers go by."""
    define(project)
    path = project.wheel("alpha", tag="cp39-cp39-manylinux_2_28_other", files={"alpha/__init__.py": ""})
    path.rename(path.with_name(f"alpha-1-{TAG}.whl"))
    project.build()
    assert (project.site("framework-one") / "alpha" / "__init__.py").is_file()


def test_files_that_fit_are_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    define(project)
    project.wheel(
        "alpha", tag=TAG, files={"alpha/core.so": elf(HERE.arch, versions={"libc.so.6": ["GLIBC_2.28"]})}
    )
    project.build()
    monkeypatch.setattr(
        "venvstacks.building.layer_builder.check_native", lambda *_: pytest.fail("files were read again")
    )
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
