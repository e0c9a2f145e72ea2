"""How long a pattern can be kept busy by text that almost matches it.

Python's engine cannot be stopped while it matches, so texts are grown in steps, and the first that takes too long ends
the measurement: also of an exponential pattern no step costs more than a second or two.
"""

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.detect.signature import Signature

_FIRST = 16
_STEP = 1.25
_QUICK = 0.05
"""Milliseconds up to which the next text is twice as long: that squares what an exponential pattern does, which is
then some thousand steps."""

_LARGEST = 8192
_FILLS = (
    "a",
    "A",
    "0",
    "aA0_",
    "=",
    "/",
    "-",
    ".",
    ":",
    " ",
    "\n",
    "\\n",
    '"',
    "'",
    "\\",
    "a ",
    "a\n",
    "a.",
    "a-",
    "a:",
)
_AGAIN = 3


@dataclass(frozen=True)
class Slow:
    """A text that takes a pattern too long.

    Attributes:
        unit: what was repeated to make it.
        size: its length in bytes.
        milliseconds: CPU time of one search of it.
        power: how the time grows with the length: 1 is linear, 2 quadratic.
    """

    unit: str
    size: int
    milliseconds: float
    power: float


def slowest(sig: Signature, milliseconds_a_kb: float, power: float, floor: float) -> Slow | None:
    """The first text made from a signature's own examples that takes its pattern too long.

    Args:
        sig: the signature; its pattern must compile.
        milliseconds_a_kb: CPU time that a search may take, by length; a text of less than 1 KB counts as one.
        power: how the time may grow, where it is above the floor.
        floor: milliseconds below which growth is not judged.
    """
    window = min(max(sig.before + sig.after, _FIRST), _LARGEST)
    for start, unit in dict.fromkeys(_hostile(sig)):
        full = start.encode() + unit.encode() * (window // len(unit.encode()) + 1)
        times: list[tuple[int, float]] = []
        size = _FIRST
        while True:
            limit = milliseconds_a_kb * max(size / 1024, 1)
            taken = _milliseconds(sig.regex, full[: size - 1] + b"\x00", min(limit, floor))
            times.append((size, taken))
            if taken > limit or (taken > floor and _power(times) > power):
                return Slow(start[-40:] + unit, size, taken, _power(times))
            if size == window:
                break
            size = min(int(size * (2 if taken < _QUICK else _STEP)), window)
    return None


def _hostile(sig: Signature) -> Iterator[tuple[str, str]]:
    """How texts start, and what is repeated behind that to fill a window."""
    for example in sig.examples[:1]:
        at = example.text.find(example.secret)
        lead = example.text[:at][-sig.before :]
        secret = example.secret
        middle = len(secret) // 2
        for start in ("", lead, lead + secret[:middle], lead + secret):
            yield from ((start, fill) for fill in _FILLS)
        for unit in (lead, secret, lead + secret[:-1], secret[:1], secret[middle : middle + 1], lead[-8:], secret[:8]):
            if unit:
                yield "", unit
                yield lead, unit


def _milliseconds(pattern: re.Pattern[bytes], text: bytes, suspicious: float) -> float:
    taken = _once(pattern, text)
    for _ in range(_AGAIN):
        if taken <= suspicious or taken > 500:
            break
        taken = min(taken, _once(pattern, text))
    return taken


def _once(pattern: re.Pattern[bytes], text: bytes) -> float:
    start = time.thread_time()
    for _ in pattern.finditer(text):
        pass
    return (time.thread_time() - start) * 1000


def _power(times: list[tuple[int, float]]) -> float:
    """The power of the length that the time has grown with, since the text was half as long."""
    size, taken = times[-1]
    for earlier, before in reversed(times):
        if earlier * 2 <= size:
            return math.log(max(taken, 1e-3) / max(before, 1e-3)) / math.log(size / earlier)
    return 0.0
