"""Bytes that are read from the beginning to the end, once: held in memory, or coming from a decompressor."""

from collections.abc import Callable, Iterator

PIECE = 1 << 18
"""Bytes that are asked for at a time."""


class Input:
    """What an opener reads: with a look ahead, and with bytes to give back.

    Args:
        data: the bytes that are there already.
        more: gives further bytes, about as many as asked for; none at the end. None if there are none.
    """

    __slots__ = ("_at", "_data", "_more", "_passed")

    def __init__(self, data: bytes = b"", more: Callable[[int], bytes] | None = None) -> None:
        self._data = data
        self._at = 0
        self._more = more
        self._passed = 0

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._passed + self._at

    @property
    def held(self) -> bytes | None:
        """All that is left, if it is in memory; it stays to be read."""
        if self._more is not None:
            return None
        return self._data[self._at :] if self._at else self._data

    def _have(self, count: int) -> int:
        """Sees to it that so many bytes are there, if the end does not come before; says how many are."""
        there = len(self._data) - self._at
        if there >= count or self._more is None:
            return there
        parts = [self._data[self._at :]]
        self._passed += self._at
        while there < count and self._more is not None:
            more, self._more = self._more, None  # what has failed once is at its end
            piece = more(max(count - there, PIECE))
            if not piece:
                break
            self._more = more
            parts.append(piece)
            there += len(piece)
        self._data, self._at = b"".join(parts), 0
        return there

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay to be read; fewer at the end."""
        self._have(count)
        return self._data[self._at : self._at + count]

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        self._have(count)
        piece = self._data[self._at : self._at + count]
        self._at += len(piece)
        return piece

    def exactly(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            EOFError: they are not there.
        """
        piece = self.read(count)
        if len(piece) < count:
            raise EOFError(f"ends after {len(piece)} of {count} bytes")
        return piece

    def some(self, most: int = PIECE) -> bytes:
        """Some of the next bytes, as they come; none at the end."""
        if self._at < len(self._data) or self._have(1):
            piece = self._data[self._at : self._at + most]
            self._at += len(piece)
            return piece
        return b""

    def pieces(self) -> Iterator[bytes]:
        """All that is left, in pieces."""
        while piece := self.some():
            yield piece

    def skip(self, count: int) -> int:
        """Passes over bytes; says how many there were."""
        left = count
        while left > 0 and (there := min(left, self._have(min(left, PIECE)))) > 0:
            self._at += there
            left -= there
        return count - left

    def give_back(self, data: bytes) -> None:
        """Bytes that were read last, to be read anew."""
        if data == self._data[max(0, self._at - len(data)) : self._at]:
            self._at -= len(data)
        else:
            self._passed += self._at - len(data)
            self._data, self._at = data + self._data[self._at :], 0

    def pass_to(self, mark: bytes) -> bool:
        """Passes over all that comes before a mark; False if it does not come, and all is passed."""
        while True:
            found = self._data.find(mark, self._at)
            if found >= 0:
                self._at = found
                return True
            there = len(self._data) - self._at
            if self._have(max(there, len(mark)) + 1) == there:
                self._at = len(self._data)
                return False
            if there >= PIECE:
                self._at += there - len(mark)  # what was looked through need not be held

    def cut(self, count: int) -> "Input":
        """The next bytes as an input of their own, which must be read up before this one is read on."""
        if len(self._data) - self._at >= count or count <= PIECE:
            return Input(self.read(count))
        left = count

        def more(asked: int) -> bytes:
            nonlocal left
            if self._at >= len(self._data):
                self._have(1)
            piece = self._data[self._at : self._at + min(asked, left)]
            self._at += len(piece)
            left -= len(piece)
            return piece

        return Input(more=more)
