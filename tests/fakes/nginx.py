"""nginx from Debian, serving a folder on 127.0.0.1."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakes.patience import PATIENCE

# Everything that nginx writes is in the folder of the test. It is given a socket that listens already, under its
# number, so that the port is this test's own and answers from the first moment on.
_CONFIGURATION = """
daemon off;
{user}
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    log_format one '$request_method $uri $status $body_bytes_sent $connection';
    access_log {folder}/access.log one;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    keepalive_requests 100000;
    server {{
        listen {address}{tls};
        {certificate}
        root {root};
        {settings}
    }}
}}
"""


@dataclass(frozen=True)
class Served:
    """A request that nginx answered.

    Attributes:
        method: Such as ``GET``.
        path: Without a query.
        status: The status code.
        sent: Bytes of the content.
        connection: Requests with the same number came over one connection.
    """

    method: str
    path: str
    status: int
    sent: int
    connection: int


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        url: Its address.
        folder: Where its logs are.
    """

    url: str
    folder: Path

    def served(self) -> list[Served]:
        """Return the requests so far; the last ones may still be missing, since they are written when they end."""
        log = self.folder / "access.log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []  # it may not have begun yet
        found = (re.fullmatch(r"(\S+) (.*) (\d+) (\d+) (\d+)", line) for line in lines)
        return [Served(line[1], line[2], int(line[3]), int(line[4]), int(line[5])) for line in found if line]


@contextmanager
def serve_nginx(
    root: Path, folder: Path, *, settings: str = "", certificate: tuple[Path, Path] | None = None
) -> Iterator[Nginx]:
    """Serve a folder.

    Args:
        root: What is served.
        folder: An empty folder for the server.
        settings: Further lines of the configuration, of the server.
        certificate: Files of a certificate and its key, to serve with TLS.
    """
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    with socket.socket() as listening, (folder / "output").open("wb") as output:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        listening.setblocking(False)  # noqa: FBT003 - as nginx takes for granted, whose processes all accept
        port = listening.getsockname()[1]
        configuration = _CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            address=f"127.0.0.1:{port}",
            tls=" ssl" if certificate else "",
            certificate="ssl_certificate {};\nssl_certificate_key {};".format(*certificate) if certificate else "",
            root=root,
            settings=settings,
        )
        (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
        process = subprocess.Popen(
            ["nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"],
            env={"PATH": path, "NGINX": f"{listening.fileno()};"},
            pass_fds=[listening.fileno()],
            stdout=output,
            stderr=output,
        )
    try:
        yield Nginx(f"{'https' if certificate else 'http'}://127.0.0.1:{port}", folder)
        assert process.poll() is None, (folder / "output").read_text(errors="replace")
    finally:
        process.terminate()
        process.wait(PATIENCE)
