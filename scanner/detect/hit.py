"""What a confirmed match is, and which of several that claim the same bytes counts."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

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
        at = bisect_right(kept, hit.start, key=lambda h: h.start)
        before = kept[at - 1] if at else None
        after = kept[at] if at < len(kept) else None
        if (before is None or before.end <= hit.start) and (after is None or hit.end <= after.start):
            kept.insert(at, hit)
        elif hit.signature.parser:
            dropped.append(hit)
    for hit in dropped:
        at = max(0, bisect_right(kept, hit.start, key=lambda h: h.start) - 1)
        while at < len(kept) and kept[at].start < hit.end:
            if kept[at].end > hit.start and not kept[at].signature.parser:
                told = ", ".join(part for part in (kept[at].proof, hit.proof) if part)
                kept[at] = replace(kept[at], proof=told or None)
            at += 1
    return kept
