"""The configuration of the guide *Serve a store with nginx*, as it is written."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from fakes.guides import blocks
from fakes.patience import PATIENCE
from fakes.pushed_stores import PushedStore, make_store

FOREVER = "public, max-age=31536000, immutable"
ASK = "no-cache"
PAGE = "how-to/serve-with-nginx.md"
AROUND = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {guide}
}}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PushedStore:
    made = make_store(tmp_path_factory.mktemp("stores") / "store")
    made.push("1.0", "1")
    return made


@pytest.fixture(scope="module")
def port(store: PushedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with as_the_guide_says(store.folder, tmp_path_factory.mktemp("nginx")) as found:
        yield found


@contextmanager
def as_the_guide_says(root: Path, folder: Path) -> Iterator[int]:
    """Run nginx with the guide's configuration, on a socket that listens already."""
    (guide,) = (block.text for block in blocks(PAGE) if block.language == "nginx")
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    with socket.socket() as listening, (folder / "output").open("wb") as output:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port: int = listening.getsockname()[1]
        guide = guide.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("/srv/store", str(root))
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(AROUND.format(folder=folder, user=user, guide=guide), encoding="utf-8")
        process = subprocess.Popen(
            ["nginx", "-p", folder, "-e", folder / "error.log", "-c", configuration],
            env={"PATH": path, "NGINX": f"{listening.fileno()};"},
            pass_fds=[listening.fileno()],
            stdout=output,
            stderr=output,
        )
    try:
        yield port
        assert process.poll() is None, (folder / "output").read_text(errors="replace")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def ask(port: int, name: str, method: str = "GET", headers: dict[str, str] | None = None) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, f"/{name}", headers=headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def names_of(store: PushedStore) -> list[str]:
    files = (path for path in store.folder.rglob("*") if path.is_file())
    names = [path.relative_to(store.folder).as_posix() for path in files]
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def test_all_but_the_timestamp_is_kept_for_ever(store: PushedStore, port: int) -> None:
    answers = {name: ask(port, name) for name in names_of(store)}
    assert {answer.status for answer in answers.values()} == {200}
    asked_again = {name for name, answer in answers.items() if answer.headers["Cache-Control"] != FOREVER}
    assert asked_again == {"metadata/timestamp.json"}
    assert answers["metadata/timestamp.json"].headers["Cache-Control"] == ASK
    kinds = {name.split("/")[0] for name in answers}
    assert kinds == {"blobs", "metadata", "targets"}


@pytest.mark.parametrize("name", ["metadata/2.root.json", "metadata/", "nothing", "blobs/sha256/aa/" + "a" * 64])
def test_what_is_not_there_is_asked_for_again(port: int, name: str) -> None:
    answer = ask(port, name)
    assert answer.status in {403, 404}
    assert answer.headers["Cache-Control"] == ASK


def test_ranges_are_answered(store: PushedStore, port: int) -> None:
    blob = next(name for name in names_of(store) if name.startswith("blobs/"))
    answer = ask(port, blob, headers={"Range": "bytes=1-3"})
    assert (answer.status, answer.headers["Content-Length"]) == (206, "3")
    assert answer.headers["Cache-Control"] == FOREVER


def test_nothing_but_reading_is_allowed(port: int) -> None:
    assert ask(port, "metadata/timestamp.json", "PUT").status == 403
    assert ask(port, "metadata/timestamp.json", "HEAD").status == 200


def test_hidden_files_are_not_served(store: PushedStore, port: int) -> None:
    (store.folder / ".hidden").write_text("x", encoding="utf-8")
    assert ask(port, ".hidden").status == 404
