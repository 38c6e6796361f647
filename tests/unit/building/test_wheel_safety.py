import stat
import warnings
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from fakes.built_layers import make_built_layer
from fakes.wheels import make_wheel
from venvstacks.building.wheel_safety import check_names, check_wheel
from venvstacks.entries import scan
from venvstacks.errors import BuildError, WheelError
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

LINUX = Compatibility(TARGETS["linux_x86_64"])
MAC = Compatibility(TARGETS["macosx_arm64"])
WIN = Compatibility(TARGETS["win_amd64"])
EVERYWHERE = [LINUX, MAC, WIN]


def with_entries(folder: Path, *names: str, link: bool = False) -> Path:
    """Return a valid wheel with some more entries, their names as they are."""
    wheel = make_wheel(folder, "crafted", "1.0")
    with ZipFile(wheel, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of names that are there already
        for name in names:
            entry = ZipInfo(name)
            entry.filename = name  # ZipInfo would change some
            entry.create_system = 3
            entry.external_attr = ((stat.S_IFLNK if link else stat.S_IFREG) | 0o644) << 16
            archive.writestr(entry, b"target")
    return wheel


@pytest.mark.parametrize("on", EVERYWHERE)
def test_an_ordinary_wheel_is_accepted(tmp_path: Path, on: Compatibility) -> None:
    files = {"pkg/a.py": "", "pkg/sub/b.py": "", "pkg/console.py": "", "pkg/ünï.txt": "", "pkg/com10": ""}
    check_wheel(make_wheel(tmp_path, "pkg", "1.0", files=files), on)


@pytest.mark.parametrize("on", EVERYWHERE)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("C:/evil.txt", "absolute"),
        ("c:evil.txt", "absolute"),
        ("\\evil.txt", "absolute"),
        ("../evil.txt", "leads out"),
        ("pkg/../../evil.txt", "leads out"),
        ("..\\evil.txt", "leads out"),
        ("crafted-1.0.data/scripts/../../evil", "leads out"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, on: Compatibility, name: str, reason: str) -> None:
    wheel = with_entries(tmp_path, name)
    with pytest.raises(WheelError, match=reason) as caught:
        check_wheel(wheel, on)
    assert wheel.name in caught.value.message
    assert repr(name) in caught.value.message


@pytest.mark.parametrize("on", EVERYWHERE)
def test_links_are_refused(tmp_path: Path, on: Compatibility) -> None:
    with pytest.raises(WheelError, match=r"'pkg/link' is a symbolic link"):
        check_wheel(with_entries(tmp_path, "pkg/link", link=True), on)


def test_an_entry_that_is_there_twice_is_accepted_as_installers_do(tmp_path: Path) -> None:
    check_wheel(with_entries(tmp_path, "crafted/__init__.py"), LINUX)


@pytest.mark.parametrize("on", [MAC, WIN])
@pytest.mark.parametrize(
    "names",
    [
        ("pkg/A.py", "pkg/a.py"),
        ("pkg/Sub/x.py", "pkg/sub/x.py"),
        ("pkg/Sub/x.py", "pkg/sub"),
        ("pkg/é", "pkg/É"),
        ("pkg/e\N{COMBINING ACUTE ACCENT}", "pkg/\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ],
)
def test_names_that_differ_only_in_case_are_refused_where_one_would_be_lost(
    tmp_path: Path, on: Compatibility, names: tuple[str, str]
) -> None:
    wheel = with_entries(tmp_path, *names)
    with pytest.raises(WheelError, match="differ only in case") as caught:
        check_wheel(wheel, on)
    assert repr(names[1]) in caught.value.message
    check_wheel(wheel, LINUX)


def test_folders_in_two_spellings_lose_no_file(tmp_path: Path) -> None:
    check_wheel(with_entries(tmp_path, "pkg/Sub/x.py", "pkg/sub/y.py"), WIN)


@pytest.mark.parametrize(
    "name",
    [
        "aux.py",
        "pkg/NUL",
        "pkg/com1.txt",
        "pkg/con .txt",
        "pkg/a:b",
        "pkg/what?.txt",
        "pkg/dot.",
        "pkg/end /x",
        "a\\b",
    ],
)
def test_names_that_windows_cannot_hold_are_refused_there(tmp_path: Path, name: str) -> None:
    wheel = with_entries(tmp_path, name)
    with pytest.raises(WheelError, match="Windows") as caught:
        check_wheel(wheel, WIN)
    assert repr(name) in caught.value.message
    check_wheel(wheel, LINUX)
    check_wheel(wheel, MAC)


def test_many_problems_are_cut_short(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match="and 3 more"):
        check_wheel(with_entries(tmp_path, *(f"../{n}" for n in range(8))), LINUX)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(60)])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(WheelError, match=r"x-1.0-py3-none-any.whl is not a wheel"):
        check_wheel(path, LINUX)


def test_a_wheel_of_a_newer_kind_of_zip_file_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "newer", "1.0")
    content = bytearray(wheel.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 99  # the version that it takes to read the first entry
    wheel.write_bytes(content)
    with pytest.raises(WheelError, match=r"newer-1.0-py3-none-any.whl is not a wheel: zip file version 9.9"):
        check_wheel(wheel, LINUX)


# ---- Whole layers


def test_files_of_two_packages_must_not_differ_only_in_case(tmp_path: Path) -> None:
    (tmp_path / "Yaml").write_text("")
    (tmp_path / "yaml").mkdir()
    with pytest.raises(
        BuildError, match="Framework 'f' cannot be unpacked on win_amd64:\n  - 'Yaml' and 'yaml' differ"
    ):
        check_names(scan(tmp_path), make_built_layer(tmp_path, "framework-f", target="win_amd64"))
    check_names(scan(tmp_path), make_built_layer(tmp_path, "framework-f"))
