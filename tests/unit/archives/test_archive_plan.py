"""How archives are divided into frames."""

from dataclasses import replace

import pytest

from venvstacks.archives.archive_plan import ArchivePlan, plan_archive
from venvstacks.archives.formats import ArchiveFormat, profile_for
from venvstacks.archives.frame_layout import FrameContent, Slice, divide, part_size, tar_parts
from venvstacks.archives.index import IndexEntry
from venvstacks.entries import Entry, EntryKind

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
    """Give for each frame the files of which it holds something."""
    return [
        [made.members[part.entry].path for part in frame.parts if isinstance(part, Slice)] for frame in made.frames
    ]


def bytes_of(frame: FrameContent, made: ArchivePlan) -> list[object]:
    return [
        part if isinstance(part, bytes) else (made.members[part.entry].path, part.start, part.size)
        for part in frame.parts
    ]


def test_the_first_frame_alone_holds_the_time() -> None:
    one, two = plan({"a/x": 5}, mtime=1), plan({"a/x": 5}, mtime=2)
    assert one.frames[0] != two.frames[0]
    assert one.frames[1:] == two.frames[1:]


def test_groups_share_no_frame() -> None:
    assert names(plan({"a/x": 5, "a/y": 5, "b/x": 5})) == [[], [], ["a/x", "a/y"], ["b/x"], []]


def test_large_files_have_frames_of_their_own_and_are_cut() -> None:
    made = plan({"a/1": 5, "a/2": 16 * KIB + 1, "a/3": 5, "a/4": 300 * KIB, "a/5": 16 * KIB})
    assert names(made) == [[], [], ["a/1"], ["a/2"], ["a/3"], ["a/4"], ["a/4"], ["a/4"], ["a/5"], []]
    slices = [part for frame in made.frames[5:8] for part in frame.parts if isinstance(part, Slice)]
    assert [(part.start, part.size) for part in slices] == [
        (0, 128 * KIB),
        (128 * KIB, 128 * KIB),
        (256 * KIB, 44 * KIB),
    ]


def test_small_files_share_frames_of_bounded_size() -> None:
    made = plan({f"a/{number:04}": 2000 for number in range(2000)})
    sizes = [frame.size for frame in made.frames[2:-2]]
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
    old = {str(bytes_of(frame, one)) for frame in one.frames}
    new = [frame for frame in two.frames if str(bytes_of(frame, two)) not in old]
    assert len(one.frames) > 30
    assert len(new) <= 3


def test_zip_has_a_frame_for_each_file_and_more_for_large_ones() -> None:
    made = plan({"a/1": 5, "a/2": 0, "a/3": 300 * KIB}, format=ArchiveFormat.ZIP)
    assert [frame.parts for frame in made.frames] == [
        (Slice(1, 0, 5),),
        (Slice(3, 0, 128 * KIB),),
        (Slice(3, 128 * KIB, 128 * KIB),),
        (Slice(3, 256 * KIB, 44 * KIB),),
    ]


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_frames_hold_every_file_once_and_in_order(kind: ArchiveFormat) -> None:
    sizes = {f"{group}/{number}": number * 531 for group in "abc" for number in range(100)}
    made = plan(sizes, format=kind)
    found: dict[str, int] = {}
    for frame in made.frames:
        assert sum(map(part_size, frame.parts)) == frame.size
        for part in frame.parts:
            if isinstance(part, Slice):
                path = made.members[part.entry].path
                assert part.start == found.get(path, 0)
                found[path] = part.start + part.size
    assert found == {path: size for path, size in sizes.items() if size}


def test_dividing_cuts_through_parts() -> None:
    frames = divide([b"12345", Slice(7, 0, 10), b"x"], [3, 4, 9])
    assert frames == (
        FrameContent(3, (b"123",)),
        FrameContent(4, (b"45", Slice(7, 0, 2))),
        FrameContent(9, (Slice(7, 2, 8), b"x")),
    )


def test_many_folders_and_many_frames_take_time_in_proportion_to_their_number() -> None:
    """With the square of their number, this would not end."""
    count = 100_000
    folders = [IndexEntry(f"d{number}", EntryKind.FOLDER, 0o755) for number in range(count)]
    (stream,) = tar_parts(folders, "top", 1)
    assert part_size(stream) > count * 512
    frames = divide([stream], [part_size(stream) - count, *[1] * count])
    assert frames[-1] == FrameContent(1, (b"\0",))


@pytest.mark.parametrize(("sizes", "message"), [([15], "less"), ([16, 1], "more"), ([17], "more"), ([], "less")])
def test_sizes_must_add_up(sizes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=f"frames hold {message} than there is"):
        divide([b"12345", Slice(7, 0, 11)][:2], sizes)
