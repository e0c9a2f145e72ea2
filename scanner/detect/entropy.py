"""How surprising a value is, in bits."""

from collections import Counter
from math import log2


def shannon(data: bytes) -> float:
    """Shannon entropy of the bytes of ``data``, in bits a byte; 0 for nothing.

    Source: C. E. Shannon, A Mathematical Theory of Communication (1948), section 6.
    """
    total = len(data)
    return -sum(n / total * log2(n / total) for n in Counter(data).values())
