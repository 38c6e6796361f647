"""A registry in memory, with what stores use of the OCI distribution specification.

Answers are like those of docker-registry. It may ask for a login, for tokens (which it gives as well), refuse
large requests or deletions, and lie.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "of/products"
TOKEN = "TOKEN-EXAMPLE"  # noqa: S105 - an example
REFRESH = "REFRESH-EXAMPLE"


@dataclass
class Registry:
    """A running registry with one repository.

    Attributes:
        url: Its address, without a path.
        blobs: Digest -> content.
        manifests: Digest -> media type and content.
        tags: Tag -> digest.
        asked: Method and path of each request, in order.
        login: Name and password that are needed; empty for none.
        tokens: Whether tokens are asked for rather than the login itself.
        largest: Bytes of the largest request that something in front of the registry lets through.
        deletes: Whether anybody may delete.
        page: Tags of one page.
        lies: Content of blobs and manifests -> what is answered in its place.
        overwriting: Tag -> digest that another run gives it whenever it is written.
        failing: Statuses of the next answers to PUT of blobs.
        realm: Where tokens come from, if it is another place.
        granted: Scopes of the tokens that were given.
    """

    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    login: str = ""
    tokens: bool = False
    largest: int = 1 << 40
    deletes: bool = True
    page: int = 1000
    lies: dict[bytes, bytes] = field(default_factory=dict)
    overwriting: dict[str, str] = field(default_factory=dict)
    failing: list[int] = field(default_factory=list)
    realm: str = ""
    granted: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def address(self) -> str:
        """Address of the store in it."""
        return f"oci+http://{self.host}/{REPOSITORY}"


@contextmanager
def serve_registry() -> Iterator[Registry]:
    """Run a registry on 127.0.0.1."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = Registry(f"http://127.0.0.1:{self.server_port}")
        self.guard = threading.Lock()
        self.uploads: dict[str, bytes] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the head and the content of an answer are sent together
    server: _Server

    def _answer(self) -> None:
        registry = self.server.registry
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        address = urlsplit(self.path)
        with self.server.guard:
            if address.path == "/token":
                self._give_token(body)
                return
            path = address.path.removeprefix(f"/v2/{REPOSITORY}/")
            registry.asked.append(f"{self.command} {path.partition('?')[0]}")
            if not self._is_allowed():
                self._challenge()
            elif path == address.path:
                self._problem(404, "NAME_UNKNOWN", "repository name not known to registry")
            elif len(body) > registry.largest:
                self._send(413, b"<html>too large</html>")
            else:
                kind, _, rest = path.partition("/")
                getattr(self, f"_{kind}")(rest, parse_qs(address.query), body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - as the base class has them

    def _tags(self, rest: str, query: dict[str, list[str]], body: bytes) -> None:  # noqa: ARG002 - as the others
        registry = self.server.registry
        last = query.get("last", [""])[0]
        tags = sorted(tag for tag in registry.tags if tag > last)
        page = tags[: registry.page]
        headers = {"Content-Type": "application/json"}
        if len(tags) > len(page):
            headers["Link"] = f'</v2/{REPOSITORY}/tags/list?last={page[-1]}&n=1000>; rel="next"'
        if registry.tags:
            self._send(200, json.dumps({"name": REPOSITORY, "tags": page}).encode(), headers)
        else:
            self._problem(404, "NAME_UNKNOWN", "repository name not known to registry")

    def _manifests(self, reference: str, query: dict[str, list[str]], body: bytes) -> None:  # noqa: ARG002
        registry = self.server.registry
        found = reference if ":" in reference else registry.tags.get(reference, "")
        if self.command == "PUT":
            registry.manifests[digest(body)] = (self.headers["Content-Type"], body)
            if ":" not in reference:
                registry.tags[reference] = registry.overwriting.get(reference, digest(body))
            self._send(201, b"", {"Docker-Content-Digest": digest(body)})
        elif self.command == "DELETE":
            self._delete(registry.manifests, found)
            registry.tags = {tag: there for tag, there in registry.tags.items() if there in registry.manifests}
        elif found in registry.manifests and registry.manifests[found][0] in self.headers.get("Accept", ""):
            kind, content = registry.manifests[found]
            self._send(200, content, {"Content-Type": kind, "Docker-Content-Digest": found})
        else:
            self._problem(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _blobs(self, rest: str, query: dict[str, list[str]], body: bytes) -> None:
        registry = self.server.registry
        if rest.startswith("uploads/"):
            self._upload(rest.removeprefix("uploads/"), query, body)
        elif self.command == "DELETE":
            self._delete(registry.blobs, rest)
        elif rest not in registry.blobs:
            self._problem(404, "BLOB_UNKNOWN", "blob unknown to registry")
        else:
            content = registry.blobs[rest]
            wanted = self.headers.get("Range", "").removeprefix("bytes=")
            if not wanted:
                self._send(200, content, {"Docker-Content-Digest": rest})
                return
            start, _, last = wanted.partition("-")
            part = content[int(start) : int(last or len(content)) + 1]
            end = int(start) + len(part) - 1
            self._send(206, part, {"Content-Range": f"bytes {start}-{end}/{len(content)}"})

    def _upload(self, key: str, query: dict[str, list[str]], body: bytes) -> None:
        registry, uploads = self.server.registry, self.server.uploads
        if self.command == "POST":
            key = str(len(uploads) + 1)
            uploads[key] = b""
            self._send(202, b"", {"Location": f"/v2/{REPOSITORY}/blobs/uploads/{key}?_state=x"})
        elif self.command == "PATCH":
            assert self.headers["Content-Range"].startswith(f"{len(uploads[key])}-")
            uploads[key] += body
            self._send(202, b"", {"Location": f"{registry.url}/v2/{REPOSITORY}/blobs/uploads/{key}?_state=y"})
        elif registry.failing:
            self._send(registry.failing.pop(0), b"")
        elif digest(uploads[key] + body) != query["digest"][0]:
            self._problem(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        else:
            registry.blobs[query["digest"][0]] = uploads[key] + body
            self._send(201, b"", {"Docker-Content-Digest": query["digest"][0]})

    def _delete(self, among: "dict[str, bytes] | dict[str, tuple[str, bytes]]", key: str) -> None:
        if not self.server.registry.deletes:
            self._problem(405, "UNSUPPORTED", "The operation is unsupported.")
        elif key in among:
            del among[key]
            self._send(202, b"")
        else:
            self._problem(404, "BLOB_UNKNOWN", "blob unknown to registry")

    # ---- logins

    def _is_allowed(self) -> bool:
        registry = self.server.registry
        if not registry.login and not registry.tokens:
            return True
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if registry.tokens:
            return scheme == "Bearer" and value == f"{TOKEN}-{self._right()}"
        return scheme == "Basic" and base64.b64decode(value).decode() == registry.login

    def _right(self) -> str:
        kinds: dict[str, Literal["pull", "delete"]] = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
        return kinds.get(self.command, "push")

    def _challenge(self) -> None:
        registry = self.server.registry
        asked = 'Basic realm="registry"'
        if registry.tokens:
            scope = f"repository:{REPOSITORY}:{self._right()}"
            realm = registry.realm or f"{registry.url}/token"
            asked = f'Bearer realm="{realm}",service="registry",scope="{scope}"'
        self._problem(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": asked})

    def _give_token(self, body: bytes) -> None:
        registry = self.server.registry
        query = parse_qs(body.decode() if self.command == "POST" else urlsplit(self.path).query)
        _, _, value = self.headers.get("Authorization", "").partition(" ")
        is_known = not registry.login or base64.b64decode(value).decode() == registry.login
        if self.command == "POST":
            is_known = query.get("refresh_token") == [REFRESH]
        if not is_known:
            self._problem(401, "UNAUTHORIZED", "authentication required")
            return
        scope = query["scope"][0]
        registry.granted.append(scope)
        token = f"{TOKEN}-{scope.rpartition(':')[2]}"
        self._send(200, json.dumps({"token": token, "expires_in": 300}).encode())

    # ---- answers

    def _problem(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        body = self.server.registry.lies.get(body, body)
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        pass
