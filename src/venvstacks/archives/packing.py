"""Making the frames of an archive: from the cache if they are there, else read, verified and compressed."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks import files
from venvstacks.archives.archive_plan import ArchivePlan
from venvstacks.archives.codecs import BLOCK_SIZE, Codec, codec_identity, compress
from venvstacks.archives.formats import CODECS
from venvstacks.archives.frame_cache import FrameCache, PackedFrame
from venvstacks.archives.frame_layout import FrameParts, Slice, content_size, slices_of
from venvstacks.archives.hashing import FileHashes, read_part
from venvstacks.archives.pool import FramePool
from venvstacks.entries import Entry

if TYPE_CHECKING:
    from concurrent.futures import Future

EMPTY_SHA256 = hashlib.sha256().hexdigest()

_WORTH_KEEPING = 32 << 10  # smaller frames are compressed sooner than their files are found
_BATCH = 1 << 20  # bytes of small frames that are handled at once


class Packer:
    """Makes the frames of one archive in the threads of a pool; ``folder`` holds its entries.

    ``progress`` is called with the number of content bytes handled since the last call.
    """

    def __init__(
        self,
        plan: ArchivePlan,
        folder: Path,
        cache: FrameCache | None,
        pool: FramePool,
        *,
        progress: Callable[[int], None],
    ) -> None:
        self._plan = plan
        self._codec = CODECS[plan.profile.format]
        self._folder = folder
        self._cache = cache
        self._pool = pool
        self._progress = progress
        self._known = FileHashes(folder, cache)
        self._recipe = f"{codec_identity(self._codec)} {plan.profile.level} {plan.profile.window_log}"
        self._hashes: dict[str, str] = {}
        self._hashing: dict[str, Future[str]] = {}

    def pack(self) -> Iterator[PackedFrame]:
        """Make all frames, and return them in their order."""
        self._begin_hashing()
        for packed in self._pool.in_order(self._batches(), self._pack_batch):
            yield from packed
        self._known.save()

    def sha256(self, entry: Entry) -> str:
        """Return the hash of a file's content, when the frames are made."""
        return self._hashes[entry.path] if entry.size else EMPTY_SHA256

    def _begin_hashing(self) -> None:
        """Let files be hashed that go over several frames: each of these is named by the hash of the whole."""
        slices = (part for parts in self._plan.frames for part in slices_of(parts))
        divided = [part.entry for part in slices if not part.start and part.size != part.entry.size]
        for entry in sorted(divided, key=lambda entry: -entry.size):
            self._hashing[entry.path] = self._pool.submit(partial(self._hash_file, entry))

    def _batches(self) -> Iterator[list[tuple[FrameParts[Entry], int]]]:
        """Return frames, and how many bytes they hold, in lists that are worth a task."""
        batch: list[tuple[FrameParts[Entry], int]] = []
        size = 0
        for parts in self._plan.frames:
            more = content_size(parts)
            if batch and size + more > _BATCH:
                yield batch
                batch, size = [], 0
            batch.append((parts, more))
            size += more
        if batch:
            yield batch

    def _pack_batch(self, batch: Sequence[tuple[FrameParts[Entry], int]]) -> list[PackedFrame]:
        return [self._pack(parts, size) for parts, size in batch]

    def _pack(self, parts: FrameParts[Entry], size: int) -> PackedFrame:
        self._pool.check()
        slices = slices_of(parts)
        data: dict[str, bytes] = {}
        for part in slices:
            self._identify(part, data)
        cache = self._cache if size >= _WORTH_KEEPING else None
        if cache is not None and (found := cache.get(self._key(parts))) is not None:
            self._progress(sum(part.size for part in slices))
            return found
        for part in slices:
            if part.entry.path not in data:
                data[part.entry.path] = self._read(part)
        last = parts[-1]
        ends = isinstance(last, bytes) or last.start + last.size == last.entry.size
        profile = self._plan.profile
        packed = compress(
            self._codec,
            profile.level,
            size,
            self._content(parts, data),
            window_log=profile.window_log,
            last=ends,
            check=self._pool.check,
        )
        crc = zlib.crc32(data[slices[0].entry.path]) if self._codec is Codec.DEFLATE else 0
        if cache is None:
            return packed, files.sha256(packed), crc
        # By a new key: what was remembered of a file may have proved wrong.
        return cache.put(self._key(parts), packed, crc=crc)

    def _identify(self, part: Slice[Entry], data: dict[str, bytes]) -> None:
        """Find the hash of a file of which a frame holds something; what is read for that is kept."""
        path = part.entry.path
        if path in self._hashing:
            self._hashes[path] = self._hashing[path].result()
        elif (known := self._known.look_up(part.entry)) is not None:
            self._hashes[path] = known
        else:
            data[path] = self._read(part)

    def _key(self, parts: FrameParts[Entry]) -> str:
        """Return a hash over everything that decides a frame's bytes."""
        text = [f"{self._recipe}\n".encode()]
        for part in parts:
            if isinstance(part, bytes):
                text += (b"%d bytes\n" % len(part), part)
            else:
                rest = part.entry.size - part.start - part.size
                text.append(f"{part.start} {part.size} {rest} {self._hashes[part.entry.path]}\n".encode())
        return files.sha256(b"".join(text))

    def _content(self, parts: FrameParts[Entry], data: Mapping[str, bytes]) -> Iterator[bytes | memoryview]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                whole = memoryview(data[part.entry.path])
                for start in range(0, part.size, BLOCK_SIZE):
                    piece = whole[start : start + BLOCK_SIZE]
                    yield piece
                    self._progress(len(piece))

    def _read(self, part: Slice[Entry]) -> bytes:
        """Read a part of a file; if it is the whole, hash it."""
        entry = part.entry
        data, inode = read_part(self._folder, entry, part.start, part.size)
        if part.size == entry.size:
            self._hashes[entry.path] = files.sha256(data)
            self._known.remember(entry, inode, self._hashes[entry.path])
        return data

    def _hash_file(self, entry: Entry) -> str:
        if (known := self._known.look_up(entry)) is not None:
            return known
        digest = hashlib.sha256()
        inode = 0
        for start in range(0, entry.size, BLOCK_SIZE):
            self._pool.check()
            data, inode = read_part(self._folder, entry, start, min(BLOCK_SIZE, entry.size - start))
            digest.update(data)
        self._known.remember(entry, inode, digest.hexdigest())
        return digest.hexdigest()
