"""Deltas between folders of any content, without a stack."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fakes.archiving import pack, small_frames, unpack
from fakes.built_layers import make_tree
from venvstacks import files
from venvstacks.archives import codecs
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.archive_writer import WrittenFile
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.pool import frame_pool
from venvstacks.archives.staging import DeployedLayer
from venvstacks.deltas.delta_file import encode_start, read_header
from venvstacks.deltas.delta_format import DeltaHeader
from venvstacks.deltas.delta_plan import plan_delta
from venvstacks.deltas.delta_writer import write_delta
from venvstacks.deltas.patch_plan import prepare_patch, run_patch
from venvstacks.work import Work

Content = Mapping[str, bytes | str | None]

FAST = (3, 3)
FRAME = 8 << 10
"""Bytes of the content of a frame in small deltas: a KiB stands for a MiB."""


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that cannot be compressed, the same for ever."""
    blocks = (hashlib.sha256(b"%d %d" % (seed, number)).digest() for number in range(-(-size // 32)))
    return b"".join(blocks)[:size]


def edited(content: bytes, *, every: int = 997) -> bytes:
    """Return a content with something else in some places, and a little more of it."""
    pieces = [content[place : place + every] for place in range(0, len(content), every)]
    return b"<new>".join(pieces) + b"end"


PYTHON = b"def f%d():\n    return %d\n"
LIBRARY = noise(40_000, seed=7)
OLD: Content = {
    "!bin/tool": b"#!/bin/sh\nexit 1\n",
    "bin/tool2": "tool",
    "empty": None,
    "lib/pkg-1.0.dist-info/RECORD": b"pkg/a.py,sha256=x,1\n" * 20,
    "lib/pkg/__init__.py": b"",
    "lib/pkg/a.py": b"".join(PYTHON % (n, n) for n in range(200)),
    "lib/pkg/gone.py": b"gone\n",
    "lib/pkg/same.py": b"the same\n" * 100,
    "lib/pkg/libx-1a2b3c4d.so": noise(6000, seed=2),
    "lib/large.so": LIBRARY,
    "lib/moves.dat": noise(3000, seed=3),
}
NEW: Content = {
    "!bin/tool": b"#!/bin/sh\nexit 0\n",
    "bin/tool3": "tool",
    "lib/pkg-1.1.dist-info/RECORD": b"pkg/a.py,sha256=y,1\n" * 20,
    "lib/pkg/__init__.py": b"",
    "lib/pkg/a.py": b"".join(PYTHON % (n, n) for n in range(1, 201)),
    "!lib/pkg/same.py": b"the same\n" * 100,
    "lib/pkg/new.py": b"new = 1\n" * 30,
    "lib/pkg/libx-99887766.so": edited(noise(6000, seed=2)),
    "lib/large.so": edited(LIBRARY),
    "share/moved.dat": noise(3000, seed=3),
    "share/twice.dat": noise(3000, seed=3),
}
# A little of each kind: all bytes of a delta between these can be tried one after the other.
SMALL_OLD: Content = {"a.py": b"one\n" * 30, "kept": noise(50), "lib": None, "lib/moves": b"m"}
SMALL_NEW: Content = {
    "a.py": b"one\n" * 29 + b"two\n",
    "kept": noise(50),
    "lib": None,
    "link": "a.py",
    "moved": b"m",
}


@dataclass(frozen=True)
class Pair:
    """An old and a new layer, unpacked, and the delta between them.

    Attributes:
        folder: Holds everything.
        old: The old layer's folder.
        new: The new layer's folder.
        delta: The delta.
        written: What is known of it.
    """

    folder: Path
    old: Path
    new: Path
    delta: Path
    written: WrittenFile

    def patch(self, *, old: Path | None = None, jobs: int = 2) -> DeployedLayer:
        return patch(old or self.old, self.delta, self.folder / "patched", jobs=jobs)

    def header(self) -> DeltaHeader:
        return read_header(self.delta)[0]


def patch(old: Path, delta: Path, destination: Path, *, jobs: int = 2) -> DeployedLayer:
    """Apply a delta."""
    return run_patch(prepare_patch(old, delta, destination), Work(jobs=jobs))


def delta_between(
    old: Path,
    new: Path,
    destination: Path,
    *,
    largest: int = 1 << 30,
    levels: tuple[int, int] = FAST,
    jobs: int = 2,
) -> WrittenFile | None:
    """Write the delta between two archives."""
    with open_archive(old) as before, open_archive(new) as after, frame_pool(Work(jobs=jobs)) as pool:
        return write_delta(
            plan_delta(before.index, after.index, FRAME),
            before,
            after,
            destination,
            largest=largest,
            pool=pool,
            levels=levels,
            progress=lambda _: None,
        )


def make_pair(
    folder: Path, old: Content = OLD, new: Content = NEW, *, kind: ArchiveFormat = ArchiveFormat.TAR_ZST
) -> Pair:
    """Make two layers and the delta between them."""
    for name, content, mtime in (("old", old, 1_700_000_000), ("new", new, 1_700_086_400)):
        make_tree(folder / "built" / name, content)
        archive = folder / f"{name}.{kind.value}"
        pack(folder / "built" / name, archive, kind, profile=small_frames(kind), mtime=mtime)
        unpack(archive, folder / name)
    delta = folder / "app@1.from-0123456789abcdef.vdelta"
    written = delta_between(folder / f"old.{kind.value}", folder / f"new.{kind.value}", delta)
    assert written is not None
    return Pair(folder, folder / "old", folder / "new", delta, written)


def rewrite(path: Path, change: Mapping[str, Any] | bytes) -> None:
    """Write another header into a delta, with the right hash of it in the start.

    Args:
        path: The delta.
        change: Values of the header by name; or all of its JSON.
    """
    data = path.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    header, frames = data[48 : 48 + size], data[48 + size :]
    if isinstance(change, bytes):
        packed = codecs.compress_text(change, 1)
        start = data[:12] + len(packed).to_bytes(4, "little") + bytes.fromhex(files.sha256(packed)) + packed
    else:
        decoded = msgspec.json.decode(codecs.decompress_text(header, 1 << 24), type=DeltaHeader)
        start = encode_start(msgspec.structs.replace(decoded, **change))
    path.write_bytes(start + frames)


def full_facts(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return everything that two equal folders have in common, under the paths; ``.`` is the folder itself."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        info = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        target = str(path.readlink()) if stat.S_ISLNK(info.st_mode) else ""
        name = path.relative_to(folder).as_posix()
        found[name] = (info.st_mode, info.st_mtime_ns, target, content)
    return found
