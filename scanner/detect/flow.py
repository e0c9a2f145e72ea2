"""Runs a matcher over many small files as if they were one block: a call of the engine costs more than a small file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from scanner.codec.text import is_text
from scanner.detect.encoded import EncodedHit, search
from scanner.detect.hit import Hit
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND, Matcher
from scanner.detect.pairing import paired

STEP = 1 << 20
"""Bytes that are gathered before the engine is called."""

_CARRY = LOOKBEHIND + LOOKAHEAD
_GAP = b"\0"
"""Between files, so that no pattern that looks behind sees the end of another file."""


class FlowHit(NamedTuple):
    """A hit in a file that flowed by.

    Attributes:
        hit: what was found.
        owner: number of the outermost file, as it was told.
        inner: paths of the members, outermost first.
        offset: of the secret in the innermost.
        line: there, from 1; 0 in what is no text.
    """

    hit: Hit
    owner: int
    inner: tuple[str, ...]
    offset: int
    line: int


@dataclass(slots=True)
class _Part:
    """What of a file lies in the buffer."""

    start: int
    end: int
    path: str
    owner: int
    inner: tuple[str, ...]
    offset: int = 0  # in the file, of its first byte here
    line: int = 1  # of its first byte here; 0 in what is known to be no text


class Flow:
    """Gathers files and finds secrets in them. A `Sink` of `unpack`.

    Args:
        matcher: of this thread.

    Attributes:
        owner: number of the outermost file that what comes belongs to.
        path: of that file, which signatures and filters see in front of the members' own.
        bytes: that have flowed by.
        seconds: spent on looking through them.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._buffer = bytearray()
        self._parts: list[_Part] = []
        self._low = 0
        self._hits: list[FlowHit] = []
        self.owner = 0
        self.path = ""
        self.bytes = 0
        self.seconds = 0.0

    def begin(self, inner: tuple[str, ...]) -> None:
        """Starts a file."""
        self._buffer += _GAP
        at = len(self._buffer)
        self._parts.append(_Part(at, at, "/".join((self.path, *inner)), self.owner, inner))

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes of the file."""
        self.bytes += len(piece)
        self._buffer += piece
        self._parts[-1].end = len(self._buffer)
        if len(self._buffer) >= STEP:
            self._scan(ended=False)

    def end(self) -> None:
        """Ends the file."""

    def hits(self) -> list[FlowHit]:
        """All hits since this was last asked; what was gathered is looked through first."""
        self._scan(ended=True)
        hits, self._hits = self._hits, []
        return hits

    def _scan(self, *, ended: bool) -> None:
        started = perf_counter()
        buffer, parts = self._buffer, self._parts
        high = len(buffer) if ended else len(buffer) - LOOKAHEAD
        if found := self._matcher.find(buffer):
            hits = self._matcher.confirm(buffer, parts, found, self._low, high)
            self._hits += self._placed(paired(self._matcher.ruleset, hits, buffer, parts))
            if encoded := self._matcher.forms(found):
                self._hits += self._decoded(search(self._matcher, buffer, parts, encoded, self._low, high))
        cut = len(buffer) if ended else max(0, len(buffer) - _CARRY)
        left = [part for part in parts if part.end > cut or (part is parts[-1] and not ended)]
        for part in left:
            if part.start < cut:
                self._cut(part, cut)
            part.start -= cut
            part.end -= cut
        self._parts, self._low = left, high - cut
        del buffer[:cut]
        self.seconds += perf_counter() - started

    def _cut(self, part: _Part, cut: int) -> None:
        if part.line:
            text = is_text(self._buffer, part.start, part.end)
            part.line = part.line + self._buffer.count(b"\n", part.start, cut) if text else 0
        part.offset += cut - part.start
        part.start = cut

    def _decoded(self, hits: Iterator[EncodedHit]) -> Iterator[FlowHit]:
        for found in hits:
            part = self._parts[found.region]
            inner = (*part.inner, *found.inner(part.offset - part.start))
            yield FlowHit(found.hit, part.owner, inner, found.offset, found.line)

    def _placed(self, hits: Iterable[Hit]) -> Iterator[FlowHit]:
        region, at, line = -1, 0, 0
        for hit in hits:
            part = self._parts[hit.region]
            if hit.region != region:
                region, at = hit.region, part.start
                line = part.line if is_text(self._buffer, part.start, part.end) else 0
            if line:
                line += self._buffer.count(b"\n", at, hit.start)
                at = hit.start
            yield FlowHit(hit, part.owner, part.inner, part.offset + hit.start - part.start, line)
