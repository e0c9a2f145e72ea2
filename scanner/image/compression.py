"""Opens a compressed stream by what its first bytes are; media types and file names lie too often.

Source: RFC 1952 (gzip), RFC 8878 (zstd), the xz file format 1.2.0, bzip2's header.
"""

import bz2
import io
import lzma
from typing import BinaryIO, cast

import zstandard
from isal import igzip

from scanner.errors import FormatError

HEAD = 512
"""Bytes that `sniff` wants to see."""

_ZSTD_WINDOW = 1 << 27
"""Largest zstd window, in bytes: what ``zstd --ultra -22`` writes. More would let a layer choose our memory use."""


def sniff(head: bytes) -> str:
    """Names the compression of a stream that starts with ``head``: gzip, zstd, xz, bzip2 or none."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    # RFC 8878, 3.1.2: a stream may start with a skippable frame, 0x184D2A50 to 0x184D2A5F.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"*M\x18" and head[0] & 0xF0 == 0x50):
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


def decompressed(stream: BinaryIO, kind: str) -> BinaryIO:
    """Wraps a compressed stream in a reader of what it holds.

    Args:
        stream: positioned at the first byte.
        kind: what `sniff` named.

    Returns:
        A stream whose reads raise one of `DECOMPRESSION_ERRORS` where the data is damaged.
    """
    if kind == "gzip":
        # Members that follow one another are one stream (RFC 1952, 2.2); eStargz layers are made of thousands.
        return cast(BinaryIO, igzip.IGzipFile(fileobj=stream, mode="rb"))  # type: ignore[no-untyped-call] # ships none
    if kind == "zstd":
        codec = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return cast(BinaryIO, codec.stream_reader(stream, read_across_frames=True, read_size=1 << 17))
    if kind == "xz":
        return cast(BinaryIO, lzma.LZMAFile(stream))
    if kind == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(stream))
    return stream


DECOMPRESSION_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    zstandard.ZstdError,
    lzma.LZMAError,
    igzip.BadGzipFile,
    FormatError,
)
"""What reading a damaged compressed stream raises, whatever the codec."""
