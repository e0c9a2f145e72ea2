"""Tells text from other bytes, by the rule that git has for it."""

_PROBE = 8192
"""Bytes in which a NUL says that what begins with them is no text (git looks at 8,000)."""


def is_text(data: bytes | bytearray, start: int, end: int) -> bool:
    """Whether what starts at ``start`` looks like text: no NUL among its first bytes."""
    return data.find(0, start, min(end, start + _PROBE)) < 0
