"""No credential of a store or a key shows in what is printed, in a file, or in the list of processes."""

import base64
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.hostile_proxy import HostileProxy, Trouble, hostile_proxy
from fakes.pushed_stores import publish
from fakes.s3_server import Bucket, serve_bucket
from fakes.store_server import Asked, serve_folder
from venvstacks.trust.keys import make_keys

PASSPHRASE, LOGIN, KEY, SECRET = "pp-q8s7d6f5", "pw-z1x2c3v4", "AK-m9n8b7v6", "SK-l5k4j3h2"
BASIC = base64.b64encode(f"name:{LOGIN}".encode()).decode()
SECRETS = (PASSPHRASE, LOGIN, KEY, SECRET, BASIC, "wr0ng-p4ss")


@dataclass
class Watched:
    """Runs the program, and keeps what could be seen of it.

    Attributes:
        folder: Where it is run.
        environ: Variables beside those of the tests.
        seen: What was printed, and the command lines of the processes.
    """

    folder: Path
    environ: Mapping[str, str]
    seen: list[str] = field(default_factory=list)

    def run(
        self,
        *arguments: str,
        succeeds: bool = True,
        typed: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command; what was typed stands in its own command line, and is no secret there."""
        process = subprocess.Popen(
            [sys.executable, "-m", "venvstacks", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over, process.pid, bool(typed)))
        watcher.start()
        printed, _ = process.communicate()
        over.set()
        watcher.join()
        self.seen.append(printed)
        assert (process.returncode == 0) is succeeds, printed
        assert "Traceback" not in printed
        return printed

    def _watch(self, over: threading.Event, session: int, own_is_typed: bool) -> None:  # noqa: FBT001
        """Read the command lines of a process and of all that it starts; other tests have processes as well."""
        while not over.wait(0.002):
            for folder in Path("/proc").iterdir():
                if folder.name.isdecimal() and not (own_is_typed and int(folder.name) == session):
                    with contextlib.suppress(OSError):
                        if os.getsid(int(folder.name)) == session:
                            self.seen.append((folder / "cmdline").read_bytes().decode(errors="replace"))

    def assert_nothing_shows(self) -> None:
        """Check what was seen, and every file; the private key is encrypted."""
        for text in self.seen:
            assert not [secret for secret in SECRETS if secret in text], text
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name != "netrc":
                data = path.read_bytes()
                assert not [secret for secret in SECRETS if secret.encode() in data], path


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    (tmp_path / "here").mkdir()
    return Watched(tmp_path / "here", {"VENVSTACKS_KEYS": "keys", "VENVSTACKS_KEY_PASSPHRASE": PASSPHRASE})


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with serve_bucket() as running:
        yield running


def with_login(asked: Asked) -> Trouble | None:
    """Refuse whoever does not say who they are."""
    if asked.headers.get("authorization") == f"Basic {BASIC}":
        return None
    return Trouble(status=401, headers={"www-authenticate": 'Basic realm="all"'})


@pytest.fixture
def proxy(watched: Watched) -> Iterator[HostileProxy]:
    """Serve a store in a folder to those who say who they are."""
    publish(watched.folder / "_artifacts")
    watched.run("store", "init", "store")
    watched.run("push", "store", "--release", "1", "--channel", "stable", "-v")
    with serve_folder(watched.folder / "store") as server, hostile_proxy(server.url) as running:
        running.decide = with_login
        yield running


def test_login_from_netrc(watched: Watched, proxy: HostileProxy) -> None:
    netrc = watched.folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login name password {LOGIN}\n")
    netrc.chmod(0o600)
    watched.run(
        "deploy", proxy.url, "--to", "there", "--root", "keys/ROOT.json", "-vv", variables={"NETRC": str(netrc)}
    )
    watched.run("deploy", "--to", "there", "--json", variables={"NETRC": str(netrc)})
    watched.run("deployment", "status", "there", "--json")
    netrc.write_text("machine 127.0.0.1 login name password wr0ng-p4ss\n")
    assert "hint:" in watched.run(
        "deploy", "--to", "there", "-vv", succeeds=False, variables={"NETRC": str(netrc)}
    )
    watched.assert_nothing_shows()


def test_login_in_the_address(watched: Watched, proxy: HostileProxy) -> None:
    address = proxy.url.replace("://", f"://name:{LOGIN}@")
    watched.run("deploy", address, "--to", "there", "--root", "keys/ROOT.json", "-vv", typed=address)
    watched.run("deploy", address, "--to", "there", "--dry-run", "--json", typed=address)
    watched.run("deployment", "verify", "there")
    proxy.decide = lambda _: Trouble(status=500)
    watched.run("deploy", address, "--to", "there", succeeds=False, typed=address)
    proxy.decide = with_login
    wrong = proxy.url.replace("://", "://name:wr0ng-p4ss@")
    watched.run("deploy", wrong, "--to", "there", "-vv", succeeds=False, typed=wrong)
    watched.run("deploy", wrong, "--to", "elsewhere", "--root", "keys/ROOT.json", succeeds=False, typed=wrong)
    watched.run(
        "push",
        "store",
        "--release",
        "2",
        "--installer",
        "hello",
        "--installer-address",
        address,
        typed=address,
        succeeds=False,
    )  # these layers are in no format for that
    watched.assert_nothing_shows()


def test_keys_of_a_bucket(watched: Watched, bucket: Bucket) -> None:
    environ = {**bucket.environ(), "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    publish(watched.folder / "_artifacts")
    watched.run("store", "init", "s3://bucket/x", variables=environ)
    watched.run("push", "s3://bucket/x", "--release", "1", "--channel", "stable", "-vv", variables=environ)
    watched.run("store", "status", "s3://bucket/x", "--json", variables=environ)
    watched.run("store", "verify", "s3://bucket/x", variables=environ)
    watched.run("deploy", "s3://bucket/x", "--to", "there", "--root", "keys/ROOT.json", "-vv", variables=environ)
    bucket.status = 403
    watched.run("push", "s3://bucket/x", "--release", "2", "-vv", succeeds=False, variables=environ)
    watched.run("deploy", "--to", "there", "-vv", succeeds=False, variables=environ)
    watched.assert_nothing_shows()
    for name, content in bucket.files.items():
        assert not [secret for secret in SECRETS if secret.encode() in content], name


def test_passphrase_that_is_wrong(watched: Watched) -> None:
    publish(watched.folder / "_artifacts")
    watched.run("store", "init", "store")
    for wrong in ("wr0ng-p4ss", ""):
        watched.run(
            "push", "store", "--release", "1", succeeds=False, variables={"VENVSTACKS_KEY_PASSPHRASE": wrong}
        )
    watched.assert_nothing_shows()


def test_secrets_would_be_found(watched: Watched) -> None:
    make_keys(watched.folder / "keys")
    watched.seen.append(f"the password is {LOGIN}")
    with pytest.raises(AssertionError):
        watched.assert_nothing_shows()
