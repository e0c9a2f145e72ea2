"""Finds secrets in a block of bytes: one call of the multi-pattern database, then a closer look where it hit."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import hyperscan

from scanner.detect.entropy import shannon
from scanner.detect.filters import FILTERS, Candidate
from scanner.detect.marshal_strings import string_bounds
from scanner.detect.proof import PROOFS, Context
from scanner.detect.public import known_public
from scanner.detect.ruleset import Ruleset
from scanner.detect.signature import Confidence, Signature

LOOKBEHIND = 4096
"""Bytes before the end of a prefilter's match that a signature may ask to see."""

LOOKAHEAD = 32768
"""Bytes after it. The largest secrets are PGP private keys and service-account files."""

_CANONICAL = re.compile(rb"\s|\\[nr]|[\\\"'+,]")


Found = tuple[int, int]
"""A match of the database: the number of the expression, and the offset behind the match."""


class Region(Protocol):
    """A part of a block that belongs together: what one file, or one metadata field, has in it."""

    @property
    def start(self) -> int:
        """Offset of its first byte in the block."""

    @property
    def end(self) -> int:
        """Offset behind its last byte in the block."""

    @property
    def path(self) -> str:
        """The file's path; empty for metadata."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A confirmed match.

    Attributes:
        signature: which kind of secret it is.
        region: index of the region it lies in.
        start: offset in the block where the secret starts.
        secret: its bytes, as they stand there.
        canonical: its bytes without the wrapping and escaping that differ from copy to copy.
        confidence: the signature's, lowered where its proof failed.
        proof: what was proven offline, or None.
        downgraded: why it is known to be public, or None.
    """

    signature: Signature
    region: int
    start: int
    secret: bytes = field(repr=False)
    canonical: bytes = field(repr=False)
    confidence: Confidence
    proof: str | None
    downgraded: str | None

    @property
    def end(self) -> int:
        """Offset in the block behind the secret's last byte."""
        return self.start + len(self.secret)

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """Orders hits on the same bytes: the one that says most comes first."""
        return (self.signature.generic, -self.confidence, -self.signature.severity, -len(self.secret))


class Costs(Protocol):
    """Who wants to know where the time goes."""

    def add(self, stage: str, seconds: float, count: int = 0) -> None:
        """Is told of time spent on some bytes."""

    def add_signature(self, name: str, seconds: float) -> None:
        """Is told of time spent on confirming one candidate of a signature."""


class Matcher:
    """Runs a ruleset over blocks. One a thread: it holds scratch memory that must not be shared."""

    def __init__(self, ruleset: Ruleset, profile: "Costs | None" = None) -> None:
        """Takes the ruleset.

        Args:
            ruleset: the signatures and their database.
            profile: is told of the time spent, if anybody wants to know.
        """
        self._ruleset = ruleset
        self._profile = profile
        # A database that was loaded from a file has no scratch of its own, and scanning without one is a fault.
        self._scratch: Any = hyperscan.Scratch(ruleset.database)

    def scan(
        self, data: bytearray | bytes, regions: Sequence[Region], low: int = 0, high: int | None = None
    ) -> list[Hit]:
        """Finds secrets: `find` and `confirm` in one.

        Args:
            data: the block; it must not change until the call returns.
            regions: as for `confirm`.
            low: as for `confirm`.
            high: as for `confirm`.
        """
        return self.confirm(data, regions, self.find(data), low, high)

    def find(self, data: bytearray | bytes) -> list[Found]:
        """Where the prefilters match: the cheap pass over every byte, which tells `confirm` where to look.

        Args:
            data: the block; it must not change until the call returns.
        """
        started = perf_counter()
        found: list[Found] = []
        self._ruleset.database.scan(
            data, match_event_handler=lambda number, _start, end, _flags, _context: found.append((number, end)),
            scratch=self._scratch,
        )  # fmt: skip
        if self._profile is not None:
            self._profile.add("match", perf_counter() - started, len(data))
        return found

    def confirm(
        self, data: bytearray | bytes, regions: Sequence[Region], found: list[Found], low: int, high: int | None
    ) -> list[Hit]:
        """The secrets among what was found in ``data[low:high]``.

        Args:
            data: the block, as it was given to `find`.
            regions: its parts, ascending and disjoint; matches outside of them are no hits.
            found: what `find` returned.
            low: matches that end at or before this offset were the previous block's.
            high: matches that end after this offset will be the next block's; all if None.

        Returns:
            Hits in the order of their offsets; where several signatures claim the same bytes, the one that says
            most.
        """
        started = perf_counter()
        hits = _resolve(self._confirm(data, regions, found, low, len(data) if high is None else high))
        if self._profile is not None:
            self._profile.add("confirm", perf_counter() - started)
        return hits

    def _confirm(
        self,
        data: bytearray | bytes,
        regions: Sequence[Region],
        raw: list[Found],
        low: int,
        high: int,
    ) -> Iterator[Hit]:
        starts = [region.start for region in regions]
        passed: dict[int, int] = {}  # by signature, the end of its last match: what lies in it is that match again
        for number, end in raw:
            if not low < end <= high:
                continue
            index = self._ruleset.owners[number]
            if end <= passed.get(index, 0):
                continue
            place = bisect_right(starts, end - 1) - 1
            if place < 0 or end > regions[place].end:
                continue
            sig = self._ruleset.signatures[index]
            region = regions[place]
            if sig.paths and not (region.path and sig.path_regex.search(region.path)):
                continue
            started = perf_counter() if self._profile else 0.0
            for match in _matches(sig, data, region, end):
                hit = _judge(sig, match, data, place, region)
                if hit is not None:
                    passed[index] = match.end
                    yield hit
            if self._profile:
                self._profile.add_signature(sig.id, perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Match:
    """A match of a signature's pattern: where it ends, where its secret lies, and what the pattern got to see."""

    end: int
    start_of_secret: int
    end_of_secret: int
    begin: int
    stop: int


def _matches(sig: Signature, data: bytearray | bytes, region: Region, end: int) -> Iterator[_Match]:
    """Matches of the pattern that hold the byte before ``end``, which is where a prefilter matched."""
    begin, stop = max(region.start, end - sig.before), min(region.end, end + sig.after)
    if region.path.endswith(".pyc"):
        for first, last in string_bounds(data, begin, end):
            # A copy, since look-behind would see the length byte before the string, which may be a letter too.
            found = list(_search(sig, bytes(data[first : min(last, stop)]), 0, first, end))
            if found:
                yield from found
                return
    yield from _search(sig, data, begin, 0, end, stop)


def _search(
    sig: Signature, text: bytearray | bytes, begin: int, shift: int, end: int, stop: int | None = None
) -> Iterator[_Match]:
    """Runs the pattern over ``text[begin:stop]``, which lies ``shift`` bytes into the block."""
    stop = len(text) if stop is None else stop
    for match in sig.regex.finditer(text, begin, stop):
        if match.start() + shift >= end:
            return
        if match.end() + shift >= end:
            start_of_secret, end_of_secret = match.span("secret" if "secret" in sig.regex.groupindex else 0)
            yield _Match(
                match.end() + shift, start_of_secret + shift, end_of_secret + shift, begin + shift, stop + shift
            )


def _judge(sig: Signature, match: _Match, data: bytearray | bytes, place: int, region: Region) -> Hit | None:
    start, end = match.start_of_secret, match.end_of_secret
    begin, stop = match.begin, match.stop
    secret = bytes(data[start:end])
    if sig.keyword_bytes:
        window = bytes(data[begin:stop]).lower()
        if not any(word in window for word in sig.keyword_bytes):
            return None
    if sig.entropy and shannon(secret) < sig.entropy:
        return None
    public = known_public(secret)
    if public is None and sig.filters and _rejected(sig, data, region, start, end, begin, stop):
        return None
    verdict = None
    if sig.proof:
        verdict = PROOFS[sig.proof](secret, Context(bytes(data[begin:start]), bytes(data[end:stop])))
    return Hit(
        signature=sig,
        region=place,
        start=start,
        secret=secret,
        canonical=_CANONICAL.sub(b"", secret) if sig.form == "pem" else secret,
        confidence=sig.confidence if verdict is None or verdict.holds else Confidence.LOW,
        proof=verdict.text if verdict else None,
        downgraded=public,
    )


def _rejected(
    sig: Signature, data: bytearray | bytes, region: Region, start: int, end: int, begin: int, stop: int
) -> bool:
    line_start = max(data.rfind(b"\n", begin, start) + 1, begin)
    line_end = data.find(b"\n", end, stop)
    line = bytes(data[line_start : line_end if line_end >= 0 else stop])
    candidate = Candidate(
        # latin-1 keeps one character a byte, so that columns are offsets
        secret=bytes(data[start:end]).decode("latin-1"),
        line=line.decode("latin-1"),
        column=start - line_start,
        path=region.path,
    )
    return any(judges(candidate) for name, judges in FILTERS.items() if name in sig.filters)


def _resolve(hits: Iterator[Hit]) -> list[Hit]:
    """Of hits that share bytes, keeps the best ranked, and all that share none with it."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.rank, h.start)):
        at = bisect_right(kept, hit.start, key=lambda h: h.start)
        before = kept[at - 1] if at else None
        after = kept[at] if at < len(kept) else None
        if (before is None or before.end <= hit.start) and (after is None or hit.end <= after.start):
            kept.insert(at, hit)
    return kept
