import pytest
from packaging.markers import Marker

from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel, holds, marker_of
from venvstacks.platforms.targets import TARGETS

LINUX = TARGETS["linux_x86_64"]
ARM = TARGETS["linux_aarch64"]
MAC = TARGETS["macosx_arm64"]
WINDOWS = TARGETS["win_amd64"]
PYTHON = PythonVersion("cpython", "3.12.7")


def _fits(wheel: str, on: Compatibility, python: PythonVersion = PYTHON) -> bool:
    return best_wheel([f"package-1.0-{wheel}.whl"], on.tags(python)) is not None


@pytest.mark.parametrize(
    ("python", "minor", "request_", "lib"),
    [
        (PythonVersion("cpython", "3.12.7"), "3.12", "cpython@3.12.7", "python3.12"),
        (PythonVersion("cpython", "3.15.0a2", freethreaded=True), "3.15", "cpython@3.15.0a2t", "python3.15t"),
        (PythonVersion("pypy", "3.11.13"), "3.11", "pypy@3.11.13", "pypy3.11"),
    ],
)
def test_names_of_pythons(python: PythonVersion, minor: str, request_: str, lib: str) -> None:
    assert (python.minor, python.request, python.lib_name) == (minor, request_, lib)
    assert python.minor_version == tuple(map(int, minor.split(".")))


@pytest.mark.parametrize(
    ("on", "tag", "fits"),
    [
        (Compatibility(LINUX), "manylinux_2_28_x86_64", True),
        (Compatibility(LINUX), "manylinux_2_29_x86_64", False),
        (Compatibility(LINUX), "manylinux2014_x86_64", True),
        (Compatibility(LINUX), "manylinux2010_x86_64", True),
        (Compatibility(LINUX), "manylinux1_x86_64", True),
        (Compatibility(LINUX), "manylinux_2_5_x86_64", True),
        (Compatibility(LINUX), "linux_x86_64", True),
        (Compatibility(LINUX), "musllinux_1_1_x86_64", False),
        (Compatibility(LINUX), "manylinux_2_17_aarch64", False),
        (Compatibility(LINUX, libc_version=(2, 17)), "manylinux_2_28_x86_64", False),
        (Compatibility(LINUX, libc_version=(2, 17)), "manylinux2014_x86_64", True),
        (Compatibility(LINUX, libc_version=(2, 12)), "manylinux2014_x86_64", False),
        (Compatibility(ARM), "manylinux2014_aarch64", True),
        (Compatibility(ARM), "manylinux_2_5_aarch64", False),
        (Compatibility(LINUX, "musl", (1, 2)), "musllinux_1_1_x86_64", True),
        (Compatibility(LINUX, "musl", (1, 1)), "musllinux_1_2_x86_64", False),
        (Compatibility(LINUX, "musl", (1, 2)), "manylinux2014_x86_64", False),
        (Compatibility(MAC), "macosx_11_0_arm64", True),
        (Compatibility(MAC), "macosx_11_0_universal2", True),
        (Compatibility(MAC), "macosx_14_0_arm64", False),
        (Compatibility(MAC), "macosx_11_0_x86_64", False),
        (Compatibility(MAC, macos_version=(15, 0)), "macosx_14_0_arm64", True),
        (Compatibility(TARGETS["macosx_x86_64"]), "macosx_10_9_x86_64", True),
        (Compatibility(WINDOWS), "win_amd64", True),
        (Compatibility(WINDOWS), "win32", False),
        (Compatibility(TARGETS["win_arm64"]), "win_amd64", False),
        (Compatibility(WINDOWS), "any", True),
    ],
)
def test_platform_tags(on: Compatibility, tag: str, *, fits: bool) -> None:
    assert _fits(f"{'py3-none' if tag == 'any' else 'cp312-cp312'}-{tag}", on) == fits


@pytest.mark.parametrize(
    ("python", "tag", "fits"),
    [
        (PYTHON, "cp312-cp312", True),
        (PYTHON, "cp39-abi3", True),
        (PYTHON, "cp313-abi3", False),
        (PYTHON, "cp313-cp313", False),
        (PYTHON, "cp312-none", True),
        (PYTHON, "py2.py3-none", True),
        (PYTHON, "py312-none", True),
        (PYTHON, "pp311-pypy311_pp73", False),
        (PythonVersion("cpython", "3.13.0"), "cp313-cp313t", False),
        (PythonVersion("cpython", "3.13.0", freethreaded=True), "cp313-cp313t", True),
        (PythonVersion("cpython", "3.13.0", freethreaded=True), "cp313-cp313", False),
        (PythonVersion("cpython", "3.13.0", freethreaded=True), "cp39-abi3", False),
        (PythonVersion("cpython", "3.13.0", freethreaded=True), "py3-none", True),
        (PythonVersion("pypy", "3.11.13"), "pp311-pypy311_pp73", True),
        (PythonVersion("pypy", "3.11.13"), "cp311-cp311", False),
        (PythonVersion("pypy", "3.11.13"), "py3-none", True),
    ],
)
def test_python_and_abi_tags(python: PythonVersion, tag: str, *, fits: bool) -> None:
    assert _fits(f"{tag}-manylinux_2_17_x86_64", Compatibility(LINUX), python) == fits


def test_the_best_wheel_is_the_most_specific_whatever_the_order() -> None:
    names = [
        "p-1.0-py3-none-any.whl",
        "p-1.0-cp312-cp312-manylinux2014_x86_64.whl",
        "p-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        "p-1.0-cp312-cp312-manylinux_2_35_x86_64.whl",
        "p-1.0-cp311-abi3-manylinux_2_28_x86_64.whl",
        "p-1.0.tar.gz",
        "nonsense.whl",
    ]
    tags = Compatibility(LINUX).tags(PYTHON)
    assert best_wheel(names, tags) == best_wheel(reversed(names), tags) == names[2]
    assert best_wheel(names[3:4] + names[5:], tags) is None
    assert best_wheel([], tags) is None


def test_the_highest_build_wins() -> None:
    names = ["p-1.0-py3-none-any.whl", "p-1.0-2-py3-none-any.whl", "p-1.0-10-py3-none-any.whl"]
    assert best_wheel(names, Compatibility(LINUX).tags(PYTHON)) == names[2]


@pytest.mark.parametrize(
    ("on", "name", "words"),
    [
        (Compatibility(LINUX), "x86_64-manylinux_2_28", "linux_x86_64 (glibc 2.28)"),
        (Compatibility(ARM, libc_version=(2, 20)), "aarch64-manylinux_2_28", "linux_aarch64 (glibc 2.20)"),
        (Compatibility(LINUX, libc_version=(2, 5)), "x86_64-manylinux_2_17", "linux_x86_64 (glibc 2.5)"),
        (Compatibility(LINUX, libc_version=(2, 99)), "x86_64-manylinux_2_40", "linux_x86_64 (glibc 2.99)"),
        (Compatibility(LINUX, "musl", (1, 2)), "x86_64-unknown-linux-musl", "linux_x86_64 (musl 1.2)"),
        (Compatibility(MAC, macos_version=(14, 1)), "aarch64-apple-darwin", "macosx_arm64 (macOS 14.1)"),
        (Compatibility(TARGETS["macosx_x86_64"]), "x86_64-apple-darwin", "macosx_x86_64 (macOS 13.0)"),
        (Compatibility(WINDOWS), "x86_64-pc-windows-msvc", "win_amd64"),
        (Compatibility(TARGETS["win_arm64"]), "aarch64-pc-windows-msvc", "win_arm64"),
    ],
)
def test_names_of_platforms(on: Compatibility, name: str, words: str) -> None:
    assert on.uv_platform == name
    assert on.describe() == words


@pytest.mark.parametrize(
    ("marker", "on", "python", "true"),
    [
        ("os_name == 'nt'", WINDOWS, PYTHON, True),
        ("platform_system == 'Darwin' and platform_machine == 'arm64'", MAC, PYTHON, True),
        ("platform_system == 'Linux'", WINDOWS, PYTHON, False),
        ("python_version < '3.13' and python_full_version >= '3.12.7'", LINUX, PYTHON, True),
        ("python_full_version < '3.12.7'", LINUX, PYTHON, False),
        ("platform_python_implementation == 'PyPy'", LINUX, PythonVersion("pypy", "3.11.13"), True),
        ("implementation_name == 'cpython'", LINUX, PYTHON, True),
        ("extra == 'x'", LINUX, PYTHON, False),
        ("platform_release >= '5'", LINUX, PYTHON, False),
    ],
)
def test_markers(marker: str, on: object, python: PythonVersion, *, true: bool) -> None:
    assert holds(Marker(marker), Compatibility(on).marker_environment(python)) == true  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marker", "true"),
    [
        ("os_name ~= 'posix'", True),
        ("python_version ~= 'x' or os_name == 'amiga'", True),
        ("'x' in extras", False),
        ("'x' not in dependency_groups", True),
    ],
)
def test_markers_that_mean_nothing_are_no_obstacle_to_uv_either(marker: str, *, true: bool) -> None:
    assert holds(Marker(marker), Compatibility(LINUX).marker_environment(PYTHON)) == true


def test_no_marker_is_written_where_it_would_always_be_true() -> None:
    assert marker_of([LINUX, MAC], [MAC, LINUX]) is None
    assert str(marker_of([LINUX], [MAC, LINUX])) == 'sys_platform == "linux" and platform_machine == "x86_64"'
    assert str(marker_of([MAC, LINUX], TARGETS.values())) == str(marker_of([LINUX, MAC, LINUX], TARGETS.values()))
