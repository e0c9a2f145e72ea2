"""Reads a layer as a stream of blocks, each with the table of the members that lie in it.

A block is a stretch of the uncompressed tar; a matcher is called once for a block and not once for a file. A
layer is never held whole: two blocks' worth of memory, whatever its size.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from scanner.errors import FormatError
from scanner.image.compression import DECOMPRESSION_ERRORS, Peeked, decompressed, read_into, sniff
from scanner.image.tar import BLOCK, REGULAR, Member, TarWalker

if TYPE_CHECKING:
    from _hashlib import HASH

STEP = 1 << 20
"""New bytes in a block, at most; the first one also fills what later ones share with their neighbours."""


class Span(NamedTuple):
    """The part of a member's data that lies in a block.

    Attributes:
        start: offset in the block of the first of these bytes.
        end: offset behind the last.
        member: whose data it is.
        line: line number, from 1, on which the span starts; 0 in a file that is known to be no text.
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
    """A stretch of the uncompressed layer. Its buffer may be reused: take what you need before it is.

    Attributes:
        data: the buffer.
        offset: where ``data[0]`` lies in the stream.
        fresh: where the bytes start that no earlier block showed.
        low: what ends at or before this offset of ``data`` was seen whole in an earlier block.
        high: what ends after this offset will be seen whole in the next one.
        spans: content of members, ascending.
        members: every member that starts here, also those without content.
    """

    data: bytearray
    offset: int
    fresh: int
    low: int
    high: int
    spans: tuple[Span, ...]
    members: tuple[Member, ...]


class Lines:
    """Tells lines of a block, in ascending order: each is counted from the one before, so that many cost no more."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._span: Span | None = None
        self._at = self._line = 0

    def at(self, span: Span, offset: int) -> int:
        """The line of its file that an offset in the block is on, from 1; 0 if the file is no text.

        Args:
            span: that the offset lies in; the same as in the last call, or a later one.
            offset: in the block; not before that of the last call.
        """
        data = self._block.data
        if span is not self._span:
            self._span, self._at = span, span.start
            self._line = span.line if is_text(data, span.start, span.end) else 0
        if self._line:
            self._line += data.count(b"\n", self._at, offset)
            self._at = offset
        return self._line


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of a layer that could not be read, or is not what it claims.

    Attributes:
        reason: in a few words.
        lost: bytes that were not looked at; 0 where all was.
    """

    reason: str
    lost: int = 0


class _Stored(io.RawIOBase):
    """Counts what is read through it, as stored, and hashes it if asked to; an error of what is below it ends it.

    Below may be a file, or a compressed archive that is damaged itself.
    """

    def __init__(self, stream: BinaryIO, seconds: dict[str, float]) -> None:
        self._stream = stream
        self._seconds = seconds
        self.digest: HASH | None = None
        self.count = 0
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        started = perf_counter()
        try:
            count = read_into(self._stream, buffer) if self.error is None else 0
        except DECOMPRESSION_ERRORS as error:
            self.error = error.with_traceback(None)  # which would keep the buffer from being freed
            count = 0
        self._seconds["read"] += (read := perf_counter()) - started
        if self.digest is not None:
            self.digest.update(memoryview(buffer)[:count])
            self._seconds["digest"] += perf_counter() - read
        self.count += count
        return count


class Layer:
    """One layer's stream: `advance` through its blocks, `hash` each, then ask for the sums and what went wrong.

    Advancing is a sequence by nature; matching is not. So blocks are filled into buffers that the caller gives, and
    several may be worked on at once. `blocks` does it all in turn, for those with one thread.

    Args:
        stream: the blob, positioned at its first byte.
        lookbehind: bytes that two neighbouring blocks share before ``low``.
        lookahead: bytes after ``high`` that a block shows, unless it is the last.

    Attributes:
        compression: what the first bytes say the blob is.
        bytes: uncompressed bytes read.
        problems: what could not be read, in the order of the stream.
        seconds: spent so far, by stage: read, digest (of the blob), decompress, walk, hash (of the tar).
    """

    def __init__(self, stream: BinaryIO, lookbehind: int, lookahead: int) -> None:
        self.seconds = dict.fromkeys(("read", "digest", "decompress", "walk", "hash"), 0.0)
        self._stored = _Stored(stream, self.seconds)
        peeked = Peeked(cast(BinaryIO, self._stored))
        self.compression = sniff(peeked.head)
        self._plain = self.compression == "none"
        self._diff_hash = hashlib.sha256()
        # A plain blob is its own tar, and is hashed once.
        self._stored_hash = self._diff_hash if self._plain else hashlib.sha256(peeked.head)
        self._stored.digest = None if self._plain else self._stored_hash
        # Whole headers only: with blocks that are multiples of 512, no header ever lies across two of them.
        self._lookahead = _round_up(lookahead)
        self._carry = _round_up(lookbehind) + self._lookahead
        self._stream = cast(BinaryIO, peeked) if self._plain else decompressed(cast(BinaryIO, peeked), self.compression)
        self._walker = TarWalker()
        self._live: list[Member] = []  # those the next block shows content of
        self._line = 1  # on which the first of these goes on, if it began before; 0 if it is no text
        self._tail = b""
        self._offset = self._low = 0
        self._ended = self._broken = self._damaged = False
        self.bytes = 0
        self.problems: list[Problem] = []

    @property
    def block_size(self) -> int:
        """Bytes that a buffer for `advance` must have."""
        return self._carry + STEP

    @property
    def members(self) -> int:
        """Members seen so far."""
        return self._walker.count

    @property
    def stored(self) -> int:
        """Bytes of the blob read so far, as stored."""
        return self._stored.count

    @property
    def digest(self) -> str:
        """Of the blob as stored; whole only when every block was hashed."""
        return f"sha256:{self._stored_hash.hexdigest()}"

    @property
    def diff_id(self) -> str:
        """Of the uncompressed tar; whole only when every block was hashed."""
        return f"sha256:{self._diff_hash.hexdigest()}"

    def blocks(self) -> Iterator[Block]:
        """Yields the layer's blocks, hashed; damage ends the stream early and is told in ``problems``."""
        buffer = bytearray(self.block_size)
        while (block := self.advance(buffer)) is not None:
            self.hash(block)
            yield block

    def hash(self, block: Block) -> None:
        """Takes a block into the diff_id. Every block, once, in the order in which they came."""
        started = perf_counter()
        self._diff_hash.update(memoryview(block.data)[block.fresh :])
        self.seconds["hash"] += perf_counter() - started

    def advance(self, buffer: bytearray) -> Block | None:
        """Fills a buffer with the next block.

        Args:
            buffer: of `block_size` bytes; the block's data, unless it is the last one.

        Returns:
            The block; None at the end of the layer.
        """
        if self._ended:
            return None
        fresh = len(self._tail)
        buffer[:fresh] = self._tail
        filled = fresh + self._fill(memoryview(buffer)[fresh:])
        self._ended = filled < len(buffer)
        data = buffer[:filled] if self._ended else buffer
        started = perf_counter()
        members = tuple(self._walk(data, self._offset, filled, self._ended))
        high = filled if self._ended else filled - self._lookahead
        block = Block(data, self._offset, fresh, self._low, high, self._spans(self._offset, filled), members)
        if self._ended:
            self._finish()
        else:
            dropped = filled - self._carry
            self._forget(data, self._offset, dropped)
            self._tail = bytes(memoryview(data)[dropped:])
            self._offset += dropped
            self._low = high - dropped
        self.seconds["walk"] += perf_counter() - started
        return block

    def _fill(self, target: memoryview) -> int:
        started, below = perf_counter(), self.seconds["read"] + self.seconds["digest"]
        filled = 0
        try:
            while filled < len(target) and (count := read_into(self._stream, target[filled:])):
                filled += count
        except DECOMPRESSION_ERRORS as error:
            self._damaged = True
            where = self.bytes + filled
            self.problems.append(Problem(f"{self.compression} stream is damaged after {where} bytes: {_say(error)}"))
        self.bytes += filled
        below = self.seconds["read"] + self.seconds["digest"] - below
        self.seconds["decompress"] += perf_counter() - started - below
        return filled

    def _walk(self, data: bytearray, offset: int, filled: int, last: bool) -> list[Member]:
        members: list[Member] = []
        walker = self._walker
        while not self._broken and (at := walker.next_header - offset) + BLOCK <= filled:
            try:
                member = walker.feed(data, at)
            except FormatError as error:
                member = self._give_up(error, offset + at)
            if member is not None:
                members.append(member)
            elif not data[at]:
                walker.pass_zeros(data, at + BLOCK, filled)
        at = walker.next_header - offset
        if last and not self._broken and at < filled and data.count(0, at, filled) < filled - at:
            short = FormatError(f"offset {offset + at}: expected a tar header, found {filled - at} bytes and the end")
            members.append(self._give_up(short, offset + at))
        self._live += [member for member in members if member.size]
        return members

    def _give_up(self, error: FormatError, at: int) -> Member:
        """No header where one must be: all that follows is shown as one member, so that nothing goes unseen."""
        self._broken = True
        self.problems.append(Problem(f"not a tar from there on, scanned as raw bytes: {error}"))
        self._walker.count += 1
        return Member(b"", REGULAR, at, 1 << 62, b"", self._walker.count - 1)

    def _spans(self, offset: int, filled: int) -> tuple[Span, ...]:
        spans = []
        for member in self._live:
            start = member.offset - offset
            end = min(filled, start + member.size)
            if start < 0:
                spans.append(Span(0, end, member, self._line))
            elif start < end:
                spans.append(Span(start, end, member, 1))
        return tuple(spans)

    def _forget(self, data: bytearray, offset: int, dropped: int) -> None:
        """Drops members that the next block shows nothing of, and counts the lines of the one it cuts."""
        cut = offset + dropped
        self._live = [member for member in self._live if member.offset + member.size > cut]
        if self._live and self._live[0].offset < cut:
            start = self._live[0].offset - offset
            line = self._line if start < 0 else 1
            start = max(0, start)
            # In what is no text there are no lines to count, which saves a pass over every large binary.
            self._line = line + data.count(b"\n", start, dropped) if line and is_text(data, start, dropped) else 0

    def _finish(self) -> None:
        """Reads what the decompressor left behind, which the digest covers, and says what was cut short."""
        used = self.stored
        sink = bytearray(1 << 16)
        while read_into(cast(BinaryIO, self._stored), sink):
            pass
        if self._stored.error is not None:
            self.problems.append(
                Problem(f"blob cannot be read on after {self.stored} bytes: {_say(self._stored.error)}")
            )
        if self._damaged:
            self.problems.append(Problem("rest of the damaged stream was not decompressed", self.stored - used))
        elif not self._broken and self._walker.next_header > self.bytes:
            missing = self._walker.next_header - self.bytes
            self.problems.append(Problem(f"ends {missing} bytes too early, inside a member or before its end", missing))


_TEXT_PROBE = 8192
"""Bytes at the start of a span in which a NUL says that the file is no text (git looks at 8,000)."""


def is_text(data: bytearray, start: int, end: int) -> bool:
    """Whether what starts at ``start`` looks like text: no NUL among its first bytes."""
    return data.find(0, start, min(end, start + _TEXT_PROBE)) < 0


def _round_up(count: int) -> int:
    return -(-count // BLOCK) * BLOCK


def _say(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
