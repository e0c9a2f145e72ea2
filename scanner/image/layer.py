"""Reads a layer as a stream of blocks, each with the table of the members that lie in it.

A block is a stretch of the uncompressed tar; a matcher is called once for a block and not once for a file. A
layer is never held whole: two blocks' worth of memory, whatever its size.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from scanner.errors import FormatError
from scanner.image.compression import DECOMPRESSION_ERRORS, Peeked, decompressed, read_into, sniff
from scanner.image.tar import BLOCK, REGULAR, Member, TarWalker

if TYPE_CHECKING:
    from _hashlib import HASH

STEP = 1 << 20
"""New bytes in a block, at most."""


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a member's data that lies in a block.

    Attributes:
        start: offset in the block of the first of these bytes.
        end: offset behind the last.
        member: whose data it is.
        line: line number, from 1, on which the span starts; 0 in a file that is not text.
    """

    start: int
    end: int
    member: Member
    line: int

    @property
    def path(self) -> str:
        """The member's path."""
        return self.member.path


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the uncompressed layer. Its buffer is reused: take what you need before the next one.

    Attributes:
        data: the buffer.
        offset: where ``data[0]`` lies in the stream.
        low: what ends at or before this offset of ``data`` was seen whole in an earlier block.
        high: what ends after this offset will be seen whole in the next one.
        spans: content of members, ascending.
        members: every member that starts here, also those without content.
    """

    data: bytearray
    offset: int
    low: int
    high: int
    spans: tuple[Span, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of a layer that could not be read, or is not what it claims.

    Attributes:
        reason: in a few words.
        lost: bytes that were not looked at; 0 where all was.
    """

    reason: str
    lost: int = 0


class _Hashed(io.RawIOBase):
    """Counts and hashes what is read through it, as stored."""

    def __init__(self, stream: BinaryIO, digest: "HASH") -> None:
        self._stream = stream
        self._digest = digest
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        count = read_into(self._stream, buffer)
        self._digest.update(memoryview(buffer)[:count])
        self.count += count
        return count


class Layer:
    """One layer's stream: iterate `blocks` once, then ask for the sums and what went wrong.

    Args:
        stream: the blob, positioned at its first byte.
        lookbehind: bytes that two neighbouring blocks share before ``low``.
        lookahead: bytes after ``high`` that a block shows, unless it is the last.

    Attributes:
        compression: what the first bytes say the blob is.
        bytes: uncompressed bytes read.
        members: members seen.
        problems: what could not be read, in the order of the stream.
    """

    def __init__(self, stream: BinaryIO, lookbehind: int, lookahead: int) -> None:
        self._stored_hash = hashlib.sha256()
        self._hashed = _Hashed(stream, self._stored_hash)
        peeked = Peeked(cast(BinaryIO, self._hashed))
        self.compression = sniff(peeked.head)
        self._plain = self.compression == "none"
        self._diff_hash = self._stored_hash if self._plain else hashlib.sha256()
        # Whole headers only: with blocks that are multiples of 512, no header ever lies across two of them.
        self._lookahead = _round_up(lookahead)
        self._carry = _round_up(lookbehind) + self._lookahead
        self._stream = cast(BinaryIO, peeked) if self._plain else decompressed(cast(BinaryIO, peeked), self.compression)
        self._walker = TarWalker()
        self._live: list[_Live] = []
        self._broken = False
        self._damaged = False
        self.bytes = 0
        self.problems: list[Problem] = []

    @property
    def members(self) -> int:
        """Members seen so far."""
        return self._walker.count

    @property
    def stored(self) -> int:
        """Bytes of the blob read so far, as stored."""
        return self._hashed.count

    @property
    def digest(self) -> str:
        """Of the blob as stored; whole only after `blocks` is exhausted."""
        return f"sha256:{self._stored_hash.hexdigest()}"

    @property
    def diff_id(self) -> str:
        """Of the uncompressed tar; whole only after `blocks` is exhausted."""
        return f"sha256:{self._diff_hash.hexdigest()}"

    def blocks(self) -> Iterator[Block]:
        """Yields the layer's blocks; damage ends the stream early and is told in ``problems``."""
        data = bytearray(self._carry + STEP)
        offset = kept = low = 0  # of data[0] in the stream; bytes carried over; see Block.low
        last = False
        while not last:
            wanted = min(STEP, len(data) - kept)
            count = self._fill(memoryview(data)[kept : kept + wanted])
            last = count < wanted
            filled = kept + count
            if last:
                del data[filled:]
            members = tuple(self._walk(data, offset, filled))
            high = filled if last else max(low, filled - self._lookahead)
            yield Block(data, offset, low, high, self._spans(data, offset, filled), members)
            if not last:
                kept = min(filled, self._carry)
                dropped = filled - kept
                self._forget(data, offset, dropped)
                data[:kept] = data[dropped:filled]
                offset += dropped
                low = high - dropped
        self._finish()

    def _fill(self, target: memoryview) -> int:
        filled = 0
        try:
            while filled < len(target) and (count := read_into(self._stream, target[filled:])):
                filled += count
        except DECOMPRESSION_ERRORS as error:
            self._damaged = True
            where = self.bytes + filled
            self.problems.append(Problem(f"{self.compression} stream is damaged after {where} bytes: {_say(error)}"))
        if not self._plain:
            self._diff_hash.update(target[:filled])
        self.bytes += filled
        return filled

    def _walk(self, data: bytearray, offset: int, filled: int) -> Iterator[Member]:
        while not self._broken and (at := self._walker.next_header - offset) + BLOCK <= filled:
            try:
                member = self._walker.feed(data, at)
            except FormatError as error:
                member = self._give_up(error, offset + at)
            if member is not None:
                if member.size:
                    self._live.append(_Live(member))
                yield member

    def _give_up(self, error: FormatError, at: int) -> Member:
        """No header where one must be: all that follows is shown as one member, so that nothing goes unseen."""
        self._broken = True
        self.problems.append(Problem(f"not a tar from there on, scanned as raw bytes: {error}"))
        self._walker.count += 1
        return Member(b"", REGULAR, at, 1 << 62, b"", self._walker.count - 1)

    def _spans(self, data: bytearray, offset: int, filled: int) -> tuple[Span, ...]:
        spans = []
        for live in self._live:
            start = max(0, live.member.offset - offset)
            end = min(filled, live.member.offset + live.member.size - offset)
            if start >= end:
                continue
            if live.line and data.find(0, start, min(end, start + _TEXT_PROBE)) >= 0:
                live.line = 0
            spans.append(Span(start, end, live.member, live.line))
        return tuple(spans)

    def _forget(self, data: bytearray, offset: int, dropped: int) -> None:
        """Drops members that the next block shows nothing of, and counts the lines of the one it cuts."""
        cut = offset + dropped
        self._live = [live for live in self._live if live.member.offset + live.member.size > cut]
        if self._live and self._live[0].line and self._live[0].member.offset < cut:
            first = self._live[0]
            first.line += data.count(b"\n", max(0, first.member.offset - offset), dropped)

    def _finish(self) -> None:
        """Reads what the decompressor left behind, which the digest covers, and says what was cut short."""
        used = self.stored
        sink = bytearray(1 << 16)
        try:
            while read_into(cast(BinaryIO, self._hashed), sink):
                pass
        except OSError as error:
            self.problems.append(Problem(f"cannot be read to its end: {_say(error)}"))
        if self._damaged:
            self.problems.append(Problem("rest of the damaged stream was not decompressed", self.stored - used))
        elif not self._broken and self._walker.next_header > self.bytes:
            missing = self._walker.next_header - self.bytes
            self.problems.append(Problem(f"ends {missing} bytes too early, inside a member or before its end", missing))


@dataclass(slots=True)
class _Live:
    """A member that the current block shows some of, and the line on which that starts; 0 if it is no text."""

    member: Member
    line: int = 1


_TEXT_PROBE = 8192
"""Bytes at the start of each span in which a NUL says that the file is no text (git looks at 8,000)."""


def _round_up(count: int) -> int:
    return -(-count // BLOCK) * BLOCK


def _say(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
