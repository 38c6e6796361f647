"""A store over HTTP for the benchmark: nginx where there is one, else a small server of Python's."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from static_server import serving

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PATIENCE = 20  # seconds for a server to start
CONFIGURATION = """\
daemon off;
worker_processes auto;
worker_rlimit_nofile 4096;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
  log_format counted '$status $body_bytes_sent $uri';
  access_log {folder}/access.log counted;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  sendfile on; tcp_nopush on; keepalive_requests 10000;
  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }}
}}
"""


class Server(Protocol):
    """What serves a store, and counts.

    Attributes:
        address: ``http://127.0.0.1:PORT``.
    """

    address: str

    def taken(self) -> tuple[int, int]:
        """Return requests and bytes since the last time."""


@dataclass(frozen=True)
class Answer:
    """What the server answered.

    Attributes:
        status: Of HTTP.
        sent: Bytes of the body.
        path: Of the file.
    """

    status: int
    sent: int
    path: str

    @property
    def is_refusal(self) -> bool:
        """Whether it is an error, and not that there is no newer root, which every client asks."""
        return self.status >= HTTPStatus.BAD_REQUEST and not self.path.endswith(".root.json")


@dataclass
class Nginx:
    """An nginx that runs.

    Attributes:
        address: ``http://127.0.0.1:PORT``.
        log: Its access log.
    """

    address: str
    log: Path
    _seen: int = 0

    def answers(self) -> list[Answer]:
        """Return what was answered since the last time."""
        with self.log.open(encoding="utf-8") as file:
            file.seek(self._seen)
            text = file.read()
            self._seen = file.tell()
        lines = [line.split(" ", 2) for line in text.splitlines()]
        return [Answer(int(status), int(sent), path) for status, sent, path in lines]

    def taken(self) -> tuple[int, int]:
        """Return requests and bytes since the last time."""
        answers = self.answers()
        return len(answers), sum(answer.sent for answer in answers)


@contextmanager
def served(store: Path, folder: Path) -> Iterator[Server]:
    """Serve a folder with nginx, or without one if there is none.

    Args:
        store: What is served.
        folder: An empty folder for the server's own files.
    """
    if NGINX is None:
        with serving(store) as server:
            yield server
    else:
        with nginx(NGINX, store, folder) as server:
            yield server


@contextmanager
def nginx(program: str, store: Path, folder: Path) -> Iterator[Nginx]:
    """Run nginx on a free port, until the ``with`` block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    user = "user root;" if is_root() else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, root=store, user=user), encoding="utf-8"
    )
    command = [program, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield Nginx(f"http://127.0.0.1:{port}", folder / "access.log")
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit("bench: nginx does not start")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def is_root() -> bool:
    """Tell whether this process may do everything, and nginx would become somebody else."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
