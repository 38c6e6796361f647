"""Deltas that are damaged, forged or newer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.deltas import SMALL_NEW, SMALL_OLD, Pair, edited, full_facts, make_pair, noise, rewrite
from fakes.manifests import archive_manifest, place_manifest
from venvstacks import files
from venvstacks.archives.codecs import CodecError
from venvstacks.deltas.delta_file import compress_frame, decompress_frame, read_header
from venvstacks.deltas.delta_format import DeltaEntry, DeltaFrame, DeltaHeader, Source, Stretch
from venvstacks.entries import EntryKind
from venvstacks.errors import DeltaError, VenvstacksError
from venvstacks.manifests.manifest_format import DeltaManifest

Structs = msgspec.structs


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, SMALL_OLD, SMALL_NEW)


def problem(pair: Pair) -> str:
    """Apply a delta that must be refused, and give the message without what is the same in all."""
    with pytest.raises(DeltaError) as caught:
        pair.patch()
    assert not (pair.folder / "patched").exists()
    assert caught.value.hint
    start = f"The delta {pair.delta.name} "
    return caught.value.message.removeprefix(start)


def test_something_behind_the_end(pair: Pair) -> None:
    pair.delta.write_bytes(pair.delta.read_bytes() + b"1")
    assert problem(pair).startswith("is refused: its frames are declared to have ")


def test_something_else(pair: Pair) -> None:
    shutil.copy(pair.folder / "new.tar.zst", pair.delta)
    assert problem(pair) == f"{pair.delta.name} is not a delta of a venvstacks layer."


def test_newer_version(pair: Pair) -> None:
    whole = pair.delta.read_bytes()
    pair.delta.write_bytes(whole[:8] + b"\x02" + whole[9:])
    with pytest.raises(DeltaError) as caught:
        read_header(pair.delta)
    assert caught.value.message.endswith(" has format 2, and this venvstacks knows format 1.")
    assert caught.value.hint == "use a newer version of venvstacks, or fetch and unpack the whole archive"


def test_huge_header_is_not_read(pair: Pair) -> None:
    whole = pair.delta.read_bytes()
    pair.delta.write_bytes(whole[:12] + b"\xff\xff\xff\xff" + whole[16:])
    assert problem(pair) == "is damaged: its header is declared to have 4294967295 bytes."


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b'{"layer_name": 1}', b"\xff", b"[" * 100_000, b'"' + b"x" * 1000 + b'"']
)
def test_header_of_another_form(pair: Pair, text: bytes) -> None:
    rewrite(pair.delta, text)
    assert problem(pair).startswith("is damaged: ")


def test_header_with_a_key_of_a_newer_version(pair: Pair) -> None:
    rewrite(pair.delta, msgspec.json.encode({**msgspec.to_builtins(pair.header()), "more": 1}))
    assert problem(pair).startswith("is damaged: Object contains unknown field `more`")


Change = Callable[[DeltaHeader], dict[str, Any]]


def entries(change: Callable[[DeltaEntry], dict[str, Any]], path: str = "a.py") -> Change:
    """Change an entry."""
    return lambda header: {
        "entries": tuple(Structs.replace(e, **change(e)) if e.path == path else e for e in header.entries)
    }


def more(entry: DeltaEntry) -> Change:
    return lambda header: {"entries": (*header.entries, entry)}


def frame(**changes: Any) -> Change:
    return lambda header: {"frames": (Structs.replace(header.frames[0], **changes),)}


def file(path: str, **facts: Any) -> DeltaEntry:
    return DeltaEntry(path, EntryKind.FILE, 0o644, sha256=files.sha256(b"")[:16], **facts)


SECOND = Source("kept", 50, "0" * 64)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: {"archive": ""}, "'' cannot be the name of an archive"),
        (lambda _: {"archive": "../x"}, "'../x' cannot be the name of an archive"),
        (lambda _: {"archive": "a\\b"}, "'a\\\\b' cannot be the name of an archive"),
        (lambda _: {"layer_name": "a\x1b[2J"}, "'a\\x1b[2J' cannot be the name of a layer or a platform"),
        (lambda _: {"target_platform": ""}, "'' cannot be the name of a layer or a platform"),
        (lambda _: {"mtime": (1 << 35) + 1}, "the time 34359738369 is too late"),
        (lambda _: {"install_target": ".."}, "'..' cannot be the name of a layer's folder"),
        (more(file("../x")), "the path '../x' leads out of its folder"),
        (more(file("/x")), "the path '/x' is absolute"),
        (more(file("a.py")), "'a.py' is there twice"),
        (more(file("link/x")), "'link/x' lies in 'link', which is a symlink"),
        (
            more(DeltaEntry("x", EntryKind.SYMLINK, 0o777, target="/etc")),
            "the link 'x' is absolute (it leads to '/etc')",
        ),
        (more(DeltaEntry("x", EntryKind.FILE, 0o4755)), "'x' has the mode 4755, which no file of a layer has"),
        (entries(lambda _: {"sha256": ""}), "the hash of 'a.py' has 0 digits"),
        (entries(lambda _: {"sha256": "0" * 16}), "the hash of 'a.py' has 16 digits"),
        (entries(lambda _: {"sha256": "0" * 64}, "kept"), "the hash of 'kept' has 64 digits"),
        (entries(lambda _: {"sha256": "0" * 16}, "link"), "the hash of 'link' has 16 digits"),
        (entries(lambda _: {"frame": 2}), "'a.py' is declared to be where it cannot be"),
        (entries(lambda _: {"frame": 0, "sha256": "0" * 16}), "its frames hold 120 bytes, and its files 0"),
        (entries(lambda _: {"offset": 1}), "'a.py' is declared to be where it cannot be"),
        (entries(lambda _: {"offset": 120}), "'a.py' is declared to be where it cannot be"),
        (entries(lambda _: {"size": 119}), "its frames hold 120 bytes, and its files 119"),
        (entries(lambda _: {"size": 121}), "its frames hold 120 bytes, and its files 121"),
        (
            entries(lambda _: {"frame": 1, "sha256": "0" * 64}, "kept"),
            "'kept' is declared to be where it cannot be",
        ),
        (entries(lambda _: {"frame": 1}, "lib"), "'lib' is declared to be where it cannot be"),
        (lambda _: {"moved": {"a.py": "x"}}, "'a.py' is declared to have been moved, and was not"),
        (lambda _: {"moved": {"kept": "kept"}}, "'kept' is declared to have been moved, and was not"),
        (lambda _: {"moved": {"nowhere": "x"}}, "'nowhere' is declared to have been moved, and was not"),
        (lambda _: {"moved": {"kept": "../x"}}, "the path '../x' leads out of its folder"),
        (lambda h: {"sources": (*h.sources, h.sources[0])}, "an old file is named twice"),
        (lambda h: {"sources": (*h.sources, SECOND)}, "the old files that are named are not those that are used"),
        (lambda _: {"sources": ()}, "the old files that are named are not those that are used"),
        (
            lambda h: {"sources": (Structs.replace(h.sources[0], path="../x"),)},
            "the path '../x' leads out of its folder",
        ),
        (
            lambda h: {"sources": (Structs.replace(h.sources[0], size=9),)},
            "frame 1 is declared to need what its old files do not hold",
        ),
        (frame(prefix=(Stretch(0, 0, 0),)), "frame 1 is declared to need what its old files do not hold"),
        (frame(prefix=(Stretch(0, 1, 120),)), "frame 1 is declared to need what its old files do not hold"),
        (frame(prefix=(Stretch(0, 0, 7),)), "frame 1 is declared to need 7 bytes of old files"),
        (frame(prefix=(Stretch(0, 0, 120),) * 17), "2.0 kB of old files are declared to be needed for 120 bytes"),
        (frame(content_size=0), "frame 1 is declared to contain 0 bytes"),
        (frame(content_size=(16 << 20) + 1), "frame 1 is declared to contain 16777217 bytes"),
        (frame(content_size=121), "its frames hold 121 bytes, and its files 120"),
        (frame(size=0), "frame 1 is declared to have 0 bytes"),
        (frame(size=1 << 40), "frame 1 is declared to have 1099511627776 bytes"),
        (frame(size=1), "its frames are declared to have 1 bytes, and have {size}"),
    ],
)
def test_forged_headers(pair: Pair, change: Change, expected: str) -> None:
    header = pair.header()
    size = header.frames[0].size
    rewrite(pair.delta, change(header))
    assert problem(pair) == f"is refused: {expected.format(size=size)}."


def test_frame_that_needs_too_much_of_old_files(pair: Pair) -> None:
    header = pair.header()
    source = Structs.replace(header.sources[0], size=1 << 30)
    prefix = (Stretch(0, 0, 1 << 26), Stretch(0, 0, 1))
    rewrite(pair.delta, {"sources": (source,), "frames": (Structs.replace(header.frames[0], prefix=prefix),)})
    assert problem(pair) == "is refused: frame 1 is declared to need 67108865 bytes of old files."


def test_delta_made_to_fill_disks(pair: Pair) -> None:
    header = pair.header()
    frame = DeltaFrame(header.frames[0].size, 16 << 20, "0" * 64)
    pair.delta.write_bytes(pair.delta.read_bytes() + bytes(4 * frame.size))
    rewrite(pair.delta, {"sources": (), "frames": (frame,) * 5})
    assert problem(pair).endswith(" would become 83.9 MB, which looks like a delta made to fill disks.")


def test_frame_of_another_prefix(pair: Pair) -> None:
    """The forger's hashes are all right, but the content is not."""
    header = pair.header()
    source = Source("kept", 50, files.sha256(noise(50)))
    frame = Structs.replace(header.frames[0], prefix=(Stretch(0, 0, 50),))
    rewrite(pair.delta, {"sources": (source,), "frames": (frame,)})
    with pytest.raises(VenvstacksError, match="is damaged"):
        pair.patch()
    assert not (pair.folder / "patched").exists()


def test_exchanged_frame(pair: Pair) -> None:
    data = bytearray(pair.delta.read_bytes())
    data[-1] ^= 1
    pair.delta.write_bytes(data)
    assert problem(pair) == "is damaged: frame 1 is not the one that the header describes."
    frame = Structs.replace(
        pair.header().frames[0], sha256=files.sha256(bytes(data[-pair.header().frames[0].size :]))
    )
    rewrite(pair.delta, {"frames": (frame,)})
    with pytest.raises(VenvstacksError, match="is damaged"):
        pair.patch()


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"content_hash": "sha256:" + "0" * 64},
        lambda _: {"mtime": 7},
        entries(lambda _: {"mode": 0o755}),
        entries(lambda _: {"target": "kept"}, "link"),
        entries(lambda entry: {"path": f"{entry.path}x"}),
        more(DeltaEntry("more", EntryKind.FILE, 0o644, sha256=files.sha256(b"")[:16])),
        lambda header: {"moved": {**header.moved, "kept": "other"}},
    ],
)
def test_result_that_is_another_layer(pair: Pair, change: Change) -> None:
    """Whoever forges a header cannot give its result the name of a layer that was published."""
    (pair.old / "other").write_bytes(b"other" * 10)
    header = pair.header()
    changes = change(header)
    if "moved" in changes:
        digest = files.sha256(b"other" * 10)[:16]
        changes |= entries(lambda _: {"sha256": digest}, "kept")(header)
    rewrite(pair.delta, changes)
    assert problem(pair) == (f"cannot be applied: what it makes of {pair.old} is not the layer that it names.")


def describe(folder: Path, *deltas: DeltaManifest) -> Path:
    path = place_manifest(folder, archive_manifest("app", archive_deltas=deltas))
    path.with_name("other.json").write_bytes(b"{")
    return path


def manifest(pair: Pair, **changes: Any) -> DeltaManifest:
    told = DeltaManifest(pair.delta.name, pair.written.size, {"sha256": pair.written.sha256}, "x")
    return msgspec.structs.replace(told, **changes)


def test_manifest_beside_it_vouches_for_a_delta(pair: Pair) -> None:
    describe(pair.folder, manifest(pair, name="other"), manifest(pair))
    assert full_facts(pair.patch().path) == full_facts(pair.new)


@pytest.mark.parametrize("change", [{"size": 7}, {"hashes": {"sha256": "0" * 64}}, {"hashes": {}}])
def test_delta_that_is_not_the_one_of_the_manifest(pair: Pair, change: dict[str, Any]) -> None:
    place = describe(pair.folder, manifest(pair, **change))
    assert problem(pair) == f"is not the one that {place} describes: it was damaged or exchanged."


def test_manifest_that_does_not_name_a_delta_says_nothing_of_it(pair: Pair) -> None:
    describe(pair.folder, manifest(pair, name="other.vdelta", size=1))
    pair.patch()


OLD_CONTENT = noise(50_000)
NEW_CONTENT = edited(OLD_CONTENT)


@pytest.mark.parametrize("level", [1, 12, 19])
def test_prefix_is_referred_to(level: int) -> None:
    packed = compress_frame(NEW_CONTENT, OLD_CONTENT, level)
    assert len(packed) < 3000
    assert decompress_frame(packed, OLD_CONTENT, len(NEW_CONTENT)) == NEW_CONTENT
    assert len(compress_frame(NEW_CONTENT, b"", level)) > 50_000


def test_whole_prefix_is_seen_to_the_last_byte() -> None:
    old = noise(100_000)
    assert len(compress_frame(old, old, 12)) < 100
    assert len(compress_frame(old[:40_000], old, 12)) < 100
    assert len(compress_frame(old[-40_000:] + old[:40_000], old, 12)) < 150


@pytest.mark.parametrize("content", [b"1", b"x" * 100_000, noise(3)])
def test_any_content(content: bytes) -> None:
    assert decompress_frame(compress_frame(content, b"", 12), b"", len(content)) == content
    assert decompress_frame(compress_frame(content, OLD_CONTENT, 12), OLD_CONTENT, len(content)) == content


@pytest.mark.parametrize("size", [len(NEW_CONTENT) - 1, len(NEW_CONTENT) + 1, 0])
def test_other_size_is_refused(size: int) -> None:
    with pytest.raises(CodecError):
        decompress_frame(compress_frame(NEW_CONTENT, OLD_CONTENT, 3), OLD_CONTENT, size)


def test_bomb_is_not_decompressed() -> None:
    packed = compress_frame(bytes(16 << 20), b"", 1)
    with pytest.raises(CodecError, match="it does not hold the 10 bytes that it should"):
        decompress_frame(packed, b"", 10)


def test_too_large_window_is_refused() -> None:
    packed = compress_frame(bytes((16 << 20) + 1), b"", 1)
    with pytest.raises(CodecError, match="cannot be decompressed"):
        decompress_frame(packed, b"", 1 << 30)


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"1", lambda d: d + d, lambda _: b""])
def test_damaged_frame_is_refused(damage) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(CodecError):
        decompress_frame(damage(compress_frame(NEW_CONTENT, OLD_CONTENT, 3)), OLD_CONTENT, len(NEW_CONTENT))
