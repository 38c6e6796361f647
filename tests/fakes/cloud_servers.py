"""Real servers on 127.0.0.1: moto and rclone (from ``.servers``) for buckets, docker-registry (from Debian)."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from fakes.patience import PATIENCE

SERVERS = Path(__file__).parents[2] / ".servers" / ("Scripts" if os.name == "nt" else "bin")
BUCKET = "bucket"
_KEY, _SECRET = "AKEXAMPLEKEY", "SKEXAMPLESECRET"
_REGISTRY = """
version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {folder}/storage}}, delete: {{enabled: {deletes}}}}}
http: {{addr: "127.0.0.1:0", secret: example}}
{login}
"""


def credentials(url: str) -> dict[str, str]:
    """Return the environment with which the AWS tools would use a server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def serve_moto(folder: Path) -> Iterator[str]:
    """Run moto with an empty bucket, and yield its address: it keeps conditions and ranges."""
    command: list[str | Path] = [SERVERS / "moto_server", "-H", "127.0.0.1", "-p", "0"]
    with _served(command, folder, r"Running on http://127\.0\.0\.1:(\d+)") as port:
        url = f"http://127.0.0.1:{port}"
        login = f"AWS4-HMAC-SHA256 Credential={_KEY}/20260101/us-east-1/s3/aws4_request"
        asked = Request(f"{url}/{BUCKET}", method="PUT", headers={"Authorization": login})  # noqa: S310 - as above
        urlopen(asked, timeout=PATIENCE).close()  # noqa: S310 - as above
        yield url


@contextmanager
def serve_rclone(folder: Path) -> Iterator[str]:
    """Run rclone with an empty bucket, and yield its address: it ignores conditions, and answers ranges oddly."""
    (folder / "files" / BUCKET).mkdir(parents=True)
    command: list[str | Path] = [
        SERVERS / "rclone",
        "serve",
        "s3",
        "--addr",
        "127.0.0.1:0",
        "--auth-key",
        f"{_KEY},{_SECRET}",
        folder / "files",
    ]
    with _served(command, folder, r"server on \[http://127\.0\.0\.1:(\d+)/\]") as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serve_docker_registry(folder: Path, *, passwords: Path | None = None, deletes: bool = True) -> Iterator[str]:
    """Run docker-registry without TLS, and yield host and port.

    Args:
        folder: An empty folder for the server.
        passwords: A file of names and hashed passwords of those who may use it.
        deletes: Whether anything may be deleted.
    """
    login = f"auth: {{htpasswd: {{realm: registry, path: {passwords}}}}}" if passwords else ""
    text = _REGISTRY.format(folder=folder, deletes=str(deletes).lower(), login=login)
    (folder / "config.yml").write_text(text, encoding="utf-8")
    command: list[str | Path] = ["docker-registry", "serve", folder / "config.yml"]
    with _served(command, folder, r"listening on 127\.0\.0\.1:(\d+)") as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def _served(command: Sequence[str | Path], folder: Path, announcement: str) -> Iterator[str]:
    """Run a server on a port that it chooses, and yield what it announces of it."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=_environment(folder)
        )
    try:
        yield _announced(process, log, announcement)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _announced(process: "subprocess.Popen[bytes]", log: Path, announcement: str) -> str:
    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        text = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(announcement, text):
            return found[1]
        assert process.poll() is None, text
        waiting.wait(0.02)
    raise AssertionError(f"no server after {PATIENCE} seconds: {log.read_text(errors='replace')}")


def _environment(folder: Path) -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
