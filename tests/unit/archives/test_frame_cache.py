import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from venvstacks import files
from venvstacks.archives import frame_cache as caching
from venvstacks.archives.frame_cache import FrameCache, open_frame_cache
from venvstacks.errors import UsageError

OVERHEAD = 87  # bytes of an entry beside its data


def key(number: int) -> str:
    return files.sha256(b"%d" % number)


@pytest.fixture
def cache(tmp_path: Path) -> FrameCache:
    return FrameCache(tmp_path / "cache")


def entry_files(cache: FrameCache) -> list[Path]:
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def set_used(cache: FrameCache, number: int, time: float) -> None:
    path = cache.folder / "v1" / key(number)[:2] / key(number)[2:]
    os.utime(path, (time, time))


def test_what_is_put_is_given(cache: FrameCache) -> None:
    assert cache.get(key(1)) is None
    put = cache.put(key(1), b"data", crc=7)
    assert put == (b"data", files.sha256(b"data"), 7)
    assert cache.get(key(1)) == put
    assert cache.get(key(2)) is None
    assert FrameCache(cache.folder).get(key(1)) == put


def test_same_key_twice(cache: FrameCache) -> None:
    cache.put(key(1), b"one")
    cache.put(key(1), b"two")
    found = cache.get(key(1))
    assert found is not None
    assert found[0] == b"two"
    assert len(entry_files(cache)) == 1


def test_any_damage_is_noticed_and_removed(cache: FrameCache) -> None:
    put = cache.put(key(1), b"data", crc=7)
    (path,) = entry_files(cache)
    whole = path.read_bytes()
    damaged = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    for content in (*damaged, b"", whole[:-1], whole + b"x", whole[:50]):
        path.write_bytes(content)
        assert cache.get(key(1)) is None
        assert not path.exists()
    cache.put(key(1), b"data", crc=7)
    assert cache.get(key(1)) == put


def test_entry_of_another_key_is_noticed(cache: FrameCache) -> None:
    cache.put(key(1), b"data")
    (path,) = entry_files(cache)
    other = cache.folder / "v1" / key(2)[:2] / key(2)[2:]
    other.parent.mkdir(exist_ok=True)
    path.rename(other)
    assert cache.get(key(2)) is None


def test_oldest_use_goes_first(cache: FrameCache) -> None:
    for number in range(4):
        cache.put(key(number), bytes(1000))
        set_used(cache, number, 1000.0 + number)
    cache.get(key(0))  # used just now
    removed = cache.prune(2 * (1000 + OVERHEAD))
    assert removed == (2, 2 * (1000 + OVERHEAD))
    assert [cache.get(key(number)) is not None for number in range(4)] == [True, False, False, True]
    assert cache.measure() == (2, 2 * (1000 + OVERHEAD))


def test_limit_holds_while_entries_are_written(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path, limit=20_000)
    for number in range(200):
        cache.put(key(number), bytes(1000))
        assert cache.measure()[1] <= 24_000
    cache.trim()
    assert cache.measure()[1] <= 20_000
    assert cache.get(key(199)) is not None


def test_nothing_is_looked_through_when_nothing_was_written(cache: FrameCache) -> None:
    cache.put(key(1), b"data")
    FrameCache(cache.folder, limit=1).trim()
    assert cache.get(key(1)) is not None


def test_no_limit_at_all_keeps_nothing(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache", limit=0)
    assert cache.put(key(1), b"data")[0] == b"data"
    assert cache.get(key(1)) is None
    assert not cache.folder.exists()


def test_clear(cache: FrameCache) -> None:
    cache.put(key(1), b"data")
    assert cache.clear() == (1, 4 + OVERHEAD)
    assert cache.measure() == (0, 0)
    assert cache.clear() == (0, 0)


def test_what_killed_runs_left_goes_when_it_is_old(cache: FrameCache) -> None:
    cache.put(key(1), b"data")
    (path,) = entry_files(cache)
    old, new = (path.with_name(f"{files.TEMPORARY_PREFIX}{name}") for name in ("old", "new"))
    old.write_bytes(b"unfinished")
    new.write_bytes(b"at work")
    os.utime(old, (1, 1))
    assert cache.measure()[0] == 1
    cache.prune(cache.limit)
    assert entry_files(cache) == sorted([path, new])


def test_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = FrameCache(tmp_path / "file" / "cache")
    assert cache.put(key(1), b"data")[0] == b"data"
    assert isinstance(cache.problem, OSError)
    assert cache.get(key(1)) is None
    cache.trim()


def test_full_disk_leaves_nothing_behind(cache: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, __: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    cache.put(key(1), b"data")
    assert cache.problem is not None
    assert entry_files(cache) == []


def test_threads_share_a_cache(cache: FrameCache) -> None:
    wrong: list[object] = []

    def work(seed: int) -> None:
        for number in range(50):
            chosen = (number * 7 + seed) % 10
            found = cache.get(key(chosen)) or cache.put(key(chosen), b"%d" % chosen * 1000)
            if found[0] != b"%d" % chosen * 1000:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.problem is None


RUN = """
import sys
from pathlib import Path
from venvstacks import files
from venvstacks.archives.frame_cache import FrameCache
cache = FrameCache(Path(sys.argv[1]), limit=30_000)
for number in range(150):
    name = files.sha256(b"%d" % (number % 40))
    found = cache.get(name) or cache.put(name, name.encode() * 20)
    assert found[0] == name.encode() * 20
    if number % 10 == 0:
        cache.prune(15_000)
assert cache.problem is None, cache.problem
"""


def test_processes_share_a_cache(cache: FrameCache) -> None:
    runs = [subprocess.Popen([sys.executable, "-c", RUN, cache.folder]) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert cache.measure()[0] > 0


def test_entries_are_private_to_no_one_else_than_the_folder_says(cache: FrameCache) -> None:
    umask = os.umask(0o027)
    try:
        cache.put(key(1), b"data")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(entry_files(cache)[0].stat().st_mode) == 0o640


def test_place_and_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert open_frame_cache(None, {}).folder == tmp_path / "xdg" / "venvstacks" / "frames"
    cache = open_frame_cache(tmp_path / "own", {"VENVSTACKS_CACHE_LIMIT": "1.5 GB"})
    assert (cache.folder, cache.limit) == (tmp_path / "own" / "frames", 1_500_000_000)
    assert open_frame_cache(tmp_path, {"VENVSTACKS_CACHE_LIMIT": ""}).limit == caching.DEFAULT_LIMIT == 10**10
    assert open_frame_cache(tmp_path, {"VENVSTACKS_CACHE_LIMIT": "0"}).limit == 0
    with pytest.raises(UsageError, match="VENVSTACKS_CACHE_LIMIT is 'much', which is not a size"):
        open_frame_cache(tmp_path, {"VENVSTACKS_CACHE_LIMIT": "much"})
