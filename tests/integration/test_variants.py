"""Frameworks below one application that hold different versions of a package."""

from pathlib import Path

import pytest

from fakes.building import Project, application, framework, output, runtime
from fakes.pythons import host
from fakes.wheels import make_wheel
from venvstacks.errors import LockError

CODE = "import torchy\nprint(torchy.BUILD)\n"


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "project", root)


def base(*requirements: str) -> dict[str, object]:
    return runtime("base", *requirements, platforms=[host().target.name])


@pytest.mark.parametrize("order", [("cpu", "cu128"), ("cu128", "cpu")])
def test_builds_of_one_package_below_an_application_that_takes_either(
    project: Project, order: tuple[str, str]
) -> None:
    first, second = order
    for build in order:
        files = {"torchy/__init__.py": f"BUILD = {build!r}\n"}
        make_wheel(project.folder / f"i-{build}", "torchy", f"2.8.0+{build}", files=files)
    make_wheel(project.folder / "wheels", "user", "1", requires=["torchy"])
    project.settings = {
        "find-links": ["wheels"],
        "index": [
            {
                "name": f"i-{build}",
                "url": (project.folder / f"i-{build}").as_uri(),
                "explicit": True,
                "format": "flat",
            }
            for build in order
        ],
    }
    project.write("app.py", CODE)
    project.define(
        base(),
        *(framework(build, "torchy==2.8.0", package_indexes={"torchy": f"i-{build}"}) for build in order),
        application("app", "torchy", "user", on=[first, second], index_overrides={f"i-{second}": f"i-{first}"}),
    )
    project.build(no_index=False, quick=True)
    assert not [warning for warning in project.warnings() if "torchy" in warning]  # both are meant to have it
    python = project.built / "app-app" / "bin" / "python"
    assert output(python, "-m", "app") == first
    shared = (project.folder / "requirements/app-app/pylock.app-app.toml").read_text()
    assert f"2.8.0+{first}" in shared
    assert f"2.8.0+{second}" not in shared


def test_a_shadowed_version_is_no_constraint(project: Project) -> None:
    for version in ("1.16", "1.17"):
        project.wheel("six", version, files={"six.py": f"__version__ = {version!r}\n"})
    project.wheel("idna", files={"idna.py": ""})
    project.write("app.py", "import six, idna\nprint(six.__version__)\n")
    frameworks = framework("one", "six==1.17"), framework("two", "six==1.16", "idna")
    project.define(base(), *frameworks, application("app", "six", "idna", on=["one", "two"]))
    project.build()
    assert output(project.built / "app-app" / "bin" / "python", "-m", "app") == "1.17"


@pytest.mark.parametrize("wanted", ["six==1.16", "old"])
def test_a_requirement_that_the_winner_does_not_fulfil(project: Project, wanted: str) -> None:
    """``old``, which the lower framework has, does not work with what hides its own version of six."""
    for version in ("1.16", "1.17"):
        project.wheel("six", version)
    project.wheel("old", requires=["six==1.16"])
    frameworks = framework("one", "six==1.17"), framework("two", "old")
    project.define(base(), *frameworks, application("app", wanted, on=["one", "two"]))
    with pytest.raises(LockError, match=r"six") as caught:
        project.lock()
    assert "framework-one" in str(caught.value)
