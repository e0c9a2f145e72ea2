"""Finds secrets in a block of bytes: one call of the multi-pattern database, then a closer look where it hit."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import hyperscan

from scanner.detect.encoded import Form
from scanner.detect.entropy import shannon
from scanner.detect.filters import DOWNGRADES, FILTERS, Candidate
from scanner.detect.hit import Hit, overlapped, resolved
from scanner.detect.marks import mark
from scanner.detect.marshal_strings import HEAD, string_bounds
from scanner.detect.parsers import PARSERS
from scanner.detect.proof import PROOFS, Context
from scanner.detect.public import known_public
from scanner.detect.publickeys import ANCHORS, PublicKey, public_keys
from scanner.detect.published import published
from scanner.detect.ruleset import Ruleset
from scanner.detect.signature import Confidence, LineReader, Signature

LOOKBEHIND = 4096
"""Bytes before the end of a prefilter's match that a signature may ask to see."""

LOOKAHEAD = 32768
"""Bytes after it. The largest secrets are PGP private keys and service-account files."""

LINE = 1024
"""Bytes on either side of a match that an exclusion may call its line."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a]")

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
class Whole:
    """A region that is all of a block.

    Attributes:
        end: how long the block is.
        path: of the file that it is said to be; empty for none.
    """

    end: int
    path: str = ""
    start: int = 0


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

    @property
    def ruleset(self) -> Ruleset:
        """What it runs."""
        return self._ruleset

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

    def forms(self, found: list[Found]) -> list[tuple[Form, int]]:
        """Those among what `find` returned that are beginnings of secrets in other encodings; see `encoded.search`."""
        first = len(self._ruleset.owners) + len(ANCHORS)
        return [(self._ruleset.forms[number - first], end) for number, end in found if number >= first]

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
        stop = len(data) if high is None else high
        issued, generic = self._own(found)
        hits = resolved(self._confirm(data, regions, issued, low, stop, []))
        if generic:
            hits = resolved([*hits, *self._confirm(data, regions, generic, low, stop, hits)])
        if self._profile is not None:
            self._profile.add("confirm", perf_counter() - started)
        return hits

    def whole_files(self, found: list[Found], low: int, high: int) -> Iterator[int]:
        """Where, in what was found in ``data[low:high]``, are marks of files that have to be read as a whole.

        Args:
            found: what `find` returned.
            low: as for `confirm`.
            high: as for `confirm`.
        """
        owners, signatures = self._ruleset.owners, self._ruleset.signatures
        for number, end in found:
            if number < len(owners) and signatures[owners[number]].parser and low < end <= high:
                yield end

    def read(self, data: bytes, region: Region) -> list[Hit]:
        """The secrets of a file that is read as a whole, by those signatures alone that ask for that.

        Args:
            data: the file.
            region: all of it.
        """
        signatures = [sig for sig in self._ruleset.signatures if sig.parser]
        hits = (judge(sig, match, data, 0, region) for sig in signatures for match in _parsed(sig, data, region))
        return [hit for hit in hits if hit is not None]

    def public_keys(
        self, data: bytearray | bytes, regions: Sequence[Region], found: list[Found], low: int, high: int
    ) -> Iterator[PublicKey]:
        """What is public of key pairs among what was found: no hits, but what may tell whose a private key is.

        Args:
            data: as for `confirm`.
            regions: as for `confirm`.
            found: as for `confirm`.
            low: as for `confirm`.
            high: as for `confirm`.
        """
        first = len(self._ruleset.owners)
        anchors = sorted((end, number - first) for number, end in found if first <= number < first + len(ANCHORS))
        return public_keys(data, regions, [(number, end) for end, number in anchors], low, high)

    def _own(self, found: list[Found]) -> tuple[list[Found], list[Found]]:
        """What was found for signatures that know who issued the secret, and for the others.

        Not what was found for public keys and other encodings.
        """
        owners, signatures = self._ruleset.owners, self._ruleset.signatures
        issued: list[Found] = []
        generic: list[Found] = []
        for item in found:
            if item[0] < len(owners):
                (generic if signatures[owners[item[0]]].generic else issued).append(item)
        return issued, generic

    def _confirm(
        self,
        data: bytearray | bytes,
        regions: Sequence[Region],
        raw: list[Found],
        low: int,
        high: int,
        taken: Sequence[Hit],
    ) -> Iterator[Hit]:
        starts = [region.start for region in regions]
        passed: dict[int, int] = {}  # by signature, the end of its last match: what lies in it is that match again
        rejected: dict[int, tuple[int, int]] = {}  # the same of its last match that was no secret, of generic ones
        for number, end in raw:
            index = self._ruleset.owners[number]
            sig = self._ruleset.signatures[index]
            done = passed.get(index, 0)
            if not sig.near and (end <= done or not low < end <= high):
                continue
            place = bisect_right(starts, end - 1) - 1
            if place < 0 or end > regions[place].end:
                continue
            region = regions[place]
            if sig.paths and not (region.path and sig.path_regex.search(region.path)):
                continue
            started = perf_counter() if self._profile else 0.0
            passed[index] = max(done, _reach(sig, data, region, end))
            for match in _nearby(sig, data, region, end, done) if sig.near else matches(sig, data, region, end):
                if sig.near:
                    passed[index] = max(passed[index], match.end)
                    if not low <= match.start < high:
                        continue  # its start decides, since two blocks may see it beside different words
                # What is a hit already wins over this one, whatever it is found to be: asking would be for nothing, but
                # for what a parser knows of it. Generic prefilters match several times on a value, and most are none.
                span = match.start_of_secret, match.end_of_secret
                if sig.generic and (rejected.get(index) == span or (not sig.parser and overlapped(taken, *span))):
                    continue
                hit = judge(sig, match, data, place, region)
                if hit is not None:
                    passed[index] = max(passed.get(index, 0), match.end)
                    yield hit
                else:
                    rejected[index] = span
            if self._profile:
                self._profile.add_signature(sig.id, perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Match:
    """A match of a signature's pattern: offsets in the block.

    Attributes:
        start: of the match.
        end: behind the match.
        start_of_secret: of the secret.
        end_of_secret: behind it.
        begin: where what the pattern got to see begins.
        stop: where that ends.
        told: what the secret is in a file that was read as a whole; empty for others.
    """

    start: int
    end: int
    start_of_secret: int
    end_of_secret: int
    begin: int
    stop: int
    told: str = ""


def matches(sig: Signature, data: bytearray | bytes, region: Region, end: int) -> Iterator[Match]:
    """Matches of the pattern that hold the byte before ``end``, which is where a prefilter matched.

    Args:
        sig: whose pattern.
        data: the block.
        region: the part of it that ``end`` lies in.
        end: behind the prefilter's match.
    """
    if sig.reader:
        yield from _read(sig, sig.reader, data, region, end)
        return
    if sig.parser:
        yield from _parsed(sig, data, region)
        return
    begin, stop = max(region.start, end - sig.before), min(region.end, end + sig.after)
    if region.path.endswith(".pyc"):
        for first, last in string_bounds(data, max(region.start, begin - HEAD), end):
            # A copy, since look-behind would see the length byte before the string, which may be a letter too.
            found = list(_search(sig, bytes(data[first : min(last, stop)]), 0, first, end))
            if found:
                yield from found
                return
    if begin == region.start:
        # A copy here too: what lies before a file is no part of it, and its first line begins where it does.
        yield from _search(sig, bytes(data[begin:stop]), 0, begin, end)
    else:
        yield from _search(sig, data, begin, 0, end, stop)


def _parsed(sig: Signature, data: bytearray | bytes, region: Region) -> Iterator[Match]:
    """The secrets in a file that is read as a whole; none if only a part of it is in the block."""
    for first, last, told in PARSERS[sig.parser](bytes(data[region.start : region.end])):
        start, end = first + region.start, last + region.start
        yield Match(start, end, start, end, max(region.start, start - LINE), min(region.end, end + LINE), told)


def _search(
    sig: Signature, text: bytearray | bytes, begin: int, shift: int, end: int, stop: int | None = None
) -> Iterator[Match]:
    """Runs the pattern over ``text[begin:stop]``, which lies ``shift`` bytes into the block."""
    stop = len(text) if stop is None else stop
    for match in sig.regex.finditer(text, begin, stop):
        if match.start() + shift >= end:
            return
        if match.end() + shift >= end:
            yield _cut(sig, match, shift, begin, stop)


def _nearby(sig: Signature, data: bytearray | bytes, region: Region, end: int, done: int) -> Iterator[Match]:
    """Matches of the pattern that start near ``end``, from ``done`` on, which is how far was searched before."""
    begin, stop = max(region.start, end - sig.before), min(region.end, end + sig.after)
    # As in `matches`: where the file begins, nothing is before it.
    text, shift = (bytes(data[begin:stop]), begin) if begin == region.start else (data, 0)
    for match in sig.regex.finditer(text, max(begin, done) - shift, stop - shift):
        if match.start() + shift >= end + sig.near:
            return
        yield _cut(sig, match, shift, begin - shift, stop - shift)


def anywhere(sig: Signature, data: bytearray | bytes, region: Region, begin: int, stop: int) -> Iterator[Match]:
    """Matches of the pattern that start in a stretch of a region, whatever prefilters say.

    Args:
        sig: whose pattern.
        data: the block.
        region: the part of it.
        begin: where the stretch begins.
        stop: where it ends.
    """
    if sig.paths and not (region.path and sig.path_regex.search(region.path)):
        return
    begin, stop = max(region.start, begin), min(region.end, stop)
    for match in sig.regex.finditer(data, begin, stop):
        first, last = max(region.start, match.start() - sig.before), min(region.end, match.end() + sig.after)
        yield _cut(sig, match, 0, first, last)


def _reach(sig: Signature, data: bytearray | bytes, region: Region, end: int) -> int:
    """How far a look at one place sees all that there is, whatever it finds; 0 where only its matches tell."""
    if sig.near:
        return min(region.end, end + sig.near)
    if sig.reader:
        return _seen(sig, data, region, end)[1]
    return region.end if sig.parser else 0


def _seen(sig: Signature, data: bytearray | bytes, region: Region, end: int) -> tuple[int, int]:
    """Where the line begins and ends that holds the byte before ``end``, as far as the signature asks to see it."""
    return _line(data, end - 1, end, max(region.start, end - sig.before), min(region.end, end + sig.after))


def _read(sig: Signature, reader: LineReader, data: bytearray | bytes, region: Region, end: int) -> Iterator[Match]:
    """What a reader finds on the line around ``end``; nothing on one that is no text."""
    first, last = _seen(sig, data, region, end)
    line = bytes(data[first:last]).rstrip()
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return
    if _CONTROL.search(text):
        return
    for value in reader(text, region.path):
        secret = value.encode()
        at = line.find(secret) if secret else -1
        if at >= 0:
            start = first + at
            yield Match(start, start + len(secret), start, start + len(secret), first, last)


def _cut(sig: Signature, match: re.Match[bytes], shift: int, begin: int, stop: int) -> Match:
    secret = next((match.span(number) for number in sig.groups if match.start(number) < match.end(number)), None)
    first, last = secret or match.span("secret" if "secret" in sig.regex.groupindex else 0)
    return Match(match.start() + shift, match.end() + shift, first + shift, last + shift, begin + shift, stop + shift)


def judge(sig: Signature, match: Match, data: bytearray | bytes, place: int, region: Region) -> Hit | None:
    """Asks a match all that its signature asks for, the cheap questions first.

    Args:
        sig: whose match it is.
        match: where its pattern matched.
        data: the block.
        place: index of the region.
        region: the part of the block that the match lies in.

    Returns:
        The hit; None for what is no secret.
    """
    start, end = match.start_of_secret, match.end_of_secret
    secret = bytes(data[start:end])
    if sig.keyword_bytes and keyword(sig, match, data) is None:
        return None
    if sig.entropy and shannon(secret) < sig.entropy:
        return None
    if sig.excluded and _excluded(sig, match, data, region):
        return None
    public = known_public(secret)
    if public is None and sig.filters:
        value = candidate(match, data, region)
        if next(rejecting(sig, value), None):
            return None
        public = excuse(sig, value)
    verdict = PROOFS[sig.proof](secret, around(match, data)) if sig.proof else None
    if public is None and verdict and verdict.public:
        public = published(verdict.public)
    return Hit(
        signature=sig,
        region=place,
        start=start,
        secret=secret,
        canonical=_CANONICAL.sub(b"", secret) if sig.form == "pem" else secret,
        confidence=sig.confidence if verdict is None or verdict.holds else Confidence.LOW,
        proof=verdict.text if verdict else match.told or None,
        downgraded=public,
        mark=mark(data, region.start, region.end, start, end),
        public=verdict.public if verdict else None,
    )


def around(match: Match, data: bytearray | bytes) -> Context:
    """What a proof gets to see beside the secret of a match."""
    return Context(bytes(data[match.begin : match.start_of_secret]), bytes(data[match.end_of_secret : match.stop]))


def keyword(sig: Signature, match: Match, data: bytearray | bytes) -> bytes | None:
    """The first keyword of a signature that stands in the window around a match; None if none does."""
    window = bytes(data[match.begin : match.stop]).lower()
    return next((word for word in sig.keyword_bytes if word in window), None)


def _excluded(sig: Signature, match: Match, data: bytearray | bytes, region: Region) -> bool:
    """Whether the rule itself says that this is no secret."""
    begin, stop = max(region.start, match.start - LINE), min(region.end, match.end + LINE)
    first, last = _line(data, match.start, match.end, begin, stop)
    texts = {
        "secret": bytes(data[match.start_of_secret : match.end_of_secret]),
        "match": bytes(data[match.start : match.end]),
        "line": bytes(data[first:last]),
        "path": region.path.encode(errors="surrogateescape"),
    }
    return any(all(condition.holds(texts[condition.target]) for condition in each) for each in sig.excluded)


def _line(data: bytearray | bytes, start: int, end: int, begin: int, stop: int) -> tuple[int, int]:
    """Where the line begins that holds ``start``, and where that ends that holds ``end``, as far as was seen."""
    last = data.find(b"\n", end, stop)
    return max(data.rfind(b"\n", begin, start) + 1, begin), last if last >= 0 else stop


def candidate(match: Match, data: bytearray | bytes, region: Region) -> Candidate:
    """A match as filters see it."""
    start, end = match.start_of_secret, match.end_of_secret
    line_start, line_end = _line(data, start, end, match.begin, match.stop)
    line = bytes(data[line_start:line_end])
    return Candidate(
        # latin-1 keeps one character a byte, so that columns are offsets
        secret=bytes(data[start:end]).decode("latin-1"),
        line=line.decode("latin-1"),
        column=start - line_start,
        path=region.path,
    )


def rejecting(sig: Signature, value: Candidate) -> Iterator[str]:
    """Names of a signature's filters that say a value is no secret, in the order in which they are asked."""
    return (name for name, judges in FILTERS.items() if name in sig.filters and judges(value))


def excuse(sig: Signature, value: Candidate) -> str | None:
    """Why a value that is a secret does not count, if one of the signature's filters knows a reason."""
    return next((why for name, (holds, why) in DOWNGRADES.items() if name in sig.filters and holds(value)), None)
