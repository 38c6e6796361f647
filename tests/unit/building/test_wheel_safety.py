import stat
import warnings
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile, ZipInfo

import pytest

from fakes.wheels import make_wheel
from venvstacks import trees
from venvstacks.building.wheel_safety import check_installed, check_names, check_wheel
from venvstacks.errors import BuildError, WheelError
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

LINUX = Compatibility(TARGETS["linux_x86_64"])
LINUX_ARM = Compatibility(TARGETS["linux_aarch64"])
MUSL = Compatibility(TARGETS["linux_x86_64"], "musl", (1, 2))
MAC = Compatibility(TARGETS["macosx_arm64"])
WIN = Compatibility(TARGETS["win_amd64"])
EVERYWHERE = [LINUX, MAC, WIN]


def with_entries(folder: Path, *names: str, link: bool = False) -> Path:
    """Give a valid wheel with some more entries, their names as they are."""
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


@pytest.mark.parametrize("on", [*EVERYWHERE, LINUX_ARM, MUSL])
def test_an_ordinary_wheel_is_accepted(tmp_path: Path, on: Compatibility) -> None:
    files = {"pkg/a.py": "", "pkg/sub/b.py": "", "pkg/console.py": "", "pkg/ünï.txt": "", "pkg/com10": ""}
    check_wheel(make_wheel(tmp_path, "pkg", "1.0", files=files), on)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (8, 99, "That compression method is not supported"),
        (8, ZIP_LZMA, ""),  # what deflate has made, as another codec sees it
        (6, 1, "File .* is encrypted, password required for extraction"),
    ],
)
def test_content_that_cannot_be_read(tmp_path: Path, field: int, value: int, reason: str) -> None:
    """Such a wheel is refused as what it is for us, and zipfile's own error does not get through.

    The field is in the header before each content, and two bytes further in the central directory.
    """
    wheel = make_wheel(tmp_path, "crafted", "1.0")
    content = bytearray(wheel.read_bytes())
    for signature, place_of in ((b"PK\x03\x04", field), (b"PK\x01\x02", field + 2)):
        place = content.find(signature)
        while place >= 0:
            content[place + place_of : place + place_of + 2] = value.to_bytes(2, "little")
            place = content.find(signature, place + 4)
    wheel.write_bytes(content)
    with pytest.raises(WheelError, match=rf"crafted-1\.0-.* is not a wheel: {reason}"):
        check_wheel(wheel, LINUX)


@pytest.mark.parametrize(("method", "first"), [(ZIP_DEFLATED, 0), (ZIP_LZMA, 9)])
def test_damaged_content(tmp_path: Path, method: int, first: int) -> None:
    wheel = tmp_path / "crafted-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w", method) as file:
        file.writestr("crafted-1.0.dist-info/WHEEL", "Tag: py3-none-any\n" * 50)
    content = bytearray(wheel.read_bytes())
    start = content.find(b"WHEEL") + len("WHEEL")
    for position in range(start + first, start + 24):
        content[position] = 0xFF
    wheel.write_bytes(content)
    with pytest.raises(WheelError, match="is not a wheel"):
        check_wheel(wheel, LINUX)


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


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match=r"'crafted/__init__.py' is in it twice"):
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


def test_an_archive_without_wheel_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr("x.py", "")
    with pytest.raises(WheelError, match="0 WHEEL files"):
        check_wheel(path, LINUX)


# ---- Tags


def renamed(folder: Path, inside: str, outside: str) -> Path:
    wheel = make_wheel(folder, "pkg", "1.0", tag=inside)
    return wheel.rename(folder / f"pkg-1.0-{outside}.whl")


@pytest.mark.parametrize(
    ("inside", "outside", "on"),
    [
        ("cp312-cp312-linux_x86_64", "cp312-cp312-manylinux1_x86_64", LINUX),  # torch
        ("cp312-cp312-linux_x86_64", "cp312-cp312-musllinux_1_2_x86_64", MUSL),
        ("py3-none-any", "py3-none-manylinux1_x86_64", LINUX),  # playwright
        ("cp312-cp312-macosx_11_0_arm64", "cp312-none-macosx_11_0_arm64", MAC),  # torch
        ("cp312-cp312-macosx_10_13_universal2", "cp312-cp312-macosx_11_0_arm64", MAC),
        ("cp38-abi3-win_amd64", "cp38-abi3-win_amd64", WIN),
        ("py2.py3-none-any", "py3-none-any", WIN),
        ("cp311-cp311-manylinux_2_17_x86_64", "py3-none-manylinux2014_x86_64", LINUX),
    ],
)
def test_renamed_wheels_are_accepted(tmp_path: Path, inside: str, outside: str, on: Compatibility) -> None:
    check_wheel(renamed(tmp_path, inside, outside), on)


@pytest.mark.parametrize(
    ("inside", "outside", "on", "reason"),
    [
        ("cp312-cp312-linux_x86_64", "cp312-cp312-manylinux_2_17_aarch64", LINUX_ARM, "another platform"),
        ("cp312-cp312-win32", "cp312-cp312-win_amd64", WIN, "another platform"),
        ("cp312-cp312-macosx_11_0_x86_64", "cp312-cp312-macosx_11_0_universal2", MAC, "another platform"),
        ("cp312-cp312-musllinux_1_2_x86_64", "cp312-cp312-manylinux_2_17_x86_64", LINUX, "another platform"),
        ("cp312-cp312-win_amd64", "py3-none-any", MAC, "another platform"),
        ("cp311-cp311-win_amd64", "cp312-cp312-win_amd64", WIN, "another Python"),
        ("cp313-cp313t-win_amd64", "cp313-cp313-win_amd64", WIN, "another Python"),
    ],
)
def test_wheels_that_contradict_their_names_are_refused(
    tmp_path: Path, inside: str, outside: str, on: Compatibility, reason: str
) -> None:
    wheel = renamed(tmp_path, inside, outside)
    with pytest.raises(WheelError, match=reason) as caught:
        check_wheel(wheel, on)
    assert f"its WHEEL file says {inside}" in caught.value.message
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    with pytest.raises(WheelError, match=reason):
        check_installed(tmp_path / "site" / "pkg-1.0.dist-info", wheel.name, on)


def test_a_wheel_without_tags_contradicts_nothing(tmp_path: Path) -> None:
    info = tmp_path / "pkg-1.0.dist-info"
    info.mkdir()
    (info / "WHEEL").write_text("Wheel-Version: 1.0\n")
    check_installed(info, "pkg-1.0-py3-none-any.whl", LINUX)
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: nonsense\n")
    with pytest.raises(WheelError, match="a tag that is none"):
        check_installed(info, "pkg-1.0-py3-none-any.whl", LINUX)


# ---- Whole layers


def test_files_of_two_packages_must_not_differ_only_in_case(tmp_path: Path) -> None:
    (tmp_path / "Yaml").write_text("")
    (tmp_path / "yaml").mkdir()
    with pytest.raises(
        BuildError, match="Framework 'f' cannot be unpacked on win_amd64:\n  - 'Yaml' and 'yaml' differ"
    ):
        check_names(trees.scan(tmp_path), "framework 'f'", WIN)
    check_names(trees.scan(tmp_path), "framework 'f'", LINUX)
