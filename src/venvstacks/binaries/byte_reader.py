"""Read small parts of a big file, with every offset checked and an end to it."""

import struct
from typing import BinaryIO

_PAGE = 4096
_BUDGET = 16 << 20  # a PySide6 library, with long tables, takes some 100 kB

_LONGEST_TEXT = 4096


class MalformedError(ValueError):
    """Bytes that are not what the format demands; the message completes ``FILE is damaged: ``."""


class Reader:
    """A window on a file.

    Args:
        file: The file, unbuffered, open for reading.
        size: Its size in bytes.
        budget: Bytes that are read of it at most.
    """

    def __init__(self, file: BinaryIO, size: int, *, budget: int = _BUDGET) -> None:
        self.size = size
        self._file = file
        self._pages: dict[int, bytes] = {}
        self._left = budget

    def at(self, offset: int, count: int) -> bytes:
        """Read exactly ``count`` bytes."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise MalformedError(f"it ends at {self.size} bytes, but refers to {offset + count}")
        first, start = divmod(offset, _PAGE)
        if start + count <= _PAGE:
            return self._page(first)[start : start + count]
        if count > _PAGE:
            return self._read(offset, count)
        return (self._page(first) + self._page(first + 1))[start : start + count]

    def unpack(self, layout: struct.Struct, offset: int) -> tuple[int, ...]:
        """Read a record of numbers."""
        return layout.unpack(self.at(offset, layout.size))

    def text(self, offset: int) -> str:
        """Read a text that ends with a zero byte."""
        length = 64
        while True:
            found = self.at(offset, max(min(length, self.size - offset), 1))
            end = found.find(0)
            if end >= 0:
                return found[:end].decode(errors="surrogateescape")
            if length >= _LONGEST_TEXT or offset + len(found) >= self.size:
                raise MalformedError(f"the text at {offset} has no end")
            length *= 8

    def _page(self, index: int) -> bytes:
        page = self._pages.get(index)
        if page is None:
            page = self._pages[index] = self._read(index * _PAGE, min(_PAGE, self.size - index * _PAGE))
        return page

    def _read(self, offset: int, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise MalformedError("its tables are bigger than those of any real file")
        self._file.seek(offset)
        found = self._file.read(count)
        if len(found) != count:
            raise MalformedError("it became shorter while it was read")
        return found


class PartReader(Reader):
    """A window on a part of a file, with offsets of its own."""

    def __init__(self, whole: Reader, start: int, size: int) -> None:
        if start + size > whole.size:
            raise MalformedError(f"it ends at {whole.size} bytes, but refers to {start + size}")
        self.size = size
        self._whole = whole
        self._start = start

    def at(self, offset: int, count: int) -> bytes:
        """Read exactly ``count`` bytes of the part."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise MalformedError(f"a part of it ends at {self.size} bytes, but refers to {offset + count}")
        return self._whole.at(self._start + offset, count)
