import re
from collections.abc import Sequence
from typing import Any

import pytest

from venvstacks.archives.entry_rules import case_clash, entry_problem
from venvstacks.archives.index import IndexEntry
from venvstacks.entries import EntryKind


def file(path: str, **changes: Any) -> IndexEntry:
    return IndexEntry(
        **{"path": path, "type": EntryKind.FILE, "mode": 0o644, "size": 1, "sha256": "0" * 64, **changes}
    )


def folder(path: str, **changes: Any) -> IndexEntry:
    return IndexEntry(**{"path": path, "type": EntryKind.FOLDER, "mode": 0o755, **changes})


def link(path: str, target: str, **changes: Any) -> IndexEntry:
    return IndexEntry(**{"path": path, "type": EntryKind.SYMLINK, "mode": 0o777, "target": target, **changes})


LIB = [folder("lib"), folder("lib/x")]


def problem(*entries: IndexEntry, top: str = "top", windows: bool = False) -> str | None:
    return entry_problem(entries, top, windows=windows)


def test_what_layers_hold() -> None:
    entries = [
        *LIB,
        file("lib/a", mode=0o755),
        file("lib/aux.py"),
        file("lib/line\nbreak"),
        link("lib/b", "a"),
        link("lib/x/c", "../../../other@1/bin/python"),
        link("lib/x/d", "../../../top/lib/a"),
        link("lib/e", "nowhere"),
    ]
    assert problem(*entries) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/passwd", "the path '/etc/passwd' is absolute"),
        ("C:/x", "the path 'C:/x' is absolute"),
        ("../x", "the path '../x' leads out of its folder"),
        ("lib/../../x", "the path 'lib/../../x' leads out of its folder"),
        ("lib/x/..", "the path 'lib/x/..' leads out of its folder"),
        ("", "the path '' is not one that a file can have"),
        ("lib//a", "the path 'lib//a' is not one that a file can have"),
        ("lib/./a", "the path 'lib/./a' is not one that a file can have"),
        ("lib/", "the path 'lib/' is not one that a file can have"),
        ("lib/a\0b", "the path 'lib/a\\x00b' is not one that a file can have"),
        ("n" * 256, f"the path '{'n' * 256}' is too long"),
        ("é" * 128, f"the path '{'é' * 128}' is too long"),
    ],
)
@pytest.mark.parametrize("make", [file, folder, lambda path: link(path, "x")], ids=["file", "folder", "link"])
def test_bad_paths(make: Any, path: str, expected: str) -> None:
    assert problem(make(path)) == expected


def test_paths_of_every_length_that_file_systems_take() -> None:
    deep = ["/".join(["d" * 200] * depth) for depth in range(1, 19)]
    assert problem(*map(folder, deep)) is None
    assert "is too long" in str(problem(*map(folder, [*deep, f"{deep[-1]}/{'d' * 200}/{'d' * 200}"])))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a\\b", "'a\\\\b' has a '\\\\', which no name on Windows may have"),
        ("a:b", "'a:b' has a ':', which no name on Windows may have"),
        ("nul.txt", "'nul.txt' has the name of a device on Windows"),
        ("dot.", "'dot.' ends with a dot or a space, which Windows drops"),
    ],
)
def test_names_for_windows(path: str, expected: str) -> None:
    assert problem(file(path), windows=True) == expected
    assert problem(file(path)) is None


@pytest.mark.parametrize("top", ["", ".", "..", "a/b", "/a", "a\x1b[2J", ".venvstacks-tmp-1", "n" * 256])
def test_bad_names_of_the_folder(top: str) -> None:
    assert problem(top=top) == f"{top!r} cannot be the name of a layer's folder"


@pytest.mark.parametrize("top", ["a\u3000b", "👩\u200d💻", "\U0001fae8", "\U0002fff0"])
def test_names_that_no_python_or_only_newer_ones_take_for_printable(top: str) -> None:
    assert problem(top=top) is None


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([file("a"), file("a")], "'a' is there twice"),
        ([folder("a"), folder("a")], "'a' is there twice"),
        ([folder("a"), file("a")], "'a' is there twice"),
        ([file("lib/a")], "'lib/a' lies in 'lib', which is not there"),
        ([file("lib"), file("lib/a")], "'lib/a' lies in 'lib', which is a file"),
        ([link("lib", "/x"), file("lib/a")], "'lib/a' lies in 'lib', which is a symlink"),
        ([link("lib", ".."), file("lib/a")], "'lib/a' lies in 'lib', which is a symlink"),
        ([folder("lib/x"), folder("lib")], "'lib/x' lies in 'lib', which is not there"),
        ([file("a"), folder("lib")], "the folder 'lib' comes after what is not a folder"),
        ([file("a", mode=0o4755)], "'a' has the mode 4755, which no file of a layer has"),
        ([file("a", mode=0o666)], "'a' has the mode 666, which no file of a layer has"),
        ([folder("a", mode=0o777)], "'a' has the mode 777, which no folder of a layer has"),
        ([link("a", "b", mode=0o755)], "'a' has the mode 755, which no symlink of a layer has"),
        ([folder("a", size=1)], "the folder 'a' has a size"),
        ([link("a", "b", size=1)], "the symlink 'a' has a size"),
        ([link("a", "")], "the symlink 'a' has no target"),
        ([file("a", target="b")], "the file 'a' has a target"),
    ],
)
def test_bad_entries(entries: Sequence[IndexEntry], expected: str) -> None:
    assert problem(*entries) == expected


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
    assert problem(folder("bin"), *LIB, link(path, target)) is None


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        ("a", "/etc/passwd", "the link 'a' is absolute (it leads to '/etc/passwd')"),
        ("a", "C:/Windows", "the link 'a' is absolute (it leads to 'C:/Windows')"),
        ("a", "..", "the link 'a' leads out of the stack (to '..')"),
        ("a", "../..", "the link 'a' leads out of the stack (to '../..')"),
        ("lib/a", "../../../sibling/b", "the link 'lib/a' leads out of the stack (to '../../../sibling/b')"),
        ("lib/a", "../../../top/b", "the link 'lib/a' leads out of the stack (to '../../../top/b')"),
        ("lib/a", "../../other/../../b", "the link 'lib/a' leads out of the stack (to '../../other/../../b')"),
        ("lib/a", "../../other/../b", "the link 'lib/a' leads out of the stack (to '../../other/../b')"),
        ("a", "../other/../b", "the link 'a' leads out of the stack (to '../other/../b')"),
        ("a", "../other/../top/b", "the link 'a' leads out of the stack (to '../other/../top/b')"),
        ("a", "../other/lib/../../b", "the link 'a' leads out of the stack (to '../other/lib/../../b')"),
        ("a", "b\0", "the link 'a' has a target that no link can have"),
        ("a", "b" * 4001, "the link 'a' has a target that no link can have"),
    ],
)
def test_links_that_lead_elsewhere(path: str, target: str, expected: str) -> None:
    assert problem(*LIB, link(path, target)) == expected


def test_links_are_followed_as_the_system_does() -> None:
    # by its words `up` stays in lib/x; but lib/x/top is the layer's folder, so it leads out of the stack
    deep = [*LIB, link("lib/x/top", "../..")]
    assert problem(*deep, link("up", "lib/x/top/lib")) is None
    assert problem(*deep, link("up", "lib/x/top/../../x")) == (
        "the link 'up' leads out of the stack (to 'lib/x/top/../../x')"
    )
    # the same in two steps
    hop = link("hop", "lib/x/top/..")
    assert (
        problem(*deep, hop, link("up", "hop/../x")) == "the link 'hop' leads out of the stack (to 'lib/x/top/..')"
    )


def test_links_in_a_circle() -> None:
    circle = "the link 'a' leads through too many others (to 'b')"
    assert problem(link("a", "b"), link("b", "a")) == circle
    assert problem(link("a", "a/b")) == "the link 'a' leads through too many others (to 'a/b')"


def test_links_that_take_too_long_to_follow() -> None:
    folders = [folder("/".join(["d"] * depth)) for depth in range(1, 600)]
    deep = [link(f"l{number}", f"{folders[-1].path}/{'../' * 580}") for number in range(100)]
    assert problem(*folders, *deep[:20]) is None
    assert re.fullmatch(
        r"the link 'l\d+' and those before it lead through too many folders", str(problem(*folders, *deep))
    )


def test_backslashes_in_links_for_windows() -> None:
    assert problem(link("a", "..\\..\\x"), windows=True) == (
        "the link 'a' is absolute (it leads to '..\\\\..\\\\x')"
    )


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([file("a"), file("b")], None),
        ([file("a"), file("A")], ("a", "A")),
        ([file("straße"), file("STRASSE")], ("straße", "STRASSE")),
        ([file("é"), file("e\u0301")], ("é", "e\u0301")),
        ([folder("a"), folder("A")], None),
        ([folder("a"), folder("A"), file("a/x"), file("A/X")], ("a/x", "A/X")),
        ([folder("a"), file("A")], ("a", "A")),
    ],
    ids=str,
)
def test_names_that_clash_where_case_does_not_count(
    entries: Sequence[IndexEntry], expected: tuple[str, str] | None
) -> None:
    assert case_clash(entries) == expected
