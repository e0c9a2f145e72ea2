"""gzip, zstd, xz and bzip2: one stream, or several on end, of one file.

Source: RFC 1952 (the header of gzip); the rest is `scanner.codec.compression`'s.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from isal import igzip_lib

from scanner.codec.compression import DECOMPRESSION_ERRORS, decompressed, sniff
from scanner.detect.unpack.inflate import SMALL
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member, text

_ENDS = (".gz", ".tgz", ".svgz", ".zst", ".tzst", ".xz", ".txz", ".bz2", ".tbz2", ".tbz")
_EXTRA, _NAME = 4, 8


def open_compressed(source: Input, context: Context) -> Iterator[Member]:
    """The one file of a compressed stream."""
    kind = sniff(source.peek(512))
    name = (_gzip_name(source.peek(512)) if kind == "gzip" else "") or _without_end(context.name)
    data = source.held
    if data is not None:
        source.skip(len(data))
        if kind == "gzip" and (small := _at_once(data)) is not None:
            context.allowance.spend(len(small))
            yield Member(name, Input(small))
            return
        stream = decompressed(cast(BinaryIO, io.BytesIO(data)), kind, lambda: cast(BinaryIO, io.BytesIO(data)))
    else:
        stream = decompressed(cast(BinaryIO, _Stream(source)), kind)
    yield Member(name, Input(more=context.counted(stream.read)))


def _at_once(data: bytes) -> bytes | None:
    """What a small and sound gzip stream holds: there are thousands, and a reader costs more than their bytes."""
    decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    try:
        content: bytes = decoder.decompress(data, SMALL)
    except DECOMPRESSION_ERRORS:
        return None
    return content if decoder.eof and not decoder.unused_data else None


class _Stream(io.RawIOBase):
    def __init__(self, source: Input) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        piece = self._source.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _gzip_name(head: bytes) -> str:
    at = 10
    if head[3] & _EXTRA:
        at += 2 + int.from_bytes(head[10:12], "little")
    end = head.find(b"\0", at)
    return text(head[at:end]) if head[3] & _NAME and end > at else ""


def _without_end(name: str) -> str:
    base = name.rpartition("/")[2]
    end = next((end for end in _ENDS if base.lower().endswith(end)), "")
    return (base[: -len(end)] + (".tar" if end.startswith(".t") else "")) if end else base
