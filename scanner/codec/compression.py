"""Opens a compressed stream by what its first bytes are; media types and file names lie too often.

Source: RFC 1952 (gzip), RFC 8878 (zstd), the xz file format 1.2.0, bzip2's header.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

import zstandard
from isal import isal_zlib

from scanner.codec.zstd import ZstdReader, is_zstd, whole_frames
from scanner.errors import FormatError

HEAD = 512
"""Bytes that `sniff` wants to see."""

_XZ_MEMORY = 1 << 28
"""Memory that decoding xz may take, in bytes; what ``xz -9`` writes takes a quarter of it."""


def sniff(head: bytes) -> str:
    """Names the compression of a stream that starts with ``head``: gzip, zstd, xz, bzip2 or none."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if is_zstd(head):
        return "zstd"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bzip2"
    return "none"


class Peeked(io.RawIOBase):
    """A stream whose first bytes have been looked at and are given out again."""

    def __init__(self, stream: BinaryIO, count: int = HEAD) -> None:
        self._stream = stream
        self.head = read_up_to(stream, count)
        self._rest = memoryview(self.head)

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fills ``buffer`` from the head first, then from the stream; 0 at its end."""
        if self._rest:
            count = min(len(buffer), len(self._rest))
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            return count
        return read_into(self._stream, buffer)


def read_into(stream: BinaryIO, buffer: bytearray | memoryview) -> int:
    """One ``readinto`` of a stream that never has "no data now"; the count of bytes read, 0 at the end."""
    return cast(io.RawIOBase, stream).readinto(buffer) or 0


def read_up_to(stream: BinaryIO, count: int) -> bytes:
    """Reads ``count`` bytes, or fewer where the stream ends; a single ``read`` may return less than there is."""
    parts: list[bytes] = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def decompressed(stream: BinaryIO, kind: str, again: Callable[[], BinaryIO] | None = None) -> BinaryIO:
    """Wraps a compressed stream in a reader of what it holds.

    Args:
        stream: positioned at the first byte.
        kind: what `sniff` named.
        again: gives the same stream from its first byte on; None if it can be read only once. With it, gzip and zstd
            are read by the libraries' own readers, which are faster but lose what a call had decompressed when it
            meets damage; where they fail, reading starts anew with the careful ones and goes on behind what was given.

    Returns:
        A stream whose reads raise one of `DECOMPRESSION_ERRORS` where the data is damaged.
    """
    if again is not None and kind in _FAST:
        return cast(BinaryIO, _Recovering(_FAST[kind](stream), lambda: decompressed(again(), kind)))
    if kind == "zstd":
        return cast(BinaryIO, ZstdReader(stream))
    if kind in _DECODERS:
        return cast(BinaryIO, _Streams(stream, _DECODERS[kind]))
    return stream


def _igzip(stream: BinaryIO) -> BinaryIO:
    # What IGzipFile reads with inside; its own second buffer costs 3 %.
    return cast(BinaryIO, isal_zlib._GzipReader(stream, _READ))


_FAST: dict[str, Callable[[BinaryIO], BinaryIO]] = {"gzip": _igzip, "zstd": whole_frames}


class _Recovering(io.RawIOBase):
    """A fast reader, and where that fails a careful one from the same place on."""

    def __init__(self, fast: BinaryIO, careful: Callable[[], BinaryIO]) -> None:
        self._reader = fast
        self._careful: Callable[[], BinaryIO] | None = careful
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        if self._careful is not None:
            try:
                count = read_into(self._reader, buffer)
            except DECOMPRESSION_ERRORS:
                self._reader, self._careful = self._careful(), None
                self._pass(self._given)
            else:
                self._given += count
                return count
        return read_into(self._reader, buffer)

    def _pass(self, left: int) -> None:
        sink = memoryview(bytearray(min(left, _READ)))
        while left > 0 and (count := read_into(self._reader, sink[:left])):
            left -= count


class _Decoder(Protocol):
    """What the decompressors of gzip, xz and bzip2 have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_CARE = ((1 << 15, 1 << 30), (1 << 9, 1 << 30), (1, 1 << 30), (1, 1))
"""Compressed bytes that gzip is given at a time, and the most it may give back, from rough to fine."""


class _Gzip:
    """One member of a gzip stream (RFC 1952); gives all that comes before a fault in it, to the byte.

    What a call had decompressed when it met the fault is lost with the error. So the state before each call is kept,
    and a call that failed is made again from there in finer steps, until the error costs nothing more. That takes
    zlib: isal's state cannot be copied, and it reads no header of several fields that comes to it in pieces.
    """

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._input = b""
        self._full = False  # the last call gave as much as it might, and may have more
        self._care = 0

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not (self._input or self._full or self.eof)

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data + self._input

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        self._input += data
        while True:
            step, most = _CARE[self._care]
            most = min(most, max_length)
            before = self._inflate.copy()
            try:
                held = self._inflate.decompress(self._input[:step], most)
            except zlib.error:
                if self._care == len(_CARE) - 1:
                    raise
                self._inflate, self._care = before, self._care + 1
                continue
            # Behind the end of a member, the tail may be there twice: as unused and as not consumed.
            tail = b"" if self.eof else self._inflate.unconsumed_tail
            self._input = tail + self._input[step:]
            self._full = len(held) == most
            return held


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _Gzip,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
    "bzip2": bz2.BZ2Decompressor,
}


class _Streams(io.RawIOBase):
    """Compressed streams, one after another, as one (RFC 1952, 2.2): eStargz layers are made of thousands.

    Other readers lose what a call had decompressed when it meets damage, which is the whole of a small layer. Here gzip
    loses nothing; of xz and bzip2 the first bytes are decompressed in small steps, and a stream cut short gives all.
    """

    def __init__(self, stream: BinaryIO, make: Callable[[], _Decoder]) -> None:
        self._stream = stream
        self._make = make
        self._decoder = make()
        self._begun = False
        self._read = b""
        self._at = 0
        self._careful = 0 if make is _Gzip else _CAREFUL

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fills ``buffer`` as far as one step gives; 0 at the end."""
        data = b""
        while not data:
            if self._decoder.eof and not self._next():
                return 0
            piece = self._piece() if self._decoder.needs_input else b""
            if self._decoder.needs_input and not piece:
                if not self._begun:
                    return 0
                raise EOFError("ends inside of the compressed stream")
            self._begun = True
            data = self._decoder.decompress(piece, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _more(self) -> bool:
        if self._at >= len(self._read):
            self._read, self._at = self._stream.read(1 << 17), 0
        return bool(self._read)

    def _piece(self) -> bytes:
        if not self._more():
            return b""
        step = 16 if self._careful > 0 else _STEP
        piece = self._read[self._at : self._at + step]
        self._at += len(piece)
        self._careful -= len(piece)
        return piece

    def _next(self) -> bool:
        """Starts on the stream that follows; zeros between streams are padding."""
        self._at -= len(self._decoder.unused_data)  # the end of the last piece
        while self._more():
            left = len(self._read) - self._at
            self._at += left - len(self._read[self._at :].lstrip(b"\0"))
            if self._at < len(self._read):
                self._decoder, self._begun = self._make(), False
                return True
        self._decoder, self._begun = self._make(), False
        return False


_READ = 1 << 20
"""Bytes that a fast reader reads at a time."""

_STEP = 1 << 15
"""Compressed bytes that are decompressed at a time; twice as many gain 2 %, half as many cost 5 %."""

_CAREFUL = 1 << 14
"""Compressed bytes at the start that are decompressed in small steps, by decoders that lose those of a step."""

DECOMPRESSION_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    zstandard.ZstdError,
    lzma.LZMAError,
    zlib.error,
    cast("type[Exception]", isal_zlib.error),  # its stub types it as an exception and not as a class
    FormatError,
)
"""What reading a damaged compressed stream raises, whatever the codec."""
