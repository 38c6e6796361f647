import pytest

from venvstacks.archives.archive_entries import members_of
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import PublishError


def file(path: str) -> Entry:
    return Entry(path, EntryKind.FILE, 1)


def folder(path: str) -> Entry:
    return Entry(path, EntryKind.FOLDER)


def link(path: str, target: str) -> Entry:
    return Entry(path, EntryKind.SYMLINK, link_target=target)


def paths(*entries: Entry, **groups: str) -> list[str]:
    return [member.path for member in members_of(entries, "top", groups.get, windows=False)]


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
    members = members_of(entries, "top", lambda _: None, windows=False)
    assert [f"{member.mode:o}" for member in members] == ["755", "644", "755", "777"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (link("a", "/etc/passwd"), "The link 'a' is absolute (it leads to '/etc/passwd')."),
        (link("a", "../.."), "The link 'a' leads out of the stack (to '../..')."),
        (file("caf\udce9"), "The name of 'caf\\udce9' is not valid Unicode."),
        (link("a", "caf\udce9"), "The name of 'a' is not valid Unicode."),
    ],
    ids=str,
)
def test_what_no_archive_may_hold_is_refused(entry: Entry, message: str) -> None:
    with pytest.raises(PublishError) as caught:
        members_of([entry], "top", lambda _: None, windows=False)
    assert caught.value.message == message


def test_names_are_checked_for_windows() -> None:
    with pytest.raises(PublishError, match=r"'aux.py' has the name of a device on Windows\."):
        members_of([file("aux.py")], "top", lambda _: None, windows=True)
