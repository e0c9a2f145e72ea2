"""Reads a layer as a stream of blocks, each with the table of the members that lie in it.

A block is a stretch of the uncompressed tar; a matcher is called once for a block and not once for a file. A
layer is never held whole: two blocks' worth of memory, whatever its size.
"""

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import BinaryIO, NamedTuple, cast

from scanner.codec.compression import DECOMPRESSION_ERRORS, Peeked, decompressed, read_into, sniff
from scanner.codec.tar import BLOCK, REGULAR, Member, TarWalker
from scanner.codec.text import is_text
from scanner.errors import FormatError
from scanner.image.footprint import Footprint
from scanner.image.keeping import Keeper, Kept
from scanner.image.packages import MAX_RECORD, is_record

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

    @property
    def whole(self) -> bool:
        """Whether it is all of the member's data."""
        return self.end - self.start == self.member.size


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the uncompressed layer. Its buffer may be reused: take what you need before it is.

    Attributes:
        data: the buffer.
        offset: where ``data[0]`` lies in the stream.
        fresh: where the bytes start that no earlier block showed.
        low: what ends at or before this offset of ``data`` was seen whole in an earlier block.
        high: what ends after this offset will be seen whole in the next one.
        members: every member that starts here, also those without content.
        shown: every member that has content here, ascending.
        line: of its file, on which the first of these goes on if it began before; 0 if it is known to be no text.
        kept: members that were to be kept, and whose content ends here.
    """

    data: bytearray
    offset: int
    fresh: int
    low: int
    high: int
    members: tuple[Member, ...]
    shown: tuple[Member, ...]
    line: int
    kept: tuple[Kept, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """Content of members, ascending; worked out when asked for, since most blocks hold nothing of interest."""
        spans = []
        for member in self.shown:
            start = member.offset - self.offset
            end = min(len(self.data), start + member.size)
            if start < 0:
                spans.append(Span(0, end, member, self.line))
            elif start < end:
                spans.append(Span(start, end, member, 1))
        return tuple(spans)


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
        complete: whether all was scanned nevertheless.
    """

    reason: str
    lost: int = 0
    complete: bool = False


NOT_A_TAR = "not a tar from there on, scanned as raw bytes"
"""How the reason of a problem begins where no header is where one must be."""

_HELD = 1 << 22
"""Bytes of a blob that may wait to be hashed; what gives nothing when decompressed would let them grow without end."""


class _Stored(io.RawIOBase):
    """Counts what is read through it, as stored, and holds it for the digest; an error of what is below it ends it.

    Below may be a file, or a compressed archive that is damaged itself. It can be read anew if what is below can;
    what is read again is neither counted nor held.
    """

    def __init__(self, stream: BinaryIO, seconds: dict[str, float], overflow: Callable[[], None]) -> None:
        self._stream = stream
        self._seconds = seconds
        self._overflow = overflow
        self._start = stream.tell() if stream.seekable() else -1
        self._at = 0
        self._held: list[bytes] = []
        self._holding = 0
        self.holds = True
        self.count = 0
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    @property
    def at(self) -> int:
        """How far whoever reads it now has come."""
        return self._at

    @property
    def again(self) -> Callable[[], BinaryIO] | None:
        return self._rewind if self._start >= 0 else None

    def _rewind(self) -> BinaryIO:
        self._stream.seek(self._start)
        self._at = 0
        return cast(BinaryIO, self)

    def take(self) -> tuple[bytes, ...]:
        """What was read since the last call; not there if nothing is to be held."""
        held, self._held, self._holding = tuple(self._held), [], 0
        return held

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        started = perf_counter()
        view = memoryview(buffer)
        count = 0
        try:
            if self.error is None:
                count = read_into(self._stream, view)
            elif self._at < self.count:
                count = read_into(self._stream, view[: self.count - self._at])
        except DECOMPRESSION_ERRORS as error:
            self.error = error.with_traceback(None)  # which would keep the buffer from being freed
        self._at += count
        if (new := self._at - self.count) > 0:
            self.count += new
            if self.holds:
                self._held.append(bytes(view[count - new : count]))
                self._holding += new
        self._seconds["read"] += perf_counter() - started
        if self._holding > _HELD:
            self._overflow()
        return count


class _Turns:
    """Lets work on blocks through in the order of the blocks, whichever threads bring it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0
        self._stopped = False

    def await_turn(self, number: int) -> None:
        """Returns when everything before ``number`` is done; raises StoppedError if that will not be."""
        with self._changed:
            while self._next < number and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise StoppedError

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        self.await_turn(number)
        yield
        with self._changed:
            self._next = number + 1
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class StoppedError(Exception):
    """A layer was given up while a thread waited for its turn."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A block that has been filled and not yet looked into.

    Attributes:
        number: its place among the blocks of the layer, from 0.
        data: the buffer.
        offset: where ``data[0]`` lies in the stream.
        fresh: where the bytes start that no earlier block showed.
        low: as in `Block`.
        high: as in `Block`.
        last: whether it is the layer's last.
        stored: what was read of the blob meanwhile, if that is hashed apart from the tar.
        problems: what went wrong meanwhile.
    """

    number: int
    data: bytearray
    offset: int
    fresh: int
    low: int
    high: int
    last: bool
    stored: tuple[bytes, ...]
    problems: tuple[Problem, ...]


class Layer:
    """One layer's stream, block by block: `fill` a buffer, `walk` it, `hash` it; then ask for the sums.

    Filling - reading and decompressing - is a sequence by nature and nothing else need wait for it, so the three are
    apart: one thread may fill the next block while others work on those before. Walking and hashing take the blocks
    in order, whichever threads bring them. `blocks` does it all in turn, for those with one thread.

    Args:
        stream: the blob, positioned at its first byte.
        lookbehind: bytes that two neighbouring blocks share before ``low``.
        lookahead: bytes after ``high`` that a block shows, unless it is the last.
        with_diff_id: whether to hash the tar too. A plain blob is its own tar, and always hashed.
        keeper: decides whose content blocks give whole; nobody's if None.

    Attributes:
        compression: what the first bytes say the blob is.
        bytes: uncompressed bytes read.
        problems: what could not be read, in the order of the stream.
        footprint: which paths were written and removed by the members walked so far.
        records: content of the package managers' databases among them, by path.
        seconds: spent so far, by stage: read, digest (of the blob), decompress, walk, hash (of the tar).
    """

    def __init__(
        self,
        stream: BinaryIO,
        lookbehind: int,
        lookahead: int,
        *,
        with_diff_id: bool = True,
        keeper: Keeper | None = None,
    ) -> None:
        self.seconds = dict.fromkeys(("read", "digest", "decompress", "walk", "hash"), 0.0)
        self._walking, self._hashing = _Turns(), _Turns()
        self._stored_hash = hashlib.sha256()
        self._stored = _Stored(stream, self.seconds, self._settle)
        peeked = Peeked(cast(BinaryIO, self._stored))
        self.compression = sniff(peeked.head)
        # A plain blob is its own tar, and is hashed once.
        self._plain = self.compression == "none"
        self._diff_hash = self._stored_hash if self._plain else hashlib.sha256() if with_diff_id else None
        if self._plain:
            self._stored.holds = False
            self._stored.take()
        # Whole headers only: with blocks that are multiples of 512, no header ever lies across two of them.
        self._lookahead = _round_up(lookahead)
        self._carry = _round_up(lookbehind) + self._lookahead
        self._stream = decompressed(cast(BinaryIO, peeked), self.compression, self._stored.again)
        self._walker = TarWalker()
        self._keeper = keeper
        self._live: list[Member] = []  # those the next block shows content of
        self._line = 1  # on which the first of these goes on, if it began before; 0 if it is no text
        self._tail = b""
        self.is_file = False  # no tar from its first byte on
        self._number = self._offset = self._low = 0
        self._ended = self._broken = self._damaged = False
        self.bytes = 0
        self.problems: list[Problem] = []
        self.footprint = Footprint()
        self.records: dict[bytes, bytearray] = {}
        self._recording: list[Member] = []
        self._recorded = 0  # bytes of all records

    @property
    def block_size(self) -> int:
        """Bytes that a buffer for `fill` must have."""
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
        """Of the uncompressed tar, whole only when every block was hashed; empty if it was not asked for."""
        return f"sha256:{self._diff_hash.hexdigest()}" if self._diff_hash else ""

    def blocks(self) -> Iterator[Block]:
        """Yields the layer's blocks, hashed; damage ends the stream early and is told in ``problems``."""
        buffer = bytearray(self.block_size)
        while (stretch := self.fill(buffer)) is not None:
            block = self.walk(stretch)
            self.hash(stretch)
            yield block

    def stop(self) -> None:
        """Lets go, with a StoppedError, every thread that waits for a block that will not come."""
        self._walking.stop()
        self._hashing.stop()

    def hash(self, stretch: Stretch) -> None:
        """Takes a block into the sums, once those before it are; every block, once.

        Raises:
            StoppedError: the layer was given up.
        """
        with self._hashing.of(stretch.number):
            self._hash_stored(stretch.stored)
            started = perf_counter()
            if self._diff_hash is not None:
                self._diff_hash.update(memoryview(stretch.data)[stretch.fresh :])
            self.seconds["hash"] += perf_counter() - started

    def _hash_stored(self, pieces: tuple[bytes, ...]) -> None:
        started = perf_counter()
        for piece in pieces:
            self._stored_hash.update(piece)
        self.seconds["digest"] += perf_counter() - started

    def _settle(self) -> None:
        """Hashes what is held of the blob at once, when that gets too much."""
        self._hashing.await_turn(self._number)
        self._hash_stored(self._stored.take())

    def fill(self, buffer: bytearray) -> Stretch | None:
        """Fills a buffer with the next block; one thread at a time.

        Args:
            buffer: of `block_size` bytes; the block's data, unless it is the last one.

        Returns:
            The block; None at the end of the layer.

        Raises:
            StoppedError: the layer was given up.
        """
        if self._ended:
            return None
        fresh = len(self._tail)
        buffer[:fresh] = self._tail
        count, damage = self._decompress(memoryview(buffer)[fresh:])
        filled = fresh + count
        self._ended = filled < len(buffer)
        problems = self._finish(damage) if self._ended else ()
        data = buffer[:filled] if self._ended else buffer
        high = filled if self._ended else filled - self._lookahead
        stretch = Stretch(
            self._number, data, self._offset, fresh, self._low, high, self._ended, self._stored.take(), problems
        )
        self._number += 1
        if not self._ended:
            dropped = filled - self._carry
            self._tail = bytes(memoryview(data)[dropped:])
            self._offset += dropped
            self._low = high - dropped
        return stretch

    def _decompress(self, target: memoryview) -> tuple[int, str]:
        """Bytes that came, and why no more will if the stream is damaged."""
        started, read = perf_counter(), self.seconds["read"]
        filled, damage = 0, ""
        try:
            while filled < len(target) and (count := read_into(self._stream, target[filled:])):
                filled += count
        except DECOMPRESSION_ERRORS as error:
            damage = f"{self.compression} stream is damaged after {self.bytes + filled} bytes: {_say(error)}"
        self.bytes += filled
        self.seconds["decompress"] += perf_counter() - started - (self.seconds["read"] - read)
        return filled, damage

    def _finish(self, damage: str) -> tuple[Problem, ...]:
        """Reads what the decompressor left behind, which the digest covers, and says what went wrong."""
        used = self._stored.at
        sink = bytearray(1 << 16)
        while read_into(cast(BinaryIO, self._stored), sink):
            pass
        self._damaged = bool(damage)
        problems = [Problem(damage)] if damage else []
        if self._stored.error is not None:
            problems.append(Problem(f"blob cannot be read on after {self.stored} bytes: {_say(self._stored.error)}"))
        if damage:
            problems.append(Problem("rest of the damaged stream was not decompressed", self.stored - used))
        return tuple(problems)

    def walk(self, stretch: Stretch) -> Block:
        """Finds the members of a block, once those before it have been walked; every block, once.

        Raises:
            StoppedError: the layer was given up.
        """
        with self._walking.of(stretch.number):
            started = perf_counter()
            data, offset = stretch.data, stretch.offset
            members = self._walk(data, offset, stretch.last)
            self.problems += stretch.problems
            shown, line = tuple(self._live), self._line
            kept = self._keeper.take(data, offset, stretch.fresh, shown, last=stretch.last) if self._keeper else ()
            if stretch.last:
                self._check_end()
            else:
                self._forget(data, offset, len(data) - self._carry)
            self.footprint.extend(members)
            self._record(stretch, members)
            self.seconds["walk"] += perf_counter() - started
        return Block(data, offset, stretch.fresh, stretch.low, stretch.high, tuple(members), shown, line, kept)

    def _walk(self, data: bytearray, offset: int, last: bool) -> list[Member]:
        members: list[Member] = []
        walker, filled = self._walker, len(data)
        while not self._broken and walker.next_header - offset + BLOCK <= filled:
            members += walker.run(data, offset)
            if (at := walker.next_header - offset) + BLOCK > filled:
                break
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
        self.is_file = at == 0
        self.problems.append(Problem(f"{NOT_A_TAR}: {error}"))
        self._walker.count += 1
        return Member(b"", REGULAR, at, 1 << 62, b"", self._walker.count - 1)

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

    def _record(self, stretch: Stretch, members: list[Member]) -> None:
        """Keeps what package managers noted, for those who ask later who owns a file."""
        self._recording += [member for member in members if member.size and is_record(member.name)]
        going_on = []
        for member in self._recording:
            start = member.offset - stretch.offset
            end = start + member.size
            if start >= stretch.fresh:  # it begins here; one of the same name before it was another file
                self._recorded -= len(self.records.pop(member.name, b""))
                self.records[member.name] = bytearray()
            piece = memoryview(stretch.data)[max(start, stretch.fresh) : max(0, end)]
            kept = self.records.get(member.name)
            if kept is None:
                continue
            # A running count: a layer may hold any number of such files.
            self._recorded += len(piece)
            if self._recorded > MAX_RECORD:
                self._recorded -= len(piece) + len(self.records.pop(member.name))
                self.problems.append(Problem(f"{member.path}: package database too large to be read", complete=True))
                continue
            kept += piece
            if end > len(stretch.data):
                going_on.append(member)
        self._recording = going_on

    def _check_end(self) -> None:
        missing = self._walker.next_header - self.bytes
        if missing > 0 and not (self._damaged or self._broken):
            self.problems.append(Problem(f"ends {missing} bytes too early, inside a member or before its end", missing))


def _round_up(count: int) -> int:
    return -(-count // BLOCK) * BLOCK


def _say(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
