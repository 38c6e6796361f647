"""From one release of a stack to the next: published with deltas, patched, and run."""

import json
import re
import shutil
from pathlib import Path

import pytest

from fakes.building import Project
from fakes.deltas import full_facts
from fakes.projects import OFFLINE, locked_project
from fakes.wheels import make_wheel


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return locked_project(root).copied(tmp_path / "project")


def test_an_update_reaches_a_client_as_deltas(project: Project, tmp_path: Path) -> None:
    artifacts, client = project.folder / "_artifacts", tmp_path / "client"
    project.succeed("build", "--publish", *OFFLINE)
    project.succeed("unpack", *artifacts.glob("*.tar.zst"), "--to", client)
    shutil.copytree(artifacts, tmp_path / "old")

    make_wheel(project.folder / "wheels", "beta", "1.1")
    project.succeed("build", "--lock", "--reset-lock", "framework-*", "--publish", "--deltas", "1", *OFFLINE)
    (delta,) = artifacts.glob("framework-*.vdelta")
    manifest = json.loads((artifacts / "__venvstacks__" / "venvstacks.json").read_text(encoding="utf-8"))
    (layer,) = manifest["layers"]["frameworks"]
    (described,) = layer["archive_deltas"]
    assert described["name"] == delta.name
    assert described["size"] == delta.stat().st_size < layer["archive_size"] * 2 / 3

    framework = client / layer["install_target"]
    ended = project.succeed("patch", framework, delta, "--to", tmp_path / "new" / framework.name)
    assert ended.stdout == f"{tmp_path / 'new' / framework.name}  made\n"
    archive = artifacts / layer["archive_name"]
    project.succeed("unpack", archive, "--to", tmp_path / "whole")
    assert full_facts(tmp_path / "new" / framework.name) == full_facts(tmp_path / "whole" / framework.name)

    data = json.loads(project.succeed("diff", "--json", tmp_path / "old", artifacts).stdout)
    (changed,) = (each for each in data["layers"] if each["layer_name"] == "framework-🐸")
    (beta,) = changed["packages"]
    assert (beta["name"], beta["old"], beta["new"]) == ("beta", "1.0", "1.1")
    said = project.succeed("diff", tmp_path / "old", artifacts)
    assert "\n3 layers unchanged\n" in said.stdout  # they take nothing of it


def test_deltas_of_what_is_not_published(project: Project) -> None:
    ended = project.run("build", "--deltas", "1", *OFFLINE)
    assert (ended.status, ended.stdout) == (2, "")
    assert re.fullmatch(r"error: Deltas are made of what is published\.\n.*add --publish\n", ended.stderr)
