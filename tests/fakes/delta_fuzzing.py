"""Deltas with random damage, from single bits to forged headers whose hashes are all right."""

import copy
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from fakes.deltas import Content, full_facts, make_pair, noise, rewrite
from venvstacks import files
from venvstacks.archives import codecs
from venvstacks.archives.index import IndexEntry, content_hash
from venvstacks.deltas.model import DeltaHeader
from venvstacks.errors import VenvstacksError

_OLD: Content = {
    "a/one.py": b"one = 1\n" * 40,
    "a/large.so": noise(20_000),
    "a/kept.py": b"kept\n",
    "b/moves": noise(60, seed=4),
    "link": "a/one.py",
}
_NEW: Content = {
    "a/one.py": b"one = 1\n" * 39 + b"two = 2\n",
    "a/large.so": noise(9000) + b"inserted" + noise(20_000)[9000:],
    "!a/kept.py": b"kept\n",
    "a/new.py": b"new = 3\n" * 9,
    "b/moved": noise(60, seed=4),
    "empty": None,
    "link": "a/new.py",
}
_ODD: tuple[Any, ...] = (
    *(0, 1, 2, 7, 8, 121, -1, 1 << 24, (1 << 53) - 1, 1 << 53, 1 << 63, 1 << 64, 1.5, True, None, "", "..", "."),
    *("../x", "/x", "a", "a/one.py", "a/one.py/x", "link/x", "C:x", "a\\b", "con", "x" * 300, "\0", "é", "file"),
    *("symlink", "folder", "0" * 64, "sha256:" + "0" * 64, [], {}, [0, 0, 8], {"a": "b"}),
)


class DeltaFuzzer:
    """A small delta, and what becomes of it when it is damaged.

    Args:
        folder: An empty folder to work in.
    """

    def __init__(self, folder: Path) -> None:
        self._pair = make_pair(folder, _OLD, _NEW)
        self._whole = self._pair.delta.read_bytes()
        size = int.from_bytes(self._whole[12:16], "little")
        self._header = msgspec.json.decode(codecs.decompress_text(self._whole[48 : 48 + size], 1 << 24))
        self._right = full_facts(self._pair.new)
        self._before = full_facts(self._pair.old)

    def run(self, seed: int) -> bool:
        """Apply a damaged delta.

        Args:
            seed: Says how it is damaged.

        Returns:
            Whether it was refused.

        Raises:
            AssertionError: A wrong tree was made, or something was left behind.
            Exception: Whatever the reader raises that is none of our errors.
        """
        self._pair.delta.write_bytes(self._whole)
        self._damage(Random(seed))  # noqa: S311 - no secret
        try:
            patched = self._pair.patch(jobs=1).path
        except VenvstacksError:
            made = None
        else:
            made = full_facts(patched)
            shutil.rmtree(patched)
        names = {path.name for path in self._pair.folder.iterdir()}
        assert not {name for name in names if name == "patched" or name.startswith(files.TEMPORARY_PREFIX)}
        if made is not None:
            self._check(made)
        return made is None

    def check_old(self) -> None:
        """See that the old layer is what it was."""
        assert full_facts(self._pair.old) == self._before

    def _check(self, made: dict[str, tuple[Any, ...]]) -> None:
        """What is reported as good is the tree whose content hash the delta names."""
        data = self._pair.delta.read_bytes()
        size = int.from_bytes(data[12:16], "little")
        header = msgspec.json.decode(codecs.decompress_text(data[48 : 48 + size], 1 << 24), type=DeltaHeader)
        if header.content_hash == self._header["content_hash"]:
            assert made == self._right
        assert content_hash(header.entries, header.mtime) == header.content_hash
        assert set(made) == {".", *(entry.path for entry in header.entries)}
        for entry in header.entries:
            _, mtime, target, content = made[entry.path]
            assert (mtime, target) == (header.mtime * 10**9, entry.target)
            assert not entry.sha256 or files.sha256(content) == entry.sha256

    def _damage(self, random: Random) -> None:
        if random.random() < 0.2:
            self._damage_bytes(random)
            return
        header = copy.deepcopy(self._header)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            _change(header, random)
        if random.random() < 0.3:
            self._damage_frame(header, random)
        if random.random() < 0.7:
            _mend(header)
        rewrite(self._pair.delta, msgspec.json.encode(header))

    def _damage_bytes(self, random: Random) -> None:
        data = bytearray(self._whole)
        for _ in range(random.choice((1, 1, 2, 8))):
            place = random.randrange(len(data))
            match random.randrange(4):
                case 0:
                    data[place] ^= 1 << random.randrange(8)
                case 1:
                    data[place] = random.randrange(256)
                case 2:
                    del data[place : place + random.randrange(64)]
                case _:
                    data[place:place] = random.randbytes(random.randrange(64))
            if not data:
                break
        self._pair.delta.write_bytes(data)

    def _damage_frame(self, header: Any, random: Random) -> None:
        """Change a byte of a frame, and let the header tell the hash that it has then."""
        data = bytearray(self._whole)
        start = 48 + int.from_bytes(data[12:16], "little")
        frames = self._header["frames"]
        number = random.randrange(len(frames))
        begin = start + sum(frame["size"] for frame in frames[:number])
        end = begin + frames[number]["size"]
        data[random.randrange(begin, end)] = random.randrange(256)
        self._pair.delta.write_bytes(data)
        if isinstance(header.get("frames"), list) and number < len(header["frames"]):
            frame = header["frames"][number]
            if isinstance(frame, dict):
                frame["sha256"] = files.sha256(bytes(data[begin:end]))


def _change(value: Any, random: Random) -> None:
    """Change something somewhere in decoded JSON."""
    while True:
        if isinstance(value, dict) and value:
            key: Any = random.choice(list(value))
        elif isinstance(value, list) and value:
            key = random.randrange(len(value))
        else:
            return
        if isinstance(value[key], dict | list) and value[key] and random.random() < 0.9:
            value = value[key]
            continue
        break
    match random.randrange(6):
        case 0:
            del value[key]
        case 1 if isinstance(value, list):
            value.insert(random.randrange(len(value) + 1), copy.deepcopy(value[key]))
        case 2 if isinstance(value, list):
            other = random.randrange(len(value))
            value[key], value[other] = value[other], value[key]
        case 3 if isinstance(value[key], int):
            value[key] += random.choice((-512, -8, -1, 1, 8, 512))
        case _:
            value[key] = copy.deepcopy(random.choice(_ODD))


def _mend(header: Any) -> None:
    """Let the content hash be that of the entries, as a forger would."""
    try:
        entries = msgspec.convert(header["entries"], tuple[IndexEntry, ...])
        header["content_hash"] = content_hash(entries, int(header["mtime"]))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return


def fuzz(first: int, count: int) -> int:
    """Apply many damaged deltas.

    Args:
        first: The first seed.
        count: How many.

    Returns:
        How many were refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = DeltaFuzzer(Path(folder))
        refused = sum(fuzzer.run(seed) for seed in range(first, first + count))
        fuzzer.check_old()
    return refused
