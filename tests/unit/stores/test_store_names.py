"""Which names files of a store may have."""

import pytest

from venvstacks.errors import StoreError
from venvstacks.stores.names import checked_name, checked_prefix


@pytest.mark.parametrize("name", ["blobs/sha256/00/00", "metadata/1.root.json", "targets/releases/x.1 é#?-y.json"])
def test_names(name: str) -> None:
    assert checked_name(name) == name


def test_on_windows_a_name_must_not_mean_something_else() -> None:
    for name in ("C:/x", "metadata/nul", "metadata/a?", "metadata/a."):
        assert checked_name(name) == name
        with pytest.raises(StoreError):
            checked_name(name, windows=True)


def test_beginnings_of_names() -> None:
    assert [checked_prefix(prefix) for prefix in ("", "blobs/", "blobs/sha")] == ["", "blobs/", "blobs/sha"]
    for prefix in ("/", "../", "blobs/..", "blobs//"):
        with pytest.raises(StoreError):
            checked_prefix(prefix)
