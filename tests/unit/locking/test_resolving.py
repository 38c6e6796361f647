"""What stands around a run of uv: the project it gets, the time, the errors."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.pylock import PackageWheel
from packaging.version import Version

from fakes.definitions import define
from fakes.locks import make_lock, make_package
from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import LockError, ResolutionError
from venvstacks.locking.coverage import Gap, cover
from venvstacks.locking.hashes import other_inputs_hash
from venvstacks.locking.layer_lock import read_time
from venvstacks.locking.missing import Search, missing_wheels
from venvstacks.locking.project import constraints_from_below, project_name, provided_below, write_project
from venvstacks.locking.resolve import lock_time
from venvstacks.locking.sharing import check_agreement
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.12.7")
UV_SAYS = Path(__file__).parent / "uv_says"
NEVER = Search(*[lambda _: pytest.fail("asked")] * 3)


def _layer(folder: Path, **fields: object) -> Layer:
    return define(folder, runtimes=[fields]).layers[0]


# The project


def _project(
    stack: Stack, layer: Layer, *, no_index: bool = False, assigned: tuple[str, ...] = ()
) -> dict[str, object]:
    folder = stack.folder / "project"
    write_project(folder, layer, PYTHON, stack.uv, pins=["low==1"], assigned=assigned, no_index=no_index)
    return tomllib.loads((folder / "pyproject.toml").read_text())


def test_the_project_that_uv_gets(tmp_path: Path) -> None:
    uv = {
        "index": [
            {"name": "main", "url": "https://index.example.invalid/simple", "default": True},
            {"name": "own", "url": "wheels", "format": "flat", "explicit": True},
        ],
        "sources": {"left": {"index": "own"}},
        "find-links": ["links", "~/links", "https://index.example.invalid/links"],
        "index-url": "simple",
        "extra-index-url": ["../more", "https://index.example.invalid/more"],
        "constraint-dependencies": ["mine<2"],
        "environments": ["sys_platform == 'amiga'"],
        "cache-dir": "cache",
        "no-build": False,
    }
    runtime = {
        "platforms": ["win_amd64"],
        "requirements": ["one"],
        "package_indexes": {"Left_over": "own"},
        "priority_indexes": ["own"],
    }
    stack = define(tmp_path, runtimes=[runtime], uv=uv)
    found = _project(stack, stack.layers[0], assigned=("left-over",))
    assert found["project"] == {
        "name": "layer-py",
        "version": "0",
        "requires-python": "==3.12.*",
        "dependencies": ["one", "left-over ; platform_version == 'none of the targets'"],
    }
    settings = found["tool"]["uv"]  # type: ignore[index]
    assert settings["index"] == [
        {"name": "own", "url": str(tmp_path / "wheels"), "format": "flat"},
        {"name": "main", "url": "https://index.example.invalid/simple", "default": True},
    ]
    assert settings["sources"] == {"left": {"index": "own"}, "left-over": {"index": "own"}}
    assert settings["find-links"] == [
        str(tmp_path / "links"),
        str(Path("~/links").expanduser()),
        "https://index.example.invalid/links",
    ]
    assert settings["index-url"] == str(tmp_path / "simple")
    assert settings["extra-index-url"] == [str(tmp_path / "../more"), "https://index.example.invalid/more"]
    assert settings["constraint-dependencies"] == ["mine<2", "low==1"]
    assert settings["environments"] == [
        (
            "sys_platform == 'win32' and platform_machine == 'AMD64' and python_full_version == '3.12.7'"
            " and implementation_name == 'cpython'"
        )
    ]
    assert settings.keys().isdisjoint({"cache-dir", "no-build"})
    without = _project(stack, stack.layers[0], no_index=True)["tool"]["uv"]  # type: ignore[index]
    assert without.keys().isdisjoint({"index", "sources", "index-url", "extra-index-url"})


def test_a_default_index_that_is_preferred_stays_the_last_as_well(tmp_path: Path) -> None:
    uv = {
        "index": [
            {"name": "b", "url": "https://b.example.invalid"},
            {"name": "a", "url": "https://a.example.invalid", "default": True},
        ]
    }
    stack = define(tmp_path, runtimes=[{"priority_indexes": ["a"]}], uv=uv)
    assert _project(stack, stack.layers[0])["tool"]["uv"]["index"] == [  # type: ignore[index]
        {"name": "a", "url": "https://a.example.invalid"},
        {"name": "b", "url": "https://b.example.invalid"},
        {"url": "https://a.example.invalid", "default": True},
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("numpy", "layer-numpy"), ("🐸", "layer"), ("a b🦎", "layer-a-b"), ("x.1_y", "layer-x.1_y")],
)
def test_names_of_projects(tmp_path: Path, name: str, expected: str) -> None:
    assert project_name(_layer(tmp_path, name=name)) == expected


def test_constraints_are_limited_to_where_they_hold(tmp_path: Path) -> None:
    layer = _layer(tmp_path, platforms=["linux_x86_64", "win_amd64"])
    below = [
        make_lock("upper", make_package("a", "2.0", ["win_amd64"]), make_package("c", targets=["win_arm64"])),
        make_lock("lower", make_package("a", "1.0"), make_package("b")),
    ]
    assert constraints_from_below(layer, below) == [
        'a==2.0 ; sys_platform == "win32" and platform_machine == "AMD64"',
        'a==1.0 ; sys_platform == "linux" and platform_machine == "x86_64"',
        "b==1.0",
    ]
    assert "c" not in provided_below(layer, below)


# The time


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06t07:08:09z", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06T07:08:09.123456+02:00", "2024-05-06T05:08:09+00:00"),
        ("2024-05-06T07:08:09", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06", "2024-05-06T00:00:00+00:00"),
    ],
)
def test_the_lock_time_is_the_limit(tmp_path: Path, limit: str, expected: str) -> None:
    stack = define(tmp_path, uv={"exclude-newer": limit})
    assert lock_time(stack, {}) == lock_time(stack, {"UV_EXCLUDE_NEWER": ""}) == expected
    assert lock_time(stack, {"UV_EXCLUDE_NEWER": "2020-01-01"}) == "2020-01-01T00:00:00+00:00"
    assert lock_time(define(tmp_path), {"UV_EXCLUDE_NEWER": limit}) == expected


@pytest.mark.parametrize("limit", ["2 weeks", "P2W", None])
def test_without_a_limit_the_lock_time_is_now(tmp_path: Path, limit: str | None) -> None:
    stack = define(tmp_path, uv={"exclude-newer": limit} if limit else {})
    before = datetime.now(UTC).replace(microsecond=0)
    found = lock_time(stack, {})
    assert before <= read_time(found) <= datetime.now(UTC)
    assert found == read_time(found).replace(microsecond=0).isoformat()


# What makes a lock stale


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ({"index": []}, {}, False),
        ({"cache-dir": "x"}, {}, True),
        ({"python-install-mirror": "x"}, {}, True),
        ({"exclude-newer": "2024-01-01"}, {"exclude-newer": "2024-01-02"}, False),
        (
            {"find-links": ["https://a:b@host.example.invalid"]},
            {"find-links": ["https://host.example.invalid"]},
            True,
        ),
        ({"dependency-metadata": [{"name": "a"}]}, {"dependency-metadata": [{"name": "b"}]}, False),
    ],
)
def test_settings_that_count(
    tmp_path: Path, one: dict[str, object], two: dict[str, object], *, same: bool
) -> None:
    def inputs(uv: dict[str, object]) -> str:
        stack = define(tmp_path, uv=uv)
        return other_inputs_hash(stack, stack.layers[0], PYTHON, [])

    assert (inputs(one) == inputs(two)) == same


# What does not fit together


def test_the_first_on_the_path_counts_for_requirements(tmp_path: Path) -> None:
    layer = _layer(tmp_path, requirements=["x>=2; os_name == 'nt'", "y"], platforms=["win_amd64"])
    new, old = make_lock("new", make_package("x", "2.0")), make_lock("old", make_package("x", "1.0"))
    check_agreement(layer, [new, old], PYTHON)
    with pytest.raises(LockError, match=r"it requires 'x>=2; .*but the layer below it, 'old', locks x 1\.0 on"):
        check_agreement(layer, [old, new], PYTHON)


def test_requirements_that_are_overridden_are_not_compared(tmp_path: Path) -> None:
    layer, below = _layer(tmp_path, requirements=["A.b<1"]), [make_lock("low", make_package("a-b"))]
    with pytest.raises(LockError, match=r"^Cannot lock runtime 'py': it requires 'A\.b<1', but the layer below"):
        check_agreement(layer, below, PYTHON)
    check_agreement(layer, below, PYTHON, {"a-b"})


# Which wheels


@pytest.mark.parametrize(
    ("place", "url", "path"),
    [
        (
            {"url": "https://anna:secret@host.example.invalid:8/a%20b/NAME?x=y@z"},
            "https://host.example.invalid:8/a%20b/NAME?x=y@z",
            None,
        ),
        ({"url": "http://anna@[::1]:80/NAME"}, "http://[::1]:80/NAME", None),
        ({"url": "https://Host.example.invalid/NAME"}, "https://Host.example.invalid/NAME", None),
        ({"url": "file:///stack/my%20wheels/%F0%9F%90%B8/NAME"}, None, "../../my wheels/🐸/NAME"),
        ({"path": "../wheels/NAME"}, None, "../../../scratch/wheels/NAME"),
    ],
)
def test_where_a_wheel_is(tmp_path: Path, place: dict[str, str], url: str | None, path: str | None) -> None:
    name = "a-1.0-py3-none-any.whl"
    layer = _layer(tmp_path, platforms=["win_amd64"])
    wheel = PackageWheel(
        name=name, hashes={"sha256": "0"}, **{k: v.replace("NAME", name) for k, v in place.items()}
    )  # type: ignore[arg-type]
    target = TARGETS["win_amd64"]
    (package,), gaps = cover(
        layer,
        [("a", Version("1.0"), target)],
        {target: {"a": (None, (wheel,))}},  # type: ignore[dict-item]
        PYTHON,
        lock_folder=Path("/stack/requirements/py"),
        resolved_in=Path("/scratch/lock-py"),
    )
    found = package.wheels[target]
    assert (found.url, found.path) == (url and url.replace("NAME", name), path and path.replace("NAME", name))
    assert gaps == ()


# What uv says of missing wheels


def test_other_failures_are_not_taken_for_missing_wheels(tmp_path: Path) -> None:
    layer = _layer(tmp_path)
    assert missing_wheels(layer, PYTHON, ResolutionError("there is no version of a==7"), NEVER) is None


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

    found = missing_wheels(layer, PYTHON, error, Search(gaps_of, offers_of, offers_of))  # type: ignore[arg-type]
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

    found = missing_wheels(layer, PYTHON, error, replace(NEVER, gaps_of=gaps_of, tries=iter(())))
    assert "\nuv says:\nnative==2.0 has no usable wheels" in str(found)
