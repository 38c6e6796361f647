from pathlib import Path
from typing import Any

import pytest

from fakes.archiving import pack, small_frames
from fakes.built_layers import make_tree
from venvstacks.archives import byte_comparison
from venvstacks.archives.byte_comparison import compare_archives, compare_files, compare_folders
from venvstacks.archives.formats import ArchiveFormat

CONTENT: dict[str, bytes | str | None] = {
    "!bin/run": b"#!/bin/sh\n",
    "lib/large": bytes(range(256)) * 300,
    "lib/small": b"small",
    "lib/link": "small",
}
formats = pytest.mark.parametrize("kind", ArchiveFormat)


def make(folder: Path, changes: dict[str, bytes | str | None], kind: ArchiveFormat, **options: Any) -> Path:
    content = {path: data for path, data in {**CONTENT, **changes}.items() if data != b"gone"}
    tree = make_tree(folder / "tree", content)
    pack(tree, folder / f"x.{kind}", kind, profile=small_frames(kind, options.pop("level", 1)), **options)
    return folder / f"x.{kind}"


def differences(one: Path, two: Path) -> list[str]:
    return [str(difference) for difference in compare_archives(one, two)]


@formats
def test_equal_archives(tmp_path: Path, kind: ArchiveFormat) -> None:
    assert differences(make(tmp_path / "1", {}, kind), make(tmp_path / "2", {}, kind)) == []


@formats
def test_entries_and_bytes(tmp_path: Path, kind: ArchiveFormat) -> None:
    large = bytearray(CONTENT["lib/large"])  # type: ignore[arg-type]
    large[70_000:70_003] = b"abc"
    one = make(tmp_path / "1", {"lib/old": b""}, kind)
    two = make(
        tmp_path / "2",
        {"lib/large": bytes(large), "lib/small": b"smaller", "lib/link": "large", "!lib/new": b""},
        kind,
    )
    first = CONTENT["lib/large"][70_000:70_016].hex(" ")  # type: ignore[index, union-attr]
    second = bytes(large[70_000:70_016]).hex(" ")
    assert differences(one, two) == [
        f"x.{kind}: the content of 'lib/large' from byte 70000: {first} | {second}",
        f"x.{kind}: the target of 'lib/link': 'small' | 'large'",
        f"x.{kind}: 'lib/new': nothing | 'file'",
        f"x.{kind}: 'lib/old': 'file' | nothing",
        f"x.{kind}: the content of 'lib/small' from byte 5: the end | 65 72",
    ]


def test_modes_and_types_and_times(tmp_path: Path) -> None:
    kind = ArchiveFormat.TAR_ZST
    one = make(tmp_path / "1", {}, kind)
    two = make(
        tmp_path / "2", {"!bin/run": b"gone", "bin/run": b"#!/bin/sh\n", "lib/link": b"small"}, kind, mtime=5
    )
    assert differences(one, two) == [
        "x.tar.zst: its mtime: '1709294401' | '5'",
        "x.tar.zst: the mode of 'bin/run': '755' | '644'",
        "x.tar.zst: the type of 'lib/link': 'symlink' | 'file'",
        "x.tar.zst: the mode of 'lib/link': '777' | '644'",
        "x.tar.zst: the target of 'lib/link': 'small' | ''",
    ]


@formats
def test_compression_alone(tmp_path: Path, kind: ArchiveFormat) -> None:
    one, two = make(tmp_path / "1", {}, kind), make(tmp_path / "2", {}, kind, level=5)
    (difference,) = differences(one, two)
    assert difference.startswith(f"x.{kind}: the same content, compressed otherwise in frame ")


def test_without_an_index_bytes_are_compared(tmp_path: Path) -> None:
    one, two = (make(tmp_path / name, {}, ArchiveFormat.TAR_GZ, mtime=len(name)) for name in ("1", "22"))
    one.with_name("x.tar.gz.index.zst").unlink()
    (difference,) = compare_archives(one, two)
    assert difference.where == "x.tar.gz"
    assert difference.offset is not None
    assert difference.one != difference.two


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_files(tmp_path: Path, size: int) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(bytes(size))
    two.write_bytes(bytes(size))
    assert list(compare_files(one, two, "it")) == []
    two.write_bytes(bytes(size) + b"x")
    assert [str(each) for each in compare_files(one, two, "it")] == [f"it from byte {size}: the end | 78"]
    one.write_bytes(bytes(size) + b"yz")
    assert [str(each) for each in compare_files(one, two, "it")] == [f"it from byte {size}: 79 7a | 78"]


def test_folders(tmp_path: Path) -> None:
    kind = ArchiveFormat.TAR_ZST
    for name, changes in (("1", {}), ("2", {"lib/small": b"other"})):
        make(tmp_path / name, changes, kind)  # type: ignore[arg-type]
        (tmp_path / name / "tree").rename(tmp_path / f"tree{name}")
        (tmp_path / name / "about.json").write_text(name)
    assert list(compare_folders(tmp_path / "1", tmp_path / "1")) == []
    (tmp_path / "1/only").touch()
    assert [str(difference) for difference in compare_folders(tmp_path / "1", tmp_path / "2")] == [
        "about.json from byte 0: 31 | 32",
        "only: 'a file' | nothing",
        "x.tar.zst: the content of 'lib/small' from byte 0: 73 6d 61 6c 6c | 6f 74 68 65 72",
    ]
    index = tmp_path / "2/x.tar.zst.index.zst"
    for name in ("x.tar.zst", "about.json"):
        (tmp_path / "2" / name).write_bytes((tmp_path / "1" / name).read_bytes())
    (tmp_path / "1/only").unlink()
    (difference,) = compare_folders(tmp_path / "1", tmp_path / "2")
    assert difference.where == index.name


def test_folders_of_which_one_lost_an_archive(tmp_path: Path) -> None:
    for name in ("1", "2"):
        make(tmp_path / name, {}, ArchiveFormat.TAR_ZST)
    (tmp_path / "2/x.tar.zst").unlink()
    assert [str(each) for each in compare_folders(tmp_path / "1", tmp_path / "2")] == [
        "x.tar.zst: 'a file' | nothing"
    ]
    (tmp_path / "2/x.tar.zst.index.zst").write_bytes(b"")
    (_, difference) = compare_folders(tmp_path / "1", tmp_path / "2")
    assert difference.where == "x.tar.zst.index.zst"


def test_archives_of_folders_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1", "2"):
        make(tmp_path / name, {}, ArchiveFormat.TAR_ZST)
    read = []

    def compare(one: Path, two: Path, name: str) -> Any:
        read.append(name)
        return compare_files(one, two, name)

    monkeypatch.setattr(byte_comparison, "compare_files", compare)
    assert list(compare_folders(tmp_path / "1", tmp_path / "2")) == []
    assert len(read) == len(set(read))
