"""Deployments on file systems that are full or read-only, or that belong to others, in mount namespaces."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import venvstacks
from fakes.pushed_stores import PushedStore, make_store

ALONE = ("unshare", "--mount", "--map-root-user") if os.geteuid() else ("unshare", "--mount")
NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> PushedStore:
    made = make_store(tmp_path / "store")
    made.push("1", "1", channels=("old",))
    made.push("2", "2", channels=("new",))
    return made


def shell(script: str, **variables: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script of sh in a mount namespace of its own."""
    env = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    env["VENVSTACKS"] = f"{sys.executable} -m venvstacks"
    return subprocess.run([*ALONE, "sh", "-euc", script], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("size", ["100k", "200k", "300k", "400k"])
def test_disk_that_becomes_full(tmp_path: Path, store: PushedStore, size: str) -> None:
    """Deploy with little space, and then again with more: sizes at which different parts fail."""
    script = """
        mkdir "$DISK"
        mount -t tmpfs -o size="$SIZE" tmpfs "$DISK"
        if $VENVSTACKS deploy "$STORE" --to "$DISK/root" --root "$ROOT" --channel old; then
            if $VENVSTACKS deploy --to "$DISK/root" --channel new; then echo both >&2; fi
            $VENVSTACKS deployment verify "$DISK/root" >&2
            "$DISK/root/bin/hello" >&2
        fi
        mount -o remount,size=8m "$DISK"
        $VENVSTACKS deploy "$STORE" --to "$DISK/root" --root "$ROOT" --channel new
        $VENVSTACKS deployment verify "$DISK/root"
        ! find "$DISK/root" -name '.venvstacks-tmp-*' | grep .
        "$DISK/root/bin/hello"
    """
    done = shell(script, DISK=tmp_path / "disk", SIZE=size, STORE=store.folder, ROOT=store.root)
    assert done.returncode == 0, done.stderr
    assert "app-hello 2" in done.stdout
    assert "both" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "free some space" in done.stderr


@pytest.fixture
def deployed(tmp_path: Path, store: PushedStore) -> Iterator[Path]:
    root = tmp_path / "deployed"
    venvstacks.deploy(store.address, to=root, root=store.root, channel="old")
    yield root
    shutil.rmtree(root)


def test_read_only_file_system(deployed: Path, store: PushedStore) -> None:
    script = """
        mount --bind "$DEPLOYED" "$DEPLOYED"
        mount -o remount,ro,bind "$DEPLOYED"
        "$DEPLOYED/bin/hello"
        $VENVSTACKS deployment verify "$DEPLOYED"
        $VENVSTACKS deployment status "$DEPLOYED"
        for what in "deploy --to $DEPLOYED --channel new" "deployment repair $DEPLOYED" \
            "deployment prune $DEPLOYED" "deployment rollback $DEPLOYED"; do
            if $VENVSTACKS $what; then exit 3; fi
        done
    """
    done = shell(script, DEPLOYED=deployed, STORE=store.folder)
    assert done.returncode == 0, done.stderr
    assert "app-hello 1" in done.stdout
    assert "is as published" in done.stdout
    assert done.stderr.count("hint: ") >= 3
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["deploy --channel new --to", "deployment repair", "deployment prune"])
def test_deployment_of_another_user(deployed: Path, command: str) -> None:
    """Let a user run what is deployed, and not change it."""
    # without capabilities, root is a user like all others
    script = f"""
        chown -R {NOBODY} "$DEPLOYED"
        exec setpriv --inh-caps=-all --bounding-set=-all sh -euc '
            "$DEPLOYED/bin/hello"
            $VENVSTACKS deployment status "$DEPLOYED"
            $VENVSTACKS deployment verify "$DEPLOYED"
            if $VENVSTACKS {command} "$DEPLOYED"; then exit 3; fi
        '
    """
    done = shell(script, DEPLOYED=deployed)
    assert done.returncode == 0, done.stderr
    assert "app-hello 1" in done.stdout
    assert "is as published" in done.stdout
    assert "who owns" in done.stderr
    assert "Traceback" not in done.stderr
