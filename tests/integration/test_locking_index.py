"""Locking real packages from the real default index; fails where that cannot be reached."""

import os
from pathlib import Path

import pytest

from fakes.definitions import define
from fakes.locking import Locker, content, load_all
from venvstacks.errors import CoverageError
from venvstacks.platforms.targets import TARGETS

SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CACHE_DIR", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")


def _locker() -> Locker:
    return Locker(
        {k: v for k, v in os.environ.items() if not k.startswith("UV_") or k in SETTINGS}, no_index=False
    )


UV = {"exclude-newer": "2025-06-30T00:00:00Z"}


def test_platforms_without_wheels(tmp_path: Path) -> None:
    with pytest.raises(CoverageError) as caught:
        _locker()(define(tmp_path, runtimes=[{"requirements": ["numpy<2.3"]}], uv=UV))
    assert "\n  - numpy has no usable wheel for win_arm64; the newest version that has is 2.3.1\n" in str(
        caught.value
    )
    working = ", ".join(f'"{name}"' for name in sorted(set(TARGETS) - {"win_arm64"}))
    assert caught.value.hint == f"set `platforms = [{working}]` on runtime 'py', or require other versions"


def test_science_for_all_platforms(tmp_path: Path) -> None:
    stack = define(
        tmp_path,
        runtimes=[{"python_implementation": "cpython@3.12.7", "requirements": ["numpy"]}],
        frameworks=[
            {
                "name": "sklearn",
                "requirements": ["scikit-learn<1.7"],
                "platforms": sorted(set(TARGETS) - {"win_arm64"}),
            },
            {"name": "http", "requirements": ["httpx"]},
        ],
        applications=[
            {"name": "both", "frameworks": ["sklearn", "http"], "requirements": ["scikit-learn", "httpx", "numpy"]}
        ],
        uv=UV,
    )
    lock = _locker()

    locks = {name: locked.lock for name, locked in lock(stack).items()}

    (numpy,) = locks["py"].packages
    assert {target.name for target in numpy.wheels} >= set(TARGETS) - {"win_arm64"}
    assert len({wheel.filename for wheel in numpy.wheels.values()}) == len(numpy.wheels)
    assert {wheel.sha256 != "" and (wheel.size or 0) > 1_000_000 for wheel in numpy.wheels.values()} == {True}
    sklearn = {package.name for package in locks["framework-sklearn"].packages}
    assert sklearn == {"joblib", "scikit-learn", "scipy", "threadpoolctl"}
    assert [item.name for item in locks["framework-sklearn"].shared] == ["numpy"]
    assert {package.name for package in locks["framework-http"].packages} >= {
        "httpx",
        "httpcore",
        "certifi",
        "idna",
    }
    assert locks["app-both"].packages == ()
    assert {item.layer for item in locks["app-both"].shared} == {"py", "framework-sklearn", "framework-http"}
    assert {lock.metadata.locked_at for lock in locks.values()} == {"2025-06-30T00:00:00+00:00"}
    assert load_all(stack) == locks

    before = content(stack)
    lock(stack)
    assert content(stack) == before
