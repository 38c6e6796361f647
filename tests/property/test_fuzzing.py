"""A short round on every reader of what comes from the network; ``python3 dev.py fuzz`` makes long ones."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.archiving import unpack
from fakes.built_layers import make_tree
from fakes.deltas import full_facts, patch
from fuzzing.archives import SEEDS, seeds
from fuzzing.deltas import NEW, OLD, SEED
from fuzzing.readers import TARGETS
from venvstacks.archives.formats import ArchiveFormat


@pytest.mark.parametrize("name", TARGETS)
def test_readers_accept_or_refuse(name: str) -> None:
    accepted = 0

    @given(st.binary(min_size=1, max_size=120))
    @settings(max_examples=400, deadline=None, database=None, derandomize=True)
    def round_of(data: bytes) -> None:
        nonlocal accepted
        accepted += TARGETS[name](data)

    round_of()
    assert accepted > 0


def test_seeds_of_all_formats_can_be_unpacked(tmp_path: Path) -> None:
    assert {seed.name for seed in seeds()} == {f"seed.{kind}" for kind in ArchiveFormat}
    for kind in ArchiveFormat:
        unpack(SEEDS / f"seed.{kind}", tmp_path / kind)
        assert (tmp_path / kind / "bin/run").read_bytes() == b"#!/bin/sh\nexec true\n"


def test_seed_of_deltas_can_be_applied(tmp_path: Path) -> None:
    new = make_tree(tmp_path / "new", NEW)
    patched = patch(make_tree(tmp_path / "old", OLD), SEED, tmp_path / "patched").path
    expected = {name: (mode, target, content) for name, (mode, _, target, content) in full_facts(new).items()}
    assert {name: (mode, *rest) for name, (mode, _, *rest) in full_facts(patched).items()} == expected
