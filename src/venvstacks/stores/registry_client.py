"""Requests of the OCI distribution specification: blobs, manifests and tags of one repository.

What is read is verified by its digest where that is known. A registry may answer anything else: a proxy stands
between, or it is no registry.
"""

import os
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urljoin

import msgspec

from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import NotInStoreError, StoreError
from venvstacks.humanize import quoted
from venvstacks.stores import registry_format
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.http_client import Answer, HttpClient
from venvstacks.stores.http_errors import BrokenConnectionError, refused, retry_after
from venvstacks.stores.http_reading import read_range
from venvstacks.stores.interface import Traffic
from venvstacks.stores.registry_auth import RegistryAuthorizer
from venvstacks.stores.registry_names import Repository

if TYPE_CHECKING:
    from venvstacks.stores.registry_format import Manifest

_BINARY = {"Content-Type": "application/octet-stream"}
_MANIFESTS = {"Accept": f"{registry_format.MANIFEST}, {registry_format.INDEX}"}
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_CHUNKS = (0, 8 << 20, 512 << 10)
"""Bytes that are sent by one request; 0 for all. The next is tried where something refuses the former."""
_PROBLEM = 64 << 10  # bytes of an answer that tells of a problem
_TAGS_AT_ONCE = 1000
_MOST_PAGES = 100_000
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_FAILING = 500  # statuses from here on are failures of the server


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct):
    errors: tuple[_Problem, ...] = ()


class _Tags(msgspec.Struct):
    tags: tuple[str, ...] | None = None


class RegistryClient:
    """Speaks to one repository; any thread may use it."""

    def __init__(
        self,
        repository: Repository,
        traffic: Traffic,
        *,
        environ: Mapping[str, str] = os.environ,
        patience: Patience | None = None,
    ) -> None:
        self._repository = repository
        self._logins = RegistryAuthorizer(repository.host, repository.api, environ=environ, patience=patience)
        self._http = HttpClient(
            repository.api, traffic, authorizer=self._logins, environ=environ, patience=patience
        )

    def close(self) -> None:
        """Close connections."""
        self._http.close()
        self._logins.close()

    # ---- manifests

    def manifest(self, reference: str) -> "tuple[Manifest, str] | None":
        """Return the manifest with a tag or digest, and its digest; None if there is none."""
        where = f"{self._repository.address}:{reference}"
        answer = self._ask("GET", f"manifests/{reference}", headers=_MANIFESTS, largest=registry_format.LARGEST)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            self._refuse("read", answer)
        found = registry_format.digest(answer.data)
        if found != (reference if ":" in reference else answer.headers.get("Docker-Content-Digest", found)):
            raise StoreError(
                f"{where}: the manifest has another digest than it should: {found}.",
                hint="something between this machine and the registry changes answers",
            )
        return registry_format.decode(answer.data, where), found

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """Write a manifest, with a tag or under its digest."""
        headers = {"Content-Type": media_type}
        answer = self._ask("PUT", f"manifests/{reference}", headers=headers, body=data)
        if answer.status != HTTPStatus.CREATED:
            self._refuse("write", answer)

    def delete(self, path: str) -> bool:
        """Delete a manifest or a blob by its digest.

        Returns:
            False if the registry lets nobody do that.
        """
        answer = self._ask("DELETE", path)
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED or "UNSUPPORTED" in _codes(answer):
            return False
        if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND):
            self._refuse("delete", answer)
        return True

    def tags(self) -> Iterator[str]:
        """Return all tags, page by page."""
        url = self._repository.url(f"tags/list?n={_TAGS_AT_ONCE}")
        for _ in range(_MOST_PAGES):
            answer = self._http.request("GET", url)
            if answer.status == HTTPStatus.NOT_FOUND:
                return
            if answer.status != HTTPStatus.OK:
                self._refuse("list", answer)
            try:
                yield from parse_json(answer.data, _Tags).tags or ()
            except DocumentError as error:
                raise StoreError(f"{self._repository.address}: the list of tags is damaged: {error}.") from None
            following = _NEXT.search(answer.headers.get("Link", ""))
            if not following:
                return
            url = urljoin(url, following[1])

    # ---- blobs

    def blob_size(self, digest: str) -> int | None:
        """Return the bytes of a blob; None if there is no such blob."""
        answer = self._ask("HEAD", f"blobs/{digest}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        length = answer.headers.get("Content-Length", "")
        if answer.status != HTTPStatus.OK or not length.isdecimal():
            self._refuse("read", answer)
        return int(length)

    def blob(self, digest: str, largest: int) -> bytes:
        """Return a small blob, verified."""
        answer = self._ask("GET", f"blobs/{digest}", largest=max(largest, _PROBLEM))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotInStoreError(f"{self._repository.address} has no blob {digest}.")
        if answer.status != HTTPStatus.OK:
            self._refuse("read", answer)
        if len(answer.data) > largest:
            raise StoreError(f"{self._repository.address}: {digest} has more than the expected {largest} bytes.")
        if registry_format.digest(answer.data) != digest:
            raise StoreError(
                f"{self._repository.address}: the registry sends another content than {digest}.",
                hint="something between this machine and the registry changes answers",
            )
        return answer.data

    def stream_blob(self, digest: str, start: int, size: int | None) -> Iterator[bytes]:
        """Return part of a blob in pieces."""
        try:
            yield from read_range(self._http, self._repository.url(f"blobs/{digest}"), start, size)
        except BrokenConnectionError:
            raise
        except StoreError:
            if self.blob_size(digest) is None:  # this tells better why, as that a login is needed
                raise NotInStoreError(f"{self._repository.address} has no blob {digest}.") from None
            raise

    def upload(self, digest: str, content: bytes | Path) -> None:
        """Upload a blob, as a whole if everything in between lets it through."""
        for chunk in _CHUNKS:
            answer = self._uploaded(digest, content, chunk)
            if answer.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                break
        if answer.status != HTTPStatus.CREATED:
            self._refuse("write", answer)

    def _uploaded(self, digest: str, content: bytes | Path, chunk: int) -> Answer:
        """Upload a blob, again from the beginning if the connection breaks or the server fails."""
        attempts = self._http.attempts()
        while True:
            try:
                answer = self._in_chunks(digest, content, chunk) if chunk else self._at_once(digest, content)
            except BrokenConnectionError as error:
                attempts.failed(error)
                continue
            if answer.status < _FAILING:
                return answer
            attempts.failed(refused("PUT", answer.url, answer.status, answer.headers), retry_after(answer.headers))

    def _at_once(self, digest: str, content: bytes | Path) -> Answer:
        return self._finish(self._begin_upload(), digest, content)

    def _in_chunks(self, digest: str, content: bytes | Path, chunk: int) -> Answer:
        location, sent = self._begin_upload(), 0
        for piece in _pieces(content, chunk):
            headers = {**_BINARY, "Content-Range": f"{sent}-{sent + len(piece) - 1}"}
            answer = self._http.request("PATCH", location, headers=headers, body=piece)
            if answer.status != HTTPStatus.ACCEPTED:
                return answer
            location = urljoin(location, answer.headers.get("Location", location))
            sent += len(piece)
        return self._finish(location, digest, b"")

    def _begin_upload(self) -> str:
        url = self._repository.url("blobs/uploads/")
        answer = self._http.request("POST", url, headers={"Content-Length": "0"}, body=b"", again=True)
        if answer.status != HTTPStatus.ACCEPTED or "Location" not in answer.headers:
            self._refuse("write", answer)
        return urljoin(answer.url, answer.headers["Location"])

    def _finish(self, location: str, digest: str, content: bytes | Path) -> Answer:
        url = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        return self._http.request("PUT", url, headers=_BINARY, body=content, again=False)

    # ---- answers

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        largest: int = registry_format.LARGEST,
    ) -> Answer:
        return self._http.request(method, self._repository.url(path), headers=headers, body=body, largest=largest)

    def _refuse(self, doing: str, answer: Answer) -> NoReturn:
        """Raise the error for an answer that is not what was asked for."""
        address = self._repository.address
        words = "; ".join(quoted(text) for text in _words(answer))
        hint = None
        if answer.status in _DENIED:
            hint = f"run docker login {self._repository.host} with a user who may {doing} there"
        elif "NAME_UNKNOWN" in _codes(answer) or answer.status == HTTPStatus.NOT_FOUND:
            hint = "check the address; some registries have to be told of a repository before it is written to"
        elif not words:
            hint = "check the address: this may be no registry"
        raise StoreError(
            f"Cannot {doing} {address}: the registry answered {answer.status}"
            + (f" ({words})." if words else "."),
            hint=hint,
        )


def _problems(answer: Answer) -> tuple[_Problem, ...]:
    try:
        return parse_json(answer.data, _Problems).errors
    except DocumentError:
        return ()


def _codes(answer: Answer) -> list[str]:
    return [problem.code for problem in _problems(answer)]


def _words(answer: Answer) -> list[str]:
    return [f"{problem.code}: {problem.message}"[:200] for problem in _problems(answer)[:3]]


def _pieces(content: bytes | Path, chunk: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield from (content[at : at + chunk] for at in range(0, len(content), chunk))
        return
    with content.open("rb") as file:
        while piece := file.read(chunk):
            yield piece
