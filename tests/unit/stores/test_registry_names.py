import re

import pytest

from venvstacks.errors import UsageError
from venvstacks.stores.registry_names import (
    Repository,
    file_tag,
    is_hashed,
    is_of_platform,
    parse_registry,
    platform_tag,
    release_tag,
    tagged_file,
)

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
NAMES = [
    "metadata/timestamp.json",
    "metadata/12.root.json",
    f"targets/releases/{'ab' * 32}.1.0-linux_x86_64.json",
    "install.sh",
    "a_b/_s__x/-.",
    "é/ä+~%",
    "_s/_",
    "\udcff/x",
]
VERSIONS = ["1.0", "2026.11.28+linux_x", "-1", ".1", "_s", "_h1", "é", "latest"]


class TestTags:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_tag_tells_the_name_of_its_file(self, name: str) -> None:
        assert TAG.fullmatch(file_tag(name))
        assert tagged_file(file_tag(name)) == name

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_release_has_its_version_as_its_tag(self, version: str) -> None:
        assert TAG.fullmatch(release_tag(version))
        assert tagged_file(release_tag(version)) is None
        assert not is_hashed(release_tag(version))

    def test_simple_versions_stay_as_they_are(self) -> None:
        assert release_tag("1.0-rc.1") == "1.0-rc.1"

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_platform_of_a_release_has_a_tag_of_its_own(self, version: str) -> None:
        tag = platform_tag(version, "linux_x86_64")
        assert TAG.fullmatch(tag)
        assert tag == f"{release_tag(version)}_plinux__x86__64"
        assert is_of_platform(tag)
        assert not is_of_platform(release_tag(version))
        assert not is_of_platform(release_tag(f"{version}_plinux__x86__64"))

    def test_all_tags_differ(self) -> None:
        tags = [*map(file_tag, NAMES), *map(release_tag, VERSIONS), file_tag("x" * 200), release_tag("x" * 200)]
        assert len(set(tags)) == len(tags)

    def test_what_is_too_long_is_hashed(self) -> None:
        for tag in (file_tag("metadata/" + "x" * 200), release_tag("x" * 200)):
            assert TAG.fullmatch(tag)
            assert is_hashed(tag)
            assert tagged_file(tag) is None


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            (
                "oci://registry.example.invalid:5000/of/products",
                ("https://registry.example.invalid:5000/v2", "registry.example.invalid:5000", "of/products"),
            ),
            ("oci+http://127.0.0.1:5000/p", ("http://127.0.0.1:5000/v2", "127.0.0.1:5000", "p")),
            ("oci://docker.io/user/p", ("https://registry-1.docker.io/v2", "index.docker.io", "user/p")),
        ],
    )
    def test_an_address_names_a_repository(self, address: str, expected: tuple[str, str, str]) -> None:
        assert parse_registry(address) == Repository(address, *expected)
        assert parse_registry(address).url("tags/list") == f"{expected[0]}/{expected[2]}/tags/list"

    @pytest.mark.parametrize(
        "address",
        [
            "oci://",
            "oci:///p",
            "oci://host",
            "oci://host/",
            "oci://host/Upper",
            "oci://host/p:1.0",
            "oci://host:x/p",
        ],
    )
    def test_anything_else_is_refused(self, address: str) -> None:
        with pytest.raises(UsageError, match="is no address of a repository"):
            parse_registry(address)

    @pytest.mark.parametrize("address", ["oci://user:SECRET@host/p", "oci://host/p?SECRET", "oci://host/p#SECRET"])
    def test_a_login_in_an_address_is_refused_and_not_shown(self, address: str) -> None:
        with pytest.raises(UsageError, match="contains no login") as caught:
            parse_registry(address)
        assert "SECRET" not in str(caught.value)
