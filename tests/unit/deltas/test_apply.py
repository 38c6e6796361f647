"""From an old folder to a new one, through a delta."""

import errno
import os
import sys
from pathlib import Path

import pytest

from fakes.archiving import pack, small_frames, unpack
from fakes.built_layers import make_tree
from fakes.deltas import (
    NEW,
    OLD,
    Content,
    Pair,
    delta_between,
    edited,
    full_facts,
    make_pair,
    noise,
    patch,
)
from venvstacks import files
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.deltas import delta_writer
from venvstacks.deltas.delta_file import compress_frame
from venvstacks.deltas.delta_writer import HARD_LEVEL, LEVEL
from venvstacks.deltas.patch_plan import prepare_patch, run_patch
from venvstacks.errors import DeltaError
from venvstacks.events import Event, Finished, Planned, Progressed, Started, Step
from venvstacks.humanize import size_text
from venvstacks.work import Work


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


@pytest.mark.parametrize("kind", ArchiveFormat)
@pytest.mark.parametrize("jobs", [1, 3])
def test_result_is_what_unpacking_makes(tmp_path: Path, kind: ArchiveFormat, jobs: int) -> None:
    pair = make_pair(tmp_path, kind=kind)
    before = full_facts(pair.old)
    patched = pair.patch(jobs=jobs)
    assert full_facts(patched.path) == full_facts(pair.new)
    assert full_facts(pair.old) == before
    assert patched.content_hash == pair.header().content_hash


def test_bytes_depend_on_the_contents_alone(tmp_path: Path) -> None:
    first = make_pair(tmp_path / "1")
    second = make_pair(tmp_path / "2", kind=ArchiveFormat.ZIP)
    other = tmp_path / "other"
    delta_between(tmp_path / "1/old.tar.zst", tmp_path / "1/new.tar.zst", other, jobs=1)
    assert other.read_bytes() == first.delta.read_bytes()
    # the name of the whole archive is all that tells the formats apart
    first_header, second_header = first.header(), second.header()
    assert first_header.frames == second_header.frames
    assert first_header.content_hash == second_header.content_hash


def test_only_what_changed_is_in_it(pair: Pair) -> None:
    header = pair.header()
    new = {entry.path for entry in header.entries if entry.frame}
    assert new == {
        "bin/tool",
        "lib/large.so",
        "lib/pkg-1.1.dist-info/RECORD",
        "lib/pkg/a.py",
        "lib/pkg/libx-99887766.so",
        "lib/pkg/new.py",
    }
    assert header.moved == {"share/moved.dat": "lib/moves.dat", "share/twice.dat": "lib/moves.dat"}
    assert {source.path for source in header.sources} >= {
        "lib/large.so",
        "lib/pkg-1.0.dist-info/RECORD",
        "lib/pkg/libx-1a2b3c4d.so",
    }
    assert pair.written.size == pair.delta.stat().st_size < 5000  # of noise, some 50 kB


def test_kept_files_are_copies(pair: Pair) -> None:
    patched = pair.patch().path
    assert not (pair.old / "lib/moves.dat").samefile(patched / "share/moved.dat")
    (patched / "lib/pkg/same.py").write_bytes(b"edited")
    assert (pair.old / "lib/pkg/same.py").read_bytes() == OLD["lib/pkg/same.py"]


def test_old_folder_may_hold_more_than_was_published(pair: Pair) -> None:
    cache = pair.old / "lib/pkg/__pycache__"
    cache.mkdir()
    (cache / "a.cpython-311.pyc").write_bytes(b"bytecode")
    (pair.old / "lib/pkg/gone.py").unlink()  # the new layer does not need it
    (pair.old / "lib/pkg/same.py").chmod(0o600)
    assert full_facts(pair.patch().path) == full_facts(pair.new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, OLD),
        ({}, NEW),
        (OLD, {}),
        ({}, {}),
        ({"a": b"x" * 100}, {"a": "b", "b": b"x" * 100}),
        ({"a": "b", "b": b"x" * 100}, {"a": b"x" * 100, "b": "a"}),
        ({"a/b": b"1"}, {"a": b"1"}),
        ({"a": b"1"}, {"a/b": b"1"}),
        ({"a": b""}, {"a": b"1"}),
        ({"a": b"1"}, {"a": b""}),
        ({"a": noise(100_000)}, {"a": noise(100_000)[50_000:] + b"x"}),
        ({"a": noise(1000)}, {"a": noise(1000) + noise(100_000, seed=2)}),
        ({"a": noise(100_000)}, {"a": noise(100_000)[40_000:40_100] + b"x"}),
        ({"a": noise(9000)}, {"a": noise(9000), "b": noise(9000), "c": edited(noise(9000))}),
    ],
)
def test_unusual_pairs(tmp_path: Path, old: Content, new: Content) -> None:
    pair = make_pair(tmp_path, old, new)
    assert full_facts(pair.patch().path) == full_facts(pair.new)


def test_large_files_are_compressed_in_parts(tmp_path: Path) -> None:
    content = noise(100_000)
    shifted = noise(1000, seed=9) + content
    pair = make_pair(tmp_path, {"lib.so": content}, {"lib.so": shifted, "new.so": noise(20_000, seed=5)})
    header = pair.header()
    assert [frame.content_size for frame in header.frames] == [8192] * 12 + [2696] + [8192, 8192, 3616]
    assert all(frame.prefix for frame in header.frames[:13])
    assert not any(frame.prefix for frame in header.frames[13:])
    assert pair.written.size < 30_000
    assert full_facts(pair.patch().path) == full_facts(pair.new)


def test_old_content_is_used_only_where_that_is_smaller(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, {"a": noise(5000)}, {"a": noise(5000, seed=2)})
    (frame,) = pair.header().frames
    assert frame.prefix == ()
    assert pair.header().sources == ()


def test_delta_that_is_too_large_is_not_written(pair: Pair) -> None:
    old, new, other = pair.folder / "old.tar.zst", pair.folder / "new.tar.zst", pair.folder / "other.vdelta"
    size = pair.written.size
    assert delta_between(old, new, other, largest=size) == pair.written.__class__(
        "other.vdelta", size, pair.written.sha256
    )
    other.unlink()
    for largest in (size - 1, 100, 0):
        assert delta_between(old, new, other, largest=largest) is None
    assert not other.exists()
    assert not [path for path in pair.folder.iterdir() if path.name.startswith(".")]


def test_deltas_follow_each_other(tmp_path: Path) -> None:
    first = make_pair(tmp_path / "1", OLD, NEW)
    third: Content = {**NEW, "lib/pkg/a.py": b"pass\n", "lib/third": noise(100, seed=8)}
    make_tree(tmp_path / "built", third)
    pack(
        tmp_path / "built",
        tmp_path / "3.tar.zst",
        ArchiveFormat.TAR_ZST,
        profile=small_frames(ArchiveFormat.TAR_ZST),
    )
    delta_between(tmp_path / "1/new.tar.zst", tmp_path / "3.tar.zst", tmp_path / "2.vdelta")
    unpack(tmp_path / "3.tar.zst", tmp_path / "3")
    second = patch(first.patch().path, tmp_path / "2.vdelta", tmp_path / "patched")
    assert full_facts(second.path) == full_facts(tmp_path / "3")


def test_events(pair: Pair) -> None:
    events: list[Event] = []
    plan = prepare_patch(pair.old, pair.delta, pair.folder / "patched")
    run_patch(plan, Work(observe=events.append))
    assert events[:2] == [Planned(Step.PATCH, ("app",)), Started(Step.PATCH, "app")]
    assert events[-2] == Progressed(Step.PATCH, "app", plan.size, plan.size)
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.step, last.layer, last.changed) == (Step.PATCH, "app", True)
    assert last.summary == f"{size_text(plan.size)}, of which {size_text(plan.new_size)} are new"
    assert 50_000 < plan.new_size < plan.size == sum(len(v) for v in NEW.values() if isinstance(v, bytes))


def test_kept_files_are_clones_where_the_file_system_has_them(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    cloned = []

    def clone(reading: int, writing: int) -> None:
        cloned.append(os.write(writing, os.read(reading, 1 << 20)))

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(files, "clone", clone)
    assert full_facts(pair.patch(jobs=1).path) == full_facts(pair.new)
    assert sorted(cloned) == [900, 3000, 3000]


def test_refused_clone_is_tried_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def clone(*arguments: int) -> None:
        tries.append(arguments)
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(files, "clone", clone)
    assert full_facts(pair.patch(jobs=1).path) == full_facts(pair.new)
    assert len(tries) == 1


def test_clone_is_verified(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def clone(reading: int, writing: int) -> None:
        os.write(writing, os.read(reading, 1 << 20)[::-1])

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(files, "clone", clone)
    with pytest.raises(DeltaError, match="its content differs"):
        pair.patch()


def test_what_is_truly_new_is_compressed_harder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[tuple[bool, int]] = []

    def observed(content: bytes, prefix: bytes, level: int) -> bytes:
        levels.append((bool(prefix), level))
        return compress_frame(content, prefix, level)

    monkeypatch.setattr(delta_writer, "compress_frame", observed)
    texts = b"".join(b"word-%d " % (number * number % 997) for number in range(800))
    pair = make_pair(tmp_path, {"a": noise(5000)}, {"a": edited(noise(5000))})

    def levels_to(new: bytes, wanted: tuple[int, int] = (LEVEL, HARD_LEVEL)) -> list[tuple[bool, int]]:
        levels.clear()
        make_tree(tmp_path / f"{new[:4].hex()}{wanted[1]}", {"a": new})
        archive = tmp_path / "other.tar.gz"
        pack(tmp_path / f"{new[:4].hex()}{wanted[1]}", archive, ArchiveFormat.TAR_GZ)
        delta_between(pair.folder / "old.tar.zst", archive, tmp_path / "other.vdelta", levels=wanted)
        return levels

    assert levels_to(edited(noise(5000))) == [(True, 12)]
    assert levels_to(edited(noise(5000), every=10)) == [(True, 12), (False, 12), (True, 19)]
    assert levels_to(texts) == [(True, 12), (False, 12), (False, 19)]
    assert levels_to(texts, (12, 12)) == [(True, 12), (False, 12)]
    monkeypatch.setattr(delta_writer, "_MOST_HARD", 1000)
    assert levels_to(texts[1:]) == [(True, 12), (False, 12)]
