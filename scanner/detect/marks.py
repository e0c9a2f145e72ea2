"""The comments by which a line asks scanners to look away, as people know them from other programs.

This module only tells that there is one. Whoever wrote the image wrote the mark, so whether to honour it is decided
elsewhere, and the place is told of either way.
"""

import re

REACH = 1024
"""Bytes on each side of a secret in which a mark on its line is looked for: so many are in every block, however the
stream was cut into blocks, and a minified file is one line."""

_TELLING = (b"allow", b"whitelist", b"trufflehog:")
"""One of these is in every mark; most secrets have none of them near, and looking for these costs next to nothing."""

_ON_THE_LINE = re.compile(rb"pragma: ?(?:allow|white)list[ -]secret|gitleaks:allow|trufflehog:ignore")
_ON_THE_LINE_BEFORE = re.compile(
    # As in detect-secrets nothing may stand before the comment, or one mark would hide what it does not seem to.
    rb"[ \t]*(?:\#|//|/\*|'|--|<!--)[# \t]*(pragma: ?allowlist[ -]nextline[ -]secret)"
)
_LINE_END = re.compile(rb"\r\n|[\n\r\0]")


def mark(data: bytes | bytearray, begin: int, stop: int, start: int, end: int) -> str:
    """The mark on the lines that a secret is on, or on the line before them; empty if there is none.

    Args:
        data: what the secret lies in.
        begin: offset of the first byte of its file or field.
        stop: offset behind the last one.
        start: offset of the secret.
        end: offset behind it.
    """
    low, high = max(begin, start - REACH), min(stop, end + REACH)
    # Two lines are all that counts. The ends that are rarer are looked for once there is something in them.
    low = max(low, data.rfind(b"\n", low, max(low, data.rfind(b"\n", low, start))))
    line_end = data.find(b"\n", end, high)
    high = high if line_end < 0 else line_end
    window = bytes(data[low:high])
    if not any(part in window for part in _TELLING):
        return ""
    *before, lead = _LINE_END.split(window[: start - low])
    rest = _LINE_END.split(window[end - low :], maxsplit=1)[0]
    found = _ON_THE_LINE.search(lead + window[start - low : end - low] + rest)
    if found:
        return found[0].decode()
    above = _ON_THE_LINE_BEFORE.match(before[-1]) if before else None
    return above[1].decode() if above else ""
