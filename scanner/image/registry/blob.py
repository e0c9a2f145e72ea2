"""A blob that comes over a connection, and goes on over another when that one breaks."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from requests import RequestException
from urllib3.exceptions import HTTPError

from scanner.errors import TargetError

MAX_RESUMES = 8
"""Connections in a row that may break before they brought `_ENOUGH`."""

_ENOUGH = 1 << 16
"""Bytes that make a connection worth another; fewer each would have a blob never end."""

_WAIT = 0.25
"""Seconds before the first new connection; doubled for each that brings nothing."""


@dataclass(frozen=True)
class Opened:
    """A response that brings the bytes of a blob.

    Attributes:
        raw: the stream; a urllib3 response.
        start: offset in the blob of its first byte.
        length: bytes it promises, -1 where it does not say.
        close: gives the connection back.
    """

    raw: Any
    start: int
    length: int
    close: Callable[[], None]


class Blob(io.RawIOBase):
    """The bytes of a blob in order."""

    def __init__(self, open_at: Callable[[int], Opened], size: int) -> None:
        """Asks for the blob.

        Args:
            open_at: asks the registry for the bytes from an offset on; raises TargetError if it does not give them.
            size: how many bytes there should be; -1 where that is unknown.

        Raises:
            TargetError: the registry does not have it.
        """
        self._open_at = open_at
        self._size = size
        self._at = 0
        self._idle = 0  # connections in a row that brought little
        self._brought = 0  # bytes of this one
        self._opened: Opened | None = open_at(0)
        if size < 0:
            self._size = self._opened.length

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fills ``buffer`` with the next bytes; 0 at the end of the blob.

        Raises:
            OSError: the registry stopped giving them before their end.
        """
        view = memoryview(buffer)
        while True:
            if self._at == self._size or not view:
                return 0
            try:
                count = self._read(view)
            except (HTTPError, RequestException, OSError):
                count = 0
            if count:
                self._at += count
                self._brought += count
                if self._brought >= _ENOUGH:
                    self._idle = 0
                return count
            if self._size < 0 and self._opened is not None:
                return 0  # nobody said how much there is, and this was the end
            self._reopen()

    def _read(self, view: memoryview) -> int:
        if self._opened is None:
            return 0
        # More than the descriptor says is more than the digest is of; it is not asked for.
        wanted = min(len(view), self._size - self._at) if self._size >= 0 else len(view)
        data: bytes = self._opened.raw.read(wanted, decode_content=False)
        view[: len(data)] = data
        return len(data)

    def _reopen(self) -> None:
        self._close()
        if self._idle >= MAX_RESUMES:
            raise OSError(f"the registry stopped after {self._at} of {self._size} bytes")
        if self._idle:
            time.sleep(_WAIT * 2 ** (self._idle - 1))
        self._idle += 1
        self._brought = 0
        try:
            opened = self._open_at(self._at)
        except TargetError as error:
            raise OSError(f"after {self._at} of {self._size} bytes: {error}") from None
        self._opened = opened
        try:
            self._pass(opened.raw, self._at - opened.start)
        except (HTTPError, RequestException, OSError):
            self._close()

    @staticmethod
    def _pass(raw: Any, count: int) -> None:
        """Reads over what a registry that knows no Range sends again."""
        while count > 0:
            data = raw.read(min(count, 1 << 20), decode_content=False)
            if not data:
                raise OSError("ended early")
            count -= len(data)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def close(self) -> None:
        """Gives the connection back."""
        self._close()
        super().close()
