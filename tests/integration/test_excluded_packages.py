"""Packages that are locked and never installed, in layers built through uv from small wheels."""

from pathlib import Path

import pytest

from fakes.building import Project, application, framework, output, runtime
from venvstacks.errors import RequirementsError
from venvstacks.events import Finished
from venvstacks.humanize import size_text


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "a project", root)


@pytest.fixture
def sizes(project: Project) -> dict[str, int]:
    """Make a package with a light and a heavy dependency; give the sizes of the wheels."""
    wheels = [
        project.wheel("top", requires=["light", "Heavy_Part"]),
        project.wheel("light", requires=["heavy-part"]),
        project.wheel("heavy-part", "2", data={"scripts/heavy": "#!python\n"}),
    ]
    return {path.name.partition("-")[0]: path.stat().st_size for path in wheels}


def installed(project: Project, layer: str) -> set[str]:
    return {path.name.partition("-")[0] for path in project.site(layer).glob("*.dist-info")}


def test_what_is_excluded_is_locked_not_installed_and_reported(project: Project, sizes: dict[str, int]) -> None:
    project.define(runtime(), framework("f", "top", exclude_packages=["Heavy.Part"]))
    _, built = project.build()
    assert installed(project, "framework-f") == {"top", "light"}
    assert not (project.built / "framework-f" / "bin" / "heavy").exists()
    assert [package.name for package in built.lock.packages] == ["heavy-part", "light", "top"]
    (excluded,) = built.excluded
    assert (excluded.name, str(excluded.version), excluded.size) == ("heavy-part", "2", sizes["heavy_part"])
    (done,) = (e for e in project.events if isinstance(e, Finished) and e.step == "build" and e.layer != "base")
    assert done.summary.startswith("2 packages, ")
    assert done.summary.endswith(f", 1 excluded (saves {size_text(sizes['heavy_part'])})")
    assert project.warnings() == []
    project.build()
    assert project.changed() == []


def test_its_wheel_is_not_even_needed(project: Project, sizes: dict[str, int]) -> None:
    assert sizes
    project.define(runtime(), framework("f", "top", exclude_packages=["heavy-part"]))
    project.lock()
    next((project.folder / "wheels").glob("heavy_part-*")).unlink()
    _, built = project.build(lock=False)
    assert built.excluded[0].size is None
    assert installed(project, "framework-f") == {"top", "light"}


def test_excluding_and_including_again_builds_anew(project: Project, sizes: dict[str, int]) -> None:
    assert sizes
    for excluded, names in (([], {"top", "light", "heavy_part"}), (["heavy-part"], {"top", "light"})) * 2:
        project.define(runtime(), framework("f", "top", exclude_packages=excluded))
        project.build()
        assert "framework-f" in project.changed()
        assert installed(project, "framework-f") == names


def test_runtimes_and_applications_exclude_as_well(project: Project, sizes: dict[str, int]) -> None:
    assert sizes
    project.wheel("other", requires=["big"])
    project.wheel("big")
    project.define(
        runtime("base", "top", exclude_packages=["heavy-part"]),
        application("app", "other", exclude_packages=["big"]),
    )
    project.build()
    assert (installed(project, "base"), installed(project, "app-app")) == ({"top", "light"}, {"other"})


def test_a_layer_above_has_to_accept_that_something_is_missing(project: Project, sizes: dict[str, int]) -> None:
    assert sizes
    project.wheel("needy", requires=["heavy-part>=1"])
    lower = framework("f", "top", exclude_packages=["heavy-part"])
    project.define(runtime(), lower, application("app", "needy", on=["f"]))
    with pytest.raises(RequirementsError) as caught:
        project.build()
    assert caught.value.message.splitlines()[1:] == [
        "  - application 'app': needy 1 requires 'heavy-part>=1', which framework 'f' excludes"
    ]
    assert "exclude_packages" in (caught.value.hint or "")
    project.define(runtime(), lower, application("app", "needy", on=["f"], exclude_packages=["heavy-part"]))
    built = project.build()
    assert project.changed() == []
    assert project.warnings() == []
    assert built[-1].excluded == (), "it is not the application's own"
    assert output(project.built / "app-app" / "bin" / "python", "-c", "import needy, top; print(1)") == "1"


def test_exclusions_without_effect_are_told_once(project: Project, sizes: dict[str, int]) -> None:
    assert sizes
    project.define(
        runtime("base", "light"), framework("f", "top", exclude_packages=["light", "tops", "nothing-like-it"])
    )
    project.build()
    assert project.warnings() == [
        "Excluding 'light' from framework 'f' has no effect: runtime 'base' below provides it.",
        "Excluding 'nothing-like-it' from framework 'f' has no effect: the layer does not need it.",
        "Excluding 'tops' from framework 'f' has no effect: the layer does not need it (did you mean 'top'?).",
    ]
