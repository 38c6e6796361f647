"""Stores in docker-registry: the suite of all stores, and what other tools make of what was pushed."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.cloud_servers import serve_docker_registry
from fakes.hostile_proxy import Trouble, hostile_proxy
from fakes.patience import PATIENCE
from fakes.store_server import Asked
from fakes.store_suite import CHECKS, Check, StoreUnderTest, names_of_checks
from venvstacks.errors import StoreError
from venvstacks.files import sha256
from venvstacks.stores import registry_client, registry_format
from venvstacks.stores.addresses import open_writable
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.interface import Blob
from venvstacks.stores.registry import RegistryStore
from venvstacks.stores.registry_names import file_tag, parse_registry

NAME = "metadata/timestamp.json"
CONTENTS = [bytes(range(256)) * size for size in (10, 3000)]
BLOBS = [Blob(sha256(content), len(content)) for content in CONTENTS]
# of "pass word", for the user "name"
PASSWORDS = "name:$2b$04$ZFoOf0xrbT.udk/sKJkL0u409AGoidlTMVBzpdPCwg.IgNIoxZ.MG\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(params=["plain", "in chunks", "behind a proxy that breaks off"])
def under_test(
    host: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoreUnderTest]:
    if request.param == "in chunks":
        monkeypatch.setattr(registry_client, "_CHUNKS", (300_000,))
    with hostile_proxy(f"http://{host}") as proxy:
        proxy.decide = cut_downloads
        server = proxy.url.removeprefix("http://") if "proxy" in request.param else host
        repository = parse_registry(f"oci+http://{server}/{tmp_path.name.replace('_', '-').lower()}x/store")
        yield StoreUnderTest(
            lambda: RegistryStore(repository, environ={}, patience=Patience(pause=0.001)),
            tmp_path,
            keeps_conditions=False,
        )


def cut_downloads(asked: Asked) -> Trouble | None:
    return Trouble(cut=150_000) if asked.method == "GET" and "/blobs/sha256" in asked.path else None


@pytest.mark.parametrize("check", CHECKS, ids=names_of_checks)
def test_store(check: Check, under_test: StoreUnderTest) -> None:
    check(under_test)


def filled(address: str, environ: dict[str, str] | None = None) -> None:
    """Push a release for two platforms."""
    store = open_writable(address, environ=environ or {})
    for blob, content in zip(BLOBS, CONTENTS, strict=True):
        store.create(blob.name, content)
    store.keep_together("1.0", {"linux_x86_64": BLOBS, "win_arm64": BLOBS[:1]})
    store.create(NAME, b"one")
    store.close()


def skopeo(*words: str | Path, home: Path) -> str:
    done = subprocess.run(
        ["skopeo", *words],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


class TestOtherTools:
    def test_skopeo_reads_what_was_pushed(self, host: str, tmp_path: Path) -> None:
        filled(f"oci+http://{host}/inspected")
        index = json.loads(
            skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{host}/inspected:1.0", home=tmp_path)
        )
        assert index["artifactType"] == registry_format.RELEASE_TYPE
        assert [entry["platform"] for entry in index["manifests"]] == [
            {"architecture": "amd64", "os": "linux"},
            {"architecture": "arm64", "os": "windows"},
        ]
        manifest = json.loads(
            skopeo(
                *("inspect", "--tls-verify=false", "--raw"),
                f"docker://{host}/inspected@{index['manifests'][0]['digest']}",
                home=tmp_path,
            )
        )
        assert manifest["artifactType"] == registry_format.PLATFORM_TYPE
        assert {layer["digest"] for layer in manifest["layers"]} == {f"sha256:{blob.sha256}" for blob in BLOBS}

    def test_skopeo_copies_what_was_pushed_with_every_blob(self, host: str, tmp_path: Path) -> None:
        filled(f"oci+http://{host}/copied")
        for tag, wanted in (("1.0", CONTENTS), (file_tag(NAME), [b"one"])):
            source = f"docker://{host}/copied:{tag}"
            skopeo("copy", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/{tag}", home=tmp_path)
            for content in wanted:
                copied = tmp_path / tag / "blobs" / "sha256" / sha256(content)
                assert copied.read_bytes() == content

    def test_a_copy_in_another_repository_is_a_store_as_well(self, host: str, tmp_path: Path) -> None:
        filled(f"oci+http://{host}/first")
        for tag in ("1.0", file_tag(NAME)):
            names = [f"docker://{host}/{repository}:{tag}" for repository in ("first", "second")]
            skopeo("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", *names, home=tmp_path)
        store = open_writable(f"oci+http://{host}/second", environ={})
        assert store.read(NAME, 10).data == b"one"
        assert b"".join(store.stream(BLOBS[1].name)) == CONTENTS[1]
        assert {found.name for found in store.names("")} == {NAME, *(blob.name for blob in BLOBS)}


class TestLogins:
    @pytest.fixture
    def closed(self, tmp_path: Path) -> Iterator[str]:
        (tmp_path / "passwords").write_text(PASSWORDS)
        (tmp_path / "server").mkdir()
        with serve_docker_registry(tmp_path / "server", passwords=tmp_path / "passwords") as host:
            yield host

    def test_a_login_of_docker_is_used(self, closed: str, tmp_path: Path) -> None:
        auth = base64.b64encode(b"name:pass word").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {closed: {"auth": auth}}}))
        filled(f"oci+http://{closed}/store", {"DOCKER_CONFIG": str(tmp_path)})

    def test_a_login_of_skopeo_is_used(self, closed: str, tmp_path: Path) -> None:
        file = tmp_path / "auth.json"
        skopeo(
            *("login", "--tls-verify=false", "--authfile", file, "-u", "name", "-p", "pass word", closed),
            home=tmp_path,
        )
        filled(f"oci+http://{closed}/store", {"REGISTRY_AUTH_FILE": str(file)})

    def test_without_one_the_error_says_how_to_log_in(self, closed: str, tmp_path: Path) -> None:
        wrong = base64.b64encode(b"name:WRONG-PASSWORD").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {closed: {"auth": wrong}}}))
        for environ in ({}, {"DOCKER_CONFIG": str(tmp_path)}):
            store = open_writable(f"oci+http://{closed}/store", environ=environ)
            with pytest.raises(StoreError, match=r"answered 401 .*UNAUTHORIZED") as caught:
                store.create(NAME, b"one")
            assert f"docker login {closed}" in str(caught.value.hint)
            assert "WRONG" not in str(caught.value)


class TestTampering:
    """A proxy changes one byte of every answer, wherever it is."""

    @pytest.mark.parametrize("place", range(0, 400, 40))
    def test_a_file_is_refused_or_right(self, host: str, place: int) -> None:
        repository = f"tampered-{place}"
        filled(f"oci+http://{host}/{repository}")
        with hostile_proxy(f"http://{host}") as proxy:
            proxy.decide = lambda asked: Trouble(flip=place) if asked.method == "GET" else None
            store = open_writable(f"{proxy.url.replace('http', 'oci+http')}/{repository}", environ={})
            with pytest.raises(StoreError, match="another digest than it should"):
                store.read(NAME, 10)
            with pytest.raises(StoreError, match="arrived with other bytes"):
                b"".join(store.stream(BLOBS[0].name))
            with pytest.raises(StoreError, match="sends another content"):
                store.read(BLOBS[0].name, BLOBS[0].size)

    def test_an_upload_that_was_changed_is_refused_by_the_registry(self, host: str) -> None:
        store = open_writable(f"oci+http://{host}/changed", environ={})
        with pytest.raises(StoreError, match="DIGEST_INVALID"):
            store.create(BLOBS[0].name, CONTENTS[1])
        assert store.size(BLOBS[0].name) is None


def test_a_registry_that_deletes_nothing_says_so(tmp_path: Path) -> None:
    with serve_docker_registry(tmp_path, deletes=False) as host:
        filled(f"oci+http://{host}/store")
        store = open_writable(f"oci+http://{host}/store", environ={})
        with pytest.raises(StoreError, match=r"does not let .* be deleted") as caught:
            store.delete(NAME)
        assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in str(caught.value.hint)
        store.delete(BLOBS[0].name)
        assert store.size(BLOBS[0].name) == BLOBS[0].size


def test_the_collection_of_garbage_leaves_what_releases_need(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with serve_docker_registry(folder) as host:
        filled(f"oci+http://{host}/store")
        store = open_writable(f"oci+http://{host}/store", environ={})
        lost = Blob(sha256(b"of a push that was killed"), 25)
        store.create(lost.name, b"of a push that was killed")
        store.replace(NAME, b"two", store.read(NAME, 10).tag)
    command = ["docker-registry", "garbage-collect", "--delete-untagged", str(folder / "config.yml")]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    with serve_docker_registry(folder) as host:
        store = open_writable(f"oci+http://{host}/store", environ={})
        assert store.size(lost.name) is None
        assert store.read(NAME, 10).data == b"two"
        found: dict[str, Any] = {blob.name: b"".join(store.stream(blob.name)) for blob in BLOBS}
        assert found == {blob.name: content for blob, content in zip(BLOBS, CONTENTS, strict=True)}
        assert {entry.name for entry in store.names("blobs/")} == set(found)
        assert re.fullmatch(r"oci\+http://127.0.0.1:\d+/store", store.address)
