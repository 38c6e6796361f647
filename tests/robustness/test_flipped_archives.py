"""No changed byte of an archive or an index makes a wrong tree that is taken for the right one."""

import json
import shutil
from pathlib import Path

import pytest

from fakes.archiving import facts, pack, small_frames, unpack
from fakes.built_layers import make_tree
from venvstacks.archives.codecs import compress_text, decompress_text
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.errors import ArchiveError

CONTENT: dict[str, bytes | str | None] = {
    "!bin/run": b"#!/bin/sh\n",
    "lib/large": bytes(range(256)) * 70,  # three frames
    "lib/link": "large",
}
formats = pytest.mark.parametrize("kind", ArchiveFormat)


class Flipping:
    """An archive, and what it must become if it becomes anything."""

    def __init__(self, folder: Path, kind: ArchiveFormat) -> None:
        tree = make_tree(folder / "tree", CONTENT)
        self.archive = folder / f"x.{kind}"
        self.index = folder / f"x.{kind}.index.zst"
        self.expected = facts(tree)
        self._out = folder / "out"
        self.refused = self.accepted = 0
        pack(tree, self.archive, kind, profile=small_frames(kind, scale=512))

    def check(self) -> None:
        """Unpack what is there now."""
        try:
            unpack(self.archive, self._out / "app", jobs=1)
        except ArchiveError:
            self.refused += 1
            assert not self._out.exists() or list(self._out.iterdir()) == []
        else:
            self.accepted += 1
            assert facts(self._out / "app") == self.expected
            shutil.rmtree(self._out)


@formats
def test_every_byte_of_an_archive(tmp_path: Path, kind: ArchiveFormat) -> None:
    flipping = Flipping(tmp_path, kind)
    data = flipping.archive.read_bytes()
    for place in range(len(data)):
        flipping.archive.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        flipping.check()
    # what zip has around the contents is for other readers, and not looked at
    assert (flipping.accepted > 0) is (kind is ArchiveFormat.ZIP)
    assert flipping.refused > 200


@formats
def test_every_byte_of_an_index(tmp_path: Path, kind: ArchiveFormat) -> None:
    flipping = Flipping(tmp_path, kind)
    data = flipping.index.read_bytes()
    for place in range(len(data)):
        flipping.index.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        flipping.check()
    assert flipping.accepted <= 1  # one bit of a zstd header has no meaning
    assert flipping.refused > 200


def test_every_byte_of_the_text_of_an_index(tmp_path: Path) -> None:
    flipping = Flipping(tmp_path, ArchiveFormat.TAR_ZST)
    text = decompress_text(flipping.index.read_bytes(), 1 << 20)
    free = sum(len(json.loads(text)[key]) for key in ("archive", "layer_name", "target_platform"))
    for place in range(len(text)):
        flipping.index.write_bytes(compress_text(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :], 1))
        flipping.check()
    assert flipping.accepted <= free  # no other change went unnoticed
    assert flipping.refused > 1000
