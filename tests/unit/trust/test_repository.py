import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater

from fakes.forging import Forger
from fakes.memory_store import MemoryStore
from fakes.patience import PATIENCE
from fakes.signed_stores import PLATFORM, make_entry, make_signed_store, release_file
from venvstacks.errors import ConflictError, StoreError, TrustError, UsageError
from venvstacks.stores.folder import FolderStore
from venvstacks.trust.keys import make_keys
from venvstacks.trust.repository import change_catalog, init_repository, refresh_timestamp
from venvstacks.trust.repository_state import read_repository
from venvstacks.trust.roles import Expiry

if TYPE_CHECKING:
    from collections.abc import Callable


def test_blobs_before_metadata_and_the_timestamp_last(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    made.store.written.clear()
    made.push("1")
    assert made.store.written == [
        make_entry("1").name,
        "metadata/2.targets.json",
        "metadata/2.snapshot.json",
        "metadata/timestamp.json",
    ]


def test_nothing_is_written_if_nothing_changes(tmp_path: Path) -> None:
    for conditions in (True, False):
        made = make_signed_store(tmp_path / str(conditions), conditions=conditions)
        made.push("1")
        before = dict(made.store.contents)
        change_catalog(made.store, made.signers, lambda catalog: catalog.with_channel("stable", "1"))
        assert made.store.contents == before


def test_the_metadata_are_those_of_tuf(tmp_path: Path) -> None:
    """TUF's own client, with a fetcher that knows nothing of ours, reads them and downloads a target."""
    made = make_signed_store(tmp_path)
    made.push("1")

    class Fetcher(FetcherInterface):
        def _fetch(self, url: str) -> Any:
            name = url.removeprefix("https://example.invalid/")
            if name not in made.store.contents:
                raise DownloadHTTPError("not found", 404)
            yield made.store.contents[name]

    (tmp_path / "targets").mkdir()
    updater = Updater(
        str(tmp_path / "metadata"),
        "https://example.invalid/metadata/",
        str(tmp_path / "targets"),
        "https://example.invalid/targets/",
        fetcher=Fetcher(),
        bootstrap=made.root,
    )
    updater.refresh()
    target = updater.get_targetinfo(f"releases/1-{PLATFORM}.json")
    assert target is not None
    assert target.custom["channels"] == ["stable"]
    assert Path(updater.download_target(target)).read_bytes() == release_file("1")


def test_machines_need_no_cryptography(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    root = init_repository(store, make_keys(tmp_path / "keys"))
    (tmp_path / "ROOT.json").write_bytes(root)
    code = f"""
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("cryptography", "cffi", "nacl"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from pathlib import Path
from venvstacks.stores.folder import FolderStore
from venvstacks.trust.client import read_trusted

folder = Path({str(tmp_path)!r})
print(read_trusted(FolderStore(folder / "store"), folder / "trust", (folder / "ROOT.json").read_bytes()).catalog)
assert "cryptography" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "Catalog(entries=())\n"
    # and what is not signed is found without it as well
    forged = (tmp_path / "store/metadata/timestamp.json").read_bytes().replace(b'"version":1}', b'"version":2}')
    (tmp_path / "store/metadata/timestamp.json").write_bytes(forged)
    refused = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert "lack valid signatures" in refused.stderr


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("separate", [True, False])
def test_pushes_at_once_lose_no_release(tmp_path: Path, *, conditions: bool, separate: bool) -> None:
    made = make_signed_store(tmp_path, conditions=conditions, separate=separate)
    together = threading.Barrier(4)

    def push(number: int) -> None:
        together.wait(PATIENCE)
        made.push(f"{number}.0", f"channel-{number}")
        made.push(f"{number}.1", f"channel-{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, range(4)))
    catalog = made.client().catalog
    assert catalog.channels == {f"channel-{number}": f"{number}.1" for number in range(4)}
    assert set(catalog.versions) == {f"{number}.{part}" for number in range(4) for part in range(2)}


@pytest.mark.parametrize("conditions", [True, False])
def test_another_push_at_every_moment_of_a_push(tmp_path: Path, *, conditions: bool) -> None:
    """Another run does all of its work just before one writing of this one."""

    def run(at: int) -> int:
        made = make_signed_store(tmp_path / f"{conditions}-{at}", conditions=conditions)
        count = 0

        def interrupt(name: str) -> None:
            nonlocal count
            if name.startswith("metadata/") and threading.current_thread() is this:
                count += 1
                if count == at:
                    other = threading.Thread(target=made.push, args=("other", "beta"))
                    other.start()
                    other.join(PATIENCE)

        this = threading.current_thread()
        made.store.before_write = interrupt
        made.push("1")
        if count >= at > 0:
            assert made.client().catalog.channels == {"stable": "1", "beta": "other"}
        return count

    count = run(0)
    assert count == 3
    for at in range(1, count + 1):
        run(at)


def test_a_push_that_is_overwritten_by_one_that_was_slow(tmp_path: Path) -> None:
    """Where conditions are ignored: the other run has checked the timestamp before this one has replaced it."""
    made = make_signed_store(tmp_path, conditions=False)
    slow = _SlowStore(made.store)
    go, done = threading.Event(), threading.Event()

    def wait() -> None:
        done.set()
        go.wait(PATIENCE)

    slow.before_timestamp = wait
    entry = make_entry("slow")

    def push_slowly() -> None:
        change_catalog(
            slow, made.signers, lambda catalog: catalog.with_entries([entry]).with_channel("beta", "slow")
        )

    thread = threading.Thread(target=push_slowly)
    thread.start()
    assert done.wait(PATIENCE)
    made.push("1")
    go.set()
    thread.join(PATIENCE)
    assert made.client().catalog.channels == {"stable": "1", "beta": "slow"}


def test_what_others_have_joined_is_not_done_again(tmp_path: Path) -> None:
    """Where conditions are ignored: another run joins this one's change, and then the channel is moved on."""
    made = make_signed_store(tmp_path, conditions=False)
    made.push("1")
    made.push("2", "beta")

    def interrupt(name: str) -> None:
        if name.endswith(".snapshot.json"):  # the targets are there by then
            made.store.before_write = str
            made.push("3", "beta")
            assert made.client().catalog.channels == {"stable": "2", "beta": "3"}
            change_catalog(made.store, made.signers, lambda catalog: catalog.with_channel("stable", "1"))

    made.store.before_write = interrupt
    change_catalog(made.store, made.signers, lambda catalog: catalog.with_channel("stable", "2"))
    assert made.client().catalog.channels == {"stable": "1", "beta": "3"}


class _SlowStore(MemoryStore):
    """Another view of a store, which waits before its first replacement of the timestamp."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(conditions=False)
        self.contents, self.modified = store.contents, store.modified
        self.before_timestamp: Callable[[], object] = bool

    def replace(self, name: str, data: bytes, tag: str | None) -> None:
        wait, self.before_timestamp = self.before_timestamp, bool
        wait()
        super().replace(name, data, tag)


def test_a_killed_push_that_overwrote_another_is_joined_by_the_next_run(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path, conditions=False)
    made.push("1")
    before = made.store.contents["metadata/timestamp.json"]
    made.push("2")
    made.store.contents["metadata/timestamp.json"] = before  # what a slow run wrote that was killed then
    made.push("3", "beta")
    assert made.client().catalog.channels == {"stable": "2", "beta": "3"}


def test_a_refresh_without_the_targets_key_brings_back_what_it_overwrote(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path, conditions=False, separate=True)
    made.push("1")
    before = made.store.contents["metadata/timestamp.json"]
    made.push("2")
    made.store.contents["metadata/timestamp.json"] = before
    (tmp_path / "keys/targets.pem").unlink()
    refresh_timestamp(made.store, made.signers)
    assert made.client().catalog.channels == {"stable": "2"}


def test_old_targets_that_are_written_again_change_nothing(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path, conditions=False)
    made.push("1")
    old = {name: data for name, data in made.store.contents.items() if name.endswith(".targets.json")}
    made.push("2")
    for name in made.store.modified:
        made.store.modified[name] -= 3 * 86_400
    made.push("3")
    change_catalog(made.store, made.signers, lambda catalog: catalog.without("1"))
    for name, data in old.items():
        made.store.create(name, data)
    made.push("4")
    assert made.client().catalog.versions == ("2", "3", "4")


def test_answer_of_a_replacement_that_got_lost(tmp_path: Path) -> None:
    """The request is sent again, and the store then says that the timestamp has changed: by this run itself."""
    made = make_signed_store(tmp_path)
    genuine = made.store.replace

    def replace(name: str, data: bytes, tag: str | None) -> None:
        genuine(name, data, tag)
        raise ConflictError("has changed")

    made.store.replace = replace  # type: ignore[method-assign]
    made.push("1")
    made.store.replace = genuine  # type: ignore[method-assign]
    assert made.client().catalog.channels == {"stable": "1"}
    assert len([name for name in made.store.written if name == "metadata/timestamp.json"]) == 2


def test_files_of_a_run_that_lost_are_deleted(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    genuine = made.store.replace
    lost: list[str] = []

    def replace(name: str, data: bytes, tag: str | None) -> None:
        if not lost:
            lost.append(name)
            made.store.replace = genuine  # type: ignore[method-assign]
            made.push("other", "beta")
        genuine(name, data, tag)

    made.store.replace = replace  # type: ignore[method-assign]
    made.push("1")
    state = read_repository(made.store, made.root)
    left = {name for name in made.store.contents if name.startswith("metadata/")} - set(state.names)
    assert len([name for name in left if "targets" in name]) == 2  # those of before, and of the other run


def test_a_store_that_always_changes(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)

    def change(name: str) -> None:
        if name == "metadata/timestamp.json":
            raise ConflictError("has changed")

    made.store.before_write = change
    with pytest.raises(StoreError, match="changed by other runs"):
        made.push("1")


def test_forged_metadata_are_not_signed_over(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    made.push("1")
    forger = Forger(made)
    good = dict(made.store.contents)
    forger.write("targets", forger.evil_target, forger.own)
    with pytest.raises(TrustError, match="lack valid signatures"):
        made.push("2")
    with pytest.raises(TrustError, match="lack valid signatures"):
        refresh_timestamp(made.store, made.signers)
    evil = make_signed_store(tmp_path / "evil")
    made.store.contents = dict(evil.store.contents)
    with pytest.raises(TrustError, match="lack valid signatures"):
        made.push("2")
    made.store.contents = good
    made.push("2")


def test_a_root_that_others_signed_is_refused_before_anything_is_signed(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    forger = Forger(made)
    forger.next_root(lambda root: root.add_key(forger.own.public_key, "timestamp"), [forger.own])
    before = dict(made.store.contents)
    with pytest.raises(TrustError, match="root was signed by 0/1 keys"):
        made.push("1")
    assert before.items() <= made.store.contents.items()
    assert made.store.contents["metadata/timestamp.json"] == before["metadata/timestamp.json"]


def test_other_targets_stay(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    made.push("1")
    forger = Forger(made)

    def add(targets: Any) -> None:
        targets.targets["other.txt"] = TargetFile.from_data("other.txt", b"other", ["sha256"])

    forger.write("targets", add)
    made.push("2")
    assert set(forger.targets().signed.targets) == {"other.txt", make_entry("1").path, make_entry("2").path}


def test_keys_that_are_missing(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path, separate=True)
    (tmp_path / "keys/targets.pem").unlink()
    with pytest.raises(TrustError, match="targets metadata cannot be signed"):
        made.push("1")
    later = datetime.now(UTC) + timedelta(days=60)
    state = refresh_timestamp(made.store, made.signers, now=later)
    assert state.targets.signed.version == 1  # half of its time has passed, and its key is elsewhere
    assert state.expires["timestamp"] > later
    made.client(later)
    (tmp_path / "keys/ROOT.json").unlink()
    with pytest.raises(TrustError, match=r"no ROOT\.json"):
        refresh_timestamp(made.store, made.signers)


def test_a_store_of_others(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    with pytest.raises(TrustError, match="made with other keys"):
        init_repository(made.store, make_keys(tmp_path / "others"))
    assert not (tmp_path / "others/ROOT.json").exists()
    with pytest.raises(UsageError, match="another expiry"):
        init_repository(made.store, made.signers, expiry=Expiry(targets=3))
    assert init_repository(made.store, made.signers) == made.root


@pytest.mark.parametrize("days", [0, -1, 40_000])
def test_expiry_has_limits(days: int) -> None:
    with pytest.raises(UsageError, match=f"cannot expire after {days} days"):
        Expiry(targets=days)


def test_reading_a_store_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="no signed store"):
        read_repository(MemoryStore())
    made = make_signed_store(tmp_path)
    del made.store.contents["metadata/timestamp.json"]
    with pytest.raises(TrustError, match="no signed store"):
        read_repository(made.store, made.root)
