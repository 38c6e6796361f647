"""The content of an answer as it arrives, which has to arrive at some speed."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from venvstacks.errors import TooLargeError
from venvstacks.stores.http_errors import BrokenConnectionError, connection_error, shown
from venvstacks.stores.interface import Traffic

_PIECE = 1 << 18  # of those tried, the size with the fewest processor seconds

_REST = 1 << 16  # bytes that are read rather than that another connection is made


class Reply:
    """An answer whose content is still to be read, by one thread.

    Attributes:
        status: The status code.
        headers: Names in any case -> values.
        url: Where it comes from, after redirects.
        length: Bytes of the content that follows, if the server says so.
    """

    def __init__(
        self, response: BaseHTTPResponse, method: str, url: str, traffic: Traffic, *, stall: float, slowest: int
    ) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        length = self.headers.get("Content-Length", "")
        self.length = 0 if method == "HEAD" else int(length) if length.isdecimal() else None
        self._response = response
        self._traffic = traffic
        self._stall = stall
        self._slowest = slowest
        self._waited = 0.0
        self._arrived = 0
        self._is_broken = False
        self._is_read = False

    @property
    def was_worth_it(self) -> bool:
        """Whether what has arrived so far came at a speed that is not too slow."""
        return self._arrived > 0 and self._arrived >= self._slowest * self._waited

    def pieces(self) -> Iterator[bytes]:
        """Return the content as it arrives.

        Raises:
            BrokenConnectionError: The connection breaks, stalls or is too slow, or the content ends too early.
        """
        window, in_window = self._waited + self._stall, 0
        while piece := self._piece():
            in_window += len(piece)
            if self._waited >= window:
                if in_window < self._slowest * self._stall:
                    self._is_broken = True
                    raise BrokenConnectionError(
                        f"{shown(self.url)}: the server sent only {in_window} bytes in {self._stall:g} seconds.",
                        hint="try again later, or use another network",
                    )
                window, in_window = self._waited + self._stall, 0
            yield piece
        self._is_read = True
        if self.length is not None and self._arrived < self.length:
            raise BrokenConnectionError(
                f"{shown(self.url)}: the connection ended after {self._arrived} of {self.length} bytes."
            )

    def read(self, largest: int) -> bytes:
        """Return the whole content.

        Raises:
            TooLargeError: It has more than ``largest`` bytes, or as :meth:`pieces` says.
        """
        content = bytearray()
        if (self.length or 0) <= largest:
            for piece in self.pieces():
                content += piece
                if len(content) > largest:
                    break
            else:
                return bytes(content)
        raise TooLargeError(f"{shown(self.url)} has more than {largest} bytes, which is more than it may have.")

    def interrupt(self) -> None:
        """Let another thread, which waits for the content, know that it does not come."""
        with suppress(ValueError, RuntimeError, OSError):  # it has ended
            self._response.shutdown()

    def close(self) -> None:
        """Keep the connection for another request if the content has been read, or little of it is left."""
        is_short = self.length is not None and self.length - self._arrived <= _REST
        if is_short and not self._is_read and not self._is_broken:
            with suppress(BrokenConnectionError):
                for _ in self.pieces():
                    pass
        if self._is_read:
            self._response.release_conn()
        else:
            self._response.close()

    def _piece(self) -> bytes:
        began = time.monotonic()
        try:
            piece = self._response.read1(_PIECE)
        except (HTTPError, OSError) as error:
            self._is_broken = True
            raise connection_error(self.url, error, self._stall) from error
        finally:
            self._waited += time.monotonic() - began
        self._arrived += len(piece)
        self._traffic.count(received=len(piece))
        return piece
