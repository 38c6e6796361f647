import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from fakes.built_layers import make_tree
from venvstacks import files
from venvstacks.entries import EntryKind, scan
from venvstacks.publishing.copying import Copier, is_native

PE = b"MZ".ljust(0x3C, b"\0") + struct.pack("<L", 0x40) + b"PE\0\0"
CONTENT: dict[str, bytes | str | None] = {
    "!bin/tool": b"#!/bin/sh\n",
    "bin/link": "tool",
    "bin/folder-link": "../empty",
    "empty": None,
    "!lib/by-content": b"\x7fELF\x02",
    "lib/by-name.so": b"a linker script",
    "lib/empty.py": b"",
    "lib/data": bytes(range(256)) * 5000,
    "lib/🐸.py": b"1",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = make_tree(tmp_path / "source", CONTENT)
    for entry in scan(folder):
        if entry.type is EntryKind.FILE:
            os.utime(folder / entry.path, ns=(1, 1_600_000_000_123_456_000))
    return folder


def copy(source: Path, destination: Path) -> None:
    destination.mkdir()
    copier = Copier(source, destination)
    for entry in scan(source):
        copier.copy(entry)


def shared(source: Path, destination: Path) -> set[str]:
    """Return the files that are hardlinks."""
    return {
        entry.path
        for entry in scan(source)
        if entry.type is EntryKind.FILE and (source / entry.path).samefile(destination / entry.path)
    }


def assert_equal(source: Path, destination: Path) -> None:
    assert scan(destination) == scan(source)  # kinds, sizes, modes, targets, times
    for entry in scan(source):
        if entry.type is EntryKind.FILE:
            assert (destination / entry.path).read_bytes() == (source / entry.path).read_bytes()


def test_copy_is_equal_and_only_native_code_is_shared(source: Path, tmp_path: Path) -> None:
    copy(source, tmp_path / "copy")
    assert_equal(source, tmp_path / "copy")
    # A file system with clones shares no file at all.
    assert shared(source, tmp_path / "copy") in ({"lib/by-content", "lib/by-name.so"}, set())


def test_edit_of_a_copy_does_not_reach_the_source(source: Path, tmp_path: Path) -> None:
    copy(source, tmp_path / "copy")
    with (tmp_path / "copy/lib/data").open("r+b") as file:
        file.write(b"edited")
    with (tmp_path / "copy/bin/tool").open("ab") as file:
        file.write(b"edited")
    assert (source / "lib/data").read_bytes() == CONTENT["lib/data"]
    assert (source / "bin/tool").read_bytes() == CONTENT["!bin/tool"]


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM])
def test_without_hardlinks_all_is_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    tries = []

    def refuse(one: str, two: str) -> None:
        tries.append((one, two))
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    copy(source, tmp_path / "copy")
    assert_equal(source, tmp_path / "copy")
    assert shared(source, tmp_path / "copy") == set()
    assert len(tries) <= 1


def test_clones_are_preferred_where_the_file_system_has_them(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clones = []

    def clone(writing: int, request: int, reading: int) -> None:
        clones.append(request)
        os.write(writing, os.read(reading, 10_000_000))

    class Fcntl:
        ioctl = staticmethod(clone)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(files, "fcntl", Fcntl, raising=False)
    copy(source, tmp_path / "copy")
    assert_equal(source, tmp_path / "copy")
    assert shared(source, tmp_path / "copy") == set()
    assert clones == [0x40049409] * 6


def test_refused_clone_is_tried_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def clone(*arguments: int) -> None:
        tries.append(arguments)
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    class Fcntl:
        ioctl = staticmethod(clone)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(files, "fcntl", Fcntl, raising=False)
    copy(source, tmp_path / "copy")
    assert_equal(source, tmp_path / "copy")
    assert len(tries) == 1


def test_file_that_grew_is_copied_whole(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copier = Copier(source, tmp_path / "copy")
    (source / "grows").write_bytes(b"1")
    (entry,) = (entry for entry in scan(source) if entry.path == "grows")
    (source / "grows").write_bytes(bytes(3 << 20))
    copier.copy(entry)
    assert (tmp_path / "copy/grows").stat().st_size == 3 << 20


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        ("a", b"\x7fELF\x02\x01", True),
        ("a", b"\xcf\xfa\xed\xfe" + bytes(20), True),
        ("a", b"\xfe\xed\xfa\xce" + bytes(20), True),
        ("a", b"\xca\xfe\xba\xbe\x00\x00\x00\x02", True),
        ("a", b"\xca\xfe\xba\xbf\x00\x00\x00\x02", True),
        ("A.class", b"\xca\xfe\xba\xbe\x00\x00\x00\x34", False),
        ("A.class", b"\xca\xfe\xba\xbe\x00\x03\x00\x2d", False),
        ("a.exe", PE, True),
        ("a.txt", b"MZ is how this text begins, and it goes on and on, long after sixty-four bytes", False),
        ("a.txt", b"MZ", False),
        ("a.py", b"import sys\n", False),
        ("a", b"", False),
        ("libm.dylib", b"", True),
        ("a.pyd", b"", True),
        ("a.so.txt", b"", False),
    ],
)
def test_native_code(path: str, head: bytes, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_native(path, head) is expected
