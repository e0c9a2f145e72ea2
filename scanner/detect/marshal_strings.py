"""Finds where a string constant of compiled Python starts and ends.

In a ``.pyc`` the byte after a string is the type code of the next object, often a letter, so a token's end cannot
be told from its characters; its length stands before it. Source: CPython, Python/marshal.c (``TYPE_*``,
``FLAG_REF``).
"""

from collections.abc import Iterator

_FLAG_REF = 0x80
_SHORT = frozenset(b"zZ")  # length in one byte: short ASCII, and the same interned
_LONG = frozenset(b"aAuts")  # length in four bytes, little endian: ASCII, Unicode and bytes, some interned


def string_bounds(data: bytes | bytearray, lowest: int, inside: int) -> Iterator[tuple[int, int]]:
    """The constants that the byte before ``inside`` may belong to, the shortest way back first.

    What looks like a head may be two characters of the string itself, so there can be several claims.

    Args:
        data: a buffer that holds compiled Python.
        lowest: offset at which to stop looking for the constant's head.
        inside: offset behind a byte of the constant.

    Yields:
        Offsets of a constant's first byte and behind its last.
    """
    for start in range(inside - 1, lowest + 1, -1):
        if data[start - 2] & ~_FLAG_REF in _SHORT and start + data[start - 1] >= inside:
            yield start, start + data[start - 1]
        if start - 5 >= lowest and data[start - 5] & ~_FLAG_REF in _LONG:
            length = int.from_bytes(data[start - 4 : start], "little")
            if inside - start <= length < 1 << 24:
                yield start, start + length
