"""What is tried on the readers of archives and of their indexes.

Each function takes bytes that decide everything, and gives whether what it made was accepted. It raises nothing:
a reader that accepts must have given what the index describes, and one that refuses must say so in an
:class:`ArchiveError`. The seeds are archives and indexes as every version from the first one on writes them.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import msgspec

from fuzzing.choices import Choices, mutate_value, mutated_bytes
from venvstacks import files
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.codecs import (
    Codec,
    compress,
    compress_text,
    decompress,
    decompress_text,
)
from venvstacks.archives.extraction import unpack_archive
from venvstacks.archives.index import ArchiveIndex, IndexEntry, content_hash, decode_index, encode_index
from venvstacks.archives.index_validation import check_index
from venvstacks.archives.pool import frame_pool
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError
from venvstacks.manifests.manifest_format import INDEX_SUFFIX, index_beside
from venvstacks.work import Work

SEEDS = Path(__file__).with_name("seeds")


@dataclass(frozen=True)
class Seed:
    """A small archive.

    Attributes:
        name: File name.
        data: Its content.
        index_data: Content of the index beside it.
        index: The index.
        text: Its JSON.
        value: What this stands for.
    """

    name: str
    data: bytes
    index_data: bytes
    index: ArchiveIndex
    text: bytes
    value: dict[str, Any]


@cache
def seeds() -> tuple[Seed, ...]:
    """Read the seeds."""
    found = []
    for path in sorted(SEEDS.glob(f"*{INDEX_SUFFIX}")):
        archive = path.with_name(path.name.removesuffix(INDEX_SUFFIX))
        data = path.read_bytes()
        text = decompress_text(data, 1 << 20)
        found.append(
            Seed(
                archive.name, archive.read_bytes(), data, decode_index(data, archive.name), text, json.loads(text)
            )
        )
    return tuple(found)


@cache
def scratch() -> Path:
    """Return a folder for this process, in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    folder = tempfile.mkdtemp(prefix="venvstacks-fuzz-", dir=memory if memory.is_dir() else None)
    Finalize(None, shutil.rmtree, [folder], {"ignore_errors": True}, exitpriority=0)  # atexit is not for workers
    return Path(folder)


# ---- Indexes


def fuzz_index(data: bytes) -> bool:
    """Read an index that was changed in its bytes, its text or its values."""
    choices = Choices(data)
    seed = choices.pick(seeds())
    match choices.below(8):
        case 0:
            content = mutated_bytes(seed.index_data, choices)
        case 1:
            content = compress_text(mutated_bytes(seed.text, choices), 1)
        case _:
            content = compress_text(json.dumps(_mutated_index(seed, choices)).encode("utf-8", "replace"), 1)
    try:
        index = decode_index(content, "it")
        check_index(index, "it")
    except ArchiveError:
        return False
    _check_accepted(index)
    return True


def _mutated_index(seed: Seed, choices: Choices) -> Any:
    value: Any = seed.value
    for _ in range(1 + choices.below(4)):
        value = mutate_value(value, choices)
    if choices.below(4):
        try:  # as somebody does who knows how it is made
            entries = msgspec.convert(value["entries"], list[IndexEntry])
            value = {**value, "content_hash": content_hash(entries, value["mtime"])}
        except (msgspec.ValidationError, KeyError, TypeError, ValueError):
            pass
    return value


def _check_accepted(index: ArchiveIndex) -> None:
    """See with the operating system's own eyes that nothing reaches beyond the folder that holds the layers."""
    stack = scratch() / "stack"
    layer = stack / index.install_target
    assert layer.parent == stack
    shutil.rmtree(stack, ignore_errors=True)
    layer.mkdir(parents=True)
    for entry in index.entries:
        place = layer / entry.path
        assert place.parent.resolve().is_relative_to(layer)
        assert not os.path.lexists(place)
        if entry.type is EntryKind.FOLDER:
            place.mkdir()
        elif entry.type is EntryKind.FILE:
            place.touch(exist_ok=False)
        else:
            place.symlink_to(entry.target)
    for entry in index.entries:
        if entry.type is EntryKind.SYMLINK:
            assert (layer / entry.path).resolve(strict=False).is_relative_to(stack)


# ---- Archives


def fuzz_archive(data: bytes) -> bool:
    """Open an archive in which frames were changed, with an index that describes them as they are now."""
    choices = Choices(data)
    seed = choices.pick(seeds())
    frames = [seed.data[frame.offset : frame.offset + frame.size] for frame in seed.index.frames]
    gaps = _gaps(seed)
    index = seed.index
    sizes = [frame.content_size for frame in index.frames]
    for _ in range(choices.below(3)):
        number = choices.below(len(frames))
        if choices.below(2):
            frames[number] = mutated_bytes(frames[number], choices) or b"x"
        else:
            content = decompress(index.codec, seed_frame(seed, number), index.frames[number].content_size)
            changed = mutated_bytes(content, choices) or b"x"
            frames[number] = _packed(index.codec, changed, last=bool(choices.below(2)))
            if choices.below(2):
                sizes[number] = len(changed)
    if choices.below(4) == 0:
        entry = choices.below(len(index.entries))
        index = _with_entry(index, entry, choices)
    archive = scratch() / seed.name
    _write(archive, index, frames, sizes, gaps, honest=bool(choices.below(8)))
    try:
        with open_archive(archive) as reader:
            for number in range(len(reader.index.frames)):
                reader.frame(number)
            for item in reader.index.entries:
                if item.type is EntryKind.FILE:
                    content = b"".join(reader.content(item))
                    assert len(content) == item.size
                    assert files.sha256(content) == item.sha256
            if choices.below(4) == 0:
                _unpack(reader, archive)
    except ArchiveError:
        return False
    return True


def seed_frame(seed: Seed, number: int) -> bytes:
    """Return a frame of a seed as it is in the archive."""
    frame = seed.index.frames[number]
    return seed.data[frame.offset : frame.offset + frame.size]


def _gaps(seed: Seed) -> list[bytes]:
    """Return what is before each frame, and behind the last."""
    ends = [0, *(frame.offset + frame.size for frame in seed.index.frames)]
    starts = [*(frame.offset for frame in seed.index.frames), len(seed.data)]
    return [seed.data[end:start] for end, start in zip(ends, starts, strict=True)]


def _packed(codec: Codec, content: bytes, *, last: bool) -> bytes:
    return compress(codec, 1, len(content), [content], last=last)


def _with_entry(index: ArchiveIndex, number: int, choices: Choices) -> ArchiveIndex:
    try:
        value = mutate_value(msgspec.to_builtins(index.entries[number]), choices)
        entry = msgspec.convert(value, IndexEntry)
        entries = (*index.entries[:number], entry, *index.entries[number + 1 :])
        return msgspec.structs.replace(index, entries=entries, content_hash=content_hash(entries, index.mtime))
    except (msgspec.ValidationError, UnicodeEncodeError):
        return index


def _write(
    archive: Path, index: ArchiveIndex, frames: list[bytes], sizes: list[int], gaps: list[bytes], *, honest: bool
) -> None:
    data = b""
    listed = []
    for frame, size, gap, old in zip(frames, sizes, gaps, index.frames, strict=False):
        data += gap
        digest = files.sha256(frame) if honest else old.sha256
        listed.append(
            msgspec.structs.replace(old, offset=len(data), size=len(frame), content_size=size, sha256=digest)
        )
        data += frame
    data += gaps[-1]
    archive.write_bytes(data)
    described = msgspec.structs.replace(index, frames=tuple(listed), archive_size=len(data))
    index_beside(archive).write_bytes(encode_index(described))


def _unpack(reader: Any, archive: Path) -> None:
    out = scratch() / "out"
    shutil.rmtree(out, ignore_errors=True)
    try:
        with frame_pool(Work(jobs=1)) as pool:
            unpack_archive(reader, out / "app", pool, replace=False, progress=lambda _: None)
    except ArchiveError:
        assert not out.exists() or not list(out.iterdir())
        raise
    assert [path.name for path in out.iterdir()] == ["app"]
    for entry in reader.index.entries:
        if entry.type is EntryKind.FILE:
            assert files.file_sha256(out / "app" / entry.path) == entry.sha256
    del archive


TARGETS = {"index": fuzz_index, "archive": fuzz_archive}
"""What is tried, by name."""
