from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from fakes.publications import APPLICATION, FRAMEWORK, change_manifest, make_publication
from fakes.pushing import Publisher
from venvstacks import files
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.events import Event, Finished, Planned, Progressed
from venvstacks.releasing.verification import StoreReport, verify_store
from venvstacks.stores.interface import blob_hash, blob_name
from venvstacks.work import Work


def verify(publisher: Publisher, observe: list[Event] | None = None) -> StoreReport:
    work = Work(jobs=2) if observe is None else Work(observe.append, jobs=2)
    return verify_store(publisher.store, publisher.state(), work)


def problems(publisher: Publisher) -> dict[str, str]:
    return {problem.name: problem.message for problem in verify(publisher).problems}


@pytest.fixture
def pushed(publisher: Publisher, tmp_path: Path) -> Publisher:
    publisher.push(make_publication(tmp_path / "1"), "1.0", ("stable",))
    publisher.push(make_publication(tmp_path / "2", {FRAMEWORK: "2", APPLICATION: "2"}), "2.0")
    return publisher


def test_everything_is_read(pushed: Publisher, store: MemoryStore) -> None:
    events: list[Event] = []
    report = verify(pushed, events)
    blobs = [name for name in store.contents if blob_hash(name)]
    assert report.problems == ()
    assert (report.releases, report.blobs) == (2, len(blobs))
    assert report.bytes == sum(len(store.contents[name]) for name in blobs)
    assert set(blobs) <= set(store.asked)
    assert isinstance(events[0], Planned)
    assert len([event for event in events if isinstance(event, Finished)]) == len(events[0].layers)
    assert any(isinstance(event, Progressed) for event in events)


def test_every_wrong_blob_is_found(pushed: Publisher, store: MemoryStore) -> None:
    for name in [name for name in store.contents if blob_hash(name)]:
        content = store.contents[name]
        store.contents[name] = content[:-1] + bytes([content[-1] ^ 1])
        assert problems(pushed) == {name: "its content is not what its name says"}
        store.contents[name] = content + b"x"
        assert problems(pushed) == {name: f"it has {len(content) + 1} bytes, not {len(content)}"}
        del store.contents[name]
        assert problems(pushed) == {name: "it is not there"}
        store.contents[name] = content
    assert problems(pushed) == {}


def test_blob_that_no_release_needs(pushed: Publisher, store: MemoryStore) -> None:
    right = b"left by a push that was killed"
    store.contents[blob_name(files.sha256(right))] = right
    assert problems(pushed) == {}
    store.contents[blob_name("0" * 64)] = b"wrong"
    assert problems(pushed) == {blob_name("0" * 64): "its content is not what its name says"}


def test_release_files(pushed: Publisher, store: MemoryStore) -> None:
    entry = pushed.catalog().entries[0]
    store.contents[entry.name] += b" "
    assert "is not the file that was signed" in problems(pushed)[entry.name]
    del store.contents[entry.name]
    assert entry.name in problems(pushed)


def test_expired_signatures(pushed: Publisher) -> None:
    later = datetime.now(UTC) + timedelta(days=8)
    report = verify_store(pushed.store, pushed.state(), Work(jobs=2), now=later)
    assert {problem.name for problem in report.problems} == {"metadata of snapshot", "metadata of timestamp"}
    assert report.as_json()["problems"][0]["name"] == "metadata of snapshot"


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_archive_of_another_index(publisher: Publisher, tmp_path: Path, kind: ArchiveFormat) -> None:
    output = make_publication(tmp_path / "1", kind=kind)
    archive = output / f"{FRAMEWORK}.{kind.value}"
    index, _ = read_index(archive)
    content = bytearray(archive.read_bytes())
    content[index.frames[-1].offset + 5] ^= 1
    archive.write_bytes(content)
    change_manifest(output, FRAMEWORK, archive_hashes={"sha256": files.file_sha256(archive)})
    publisher.push(output, "1.0")  # whose manifest says so: it is signed as it is
    name = publisher.release("1.0").layers[1].archive.name
    last = len(index.frames) - 1
    assert problems(publisher) == {name: f"frame {last} is not the one that the index describes"}
