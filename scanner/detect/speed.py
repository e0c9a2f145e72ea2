"""What a prefilter costs the database it is put into, measured on a sample of what layers hold.

A prefilter alone says little: a database of one is fast whatever is in it. What it does to others is what counts:
they all are looked for at the pace of the one with the shortest literal. So each is added to a company of long
literals, and the time is compared with the company's own.
"""

import base64
import hashlib
import math
import time
from collections.abc import Iterable
from typing import Any

import hyperscan

from scanner.detect.sample_text import sample

_COMPANY = 100
"""Above 96 the library looks for literals with the same algorithm as for the hundreds of the real database."""

_ROUNDS = 2
_AGAIN = 8
_ENDLESS = 100_000


class Company:
    """A database of literals that stand in no file, and the time it takes for the sample."""

    def __init__(self) -> None:
        self._sample = sample()
        self._literals = [
            base64.b32encode(hashlib.sha256(b"layerleak company %d" % number).digest())[:8]
            for number in range(_COMPANY)
        ]
        self._alone = _Scanner(self._literals)

    def cost(self, expression: str, limit: float) -> tuple[float, float]:
        """Measures a prefilter.

        Args:
            expression: the prefilter; it must compile.
            limit: above this ratio it is measured again, and the least of the measurements counts, so that what
                else the machine is doing does not count.

        Returns:
            The time with it by the time without it, and its matches a MB; both are infinite where the matches are
            too many to go through.
        """
        joined = _Scanner([*self._literals, expression.encode()])
        try:
            ratio = self._ratio(joined)
        except hyperscan.ScanTerminated:
            return math.inf, math.inf
        for _ in range(_AGAIN):
            if ratio <= limit:
                break
            ratio = min(ratio, self._ratio(joined))
        return ratio, joined.hits / (len(self._sample) / 1e6)

    def _ratio(self, joined: "_Scanner") -> float:
        # In turns, so that both meet the same weather.
        times = [(joined.seconds(self._sample), self._alone.seconds(self._sample)) for _ in range(_ROUNDS)]
        return min(with_it for with_it, _ in times) / min(without for _, without in times)


class _Scanner:
    """A compiled database that counts its matches."""

    def __init__(self, expressions: Iterable[bytes]) -> None:
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        listed = list(expressions)
        self._database.compile(expressions=listed, ids=list(range(len(listed))), flags=0)
        self._scratch: Any = hyperscan.Scratch(self._database)
        self.hits = 0

    def seconds(self, data: bytes) -> float:
        """CPU seconds of this thread for one pass, with nothing done at a match but counting it.

        Raises:
            hyperscan.ScanTerminated: it matches without end.
        """
        self.hits = 0
        start = time.thread_time()
        self._database.scan(data, match_event_handler=self._count, scratch=self._scratch)
        return time.thread_time() - start

    def _count(self, *_: object) -> bool:
        self.hits += 1
        return self.hits > _ENDLESS
