import pytest

from venvstacks.archives.index import IndexEntry
from venvstacks.deltas.matching import counterparts
from venvstacks.entries import EntryKind


def file(path: str, size: int = 1000) -> IndexEntry:
    return IndexEntry(path, EntryKind.FILE, 0o644, size, sha256="0" * 64)


def like(new: IndexEntry, *old: IndexEntry) -> str | None:
    found = counterparts(old, [new]).get(new.path)
    return None if found is None else found.path


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("lib/a.py", "lib/a.py"),
        ("site/pandas-2.3.3.dist-info/RECORD", "site/pandas-2.3.2.dist-info/RECORD"),
        ("site/numpy.libs/libopenblas64_-99887766.so", "site/numpy.libs/libopenblas64_-56d6093b.so"),
        ("lib/python3.12/site/x.cpython-312-darwin.so", "lib/python3.11/site/x.cpython-311-darwin.so"),
        ("site/new_place/core.py", "site/old_place/core.py"),
    ],
)
def test_names_that_go_together(new: str, old: str) -> None:
    others = [file("lib/b.py"), file("site/other.py"), file("site/pandas-2.3.2.dist-info/METADATA")]
    assert like(file(new), *others, file(old)) == old


def test_same_path_wins() -> None:
    assert like(file("lib/a1.py"), file("lib/a2.py"), file("lib/a1.py", 5000)) == "lib/a1.py"


def test_nearest_folder_wins_and_then_the_nearest_size() -> None:
    old = [file("x/a/__init__.py", 10_000), file("y/__init__.py", 1000), file("z/__init__.py", 1100)]
    assert like(file("new/a/__init__.py"), *old) == "x/a/__init__.py"
    assert like(file("new/__init__.py", 1090), *old) == "z/__init__.py"


@pytest.mark.parametrize("old", ["lib/b.py", "lib/a.pyi", "liba.py"])
def test_other_names_do_not_count(old: str) -> None:
    assert like(file("lib/a.py"), file(old)) is None


def test_file_that_is_far_larger_is_not_worth_reading() -> None:
    assert like(file("lib/a.py", 100), file("lib/a.py", 1600)) == "lib/a.py"
    assert like(file("lib/a.py", 100), file("lib/a.py", 1601)) is None


def test_only_files_with_content_count() -> None:
    old = [IndexEntry("lib/a.py", EntryKind.SYMLINK, 0o777, target="b.py"), file("lib/c.py", 0)]
    assert like(file("lib/a.py"), *old) is None
    assert like(file("lib/c.py"), *old) is None


def test_many_names_of_one_form_take_no_time() -> None:
    old = [file(f"data/{number}.json", 1000 + number) for number in range(20_000)]
    new = [file(f"data/v2/{number}.json", 1001 + number) for number in range(20_000)]
    found = counterparts(old, new)
    assert found["data/v2/500.json"].path == "data/500.json"
