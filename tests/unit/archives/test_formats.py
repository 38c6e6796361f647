import pytest

from venvstacks.archives.formats import ArchiveFormat, Compression, profile_for
from venvstacks.errors import UsageError


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_kinds_of_compression_are_levels(kind: ArchiveFormat) -> None:
    levels = [profile_for(kind, compression=each).level for each in Compression]
    assert levels == sorted(set(levels))
    assert profile_for(kind) == profile_for(kind, compression=Compression.BALANCED)
    assert [profile_for(kind, level) for level in levels] == [
        profile_for(kind, compression=each) for each in Compression
    ]


@pytest.mark.parametrize(
    ("kind", "lowest", "highest"),
    [
        (ArchiveFormat.TAR_ZST, 1, 22),
        (ArchiveFormat.TAR_XZ, 0, 9),
        (ArchiveFormat.TAR_GZ, 1, 9),
        (ArchiveFormat.ZIP, 1, 9),
    ],
)
def test_levels(kind: ArchiveFormat, lowest: int, highest: int) -> None:
    assert len({profile_for(kind, level).text for level in range(lowest, highest + 1)}) == highest - lowest + 1
    for level in (lowest - 1, highest + 1):
        with pytest.raises(UsageError, match=f"The levels of {kind} are {lowest} to {highest}, not {level}"):
            profile_for(kind, level)


def test_level_and_kind_of_compression_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="A compression level and a kind of compression are given"):
        profile_for(ArchiveFormat.ZIP, 9, Compression.BEST)
