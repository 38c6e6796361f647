"""No changed or missing byte of a delta makes a wrong tree that is taken for the right one."""

import shutil
from pathlib import Path

import pytest

from fakes.deltas import SMALL_NEW, SMALL_OLD, Pair, full_facts, make_pair
from venvstacks.errors import DeltaError, VenvstacksError


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, SMALL_OLD, SMALL_NEW)


def test_no_flipped_byte_goes_unnoticed(pair: Pair) -> None:
    whole = pair.delta.read_bytes()
    right = full_facts(pair.new)
    for place in range(len(whole)):
        for flip in (0x01, 0xFF):
            pair.delta.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            try:
                patched = pair.patch().path
            except VenvstacksError:
                assert not (pair.folder / "patched").exists()
            else:
                assert full_facts(patched) == right, f"byte {place} was flipped"
                shutil.rmtree(patched)


def test_no_cut_goes_unnoticed(pair: Pair) -> None:
    whole = pair.delta.read_bytes()
    for size in range(len(whole)):
        pair.delta.write_bytes(whole[:size])
        with pytest.raises(DeltaError):
            pair.patch()
        assert not (pair.folder / "patched").exists()
