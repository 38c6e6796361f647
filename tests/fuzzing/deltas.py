"""What is tried on the reader of deltas: see :mod:`fuzzing.archives`.

A delta is damaged in its bytes, in its header's JSON or in its frames, mostly by somebody who knows how hashes are
made, and applied to the folder that it was made for. The seed is a delta as every version from the first one on
writes it.
"""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from fakes.built_layers import make_tree
from fakes.deltas import Content, full_facts, noise, patch
from fuzzing.archives import SEEDS, scratch
from fuzzing.choices import Choices, mutate_value, mutated_bytes
from venvstacks import files
from venvstacks.archives import codecs
from venvstacks.archives.index import content_hash
from venvstacks.deltas.delta_file import compress_frame, read_header
from venvstacks.deltas.delta_format import SHORT, DeltaEntry
from venvstacks.entries import EntryKind
from venvstacks.errors import VenvstacksError

SEED = SEEDS / "seed.vdelta"
START = 48
OLD: Content = {
    "a/one.py": b"one = 1\n" * 40,
    "a/large.so": noise(20_000),
    "a/kept.py": b"kept\n",
    "b/moves": noise(60, seed=4),
    "link": "a/one.py",
}
NEW: Content = {
    "a/one.py": b"one = 1\n" * 39 + b"two = 2\n",
    "a/large.so": noise(9000) + b"inserted" + noise(20_000)[9000:],
    "!a/kept.py": b"kept\n",
    "a/new.py": b"new = 3\n" * 9,
    "b/moved": noise(60, seed=4),
    "empty": None,
    "link": "a/new.py",
}

Facts = dict[str, tuple[Any, ...]]


@cache
def seed_header() -> Any:
    """Return the header of the seed, as decoded JSON."""
    data = SEED.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    return msgspec.json.decode(codecs.decompress_text(data[START : START + size], 1 << 20))


@cache
def seed_frames() -> tuple[bytes, ...]:
    """Return the frames of the seed."""
    sizes = [frame["size"] for frame in seed_header()["frames"]]
    data = SEED.read_bytes()[-sum(sizes) :]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return tuple(data[start : start + size] for start, size in zip(starts, sizes, strict=True))


@cache
def old_layer() -> tuple[Path, Facts]:
    """Return the folder that the seed is for, and what it holds."""
    folder = make_tree(scratch() / "old", OLD)
    return folder, full_facts(folder)


def fuzz_delta(data: bytes) -> bool:
    """Apply a delta that was changed; all of it is what the header says, or nothing is made."""
    choices = Choices(data)
    delta = scratch() / "fuzzed.vdelta"
    delta.write_bytes(_damaged(choices))
    old, before = old_layer()
    out = scratch() / "patched"
    shutil.rmtree(out, ignore_errors=True)
    try:
        patch(old, delta, out / "app", jobs=1)
    except VenvstacksError:
        assert not out.exists() or not list(out.iterdir())
        return False
    assert [path.name for path in out.iterdir()] == ["app"]
    _check_result(delta, out / "app")
    assert full_facts(old) == before
    return True


def _damaged(choices: Choices) -> bytes:
    kind = choices.below(8)
    if kind == 0:
        return mutated_bytes(SEED.read_bytes(), choices)
    header, frames = seed_header(), list(seed_frames())
    if kind == 1:
        text = mutated_bytes(msgspec.json.encode(header), choices)
        return _put_together(codecs.compress_text(text, 1), frames)
    for _ in range(choices.below(4)):
        header = mutate_value(header, choices)
    for _ in range(choices.below(3)):
        header = _with_other_frame(header, frames, choices)
    if choices.below(4):
        header = _with_right_hash(header)
    return _put_together(codecs.compress_text(msgspec.json.encode(header), 1), frames)


def _with_other_frame(header: Any, frames: list[bytes], choices: Choices) -> Any:
    """Change a frame, and let the header tell its size and hash."""
    number = choices.below(len(frames))
    if choices.below(2):
        frames[number] = mutated_bytes(frames[number], choices) or b"x"
    else:
        frames[number] = compress_frame(choices.raw(30) or b"x", b"", 1)
    try:
        told = {**header["frames"][number], "size": len(frames[number]), "sha256": files.sha256(frames[number])}
        return {**header, "frames": [*header["frames"][:number], told, *header["frames"][number + 1 :]]}
    except (KeyError, IndexError, TypeError):
        return header


@cache
def hashes() -> dict[str, str]:
    """Return the hashes of all contents of the old layer, by what headers tell of them."""
    contents = [content for content in (*OLD.values(), b"") if isinstance(content, bytes)]
    return {files.sha256(content)[:SHORT]: files.sha256(content) for content in contents}


def _with_right_hash(header: Any) -> Any:
    try:
        entries = msgspec.convert(header["entries"], list[DeltaEntry])
        known = [
            msgspec.structs.replace(entry, sha256=hashes().get(entry.sha256, entry.sha256)) for entry in entries
        ]
        return {**header, "content_hash": content_hash(known, header["mtime"])}
    except (msgspec.ValidationError, KeyError, TypeError, ValueError):
        return header


def _put_together(packed: bytes, frames: list[bytes]) -> bytes:
    start = b"\x89vdelta\n" + (1).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
    return start + bytes.fromhex(files.sha256(packed)) + packed + b"".join(frames)


def _check_result(delta: Path, folder: Path) -> None:
    header, _ = read_header(delta)
    facts = full_facts(folder)
    if header.content_hash == seed_header()["content_hash"]:
        assert _contents(facts) == _contents(full_facts(make_tree(_fresh(), NEW)))
    assert set(facts) == {".", *(entry.path for entry in header.entries)}
    for entry in header.entries:
        mode, time, target, content = facts[entry.path]
        assert (time, target) == (header.mtime * 10**9, entry.target)
        assert mode & 0o777 == entry.mode
        if entry.type is EntryKind.FILE:
            assert files.sha256(content).startswith(entry.sha256)
    made = [
        msgspec.structs.replace(entry, sha256=files.sha256(facts[entry.path][3]) if entry.sha256 else "")
        for entry in header.entries
    ]
    assert content_hash(made, header.mtime) == header.content_hash


def _fresh() -> Path:
    folder = scratch() / "new"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _contents(facts: Facts) -> dict[str, tuple[Any, ...]]:
    return {name: (mode, target, content) for name, (mode, _, target, content) in facts.items()}


TARGETS = {"delta": fuzz_delta}
"""What is tried, by name."""
