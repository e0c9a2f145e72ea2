"""Reads deflated bytes out of an input, and leaves what is behind their end."""

from collections.abc import Callable
from typing import Any

from isal import igzip_lib

from scanner.detect.unpack.input import PIECE, Input

SMALL = 1 << 20
"""Bytes that may be held whole, without a thought."""

_FIRST = 1 << 13
"""Bytes that are decompressed at first, where nothing says how many there are."""

Read = Callable[[int], bytes]
"""Gives at most so many of the next bytes, none at the end; EOFError where the input ends before."""


def inflated(source: Input, stored: int = 0, *, zlib: bool = False) -> Read:
    """What deflated bytes hold.

    Args:
        source: the input, at their beginning; at its end after, once all was read.
        stored: how many they are, if that is known.
        zlib: whether they have a zlib header (RFC 1950) and are not bare (RFC 1951).
    """
    decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB if zlib else igzip_lib.DECOMP_DEFLATE)
    return reader(source, decoder, min(PIECE, stored) if stored > 0 else _FIRST)


def reader(source: Input, decoder: Any, step: int = PIECE) -> Read:
    """What a decompressor makes of an input.

    Args:
        source: the input.
        decoder: with the methods of those in `bz2` and `lzma`.
        step: bytes that it is given at first; twice as many each time after.
    """

    def read(count: int) -> bytes:
        nonlocal step
        while not decoder.eof:
            piece = source.some(step) if decoder.needs_input else b""
            step = min(2 * step, PIECE)
            if decoder.needs_input and not piece:
                raise EOFError("ends inside of compressed bytes")
            data: bytes = decoder.decompress(piece, count)
            if decoder.eof and (unused := decoder.unused_data):
                source.give_back(unused)
            if data:
                return data
        return b""

    return read


def up_to(read: Read, count: int) -> bytes:
    """The next ``count`` bytes, or all that are left."""
    parts: list[bytes] = []
    while count > 0 and (part := read(count)):
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
