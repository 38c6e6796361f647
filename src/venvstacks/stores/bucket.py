"""A store in a bucket of S3, of what speaks its protocol, of Google Cloud Storage, or of Azure Blob Storage.

Servers differ in what they make of conditions and ranges: some ignore ``If-None-Match`` and ``If-Match``, some
answer a range with a status that says it is the whole. So nothing rests on conditions: what was replaced is read
again. A range that is not answered as one is cut from the whole file.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks.errors import ConflictError, NotInStoreError, StoreError, TooLargeError
from venvstacks.files import sha256
from venvstacks.stores.bucket_clients import BucketClient, make_client, parse_bucket
from venvstacks.stores.bucket_errors import explain, status_of
from venvstacks.stores.interface import BLOBS, TARGETS, Blob, Listed, Stored, Traffic, blob_hash
from venvstacks.stores.names import checked_name, checked_prefix

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta, PutMode

PART = 8 << 20
"""Bytes of one part of a large file; smaller files are written by one request."""
_PARTS_AT_ONCE = 4
_PROBE = "probe"
"""Name of an empty file that shows whether a server refuses names that are taken."""
_FOR_EVER = "public, max-age=31536000, immutable"
_SLOWEST = 1024
"""Bytes a second below which a download is given up, after the first minute."""
_PATIENCE = 60.0
_HASH = "sha256:"  # begins the tags of files for which a server tells none


class BucketStore:
    """A store in a bucket.

    Attributes:
        address: ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX`` or ``az://CONTAINER/PREFIX``.
        traffic: What was asked of it; requests that the client repeats by itself are counted once.
    """

    def __init__(self, client: BucketClient) -> None:
        self.address = client.address
        self.traffic = Traffic()
        self._client = client
        self._answers_ranges = True

    @cached_property
    def creates_once(self) -> bool:
        """Whether the server refuses to create a name that is taken: found out with a name of its own."""
        return not (self._try_create(_PROBE, b"") and self._try_create(_PROBE, b""))

    def read(self, name: str, largest: int) -> Stored:
        """Return the whole content of a small file."""
        import obstore  # noqa: PLC0415 - an extra

        checked_name(name)
        self.traffic.count(requests=1)
        try:
            answer = obstore.get(self._client.reads, name)
            if answer.meta["size"] > largest:
                raise TooLargeError(
                    f"{name!r} of {self.address} has {answer.meta['size']} bytes; at most {largest} are expected."
                )
            data = bytes(answer.bytes())
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise explain(error, "read", name, self.address) from None
        self.traffic.count(received=len(data))
        return Stored(data, self._tag(answer.meta, data))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Return the content of a file from ``start`` on, in pieces; go on where a connection breaks."""
        import obstore  # noqa: PLC0415 - an extra

        end = self._end(checked_name(name), start) if size is None else start + size
        at, pace = start, _Pace()
        while at < end:
            before = at
            try:
                for piece in pace.measured(self._pieces(name, at, end)):
                    at += len(piece)
                    self.traffic.count(received=len(piece))
                    yield piece
            except (obstore.exceptions.BaseError, OSError, ValueError) as error:
                if at == before:
                    raise explain(error, "read", name, self.address) from None
                continue
            if at < end and pace.is_too_slow():
                raise StoreError(f"{name!r} of {self.address} arrives too slowly: {pace}.", hint="try again later")
            if at == before:
                raise StoreError(f"{name!r} of {self.address} ends after {at} bytes, before byte {end}.")

    def size(self, name: str) -> int | None:
        """Return the bytes that a file has; None if there is no such file."""
        import obstore  # noqa: PLC0415 - an extra

        checked_name(name)
        self.traffic.count(requests=1)
        try:
            return obstore.head(self._client.reads, name)["size"]
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            if isinstance(explained := explain(error, "read", name, self.address), NotInStoreError):
                return None
            raise explained from None

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write a file unless there is one of that name; it appears whole or not at all."""
        checked_name(name)
        if isinstance(content, Path) and content.stat().st_size > PART:
            if self.size(name) is not None:
                return False
            self._write_parts(name, content)
            return True
        data = content if isinstance(content, bytes) else content.read_bytes()
        if self.creates_once:
            return self._try_create(name, data)
        if self.size(name) is not None:
            return False
        self._put(name, data, "overwrite")
        return blob_hash(name) is not None or self._read_or_none(name, max(len(data), 1 << 20)) == data

    def replace(self, name: str, data: bytes, tag: str | None) -> None:
        """Write a small file in the place of the one with a tag; with None, where there is none."""
        import obstore  # noqa: PLC0415 - an extra

        self._check_tag(name, tag)
        refused = False
        try:
            self._put(name, data, self._mode(tag))
        except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
            refused = True  # perhaps it was written, and then the answer was lost and the request repeated
        if self._read_or_none(name, max(len(data), 1 << 20)) != data:
            verb = "was not written" if refused else "was replaced at once"
            raise ConflictError(
                f"{name!r} of {self.address} {verb}: another run has changed it meanwhile.", hint="run this again"
            )

    def names(self, prefix: str) -> Iterator[Listed]:
        """List the files whose names begin so."""
        import obstore  # noqa: PLC0415 - an extra

        folder = checked_prefix(prefix).rpartition("/")[0] or None  # the client lists whole folders only
        self.traffic.count(requests=1)
        try:
            for found in (entry for chunk in obstore.list(self._client.reads, folder) for entry in chunk):
                if found["path"].startswith(prefix) and found["path"] != _PROBE:
                    yield Listed(found["path"], found["size"], found["last_modified"].timestamp())
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise explain(error, "list", prefix, self.address) from None

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        import obstore  # noqa: PLC0415 - an extra

        checked_name(name)
        self.traffic.count(requests=1)
        try:
            obstore.delete(self._client.writes, name)
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            if not isinstance(explained := explain(error, "delete", name, self.address), NotInStoreError):
                raise explained from None

    def keep_together(self, release: str, platforms: Mapping[str, Sequence[Blob]]) -> None:
        """Do nothing: buckets remove nothing by themselves."""

    def forget_together(self, release: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: the client closes its connections by itself."""

    def _end(self, name: str, start: int) -> int:
        size = self.size(name)
        if size is None:
            raise NotInStoreError(f"{self.address} has no file {name!r}.")
        if size < start:
            raise StoreError(f"{name!r} of {self.address} has {size} bytes; {start} were expected.")
        return size

    def _pieces(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """Ask for a range, and for the whole file where ranges are not answered as such."""
        import obstore  # noqa: PLC0415 - an extra

        if self._answers_ranges:
            self.traffic.count(requests=1)
            try:
                answer = obstore.get(self._client.reads, name, options={"range": (start, end)})
            except obstore.exceptions.BaseError as error:
                if "non-partial response" not in str(error):
                    raise
                self._answers_ranges = False
            else:
                if answer.range != (start, end):
                    total = answer.meta["size"]
                    raise StoreError(f"{name!r} of {self.address} has {total} bytes; {end} were expected.")
                # the smallest pieces: otherwise nothing would be seen of one that comes byte by byte
                yield from answer.stream(min_chunk_size=1)
                return
        self.traffic.count(requests=1)
        answer = obstore.get(self._client.reads, name)
        if answer.meta["size"] < end:
            raise StoreError(f"{name!r} of {self.address} has {answer.meta['size']} bytes; {end} were expected.")
        yield from _cut(answer.stream(min_chunk_size=1), start, end)

    def _check_tag(self, name: str, tag: str | None) -> None:
        """Find out that a file has changed where a server ignores conditions."""
        try:
            there = self.read(name, 1 << 30).tag
        except NotInStoreError:
            there = None
        if there != tag:
            raise ConflictError(f"{name!r} of {self.address} was changed by another run.", hint="run this again")

    def _read_or_none(self, name: str, largest: int) -> bytes | None:
        try:
            return self.read(name, largest).data
        except NotInStoreError:
            return None

    def _mode(self, tag: str | None) -> "PutMode":
        if not self.creates_once:
            return "overwrite"
        if tag is None:
            return "create"
        if tag.startswith(_HASH):
            return "overwrite"
        return {"version": tag} if self._client.versions else {"e_tag": tag}

    def _tag(self, meta: "ObjectMeta", data: bytes) -> str:
        return (meta["version"] if self._client.versions else meta["e_tag"]) or f"{_HASH}{sha256(data)}"

    def _try_create(self, name: str, data: bytes) -> bool:
        import obstore  # noqa: PLC0415 - an extra

        try:
            self._put(name, data, "create")
        except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
            return False
        return True

    def _put(self, name: str, data: bytes, mode: "PutMode") -> None:
        """Write a small file; let through that its condition does not hold."""
        import obstore  # noqa: PLC0415 - an extra

        refusals = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
        self.traffic.count(requests=1)
        try:
            obstore.put(
                self._client.writes, name, data, mode=mode, use_multipart=False, attributes=attributes(name)
            )
        except refusals:
            raise
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            if mode != "overwrite" and status_of(error) == "501":  # a server that knows no conditions, and says so
                self._put(name, data, "overwrite")
            else:
                raise explain(error, "write", name, self.address) from None

    def _write_parts(self, name: str, path: Path) -> None:
        import obstore  # noqa: PLC0415 - an extra

        size = path.stat().st_size
        self.traffic.count(requests=2 + -(-size // PART))
        try:
            obstore.put(
                self._client.writes,
                name,
                path,
                chunk_size=PART,
                max_concurrency=_PARTS_AT_ONCE,
                attributes=attributes(name),
            )
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise explain(error, "write", name, self.address) from None
        if (written := self.size(name)) != size:
            raise StoreError(f"{name!r} of {self.address} has {written} bytes after {size} were written.")


class _Pace:
    """How fast a download is, without the time that its reader takes."""

    def __init__(self) -> None:
        self._waited = 0.0
        self._received = 0

    def __str__(self) -> str:
        return f"{self._received} bytes in {self._waited:.0f} seconds"

    def is_too_slow(self) -> bool:
        return self._waited > _PATIENCE and self._received < self._waited * _SLOWEST

    def measured(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass on pieces, until they come too slowly."""
        while not self.is_too_slow():
            began = time.monotonic()
            piece = next(pieces, None)
            self._waited += time.monotonic() - began
            if piece is None:
                return
            self._received += len(piece)
            yield piece


def open_bucket(address: str, environ: Mapping[str, str] = os.environ) -> BucketStore:
    """Return the store at the address of a bucket; nothing is asked of it yet.

    Raises:
        StoreError: The address, or what the environment says, cannot be used.
        ImportError: ``obstore`` is not installed.
    """
    place = parse_bucket(address)
    import obstore  # noqa: PLC0415 - an extra

    try:
        return BucketStore(make_client(place, environ))
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise explain(error, "use", "", str(place)) from None


def attributes(name: str) -> "Attributes":
    """Return what web servers and caches in front of a bucket are told about a file."""
    lasts = name.startswith((f"{BLOBS}/", f"{TARGETS}/releases/"))
    kind = "application/json" if name.endswith(".json") else "application/octet-stream"
    return {"Content-Type": kind, "Cache-Control": _FOR_EVER if lasts else "no-cache"}


def _cut(pieces: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    """Return the bytes of a range, from those of the whole file."""
    at = 0
    for piece in pieces:
        wanted = piece[max(start - at, 0) : max(end - at, 0)]
        at += len(piece)
        if wanted:
            yield wanted
        if at >= end:
            return
