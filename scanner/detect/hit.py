"""What a confirmed match is, and which of several that claim the same bytes counts."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from scanner.detect.pair import Mate
from scanner.detect.proof import PublicHalf
from scanner.detect.signature import Confidence, Signature


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
        mark: the comment on its line that asks scanners to look away; empty without one.
        public: the public half, of a private key that tells it.
        mates: what stands beside it and belongs to it, once `detect.pairing` has looked.
    """

    signature: Signature
    region: int
    start: int
    secret: bytes = field(repr=False)
    canonical: bytes = field(repr=False)
    confidence: Confidence
    proof: str | None
    downgraded: str | None
    mark: str = ""
    public: PublicHalf | None = field(default=None, repr=False)
    mates: tuple[Mate, ...] = ()

    @property
    def end(self) -> int:
        """Offset in the block behind the secret's last byte."""
        return self.start + len(self.secret)

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """Orders hits on the same bytes: the one that says most comes first."""
        return (self.signature.generic, -self.confidence, -self.signature.severity, -len(self.secret))


_start = attrgetter("start")


def overlapped(hits: Sequence[Hit], start: int, end: int) -> bool:
    """Whether some bytes are among those of a hit.

    Args:
        hits: in the order of their offsets, none of which share bytes.
        start: of the first byte.
        end: behind the last.
    """
    at = bisect_left(hits, end, key=_start)
    return at > 0 and hits[at - 1].end > start


def resolved(hits: Iterable[Hit]) -> list[Hit]:
    """Of hits that share bytes, keeps the best ranked, and all that share none with it.

    What a file that was read as a whole says of these bytes is kept with it.

    Args:
        hits: with offsets in the same bytes.

    Returns:
        Those kept, in the order of their offsets.
    """
    kept: list[Hit] = []
    dropped: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.rank, h.start)):
        if not overlapped(kept, hit.start, hit.end):
            kept.insert(bisect_right(kept, hit.start, key=_start), hit)
        elif hit.signature.parser:
            dropped.append(hit)
    for hit in dropped:
        at = max(0, bisect_right(kept, hit.start, key=_start) - 1)
        while at < len(kept) and kept[at].start < hit.end:
            if kept[at].end > hit.start and not kept[at].signature.parser:
                told = ", ".join(part for part in (kept[at].proof, hit.proof) if part)
                kept[at] = replace(kept[at], proof=told or None)
            at += 1
    return kept
