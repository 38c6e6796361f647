"""Reading files over HTTP: whole, or a part of one that goes on after connections that break."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from venvstacks.errors import NotInStoreError, StoreError
from venvstacks.stores.http_client import Answer, HttpClient
from venvstacks.stores.http_errors import TRY_AGAIN, BrokenConnectionError, refused, shown
from venvstacks.stores.http_reply import Reply

# Many buckets answer 403 to those who may not list them; python-tuf takes both for a file that is not there.
_ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN}
_PARTS = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class _Range:
    """What ``Content-Range`` says, of which each may be unknown."""

    start: int | None = None
    end: int | None = None
    total: int | None = None


def read_whole(client: HttpClient, url: str, largest: int, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a small file.

    Raises:
        NotInStoreError: There is no such file.
        StoreError: It cannot be read, or has more than ``largest`` bytes.
    """
    attempts = client.attempts()
    while True:
        try:
            with client.open("GET", url, headers=headers, attempts=attempts) as reply:
                _require(reply, url, HTTPStatus.OK)
                return Answer(reply.status, reply.headers, reply.read(largest), reply.url)
        except BrokenConnectionError as error:
            attempts.failed(error)


def content_size(client: HttpClient, url: str, *, headers: Mapping[str, str] | None = None) -> int | None:
    """Return the bytes that a file has; None if there is no such file.

    Raises:
        StoreError: The server does not say.
    """
    answer = client.request("HEAD", url, headers=headers)
    if answer.status in _ABSENT:
        return None
    length = answer.headers.get("Content-Length", "")
    if answer.status == HTTPStatus.OK and length.isdecimal():
        return int(length)
    with client.open("GET", url, headers={**(headers or {}), "Range": "bytes=0-0"}) as reply:
        if reply.status in _ABSENT:
            return None
        found = reply.length if reply.status == HTTPStatus.OK else _content_range(reply).total
        if found is None:
            _require(reply, url, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
            raise StoreError(f"{shown(url)}: the server does not say how long this file is.")
        return found


def read_range(
    client: HttpClient, url: str, start: int, size: int | None, *, headers: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """Return part of a file in pieces, from ``start`` on, ``size`` bytes of it or all.

    Raises:
        NotInStoreError: There is no such file.
        StoreError: It cannot be read, or ends too early.
    """
    attempts = client.attempts()
    position, end = start, None if size is None else start + size
    tag = ""
    while end is None or position < end:
        asked = {**(headers or {}), **_asked(position, end, tag)}
        reply: Reply | None = None
        try:
            with client.open("GET", url, headers=asked, attempts=attempts) as reply:
                _require(reply, url, *_PARTS)
                tag = tag or reply.headers.get("ETag", "")
                end = _end(reply, url, position, end)
                for piece in _part(reply, position, end):
                    position += len(piece)
                    yield piece
                if end is None:
                    return
                if reply.status == HTTPStatus.OK and position < end:
                    raise _too_short(url, position, end)
        except BrokenConnectionError as error:
            if reply is not None and reply.was_worth_it:
                attempts.succeeded()
            attempts.failed(error)


def _asked(position: int, end: int | None, tag: str) -> dict[str, str]:
    """Return the headers of a request for the bytes between two places, of the file as it was with a tag."""
    if position == 0 and end is None:
        return {}
    asked = {"Range": f"bytes={position}-{'' if end is None else end - 1}"}
    if tag.startswith('"'):  # a weak one does not promise equal bytes
        asked["If-Range"] = tag
    return asked


def _end(reply: Reply, url: str, position: int, end: int | None) -> int | None:
    """Return where the part ends that was asked for, now that the server has answered, if it is known.

    Raises:
        StoreError: The file is too short, or the answer is not about this part.
    """
    total = reply.length if reply.status == HTTPStatus.OK else None
    if reply.status != HTTPStatus.OK:
        found = _content_range(reply)
        total = found.total
        if reply.status == HTTPStatus.PARTIAL_CONTENT and found.start != position:
            raise StoreError(
                f"{shown(url)}: the server was asked for the bytes from {position} on, and sends others.",
                hint="something between this machine and the server damages answers",
            )
        if reply.status == HTTPStatus.PARTIAL_CONTENT and total is None and end is None:
            total = None if found.end is None else found.end + 1
        if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and (total is None or total > position):
            raise refused("GET", url, reply.status, reply.headers)
    if total is not None and (total < position or (end is not None and total < end)):
        raise _too_short(url, total, position if end is None else end)
    return total if end is None else end


def _part(reply: Reply, position: int, end: int | None) -> Iterator[bytes]:
    """Return from an answer the bytes between two places; of a whole file, those before are skipped."""
    if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return
    skipped = position if reply.status == HTTPStatus.OK else 0
    left = None if end is None else end - position
    for piece in reply.pieces():
        part = piece
        if skipped:
            part, skipped = part[skipped:], max(0, skipped - len(part))
        if left is not None:
            part = part[:left]
            left -= len(part)
        if part:
            yield part
        if left == 0:
            return


def _content_range(reply: Reply) -> _Range:
    found = _CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", "").strip().lower())
    if not found:
        return _Range()
    return _Range(*(int(part) if part and part != "*" else None for part in found.groups()))


def _require(reply: Reply, url: str, *statuses: HTTPStatus) -> None:
    """Check that a server answers with what it was asked for.

    Raises:
        NotInStoreError: There is no such file.
        BrokenConnectionError: The answer may be cut off.
        StoreError: It answers otherwise.
    """
    if reply.status not in statuses:
        error = refused("GET", url, reply.status, reply.headers)
        raise NotInStoreError(error.message, hint=error.hint) if reply.status in _ABSENT else error
    if reply.length is None and "chunked" not in reply.headers.get("Transfer-Encoding", "").lower():
        # http.client takes a head that was cut off for a whole one
        raise BrokenConnectionError(f"{shown(url)}: the server does not say how long its answer is.")
    if reply.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise StoreError(
            f"{shown(url)}: the server compresses what it sends, although it was asked not to.",
            hint="switch off compression (Content-Encoding) for the files of the store",
        )


def _too_short(url: str, there: int, wanted: int) -> StoreError:
    return StoreError(f"{shown(url)} ends after {there} of {wanted} bytes.", hint=TRY_AGAIN)
