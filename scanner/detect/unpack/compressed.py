"""gzip, zstd, xz and bzip2: one stream, or several on end, of one file.

Source: RFC 1952 (the header of gzip); the rest is `scanner.codec.compression`'s.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from scanner.codec.compression import decompressed, sniff
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
        stream = decompressed(cast(BinaryIO, io.BytesIO(data)), kind, lambda: cast(BinaryIO, io.BytesIO(data)))
    else:
        stream = decompressed(cast(BinaryIO, _Stream(source)), kind)
    yield Member(name, Input(more=context.counted(stream.read)))


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
