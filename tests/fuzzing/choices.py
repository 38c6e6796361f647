"""Bytes as a source of choices: whoever makes the bytes, hypothesis or another fuzzer, decides what happens."""

from collections.abc import Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")

NUMBERS: tuple[Any, ...] = (
    0,
    1,
    -1,
    2,
    511,
    512,
    513,
    2**16,
    2**31,
    2**32,
    2**53,
    2**63,
    2**64,
    10**30,
    0.5,
    1e300,
)
TEXTS = (
    "",
    ".",
    "..",
    "../x",
    "/x",
    "x/../..",
    "x//y",
    "C:/x",
    "..\\x",
    "nul",
    "\0",
    "\n",
    "ä",
    "e\u0301",
    "A",
    "a",
    "lib",
    "lib/a",
    "LIB/A",
    "bin/../lib",
    "../other/x",
    "../other/../x",
    "x" * 256,
    "x/" * 3000,
    "0" * 64,
    "file",
    "folder",
    "symlink",
    "zstd",
    "deflate",
)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [{}])


class Choices:
    """Gives choices until the bytes are used up, and then always the first.

    Args:
        data: Decides.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def below(self, count: int) -> int:
        """Choose a number from 0 to ``count - 1``."""
        size = 1 if count <= 1 << 8 else 4
        return int.from_bytes(self.raw(size), "little") % max(1, count)

    def pick(self, items: Sequence[Item]) -> Item:
        """Choose one of some items."""
        return items[self.below(len(items))]

    def raw(self, size: int) -> bytes:
        """Take some bytes; fewer, or none, at the end."""
        taken = self._data[self._place : self._place + size]
        self._place += size
        return taken

    def value(self) -> Any:
        """Choose a value of JSON."""
        return self.pick((self.pick(NUMBERS), self.pick(TEXTS), self.pick(OTHERS)))


def mutated_bytes(data: bytes, choices: Choices) -> bytes:
    """Change some bytes here and there."""
    changed = bytearray(data)
    for _ in range(1 + choices.below(4)):
        place = choices.below(len(changed) + 1)
        match choices.below(6):
            case 0 if place < len(changed):
                changed[place] ^= 1 << choices.below(8)
            case 1 if place < len(changed):
                changed[place] = choices.below(256)
            case 2:
                del changed[place : place + choices.below(20)]
            case 3:
                changed[place:place] = choices.raw(choices.below(20))
            case 4:
                start = choices.below(len(changed) + 1)
                changed[place:place] = changed[start : start + choices.below(60)]
            case _:
                del changed[place:]
    return bytes(changed)


def mutate_value(value: Any, choices: Choices) -> Any:
    """Return a value of JSON with one change somewhere in it."""
    match value:
        case dict() if value and choices.below(8):
            return _mutated_object(value, choices)
        case list() if value and choices.below(8):
            return _mutated_array(value, choices)
        case int() if not isinstance(value, bool) and choices.below(3):
            return max(0, value + choices.pick((1, -1, 2, 512, -512, 1 << 20)))
        case str() if value and choices.below(3) == 0:
            return mutated_bytes(value.encode(), choices).decode("utf-8", "replace")
    return choices.value()


def _mutated_object(value: dict[str, Any], choices: Choices) -> dict[str, Any]:
    key = choices.pick(sorted(value))
    match choices.below(16):
        case 0:
            return {name: each for name, each in value.items() if name != key}
        case 1:
            return {**value, choices.pick(TEXTS): choices.value()}
    return {**value, key: mutate_value(value[key], choices)}


def _mutated_array(value: list[Any], choices: Choices) -> list[Any]:
    place, other = choices.below(len(value)), choices.below(len(value))
    changed = list(value)
    match choices.below(8):
        case 0:
            del changed[place]
        case 1:
            changed.insert(place, value[other])
        case 2:
            changed[place], changed[other] = value[other], value[place]
        case _:
            changed[place] = mutate_value(value[place], choices)
    return changed
