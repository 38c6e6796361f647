"""What holds for every store: one suite over all kinds, against real servers where there are some.

A module of tests has a fixture that returns a :class:`StoreUnderTest`, and one test::

    @pytest.mark.parametrize("check", CHECKS, ids=names_of_checks)
    def test_store(check: Check, under_test: StoreUnderTest) -> None:
        check(under_test)

Names are those that stores have: blobs by their hash, metadata, and targets. Each check uses contents of its own,
so that all of them may share a store.
"""

import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from venvstacks.errors import ConflictError, NotInStoreError, StoreError
from venvstacks.files import sha256
from venvstacks.stores.interface import Blob, Store, WritableStore, blob_name


@dataclass(frozen=True)
class StoreUnderTest:
    """A store, as several runs see it.

    Attributes:
        open: Opens it for writing, as a new run does.
        folder: A folder for files of the check.
        read: Opens it as clients do; by default as ``open`` does.
        keeps_conditions: Whether the server refuses to write where something else has been written meanwhile.
    """

    open: Callable[[], WritableStore]
    folder: Path
    read: Callable[[], Store] | None = None
    keeps_conditions: bool = True

    def reader(self) -> Store:
        """Open it as clients do."""
        return (self.read or self.open)()


Check = Callable[[StoreUnderTest], None]
_RUNS = 6  # at once


@dataclass(frozen=True)
class _Content:
    data: bytes
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", blob_name(sha256(self.data)))

    @property
    def blob(self) -> Blob:
        return Blob(sha256(self.data), len(self.data))


def _content(size: int) -> _Content:
    """Return new bytes that no other check has."""
    return _Content(secrets.token_bytes(size))


def _fresh_name(kind: str = "metadata") -> str:
    digits = secrets.token_bytes(32).hex()
    return f"metadata/{digits[:12]}.json" if kind == "metadata" else f"targets/releases/{digits}.{kind}.json"


def what_is_created_can_be_read(under_test: StoreUnderTest) -> None:
    writer, reader = under_test.open(), under_test.reader()
    for size in (0, 1, 4095, 1_500_001):
        content = _content(size)
        if size == 0:
            writer.delete(content.name)
        assert writer.create(content.name, content.data)
        assert size > 5000 or reader.read(content.name, size).data == content.data
        assert b"".join(reader.stream(content.name)) == content.data
        assert reader.size(content.name) == size


def a_file_is_created_from_a_file(under_test: StoreUnderTest) -> None:
    content, path = _content(700_001), under_test.folder / "content"
    path.write_bytes(content.data)
    assert under_test.open().create(content.name, path)
    assert b"".join(under_test.reader().stream(content.name)) == content.data
    assert path.read_bytes() == content.data


def what_is_not_there_is_said_to_be_absent(under_test: StoreUnderTest) -> None:
    reader = under_test.reader()
    for name in (_content(40).name, _fresh_name(), _fresh_name("1.0-linux_x86_64")):
        assert reader.size(name) is None
        with pytest.raises(NotInStoreError):
            reader.read(name, 100)
        with pytest.raises(NotInStoreError):
            b"".join(reader.stream(name))
        with pytest.raises(NotInStoreError):
            b"".join(reader.stream(name, 3, 4))
        under_test.open().delete(name)


def a_file_that_is_larger_than_expected_is_not_read(under_test: StoreUnderTest) -> None:
    name = _fresh_name()
    under_test.open().create(name, b"0123456789")
    reader = under_test.reader()
    assert reader.read(name, 10).data == b"0123456789"
    with pytest.raises(StoreError) as raised:
        reader.read(name, 9)
    assert not isinstance(raised.value, NotInStoreError)


def parts_are_exactly_what_was_asked_for(under_test: StoreUnderTest) -> None:
    content = _content(300_000)
    under_test.open().create(content.name, content.data)
    reader = under_test.reader()
    parts = [(0, 1), (0, 300_000), (1, 2), (299_999, 1), (123_456, 100_000), (7, 0), (300_000, 0)]
    for start, size in parts:
        assert b"".join(reader.stream(content.name, start, size)) == content.data[start : start + size]
    for start in (0, 1, 299_999, 300_000):
        assert b"".join(reader.stream(content.name, start)) == content.data[start:]


def a_part_beyond_the_end_is_an_error(under_test: StoreUnderTest) -> None:
    content = _content(1000)
    under_test.open().create(content.name, content.data)
    reader = under_test.reader()
    for start, size in ((999, 2), (1000, 1), (5000, 1), (0, 1001), (1001, None)):
        with pytest.raises(StoreError) as raised:
            b"".join(reader.stream(content.name, start, size))
        assert not isinstance(raised.value, NotInStoreError)


def parts_are_read_by_several_threads_at_once(under_test: StoreUnderTest) -> None:
    content = _content(400_000)
    under_test.open().create(content.name, content.data)
    reader = under_test.reader()
    with ThreadPoolExecutor(_RUNS) as pool:
        found = pool.map(
            lambda start: b"".join(reader.stream(content.name, start, 10_000)), range(0, 400_000, 10_000)
        )
        assert b"".join(found) == content.data


def a_name_that_is_taken_stays_as_it_is(under_test: StoreUnderTest) -> None:
    content, name = _content(100), _fresh_name()
    writer = under_test.open()
    assert writer.create(content.name, content.data)
    assert not writer.create(content.name, content.data)
    assert not under_test.open().create(content.name, content.data)
    assert writer.create(name, b"first")
    assert not under_test.open().create(name, b"second")
    assert under_test.reader().read(name, 100).data == b"first"


def of_runs_that_create_at_once_one_wins(under_test: StoreUnderTest) -> None:
    name = _fresh_name()
    writers = [under_test.open() for _ in range(_RUNS)]
    with ThreadPoolExecutor(_RUNS) as pool:
        told = list(pool.map(lambda number: writers[number].create(name, b"%d" % number), range(_RUNS)))
    found = int(under_test.reader().read(name, 10).data)
    if writers[0].creates_once:
        assert sum(told) == 1
        assert told[found]
    else:
        assert any(told)


def a_file_is_replaced_by_whoever_has_read_it_last(under_test: StoreUnderTest) -> None:
    name, first, second = _fresh_name(), under_test.open(), under_test.open()
    first.replace(name, b"one", None)
    old = second.read(name, 100)
    assert old.data == b"one"
    assert second.read(name, 100).tag == old.tag
    second.replace(name, b"two", old.tag)
    found = first.read(name, 100)
    assert found.data == b"two"
    assert found.tag != old.tag
    assert under_test.reader().read(name, 100).data == b"two"


def a_file_that_has_changed_is_not_replaced(under_test: StoreUnderTest) -> None:
    if not under_test.keeps_conditions:
        return
    name, writer = _fresh_name(), under_test.open()
    writer.replace(name, b"one", None)
    old = writer.read(name, 100)
    writer.replace(name, b"two", old.tag)
    for tag in (old.tag, None):
        with pytest.raises(ConflictError):
            writer.replace(name, b"three", tag)
    with pytest.raises(ConflictError):
        writer.replace(_fresh_name(), b"three", old.tag)
    assert writer.read(name, 100).data == b"two"


def no_change_of_runs_at_once_is_lost(under_test: StoreUnderTest) -> None:
    if not under_test.keeps_conditions:
        return
    name = _fresh_name()
    under_test.open().replace(name, b"", None)

    def add(number: int) -> None:
        writer = under_test.open()
        while True:
            old = writer.read(name, 100)
            try:
                writer.replace(name, old.data + b"%d" % number, old.tag)
            except ConflictError:
                continue
            return

    with ThreadPoolExecutor(_RUNS) as pool:
        list(pool.map(add, range(_RUNS)))
    assert sorted(under_test.reader().read(name, 100).data) == sorted(b"012345")


def files_are_listed(under_test: StoreUnderTest) -> None:
    began = time.time()
    content, name, target = _content(77), _fresh_name(), _fresh_name("1.0-linux_x86_64")
    writer = under_test.open()
    writer.create(content.name, content.data)
    writer.create(name, b"12345")
    writer.create(target, b"123")
    writer.keep_together(f"1.0+{content.blob.sha256[:8]}", {"linux_x86_64": (content.blob,)})  # registries need it
    for prefix, wanted, size in (
        ("blobs/", content.name, 77),
        (content.name[:20], content.name, 77),
        ("metadata/", name, 5),
        ("targets/releases/", target, 3),
        ("", name, 5),
    ):
        listed = {found.name: found for found in under_test.open().names(prefix)}
        assert all(found.startswith(prefix) for found in listed)
        assert listed[wanted].size == size
        assert (
            abs(listed[wanted].modified - began) < 3600
        )  # in the same hour, whatever the clock of the server says
    assert list(writer.names(f"metadata/{'0' * 20}")) == []


def what_is_deleted_is_gone(under_test: StoreUnderTest) -> None:
    writer = under_test.open()
    content = _content(10)
    for name, data in ((content.name, content.data), (_fresh_name(), b"x"), (_fresh_name("1-win_amd64"), b"x")):
        writer.create(name, data)
        writer.delete(name)
        assert under_test.reader().size(name) is None
        assert name not in [found.name for found in writer.names("")]
        assert writer.create(name, data)


def versions_may_be_any_text(under_test: StoreUnderTest) -> None:
    writer, reader = under_test.open(), under_test.reader()
    not_on_windows = () if os.name == "nt" else ("10:30?", '<*|">')
    for version in (
        *("1.0+local", "2024 spring", "50% off", "é", "a#b", "A&b=c;d", "~x", "{1}", "x" * 150),
        *not_on_windows,
    ):
        name = _fresh_name(f"{version}-linux_x86_64")
        assert writer.create(name, version.encode())
        assert reader.read(name, 1000).data == version.encode()
        assert reader.size(name) == len(version.encode())
        assert name in [found.name for found in writer.names("targets/releases/")]


def no_name_leads_out_of_the_store(under_test: StoreUnderTest) -> None:
    writer, reader = under_test.open(), under_test.reader()
    for name in (
        *("", "/", "..", "../x", "/etc/passwd", "metadata/../../x", "metadata//x", "metadata/./x", "metadata/"),
        *("metadata\\..\\..\\x", "metadata/a\0b", "metadata/a\nb", ".venvstacks/lock", "metadata/.."),
    ):
        for use in (
            lambda name: reader.read(name, 10),
            lambda name: list(reader.stream(name)),
            reader.size,
            lambda name: writer.create(name, b"x"),
            lambda name: writer.replace(name, b"x", None),
            writer.delete,
        ):
            with pytest.raises(StoreError, match="is no name of a file in a store"):
                use(name)


def what_belongs_to_a_release_stays_readable(under_test: StoreUnderTest) -> None:
    writer = under_test.open()
    contents = [_content(size) for size in (10, 20, 30)]
    for content in contents:
        writer.create(content.name, content.data)
    first, second, shared = (content.blob for content in contents)
    release = f"1.0+{secrets.token_bytes(4).hex()}"
    writer.keep_together(release, {"linux_x86_64": (first, shared), "win_amd64": (second, shared)})
    writer.keep_together(release, {"linux_x86_64": (first, shared), "win_amd64": (second, shared)})
    assert [reader_data(under_test, content) for content in contents] == [content.data for content in contents]
    assert {content.name for content in contents} <= {found.name for found in writer.names("blobs/")}
    writer.forget_together(release)
    writer.forget_together(release)
    for content in contents:
        writer.delete(content.name)
        assert under_test.reader().size(content.name) is None


def reader_data(under_test: StoreUnderTest, content: _Content) -> bytes:
    return b"".join(under_test.reader().stream(content.name))


def requests_and_bytes_are_counted(under_test: StoreUnderTest) -> None:
    content = _content(50_000)
    under_test.open().create(content.name, content.data)
    reader = under_test.reader()
    assert (reader.traffic.requests, reader.traffic.received) == (0, 0)
    b"".join(reader.stream(content.name))
    assert reader.traffic.requests >= 1
    assert reader.traffic.received >= 50_000
    reader.close()


CHECKS: tuple[Check, ...] = (
    what_is_created_can_be_read,
    a_file_is_created_from_a_file,
    what_is_not_there_is_said_to_be_absent,
    a_file_that_is_larger_than_expected_is_not_read,
    parts_are_exactly_what_was_asked_for,
    a_part_beyond_the_end_is_an_error,
    parts_are_read_by_several_threads_at_once,
    a_name_that_is_taken_stays_as_it_is,
    of_runs_that_create_at_once_one_wins,
    a_file_is_replaced_by_whoever_has_read_it_last,
    a_file_that_has_changed_is_not_replaced,
    no_change_of_runs_at_once_is_lost,
    files_are_listed,
    what_is_deleted_is_gone,
    versions_may_be_any_text,
    no_name_leads_out_of_the_store,
    what_belongs_to_a_release_stays_readable,
    requests_and_bytes_are_counted,
)


def names_of_checks(check: Check) -> str:
    """Return what a test of a check is called."""
    return getattr(check, "__name__", "")
