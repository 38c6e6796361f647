"""Any tree comes out of an archive as it went in, and always as the same bytes."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.archive_reading import read_archive
from fakes.archiving import TOP, facts, pack, small_frames, unpack
from fakes.built_layers import make_tree
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.tar import tar_header
from venvstacks.entries import BYTECODE_FOLDER, EntryKind, scan

# Names that every file system of our hosts takes as they are; they may differ in case only by chance.
names = st.text(
    st.one_of(st.sampled_from("abcxyz019._-+ "), st.sampled_from("🐸語ßд")), min_size=1, max_size=60
).filter(lambda name: name.strip(" .") == name and name and name != BYTECODE_FOLDER)
paths = st.lists(names, min_size=1, max_size=6).map("/".join).filter(lambda path: len(path.encode()) < 900)


@st.composite
def contents(draw: st.DrawFn) -> dict[str, bytes | str | None]:
    content: dict[str, bytes | str | None] = {}
    folders: set[str] = set()
    for path in draw(st.lists(paths, max_size=8, unique=True)):
        parents = {"/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)}
        if (
            any(len(part.encode()) > 255 for part in path.split("/"))
            or path in folders
            or parents & content.keys()
        ):
            continue
        folders |= parents
        # links that lead to nothing: those in a circle are refused
        content[path] = draw(st.one_of(st.binary(max_size=2000), names.map("{}~".format), st.none()))
        if content[path] is None:
            folders.add(path)
            del content[path]
    return {**content, **{folder: None for folder in folders if folder not in content}}


@given(contents(), st.sampled_from(ArchiveFormat), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_round_trip(content: dict[str, bytes | str | None], format: ArchiveFormat, mtime: int) -> None:  # noqa: A002
    with tempfile.TemporaryDirectory() as name:
        folder = make_tree(Path(name) / "tree", dict(sorted(content.items(), key=lambda item: item[0].count("/"))))
        archive = Path(name) / "out"
        profile = small_frames(format)
        written = [
            pack(folder, archive, format, profile=profile, mtime=mtime, entries=entries, jobs=jobs)
            for entries, jobs in ((scan(folder), 1), (scan(folder)[::-1], 3))
        ]
        read = {path: member.content for path, member in read_archive(archive, format).items()}
        unpack(archive, Path(name) / "unpacked")
        unpacked = facts(Path(name) / "unpacked")
        packed = facts(folder)
    assert written[0] == written[1]
    assert read == {TOP: None, **{f"{TOP}/{path}": value for path, value in content.items()}}
    assert unpacked == packed


@given(paths, st.integers(0, 2**40))
@settings(max_examples=300, deadline=None)
def test_headers_are_whole_blocks_with_right_checksums(path: str, size: int) -> None:
    header = tar_header(path, EntryKind.FILE, 0o644, size=size)
    assert len(header) % 512 == 0
    last = header[-512:]
    assert int(last[148:154], 8) == sum(last[:148]) + sum(last[156:]) + 8 * 32
