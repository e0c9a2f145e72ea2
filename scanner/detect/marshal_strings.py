"""Finds where a string constant of compiled Python starts and ends.

In a ``.pyc`` the byte after a string is the type code of the next object, often a letter, so a token's end cannot
be told from its characters; its length stands before it. Source: CPython, Python/marshal.c (``TYPE_*``,
``FLAG_REF``).
"""

from collections.abc import Iterator

HEAD = 5
"""Bytes that may stand before a constant: its type and its length."""

_FLAG_REF = 0x80
_SHORT = frozenset(b"zZ")  # length in one byte: short ASCII, and the same interned
_LONG = frozenset(b"aAuts")  # length in four bytes, little endian: ASCII, Unicode and bytes, some interned
_TYPES = frozenset(b"0NFTS.iIfgxylstrR([{cu?<>aA)zZ:")  # that an object starts with


def string_bounds(data: bytes | bytearray, lowest: int, inside: int) -> list[tuple[int, int]]:
    """The constants that the byte before ``inside`` may belong to.

    What looks like a head may be two characters of the string itself, so there can be several claims.

    Args:
        data: a buffer that holds compiled Python.
        lowest: offset at which to stop looking for the constant's head.
        inside: offset behind a byte of the constant.

    Returns:
        Offsets of a constant's first byte and behind its last: the most credible first, else the shortest way back.
    """
    return sorted(_claims(data, lowest, inside), key=lambda claim: _doubts(data, *claim))


def _doubts(data: bytes | bytearray, start: int, end: int) -> tuple[bool, bool]:
    """Whether the head may be text, and whether what stands behind the constant starts no object."""
    head = data[start - 2 : start]
    text = head.isascii() and head.decode().isprintable()
    return text, end < len(data) and data[end] & ~_FLAG_REF not in _TYPES


def _claims(data: bytes | bytearray, lowest: int, inside: int) -> Iterator[tuple[int, int]]:
    for start in range(inside - 1, lowest + 1, -1):
        if data[start - 2] & ~_FLAG_REF in _SHORT and start + data[start - 1] >= inside:
            yield start, start + data[start - 1]
        if start - HEAD >= lowest and data[start - HEAD] & ~_FLAG_REF in _LONG:
            length = int.from_bytes(data[start - 4 : start], "little")
            if inside - start <= length < 1 << 24:
                yield start, start + length
