import pytest

from venvstacks.archives.members import members_of
from venvstacks.errors import PublishError
from venvstacks.trees import Entry, EntryKind


def link(path: str, target: str) -> Entry:
    return Entry(path, EntryKind.SYMLINK, link_target=target)


def test_order_is_that_of_utf8_names_and_folders_come_first() -> None:
    entries = [
        Entry(path, EntryKind.FOLDER if path == "a" else EntryKind.FILE) for path in ("a/b", "🐸", "a-b", "a", "é")
    ]
    assert [member.name.decode() for member in members_of(entries, "top")] == [
        "top",
        "top/a",
        "top/a-b",
        "top/a/b",
        "top/é",
        "top/🐸",
    ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("bin/python", "../../cpython@3.12/bin/python3.12"),
        ("a", "b"),
        ("a", "./b"),
        ("lib/a", ".."),
        ("lib/x/a", "../../lib/../b"),
    ],
)
def test_links_to_the_layer_and_its_siblings_are_kept(path: str, target: str) -> None:
    assert members_of([link(path, target)], "top")[1].link_target == target.encode()


@pytest.mark.parametrize(
    ("path", "target", "message"),
    [
        ("a", "/etc/passwd", "The link 'a' is absolute (it leads to '/etc/passwd')."),
        ("a", "C:/Windows", "The link 'a' is absolute (it leads to 'C:/Windows')."),
        ("a", "..", "The link 'a' leads out of the stack (to '..')."),
        ("a", "../..", "The link 'a' leads out of the stack (to '../..')."),
        ("lib/a", "../../../sibling/b", "The link 'lib/a' leads out of the stack (to '../../../sibling/b')."),
        ("lib/a", "../../../top/b", "The link 'lib/a' leads out of the stack (to '../../../top/b')."),
    ],
)
def test_links_that_lead_elsewhere_are_refused(path: str, target: str, message: str) -> None:
    with pytest.raises(PublishError) as caught:
        members_of([link(path, target)], "top")
    assert caught.value.message == message


@pytest.mark.parametrize("entry", [Entry("caf\udce9", EntryKind.FILE), link("a", "caf\udce9")])
def test_names_that_are_not_unicode_are_refused(entry: Entry) -> None:
    with pytest.raises(PublishError, match="is not valid Unicode"):
        members_of([entry], "top")
