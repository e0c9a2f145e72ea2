"""Finds what belongs to the secrets of a block: the id beside a key, the client beside its secret.

Only what lies near a confirmed secret is looked at, so images pay nothing for it that hold none.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from scanner.detect.filters import FILTERS, Candidate
from scanner.detect.hit import Hit, overlapped
from scanner.detect.matcher import Region, anywhere, judge
from scanner.detect.pair import Mate, Pair
from scanner.detect.ruleset import Ruleset
from scanner.detect.signature import Signature

Scope = tuple[int, int]
"""Offsets in a block between which things may belong together."""

_SLACK = 256
"""Bytes behind a window that a value that starts in it may reach; the value would be cut off otherwise."""

_SIDE = 8
"""Candidates on each side of a secret that are weighed. Those behind so many others belong to somebody else."""

_LEAST = 16
"""Bytes that two values are taken to lie apart at least: below that, nearer is not likelier."""

_BOUNDARY = 64
"""Bytes that the end of a paragraph, object or list item counts for."""

_BOUNDARIES = re.compile(rb"\n[ \t]*\n|[}\])]|\n[ \t]*- ")
_SECTION = re.compile(rb"\n\[[\w .:\"'@/-]{1,80}\][ \t\r]*\n")


class _Found(NamedTuple):
    """A value that may belong to a secret."""

    start: int
    end: int
    mate: Mate


def paired(
    ruleset: Ruleset,
    hits: Sequence[Hit],
    data: bytearray | bytes,
    regions: Sequence[Region],
    scopes: Sequence[Scope] = (),
) -> list[Hit]:
    """The hits, each with what belongs to it.

    Args:
        ruleset: that found them.
        hits: of one block, in the order of their offsets.
        data: the block.
        regions: as they were given to the matcher.
        scopes: for each region, the stretch in which the rest of a pair may lie; the region itself if there are none.

    Returns:
        As many hits in the same order.
    """
    groups: dict[tuple[Pair, Scope], list[int]] = {}
    for at, hit in enumerate(hits):
        for pair in hit.signature.pairs:
            scope = scopes[hit.region] if scopes else (regions[hit.region].start, regions[hit.region].end)
            groups.setdefault((pair, scope), []).append(at)
    mates: dict[int, list[Mate]] = {}
    known = {(hit.signature.id, hit.start): hit for hit in hits} if groups else {}
    taken = [hit for hit in hits if not (hit.signature.identifier or hit.signature.generic)] if groups else []
    for (pair, scope), members in groups.items():
        found = list(_candidates(ruleset, pair, scope, [hits[at] for at in members], known, taken, data, regions))
        for at, mate in _join(pair, [hits[at] for at in members], found, data):
            mates.setdefault(members[at], []).append(mate)
    return [replace(hit, mates=tuple(mates[at])) if at in mates else hit for at, hit in enumerate(hits)]


def _candidates(
    ruleset: Ruleset,
    pair: Pair,
    scope: Scope,
    secrets: Sequence[Hit],
    known: Mapping[tuple[str, int], Hit],
    taken: Sequence[Hit],
    data: bytearray | bytes,
    regions: Sequence[Region],
) -> Iterator[_Found]:
    """What the pair asks for in the neighbourhood of some secrets, in the order of offsets."""
    starts = [region.start for region in regions]
    for begin, stop in _windows(pair, scope, secrets):
        first = max(0, bisect_right(starts, begin) - 1)
        for place in range(first, bisect_left(starts, stop)):
            if pair.value:
                found = list(_valued(pair, regions[place], begin, stop, data))
            else:
                named = (ruleset.by_id[name] for name in pair.signatures)
                each = [one for sig in named for one in _signed(pair, sig, place, regions, (begin, stop), data, known)]
                # What two of the signatures find is one value, and belongs to one secret.
                found = list({(one.start, one.end): one for one in reversed(each)}.values())
            # What is known to be a secret is nobody's name; what a generic signature takes for one may be.
            yield from (
                one
                for one in sorted(found, key=lambda one: one.start)
                if not (pair.value and overlapped(taken, one.start, one.end))
            )


def _windows(pair: Pair, scope: Scope, secrets: Iterable[Hit]) -> Iterator[Scope]:
    """The stretches to search: each secret's neighbourhood, those that touch in one."""
    low = high = -1
    for hit in secrets:
        begin = max(scope[0], hit.start - pair.within - _SLACK)
        stop = min(scope[1], hit.end + pair.within + _SLACK)
        if high < 0:
            low = begin
        elif begin > high:
            yield low, high
            low = begin
        high = max(high, stop)
    if high >= 0:
        yield low, high


def _valued(pair: Pair, region: Region, begin: int, stop: int, data: bytearray | bytes) -> Iterator[_Found]:
    for match in pair.regex.finditer(data, max(begin, region.start), min(stop, region.end)):
        value = match["id"]
        if not FILTERS["placeholder"](Candidate(value.decode("latin-1"), "", 0, region.path)):
            yield _Found(*match.span("id"), Mate(pair.name, value, public=True))


def _signed(
    pair: Pair,
    sig: Signature,
    place: int,
    regions: Sequence[Region],
    window: Scope,
    data: bytearray | bytes,
    known: Mapping[tuple[str, int], Hit],
) -> Iterator[_Found]:
    for match in anywhere(sig, data, regions[place], *window):
        # Not all are known: those in the overlap of two blocks are the hits of one of them, and seen by both.
        hit = known.get((sig.id, match.start_of_secret)) or judge(sig, match, data, place, regions[place])
        if hit is not None:
            mate = Mate(pair.name, hit.secret, public=sig.identifier, proof=hit.proof)
            yield _Found(hit.start, hit.end, mate)


def _join(
    pair: Pair, secrets: Sequence[Hit], found: Sequence[_Found], data: bytearray | bytes
) -> Iterator[tuple[int, Mate]]:
    """Which candidate belongs to which secret, by index.

    Of three profiles in a row, a secret may lie nearer to the next one's id than to its own. So unless what is asked
    for is shared, candidates are not given out one by one: of all ways to do so in which both keep their order, that
    is taken which joins most and nearest. It is a heaviest increasing subsequence.
    """
    weighed = [list(_weighed(pair, hit, found, data)) for hit in secrets]
    if pair.shared:
        for at, options in enumerate(weighed):
            if options:
                yield at, found[max(options)[1]].mate
        return
    heaviest = _Heaviest(len(found))
    ends: list[tuple[int, int, int]] = []  # of a chain: secret, candidate, the chain before
    best = (0.0, -1)
    for at, options in enumerate(weighed):
        # A secret takes one candidate only, so all look at the chains of the secrets before it.
        chains = [(weight, index, *heaviest.before(index)) for weight, index in options]
        for weight, index, total, link in chains:
            ends.append((at, index, link))
            heaviest.add(index, total + weight, len(ends) - 1)
            best = max(best, (total + weight, len(ends) - 1))
    link = best[1]
    while link >= 0:
        at, index, link = ends[link]
        yield at, found[index].mate


def _weighed(pair: Pair, hit: Hit, found: Sequence[_Found], data: bytearray | bytes) -> Iterator[tuple[float, int]]:
    """Candidates near enough to a secret, each with how much speaks for it."""
    middle = bisect_left(found, hit.start, key=lambda one: one.start)
    for index in range(max(0, middle - _SIDE), min(len(found), middle + _SIDE)):
        one = found[index]
        low, high = (one.end, hit.start) if one.start < hit.start else (hit.end, one.start)
        if not 0 <= high - low <= pair.within:
            continue
        between = bytes(data[low:high])
        if _SECTION.search(between):
            continue
        apart = _LEAST + len(between) + _BOUNDARY * len(_BOUNDARIES.findall(between))
        yield math.log2(4 * (_LEAST + pair.within) / min(apart, 2 * pair.within)), index


class _Heaviest:
    """The heaviest chain that ends before an index, in logarithmic time: a Fenwick tree of maxima."""

    def __init__(self, size: int) -> None:
        self._best = [(0.0, -1)] * (size + 1)

    def before(self, index: int) -> tuple[float, int]:
        """Weight and name of the heaviest chain that ends before ``index``; 0 and -1 for none."""
        best = (0.0, -1)
        while index > 0:
            best = max(best, self._best[index])
            index &= index - 1
        return best

    def add(self, index: int, weight: float, name: int) -> None:
        """Takes in a chain that ends at ``index``."""
        at = index + 1
        while at < len(self._best):
            self._best[at] = max(self._best[at], (weight, name))
            at += at & -at
