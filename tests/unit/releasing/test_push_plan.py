from venvstacks.releasing.push_plan import PushRequest
from venvstacks.releasing.push_prepare import base_entries
from venvstacks.trust.catalog import CatalogEntry, make_catalog

PLATFORM = "linux_x86_64"


def entry(
    version: str, pushed: int, *channels: str, platform: str = PLATFORM, complete: bool = True
) -> CatalogEntry:
    return CatalogEntry(version, platform, "0" * 64, 1, channels, complete, pushed)


CATALOG = make_catalog(
    [
        entry("1", 1, "stable"),
        entry("2", 2),
        entry("3", 3, "beta"),
        entry("4", 4),
        entry("5", 5, complete=False),
        entry("6", 6, platform="win_amd64"),
        entry("7", 7),
    ]
)


def bases(request: PushRequest) -> list[str]:
    return [entry.version for entry in base_entries(CATALOG, PLATFORM, request)]


def test_releases_of_channels_come_first() -> None:
    assert bases(PushRequest("8", ("stable",))) == ["1", "3", "7", "4", "2"]
    assert bases(PushRequest("8", ("beta",))) == ["3", "1", "7", "4", "2"]
    assert bases(PushRequest("8")) == ["3", "1", "7", "4", "2"]


def test_no_release_is_a_base_of_itself() -> None:
    assert bases(PushRequest("3", ("stable",))) == ["1", "7", "4", "2"]
