import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.signed_stores import PLATFORM, make_signed_store, release_file
from venvstacks.errors import TrustError
from venvstacks.trust.client import fetch_root, read_trusted, root_hash
from venvstacks.trust.repository import refresh_timestamp


def test_reading_a_release(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    made.push("1")
    trusted = made.client()
    entry = trusted.catalog.find(PLATFORM, channel="stable")
    assert trusted.read_release_file(entry) == release_file("1")
    made.store.contents.clear()
    assert trusted.read_release_file(entry) == release_file("1")  # it was kept


def test_nothing_new_is_two_requests_and_needs_no_tuf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_signed_store(tmp_path)
    made.push("1")
    first = made.client()
    made.store.asked.clear()
    monkeypatch.setitem(__import__("sys").modules, "tuf", None)
    assert read_trusted(made.store, tmp_path / "client").catalog == first.catalog
    assert made.store.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_a_refreshed_store_is_two_requests(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    made.push("1")
    first = made.client()
    refresh_timestamp(made.store, made.signers)
    made.store.asked.clear()
    assert made.client().catalog == first.catalog
    assert made.store.asked == ["metadata/2.root.json", "metadata/timestamp.json"]
    made.push("2")
    made.store.asked.clear()
    assert made.client().catalog.versions == ("1", "2")
    assert len(made.store.asked) == 4


def test_without_a_root_nothing_is_believed(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    with pytest.raises(TrustError, match="Nothing is known yet") as raised:
        read_trusted(made.store, tmp_path / "client")
    assert "--root" in (raised.value.hint or "")


def test_other_kinds_of_keys_need_cryptography(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, other = make_signed_store(tmp_path), make_signed_store(tmp_path / "other")
    for installed in (True, False):
        if not installed:
            monkeypatch.setitem(sys.modules, "cryptography", None)
        with pytest.raises(TrustError, match="lack valid signatures") as raised:
            read_trusted(other.store, tmp_path / "client", made.root)
        assert ("pip install cryptography" in (raised.value.hint or "")) is not installed


def test_a_root_by_its_hash(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    assert fetch_root(made.store, root_hash(made.root)) == made.root
    with pytest.raises(TrustError, match="no root metadata with the hash"):
        fetch_root(made.store, "sha256:" + "0" * 64)


def test_roots_are_renewed_by_refreshing(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path)
    made.client()
    later = datetime.now(UTC) + timedelta(days=200)
    with pytest.raises(TrustError, match="expired"):
        made.client(later)
    refresh_timestamp(made.store, made.signers, now=later)
    made.client(later)
    later += timedelta(days=200)
    refresh_timestamp(made.store, made.signers, now=later)
    made.client(later)
    assert sorted(path.name for path in (tmp_path / "client/roots").iterdir()) == [
        "1.root.json",
        "2.root.json",
        "3.root.json",
    ]
