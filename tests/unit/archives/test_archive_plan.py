"""In which order archives hold entries, and how they are divided into frames."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from venvstacks.archives.archive_plan import ArchivePlan, GroupOf, plan_archive
from venvstacks.archives.formats import ArchiveFormat, profile_for
from venvstacks.archives.frame_layout import (
    FrameParts,
    Slice,
    content_size,
    cut_into_frames,
    locate_files,
    part_size,
    slices_of,
    tar_parts,
)
from venvstacks.archives.index import IndexEntry
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import PublishError

KIB = 1 << 10
PROFILE = replace(profile_for(ArchiveFormat.TAR_ZST), shared=64 * KIB, own=16 * KIB, cut=128 * KIB)


def plan(sizes: dict[str, int], *, format: ArchiveFormat = ArchiveFormat.TAR_ZST, mtime: int = 1) -> ArchivePlan:  # noqa: A002
    folders = {path.rpartition("/")[0] for path in sizes}
    return plan_archive(
        [
            *(Entry(path, EntryKind.FOLDER) for path in folders if path),
            *(Entry(path, EntryKind.FILE, size) for path, size in sizes.items()),
        ],
        "top",
        mtime=mtime,
        profile=replace(PROFILE, format=format),
        group_of=lambda path: path.partition("/")[0],
        windows=False,
    )


def names(made: ArchivePlan) -> list[list[str]]:
    """Return for each frame the files of which it holds something."""
    return [[part.entry.path for part in slices_of(parts)] for parts in made.frames]


def bytes_of(parts: FrameParts[Entry]) -> list[object]:
    return [part if isinstance(part, bytes) else (part.entry.path, part.start, part.size) for part in parts]


def test_the_first_frame_alone_holds_the_time() -> None:
    one, two = plan({"a/x": 5}, mtime=1), plan({"a/x": 5}, mtime=2)
    assert one.frames[0] != two.frames[0]
    assert one.frames[1:] == two.frames[1:]


def test_groups_share_no_frame() -> None:
    assert names(plan({"a/x": 5, "a/y": 5, "b/x": 5})) == [[], [], ["a/x", "a/y"], ["b/x"], []]


def test_large_files_have_frames_of_their_own_and_are_cut() -> None:
    made = plan({"a/1": 5, "a/2": 16 * KIB + 1, "a/3": 5, "a/4": 300 * KIB, "a/5": 16 * KIB})
    assert names(made) == [[], [], ["a/1"], ["a/2"], ["a/3"], ["a/4"], ["a/4"], ["a/4"], ["a/5"], []]
    slices = [part for parts in made.frames[5:8] for part in slices_of(parts)]
    assert [(part.start, part.size) for part in slices] == [
        (0, 128 * KIB),
        (128 * KIB, 128 * KIB),
        (256 * KIB, 44 * KIB),
    ]


def test_small_files_share_frames_of_bounded_size() -> None:
    made = plan({f"a/{number:04}": 2000 for number in range(2000)})
    sizes = [content_size(parts) for parts in made.frames[2:-2]]
    assert min(sizes) >= PROFILE.shared // 2
    assert max(sizes) <= 2 * PROFILE.shared
    assert PROFILE.shared / 2 < sum(sizes) / len(sizes) < PROFILE.shared * 1.5


@pytest.mark.parametrize("place", [0, 1000, 1999])
@pytest.mark.parametrize("change", ["grow", "remove", "add"])
def test_a_change_moves_few_frames(place: int, change: str) -> None:
    sizes = {f"a/{number:04}": 1000 + 37 * (number % 50) for number in range(2000)}
    changed = dict(sizes)
    name = f"a/{place:04}"
    if change == "grow":
        changed[name] += 9000
    elif change == "remove":
        del changed[name]
    else:
        changed[f"{name}x"] = 700
    one, two = plan(sizes), plan(changed)
    old = {str(bytes_of(parts)) for parts in one.frames}
    new = [parts for parts in two.frames if str(bytes_of(parts)) not in old]
    assert len(one.frames) > 30
    assert len(new) <= 3


def test_zip_has_a_frame_for_each_file_and_more_for_large_ones() -> None:
    made = plan({"a/1": 5, "a/2": 0, "a/3": 300 * KIB}, format=ArchiveFormat.ZIP)
    _, small, _, large = made.entries
    assert made.frames == (
        (Slice(small, 0, 5),),
        (Slice(large, 0, 128 * KIB),),
        (Slice(large, 128 * KIB, 128 * KIB),),
        (Slice(large, 256 * KIB, 44 * KIB),),
    )


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_frames_hold_every_file_once_and_in_order(kind: ArchiveFormat) -> None:
    sizes = {f"{group}/{number}": number * 531 for group in "abc" for number in range(100)}
    made = plan(sizes, format=kind)
    found: dict[str, int] = {}
    for part in (part for parts in made.frames for part in slices_of(parts)):
        assert part.start == found.get(part.entry.path, 0)
        found[part.entry.path] = part.start + part.size
    assert found == {path: size for path, size in sizes.items() if size}


def test_dividing_cuts_through_parts() -> None:
    file = Entry("a", EntryKind.FILE, 10)
    parts: list[bytes | Slice[Entry]] = [b"12345", Slice(file, 0, 10), b"x"]
    frames = cut_into_frames(parts, [3, 4, 9])
    assert frames == ((b"123",), (b"45", Slice(file, 0, 2)), (Slice(file, 2, 8), b"x"))
    assert locate_files(frames) == {"a": (1, 2)}


def test_many_folders_and_many_frames_take_time_in_proportion_to_their_number() -> None:
    """With the square of their number, this would not end."""
    count = 100_000
    folders = [IndexEntry(f"d{number}", EntryKind.FOLDER, 0o755) for number in range(count)]
    (stream,) = tar_parts(folders, "top", 1)
    assert part_size(stream) > count * 512
    frames = cut_into_frames([stream], [part_size(stream) - count, *[1] * count])
    assert frames[-1] == (b"\0",)


@pytest.mark.parametrize(("sizes", "message"), [([15], "less"), ([16, 1], "more"), ([17], "more"), ([], "less")])
def test_sizes_must_add_up(sizes: list[int], message: str) -> None:
    parts: list[bytes | Slice[Entry]] = [b"12345", Slice(Entry("a", EntryKind.FILE, 11), 0, 11)]
    with pytest.raises(ValueError, match=f"frames contain {message} than there is"):
        cut_into_frames(parts, sizes)


def planned(
    entries: Sequence[Entry], group_of: GroupOf = lambda _: None, *, windows: bool = False
) -> tuple[Entry, ...]:
    return plan_archive(entries, "top", mtime=1, profile=PROFILE, group_of=group_of, windows=windows).entries


def file(path: str) -> Entry:
    return Entry(path, EntryKind.FILE, 1)


def folder(path: str) -> Entry:
    return Entry(path, EntryKind.FOLDER)


def link(path: str, target: str) -> Entry:
    return Entry(path, EntryKind.SYMLINK, target=target)


def paths(*entries: Entry, **groups: str) -> list[str]:
    return [entry.path for entry in planned(entries, groups.get)]


def test_folders_come_first_and_order_is_that_of_utf8() -> None:
    assert paths(*map(folder, ["é", "a/b", "🐸", "a-b", "a"])) == ["a", "a-b", "a/b", "é", "🐸"]
    assert paths(file("b"), folder("z"), file("a")) == ["z", "a", "b"]


def test_groups_come_by_name_and_the_rest_by_top_folder() -> None:
    entries = [folder("lib"), folder("bin"), *map(file, ["lib/a", "lib/b", "bin/z", "lib/c", "top"])]
    assert paths(*entries, **{"bin/z": "numpy", "lib/b": "numpy", "lib/c": "attrs"}) == [
        "bin",
        "lib",
        "lib/c",  # attrs
        "bin/z",  # numpy
        "lib/b",
        "lib/a",  # of no package
        "top",
    ]


def test_links_stand_with_the_files_of_their_group() -> None:
    entries = [folder("bin"), file("bin/a"), link("bin/b", "a"), file("bin/c")]
    assert paths(*entries) == ["bin", "bin/a", "bin/b", "bin/c"]


def test_modes() -> None:
    entries = [folder("a"), file("b"), Entry("c", EntryKind.FILE, executable=True), link("d", "b")]
    made = planned(entries)
    assert [f"{entry.mode:o}" for entry in made] == ["755", "644", "755", "777"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (link("a", "/etc/passwd"), "The link 'a' is absolute (it leads to '/etc/passwd')."),
        (link("a", "../.."), "The link 'a' leads out of the stack (to '../..')."),
        (file("caf\udce9"), "The name of 'caf\\udce9' is not valid Unicode."),
        (link("a", "caf\udce9"), "The target of the link 'a' is not valid Unicode."),
    ],
    ids=str,
)
def test_what_no_archive_may_hold_is_refused(entry: Entry, message: str) -> None:
    with pytest.raises(PublishError) as caught:
        planned([entry])
    assert caught.value.message == message


def test_names_are_checked_for_windows() -> None:
    with pytest.raises(PublishError, match=r"'aux.py' has the name of a device on Windows\."):
        planned([file("aux.py")], windows=True)
