import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.archiving import pack
from fakes.built_layers import make_tree
from venvstacks.archives.codecs import compress_text
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import (
    ArchiveIndex,
    IndexEntry,
    content_hash,
    decode_index,
    encode_index,
    index_schema,
)
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError
from venvstacks.files import canonical_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "archive-index.schema.json"
NAME = "x.tar.zst.index.zst"


@pytest.fixture
def text(tmp_path: Path) -> bytes:
    """Return the JSON of an index."""
    tree = make_tree(tmp_path / "tree", {"!bin/python": b"x", "bin/python3": "python", "empty": b""})
    pack(tree, tmp_path / "x.tar.zst", ArchiveFormat.TAR_ZST)
    return zstd.decompress((tmp_path / "x.tar.zst.index.zst").read_bytes())


def refused(value: Any) -> str:
    with pytest.raises(ArchiveError) as caught:
        decode_index(compress_text(json.dumps(value).encode(), 1), NAME)
    assert caught.value.hint
    return caught.value.message


def test_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == canonical_json(index_schema()), "run: python3 dev.py docs"


def test_schema_has_a_description_for_everything() -> None:
    definitions = index_schema()["$defs"]
    for kind in ("ArchiveIndex", "Frame", "IndexEntry"):
        assert definitions[kind]["description"]
        assert all("description" in each for each in definitions[kind]["properties"].values())


def test_index_says_what_the_reference_says(text: bytes) -> None:
    index = json.loads(text)
    frames, entries = index.pop("frames"), index.pop("entries")
    assert index.pop("content_hash").startswith("sha256:")
    assert index.pop("archive_size") == sum(frame["size"] for frame in frames)
    assert index == {
        "format": 1,
        "archive": "x.tar.zst",
        "codec": "zstd",
        "layer_name": "app",
        "install_target": "app@1",
        "target_platform": "linux_x86_64",
        "mtime": 1_709_294_401,
    }
    assert [set(frame) for frame in frames] == [{"offset", "size", "content_size", "sha256"}] * len(frames)
    assert entries[0] == {"path": "bin", "type": "folder", "mode": 0o755}
    assert entries[2] == {"path": "bin/python3", "type": "symlink", "mode": 0o777, "target": "python"}
    assert set(entries[1]) == {"path", "type", "mode", "size", "sha256", "frame", "offset"}


def test_round_trip(text: bytes) -> None:
    index = msgspec.json.decode(text, type=ArchiveIndex)
    assert decode_index(encode_index(index), NAME) == index
    assert encode_index(index) == encode_index(decode_index(encode_index(index), NAME))


def test_newer_formats_are_refused_whatever_they_hold(text: bytes) -> None:
    for value in ({"format": 2}, {**json.loads(text), "format": 99, "new": 1}):
        assert refused(value) == (
            f"The index x.tar.zst.index.zst has format {value['format']}, "
            "and this venvstacks knows formats up to 1."
        )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "1"),
        ("format", -1),
        ("archive_size", -1),
        ("archive_size", 2**60),
        ("archive_size", 1.5),
        ("codec", "bzip2"),
        ("mtime", None),
        ("content_hash", "sha256:00"),
        ("content_hash", f"sha256:{'0' * 64}\n"),
        ("frames", {}),
        ("frames", [{}]),
        ("frames", [{"offset": 0, "size": 1, "content_size": 1, "sha256": "A" * 64}]),
        ("entries", [{"path": "a", "type": "device", "mode": 420}]),
        ("entries", [{"path": "a", "type": "hardlink", "mode": 420}]),
        ("entries", [{"path": "a", "type": "file", "mode": 420, "uid": 0}]),
        ("surprise", 1),
    ],
)
def test_wrong_values_are_refused(text: bytes, key: str, value: Any) -> None:
    assert "x.tar.zst.index.zst is damaged: " in refused({**json.loads(text), key: value})


@pytest.mark.parametrize(
    "data", [b"", b"{}", compress_text(b"", 1), compress_text(b"\xff", 1), b"\x28\xb5\x2f\xfd"]
)
def test_what_is_no_index_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="is damaged"):
        decode_index(data, NAME)


def test_deep_json_is_refused() -> None:
    with pytest.raises(ArchiveError, match="is damaged"):
        decode_index(compress_text(b'{"format":1,"frames":' + b"[" * 100_000, 1), NAME)


def test_content_hash_is_that_of_the_reference() -> None:
    entries = [
        IndexEntry("b", EntryKind.SYMLINK, 0o777, target="ä"),
        IndexEntry("a", EntryKind.FILE, 0o644, 3, sha256="0" * 64, frame=7, offset=9),
    ]
    # the text that is hashed: the time, then a line of JSON for each entry, by path
    text = f'5\n["a","file","644","3","","{"0" * 64}"]\n["b","symlink","777","0","ä",""]\n'

    assert content_hash(entries, 5) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert content_hash(reversed(entries), 5) == content_hash(entries, 5) != content_hash(entries, 6)
