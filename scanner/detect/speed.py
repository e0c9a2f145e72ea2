"""What prefilters cost the database they are put into, measured on a sample of what layers hold.

A prefilter alone says little: a database of one is fast whatever is in it. What it does to others is what counts:
they all are looked for at the pace of the one with the shortest literal. So prefilters are added to a company of
long literals, and the time is compared with the company's own.
"""

import base64
import hashlib
import math
import time
from collections.abc import Sequence
from typing import Any

import hyperscan

from scanner.detect.sample_text import sample

_COMPANY = 100
"""Above 96 the library looks for literals with the same algorithm as for the hundreds of the real database."""

_ROUNDS = 4
_AGAIN = 8
_ENDLESS = 100_000


class Company:
    """A database of literals that stand in no file, and the time it takes for the sample."""

    def __init__(self) -> None:
        self._literals = [
            base64.b32encode(hashlib.sha256(b"layerleak company %d" % number).digest())[:8]
            for number in range(_COMPANY)
        ]
        self._alone = _Database([], self._literals)

    def join(self, prefilters: Sequence[str]) -> "Guests":
        """The same database with these prefilters in it.

        Raises:
            hyperscan.HyperscanError: one of them does not compile.
        """
        return Guests(self._alone, _Database([text.encode() for text in prefilters], self._literals))


class Guests:
    """Prefilters in the company, ready to be measured."""

    def __init__(self, alone: "_Database", joined: "_Database") -> None:
        self._alone = alone
        self._joined = joined

    def cost(self, limit: float) -> float:
        """The time with them by the time without them; infinite where the matches are too many to go through.

        Args:
            limit: above this it is measured again and again, so that what else the machine is doing does not count.
        """
        joined = alone = ratio = math.inf
        for _ in range(_AGAIN):
            # In turns, so that both meet the same weather; the least of each, since noise only adds.
            for _ in range(_ROUNDS):
                joined = min(joined, self._joined.seconds(sample()))
                alone = min(alone, self._alone.seconds(sample()))
            ratio = joined / alone
            if ratio <= limit or ratio == math.inf:
                break
        return ratio

    def hits_a_mb(self) -> list[float]:
        """Matches of each in a MB of the sample."""
        return [hits / (len(sample()) / 1e6) for hits in self._joined.hits(sample())]

    def ends(self, data: bytes) -> list[int]:
        """Match ends of each in some bytes."""
        return self._joined.hits(data)


class _Database:
    """A compiled database that counts the matches of its first few expressions."""

    def __init__(self, counted: list[bytes], others: list[bytes]) -> None:
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        expressions = counted + others
        self._database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=0)
        self._scratch: Any = hyperscan.Scratch(self._database)
        self._hits = [0] * len(expressions)
        self._left = 0
        self._counted = len(counted)

    def seconds(self, data: bytes) -> float:
        """CPU seconds of this thread for one pass; infinite if it had to be given up."""
        self._hits = [0] * len(self._hits)
        self._left = _ENDLESS
        start = time.thread_time()
        try:
            self._database.scan(data, match_event_handler=self._count, scratch=self._scratch)
        except hyperscan.ScanTerminated:
            return math.inf
        return time.thread_time() - start

    def hits(self, data: bytes) -> list[int]:
        """How often each of the expressions that are counted matches."""
        self.seconds(data)
        return self._hits[: self._counted]

    def _count(self, number: int, *_: object) -> bool:
        self._hits[number] += 1
        self._left -= 1
        return self._left <= 0
