"""Making the frames of an archive: from the cache if they are there, else read, verified and compressed."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks import files
from venvstacks.archives.archive_entries import Member
from venvstacks.archives.archive_plan import ArchivePlan
from venvstacks.archives.codecs import BLOCK_SIZE, Codec, codec_identity, compress, compressor
from venvstacks.archives.frame_cache import FrameCache, PackedFrame
from venvstacks.archives.frame_layout import FrameContent, Slice
from venvstacks.archives.hashing import FileHashes, read_part
from venvstacks.archives.pool import FramePool

if TYPE_CHECKING:
    from concurrent.futures import Future

EMPTY_SHA256 = hashlib.sha256().hexdigest()

_WORTH_KEEPING = 32 << 10  # smaller frames are compressed sooner than their files are found
_BATCH = 1 << 20  # bytes of small frames that are handled at once


class Packer:
    """Makes the frames of one archive, in any thread.

    Args:
        plan: What the archive will hold.
        folder: Holds the members.
        cache: Frames of earlier runs; None to use none.
        pool: Does the work.
        progress: Called with the number of content bytes handled since the last call.
        check: Called often; raises when the work was cancelled.
    """

    def __init__(
        self,
        plan: ArchivePlan,
        folder: Path,
        cache: FrameCache | None,
        pool: FramePool,
        *,
        progress: Callable[[int], None],
        check: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._codec = plan.profile.format.codec
        self._folder = folder
        self._cache = cache
        self._pool = pool
        self._progress = progress
        self._check = check
        self._known = FileHashes(folder, cache)
        self._recipe = f"{codec_identity(self._codec)} {plan.profile.level} {plan.profile.window_log}"
        self._hashes: dict[int, str] = {}
        self._hashing: dict[int, Future[str]] = {}

    def pack(self) -> Iterator[PackedFrame]:
        """Make all frames, and give them in their order."""
        self._begin_hashing()
        for packed in self._pool.in_order(self._batches(), self._pack_batch):
            yield from packed
        self._known.save()

    def sha256(self, number: int) -> str:
        """Return the hash of a file's content, when the frames are made."""
        return self._hashes[number] if self._plan.members[number].size else EMPTY_SHA256

    def _begin_hashing(self) -> None:
        """Let files hashed that go over several frames: each of these is named by the hash of the whole."""
        divided = {
            part.entry
            for content in self._plan.frames
            for part in content.parts
            if isinstance(part, Slice) and part.size != self._plan.members[part.entry].size
        }
        for number in sorted(divided, key=lambda number: -self._plan.members[number].size):
            self._hashing[number] = self._pool.submit(partial(self._hash_file, self._plan.members[number]))

    def _batches(self) -> Iterator[list[FrameContent]]:
        batch: list[FrameContent] = []
        size = 0
        for content in self._plan.frames:
            if batch and size + content.size > _BATCH:
                yield batch
                batch, size = [], 0
            batch.append(content)
            size += content.size
        if batch:
            yield batch

    def _pack_batch(self, batch: Sequence[FrameContent]) -> list[PackedFrame]:
        return [self._pack(content) for content in batch]

    def _pack(self, content: FrameContent) -> PackedFrame:
        self._check()
        slices = [part for part in content.parts if isinstance(part, Slice)]
        data: dict[int, bytes] = {}
        for part in slices:
            self._identify(part, data)
        cache = self._cache if content.size >= _WORTH_KEEPING else None
        if cache is not None and (found := cache.get(self._key(content))) is not None:
            self._progress(sum(part.size for part in slices))
            return found
        for part in slices:
            if part.entry not in data:
                data[part.entry] = self._read(part)
        packed = self._compress(content, data)
        crc = zlib.crc32(data[slices[0].entry]) if self._codec is Codec.DEFLATE else 0
        if cache is None:
            return PackedFrame(packed, files.sha256(packed), crc)
        # By a new key: what was remembered of a file may have proved wrong.
        return cache.put(self._key(content), packed, crc=crc)

    def _identify(self, part: Slice, data: dict[int, bytes]) -> None:
        """Find the hash of a file of which a frame holds something; what is read for that is kept."""
        number = part.entry
        if number in self._hashing:
            self._hashes[number] = self._hashing[number].result()
        elif (known := self._known.known(self._plan.members[number])) is not None:
            self._hashes[number] = known
        else:
            data[number] = self._read(part)

    def _key(self, content: FrameContent) -> str:
        """Return a hash over everything that decides a frame's bytes."""
        members, hashes = self._plan.members, self._hashes
        text = [f"{self._recipe}\n".encode()]
        for part in content.parts:
            if isinstance(part, bytes):
                text += (b"%d bytes\n" % len(part), part)
            else:
                rest = members[part.entry].size - part.start - part.size
                text.append(f"{part.start} {part.size} {rest} {hashes[part.entry]}\n".encode())
        return files.sha256(b"".join(text))

    def _compress(self, content: FrameContent, data: Mapping[int, bytes]) -> bytes:
        last = content.parts[-1]
        ends = isinstance(last, bytes) or last.start + last.size == self._plan.members[last.entry].size
        profile = self._plan.profile
        stream = compressor(self._codec, profile.level, content.size, window_log=profile.window_log, last=ends)
        return compress(stream, self._content(content, data), self._check)

    def _content(self, content: FrameContent, data: Mapping[int, bytes]) -> Iterator[bytes | memoryview]:
        for part in content.parts:
            if isinstance(part, bytes):
                yield part
            else:
                whole = memoryview(data[part.entry])
                for start in range(0, part.size, BLOCK_SIZE):
                    piece = whole[start : start + BLOCK_SIZE]
                    yield piece
                    self._progress(len(piece))

    def _read(self, part: Slice) -> bytes:
        """Read a part of a file; if it is the whole, hash it."""
        member = self._plan.members[part.entry]
        data, inode = read_part(self._folder, member, part.start, part.size)
        if part.size == member.size:
            self._hashes[part.entry] = files.sha256(data)
            self._known.remember(member, inode, self._hashes[part.entry])
        return data

    def _hash_file(self, member: Member) -> str:
        if (known := self._known.known(member)) is not None:
            return known
        digest = hashlib.sha256()
        inode = 0
        for start in range(0, member.size, BLOCK_SIZE):
            self._check()
            data, inode = read_part(self._folder, member, start, min(BLOCK_SIZE, member.size - start))
            digest.update(data)
        self._known.remember(member, inode, digest.hexdigest())
        return digest.hexdigest()
