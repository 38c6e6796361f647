from pathlib import Path

import msgspec
import pytest

from fakes.deltas import patch
from fakes.memory_store import MemoryStore
from fakes.publications import APPLICATION, FRAMEWORK, PLATFORM, RUNTIME, make_publication
from fakes.pushing import Publisher
from venvstacks.errors import ReleaseError, UsageError
from venvstacks.events import Event, Finished, Planned, Progressed, Step, Warned
from venvstacks.releases.release_files import blobs_of
from venvstacks.releasing.push_plan import PushRequest, PushState
from venvstacks.stores.interface import blob_hash
from venvstacks.trust.client import read_trusted
from venvstacks.work import Work

WINDOWS = "win_amd64"


def test_first_push(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    events: list[Event] = []
    output = make_publication(tmp_path / "out")
    pushed = publisher.push(output, "1.0", ("stable", "beta"), work=Work(events.append, jobs=2))
    assert pushed.changed
    blobs = [name for name in store.contents if blob_hash(name)]
    assert pushed.uploaded == sum(len(store.contents[name]) for name in blobs)
    assert len(blobs) == 6  # an archive and an index for each of three layers
    assert publisher.catalog().channels == {"stable": "1.0", "beta": "1.0"}
    assert [layer.layer_name for layer in publisher.release("1.0").layers] == [RUNTIME, FRAMEWORK, APPLICATION]
    publisher.assert_whole()
    assert store.together["1.0"][PLATFORM] == blobs_of(publisher.release("1.0"))
    # what a client sees
    trusted = read_trusted(store, tmp_path / "trust", publisher.root)
    entry = trusted.catalog.find(PLATFORM, channel="stable")
    assert trusted.read_release_file(entry) == store.contents[entry.name]
    # blobs first, then release files, then what clients read, the timestamp last
    order = [name.partition("/")[0] for name in store.written[store.written.index(blobs[0]) :]]
    assert order == sorted(order, key=["blobs", "targets", "metadata"].index)
    assert store.written[-1] == "metadata/timestamp.json"
    # and what people see
    assert events[0] == Planned(Step.PUSH, (RUNTIME, FRAMEWORK, APPLICATION))
    finished = [event for event in events if isinstance(event, Finished)]
    assert {event.layer for event in finished if event.changed} == {RUNTIME, FRAMEWORK, APPLICATION}
    done = [event for event in events if isinstance(event, Progressed) and event.layer == RUNTIME]
    assert done[-1].done == done[-1].total > 0


def test_same_content_again_is_nothing_to_do(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    output = make_publication(tmp_path / "out")
    publisher.push(output, "1.0", ("stable",))
    before, count = dict(store.contents), len(store.written)
    for release in ("1.0", ""):  # without a name, it is the one with this content
        pushed = publisher.push(output, release, ("stable",))
        assert (pushed.version, pushed.changed, pushed.uploaded) == ("1.0", False, 0)
    assert (store.contents, len(store.written)) == (before, count)


def test_another_channel_for_the_same_content(publisher: Publisher, tmp_path: Path) -> None:
    output = make_publication(tmp_path / "out")
    publisher.push(output, "1.0", ("beta",))
    pushed = publisher.push(output, channels=("stable",))
    assert (pushed.changed, pushed.uploaded) == (True, 0)
    assert publisher.catalog().channels == {"beta": "1.0", "stable": "1.0"}


def test_other_content_is_refused(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    publisher.push(make_publication(tmp_path / "1"), "1.0")
    before = dict(store.contents)
    with pytest.raises(ReleaseError, match=f"with other content .differing: {FRAMEWORK}, {APPLICATION}"):
        publisher.push(make_publication(tmp_path / "2", {FRAMEWORK: "2"}), "1.0")
    assert store.contents == before


def test_release_needs_a_name(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The release has no name") as info:
        publisher.push(make_publication(tmp_path / "1"))
    assert info.value.hint == "name it, for example --release 1.0.0"
    publisher.push(tmp_path / "1", "0.9")
    with pytest.raises(UsageError) as info:
        publisher.push(make_publication(tmp_path / "2", "2"))
    assert "(the newest one is 0.9)" in str(info.value.hint)


@pytest.mark.parametrize("name", ["a/b", "", "a b", "x" * 129, ".x", "a\\b", "a:b", "nul", "1."])
def test_names_that_nothing_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a release or a channel"):
        PushRequest("1.0", (name,))
    if name:
        with pytest.raises(UsageError, match="cannot name a release or a channel"):
            PushRequest(name)


def test_deltas_from_the_last_releases(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    outputs = {
        number: make_publication(tmp_path / number, {FRAMEWORK: number}) for number in ("1", "2", "3", "4", "5")
    }
    for number in ("1", "2", "3", "4"):
        publisher.push(outputs[number], f"{number}.0", ("stable",) if number == "1" else ())
    asked = len(store.asked)
    pushed = publisher.push(outputs["5"], "5.0", ("stable",), deltas=3)
    assert pushed.deltas == 3
    release = publisher.release("5.0")
    layer = next(layer for layer in release.layers if layer.layer_name == FRAMEWORK)
    froms = {delta.from_content_hash for delta in layer.deltas}
    # that of the channel, though it is older, then what was pushed last
    contents = {n: publisher.release(f"{n}.0").layers[1].content_hash for n in ("1", "2", "3", "4")}
    assert froms == {contents["1"], contents["4"], contents["3"]}
    assert [len(each.deltas) for each in release.layers] == [0, 3, 0]
    # the old archives were only fetched in part
    old = publisher.release("4.0").layers[1]
    assert old.archive.name in store.asked[asked:]
    publisher.assert_whole()
    assert all(delta.size < layer.archive.size // 10 for delta in layer.deltas)


def test_listed_deltas_can_be_applied(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    from fakes.archiving import facts, unpack  # noqa: PLC0415

    old = make_publication(tmp_path / "1")
    new = make_publication(tmp_path / "2", {FRAMEWORK: "2", APPLICATION: "2"})
    publisher.push(old, "1.0")
    publisher.push(new, "2.0")
    for name in (FRAMEWORK, APPLICATION):
        for output in (old, new):
            unpack(output / f"{name}.tar.zst", tmp_path / "unpacked" / output.name / name)
        (layer,) = (each for each in publisher.release("2.0").layers if each.layer_name == name)
        (delta,) = layer.deltas
        path = tmp_path / f"{name}.vdelta"
        path.write_bytes(store.contents[delta.name])
        patched = patch(tmp_path / "unpacked" / "1" / name, path, tmp_path / "patched" / name)
        assert patched.content_hash == layer.content_hash
        assert facts(tmp_path / "patched" / name) == facts(tmp_path / "unpacked" / "2" / name)


def test_deltas_that_publish_has_made(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    old = make_publication(tmp_path / "1")
    publisher.push(old, "1.0")
    new = make_publication(tmp_path / "2", {APPLICATION: "2"}, delta_from=old)
    (made,) = new.glob("*.vdelta")
    assert publisher.push(new, "2.0", deltas=0).deltas == 1
    (delta,) = publisher.release("2.0").layers[2].deltas
    assert store.contents[delta.name] == made.read_bytes()


def test_deltas_from_what_was_never_pushed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.push(make_publication(tmp_path / "0", {APPLICATION: "0"}), "0.0")
    old = make_publication(tmp_path / "1")
    new = make_publication(tmp_path / "2", {APPLICATION: "2"}, delta_from=old)
    assert publisher.push(new, "2.0", deltas=0).deltas == 0


def test_deltas_that_save_nothing_are_left_out(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    old = make_publication(tmp_path / "1")
    publisher.push(old, "1.0")
    events: list[Event] = []
    new = make_publication(tmp_path / "2", {FRAMEWORK: "other"}, delta_from=old)
    blobs = len([name for name in store.contents if blob_hash(name)])
    (made,) = new.glob("*.vdelta")
    assert made.stat().st_size > 30_000
    for deltas in (0, 3):
        assert publisher.push(new, f"2.{deltas}", deltas=deltas, work=Work(events.append, jobs=2)).deltas == 0
    assert [event for event in events if isinstance(event, Warned)] == []
    assert len([name for name in store.contents if blob_hash(name)]) == blobs + 2  # the archive and its index


@pytest.mark.parametrize("place", [0, 100, -1])
def test_damaged_delta_of_publish_is_left_out(publisher: Publisher, tmp_path: Path, place: int) -> None:
    """Also one whose header is right, which shows when it is applied."""
    old = make_publication(tmp_path / "1")
    publisher.push(old, "1.0")
    new = make_publication(tmp_path / "2", {APPLICATION: "2"}, delta_from=old)
    (made,) = new.glob("*.vdelta")
    content = bytearray(made.read_bytes())
    content[place] ^= 1
    made.write_bytes(content)
    events: list[Event] = []
    assert publisher.push(new, "2.0", deltas=0, work=Work(events.append, jobs=2)).deltas == 0
    (warning,) = (event.message for event in events if isinstance(event, Warned))
    assert warning.startswith(f"{APPLICATION} for {PLATFORM} has no delta from release 1.0: it cannot be made")


def test_damaged_archive_in_the_store_gives_no_delta(
    publisher: Publisher, store: MemoryStore, tmp_path: Path
) -> None:
    publisher.push(make_publication(tmp_path / "1"), "1.0")
    name = publisher.release("1.0").layers[1].archive.name
    store.contents[name] = b"x" * len(store.contents[name])
    events: list[Event] = []
    new = make_publication(tmp_path / "2", {FRAMEWORK: "2"})
    assert publisher.push(new, "2.0", work=Work(events.append, jobs=2)).deltas == 0
    (warning,) = (event.message for event in events if isinstance(event, Warned))
    assert "has no delta from release 1.0" in warning
    assert "is damaged" in warning


def test_damaged_release_file_of_another_release(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    output = make_publication(tmp_path / "1")
    publisher.push(output, "1.0")
    store.contents[publisher.catalog().find(PLATFORM, version="1.0").name] = b"{}"
    events: list[Event] = []
    assert publisher.push(output, "2.0", work=Work(events.append, jobs=2)).changed
    (warning,) = (event.message for event in events if isinstance(event, Warned))
    assert warning.startswith("Release 1.0 is left out of account.")
    assert publisher.release("2.0").version == "2.0"


def test_changed_output_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    output = make_publication(tmp_path / "out")
    archive = output / f"{FRAMEWORK}.tar.zst"
    archive.write_bytes(b"x" * archive.stat().st_size)
    with pytest.raises(ReleaseError, match="is not the archive that was published"):
        publisher.push(output, "1.0")
    assert publisher.catalog().entries == ()


def test_platforms_one_by_one(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    linux = make_publication(tmp_path / "linux")
    windows = make_publication(tmp_path / "windows", platforms=(WINDOWS,))
    publisher.push(linux, "1.0", partial=True)
    trusted = read_trusted(store, tmp_path / "trust", publisher.root)
    with pytest.raises(ReleaseError, match=r"has no release 1\.0"):
        trusted.catalog.find(PLATFORM, version="1.0")
    assert publisher.push(linux, "1.0", partial=True).changed is False  # a job that runs again
    pushed = publisher.push(windows, "1.0", ("stable",))
    assert (pushed.platforms, pushed.channels, pushed.visible) == ((PLATFORM, WINDOWS), ("stable",), True)
    catalog = read_trusted(store, tmp_path / "trust", publisher.root).catalog
    for platform in (PLATFORM, WINDOWS):
        assert catalog.find(platform, channel="stable").version == "1.0"
    assert set(store.together["1.0"]) == {PLATFORM, WINDOWS}


def test_partial_release_may_change_until_it_is_finished(publisher: Publisher, tmp_path: Path) -> None:
    one = make_publication(tmp_path / "1")
    publisher.push(one, "1.0", partial=True)
    two = make_publication(tmp_path / "2", "2")
    plan = publisher.plan(two, PushRequest("1.0", partial=True))
    assert [platform.state for platform in plan.platforms] == [PushState.REPLACED]
    publisher.push(two, "1.0", partial=True)
    publisher.push(None, "1.0", ("stable",))
    with pytest.raises(ReleaseError, match="with other content"):
        publisher.push(one, "1.0")
    assert publisher.push(two, "1.0", ("stable",)).changed is False


def test_finishing_what_is_not_there(publisher: Publisher) -> None:
    with pytest.raises(ReleaseError, match=r"has no release 1\.0, so that there is nothing to finish"):
        publisher.push(None, "1.0")


def test_partial_release_has_no_channels() -> None:
    with pytest.raises(UsageError, match="A partial release cannot have channels"):
        PushRequest("1.0", ("stable",), partial=True)


def test_platform_that_is_added_later(publisher: Publisher, tmp_path: Path) -> None:
    publisher.push(make_publication(tmp_path / "linux"), "1.0", ("stable",))
    publisher.push(make_publication(tmp_path / "windows", platforms=(WINDOWS,)), "1.0")
    assert publisher.catalog().find(WINDOWS, channel="stable").version == "1.0"


def test_blob_that_is_missing_is_uploaded_again(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    output = make_publication(tmp_path / "out")
    publisher.push(output, "1.0")
    layers = publisher.release("1.0").layers
    del store.contents[layers[0].archive.name]
    store.contents[layers[1].index.name] = b"short"
    pushed = publisher.push(output, "1.0")
    assert (pushed.changed, pushed.uploaded) == (True, layers[0].archive.size + layers[1].index.size)
    publisher.assert_whole()


def test_plan_as_json(publisher: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    publisher.push(make_publication(tmp_path / "1"), "1.0", ("stable",))
    count = len(store.written)
    plan = publisher.plan(
        make_publication(tmp_path / "2", {APPLICATION: "2"}), PushRequest("2.0", ("stable", "new"))
    )
    found = msgspec.json.decode(msgspec.json.encode(plan.as_json()))
    assert found["release"] == "2.0"
    assert found["channels"] == {"stable": "1.0", "new": ""}
    assert [(each["layer_name"], each["what"]) for each in found["uploads"]] == [
        (APPLICATION, "archive"),
        (APPLICATION, "index"),
    ]
    assert [each["from_release"] for each in found["deltas"]] == ["1.0"]
    assert found["upload_size"] == sum(each["size"] for each in found["uploads"])
    assert found["present_size"] > 0
    assert len(store.written) == count  # nothing was written
