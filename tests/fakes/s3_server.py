"""A server that speaks as much of S3 as a store asks for; it can be as careless as some real ones are.

``rclone serve s3`` ignores conditions, and answers a range with its bytes but with the status of a whole file;
others refuse conditions with 501. Answers have the form that moto and rclone gave.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass
class Bucket:
    """A running server with one bucket.

    Attributes:
        url: Its address.
        files: Key -> content.
        headers: Key -> headers that its last writer sent.
        asked: Method and key of each request, in order.
        conditions: What the server does with If-None-Match and If-Match.
        ranges: Whether ranges are answered with the right status.
        status: Answers everything so, if it is not 0.
        losing: A key whose next written content another writer replaces at once.
        modified: When all files were written; 0 for just now.
        cut: Bytes after which the next answers to GET break off.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    conditions: Literal["kept", "ignored", "refused"] = "kept"
    ranges: bool = True
    status: int = 0
    losing: str = ""
    modified: float = 0
    cut: list[int] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        """Return the environment with which the AWS tools would use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKEXAMPLEKEY",
            "AWS_SECRET_ACCESS_KEY": "SKEXAMPLESECRET",
            "AWS_REGION": "us-east-1",
        }


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@contextmanager
def serve_bucket(name: str = "bucket") -> Iterator[Bucket]:
    """Serve one bucket on 127.0.0.1."""
    server = _Server(name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.bucket = Bucket(f"http://127.0.0.1:{self.server_port}")
        self.guard = threading.Lock()
        self.uploads: dict[str, dict[int, bytes]] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the head and the content of an answer are sent together
    server: "_Server"

    def _answer(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query, keep_blank_values=True)
        there, _, key = unquote(address.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.bucket.asked.append(f"{self.command} {key}")
        with self.server.guard:
            if self.server.bucket.status:
                self._send(self.server.bucket.status, _error("SlowDown", "Please reduce your request rate."))
            elif there != self.server.name:
                self._send(404, _error("NoSuchBucket", "The specified bucket does not exist"))
            elif self.command in ("PUT", "POST"):
                self._write(key, query, body)
            elif self.command == "DELETE":
                self.server.bucket.files.pop(key, None)
                self._send(204)
            elif key:
                self._read(key)
            else:
                self._list(query["prefix"][0] if "prefix" in query else "")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - as the base class looks for them

    def _read(self, key: str) -> None:
        if key not in self.server.bucket.files:
            self._send(404, _error("NoSuchKey", "The specified key does not exist."))
            return
        content = self.server.bucket.files[key]
        headers = {"ETag": etag(content), "Last-Modified": formatdate(1_800_000_000, usegmt=True)}
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if not wanted:
            self._send(200, content, headers)
            return
        start, _, last = wanted.partition("-")
        part = content[int(start) : int(last or len(content)) + 1]
        if not part:
            self._send(416, _error("InvalidRange", "The requested range is not satisfiable"))
            return
        headers["Content-Range"] = f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}"
        self._send(206 if self.server.bucket.ranges else 200, part, headers)

    def _write(self, key: str, query: dict[str, list[str]], body: bytes) -> None:
        if "uploads" in query:
            self.server.uploads[key] = {}
            text = f"<Bucket>{self.server.name}</Bucket><Key>{key}</Key><UploadId>1</UploadId>"
            self._send(200, _document("InitiateMultipartUploadResult", text))
            return
        if "partNumber" in query:
            self.server.uploads[key][int(query["partNumber"][0])] = body
            self._send(200, b"", {"ETag": etag(body)})
            return
        if refused := self._check(self.server.bucket.files.get(key)):
            self._send(refused, _error("PreconditionFailed", "At least one of the pre-conditions did not hold"))
            return
        if "uploadId" in query:
            body = b"".join(part for _, part in sorted(self.server.uploads.pop(key).items()))
        self.server.bucket.files[key] = body
        self.server.bucket.headers[key] = dict(self.headers.items())
        if key == self.server.bucket.losing:
            self.server.bucket.files[key] = b"of another run"
        tag = etag(body)
        text = f"<Bucket>{self.server.name}</Bucket><Key>{key}</Key><ETag>{tag}</ETag>"
        self._send(
            200,
            _document("CompleteMultipartUploadResult", text) if "uploadId" in query else b"",
            {"ETag": tag},
        )

    def _check(self, there: bytes | None) -> int:
        match, none_match = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if (match or none_match) and self.server.bucket.conditions == "refused":
            return 501
        if self.server.bucket.conditions == "ignored":
            return 0
        if none_match and there is not None:
            return 412
        return 412 if match and (there is None or etag(there) != match) else 0

    def _list(self, prefix: str) -> None:
        modified = datetime.fromtimestamp(self.server.bucket.modified or time.time(), UTC).isoformat()
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{modified}</LastModified>"
            f"<ETag>{etag(content)}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in self.server.bucket.files.items()
            if key.startswith(prefix)
        )
        self._send(200, _document("ListBucketResult", f"<IsTruncated>false</IsTruncated>{entries}"))

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.command == "GET" and self.server.bucket.cut and status < 300:
            self.wfile.write(body[: self.server.bucket.cut.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        pass


def _document(kind: str, text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{kind} {NAMESPACE}>{text}</{kind}>'.encode()


def _error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
