"""Zip archives: jar, war, whl, apk, docx, xlsx and the like; read by the headers before each member, in their order.

So a member that the directory at the end leaves out is seen too, no byte is read twice however entries overlap, and
an archive without its end is read as far as it goes. Source: APPNOTE.TXT 6.3.10 of PKWARE, 4.3.7, 4.3.9, 4.4.4, 4.5.3.
"""

import bz2
import lzma
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, cast

import zstandard

from scanner.detect.unpack.inflate import SMALL, Read, inflated, reader, up_to
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import DAMAGE, Context, Member, say, text
from scanner.errors import FormatError

_HEADER = struct.Struct("<4sHHHHHIIIHH")
_MARK = b"PK\x03\x04"
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 1, 8, 0x800
_ZIP64, _AES = 1, 99
_STORED, _DEFLATED, _LZMA = 0, 8, 14
_UNKNOWN = 0xFFFFFFFF
_MAX_VERSION = 100
_DICTIONARY = 1 << 28
"""Memory that decoding LZMA may take, in bytes."""


class _Entry(NamedTuple):
    name: str
    flags: int
    method: int
    stored: int  # bytes in the archive; -1 where only the descriptor behind them would tell


def open_zip(source: Input, context: Context) -> Iterator[Member]:
    """The members that can be read; of the others it is told why not."""
    while source.pass_to(_MARK):
        entry = _entry(source)
        if entry is None:
            source.skip(len(_MARK))
        elif entry.flags & _ENCRYPTED or entry.method == _AES:
            lost = max(0, entry.stored)
            context.tell(entry.name, "encrypted", lost)
            source.skip(lost)
        else:
            read = _READERS.get(entry.method, _other)
            try:
                yield from read(source, entry, context)
            except DAMAGE as error:  # of this one; the next has a mark to find it by
                context.tell(entry.name, f"damaged: {say(error)}", max(0, entry.stored))


def _entry(source: Input) -> _Entry | None:
    """The header that comes next, which is read then; None if it is none."""
    head = source.peek(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    _, version, flags, method, _time, _date, _crc, stored, size, name_length, extra_length = _HEADER.unpack(head)
    if not name_length or version & 0xFF > _MAX_VERSION or method > _AES:
        return None
    head = source.read(_HEADER.size + name_length + extra_length)
    name, extra = head[_HEADER.size : _HEADER.size + name_length], head[_HEADER.size + name_length :]
    if stored == _UNKNOWN:
        stored = _long_size(extra, size == _UNKNOWN)
    if flags & _DESCRIPTOR and not stored:
        stored = -1
    # What is not marked as UTF-8 is in the code page of a PC of 1981, or in UTF-8 all the same.
    return _Entry(text(name) if flags & _UTF8 else _decoded(name), flags, method, stored)


def _decoded(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437")


def _long_size(extra: bytes, after_size: bool) -> int:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64:
            start = at + 4 + 8 * after_size
            return int.from_bytes(extra[start : start + 8], "little")
        at += 4 + length
    return -1


def _stored(source: Input, entry: _Entry, context: Context) -> Iterator[Member]:
    if entry.stored < 0:
        # Nothing says where it ends. What it is up to the next header was seen as it is, with the archive.
        context.tell(entry.name, "stored without its size, which only the archive's directory has", 0)
        return
    if entry.stored:
        inside = source.cut(entry.stored)
        yield Member(entry.name, inside)
        for _ in inside.pieces():
            pass


def _deflated(source: Input, entry: _Entry, context: Context) -> Iterator[Member]:
    """Deflate knows its end, so that it does not matter what the header says of it."""
    read = context.counted(inflated(source, entry.stored))
    first = up_to(read, SMALL)
    inside = Input(first, None if len(first) < SMALL else read)
    if first:
        yield Member(entry.name, inside)
    for _ in inside.pieces():
        pass


def _other(source: Input, entry: _Entry, context: Context) -> Iterator[Member]:
    if entry.method not in _DECODERS:
        context.tell(entry.name, f"compressed by method {entry.method}, which is not supported", max(0, entry.stored))
        source.skip(max(0, entry.stored))
        return
    packed = source.cut(entry.stored) if entry.stored >= 0 else source
    try:
        yield Member(entry.name, Input(more=context.counted(_DECODERS[entry.method](packed))))
    finally:
        if packed is not source:
            for _ in packed.pieces():
                pass


def _zstd(packed: Input) -> Read:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(cast(BinaryIO, packed))
    return cast(Read, reader.read)


def _lzma(packed: Input) -> Read:
    # Two bytes of version, two of length, then the properties (APPNOTE 5.8.8; their form: lzma-sdk, lzma.txt).
    _version, length = struct.unpack("<HH", packed.exactly(4))
    first, dictionary = struct.unpack_from("<BI", packed.exactly(length))
    if dictionary > _DICTIONARY:
        raise FormatError(f"LZMA dictionary of {dictionary} bytes, limit {_DICTIONARY}")
    rest, lc = divmod(first, 9)
    pb, lp = divmod(rest, 5)
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": max(4096, dictionary), "lc": lc, "lp": lp, "pb": pb}]
    return reader(packed, lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain))


_DECODERS: dict[int, Callable[[Input], Read]] = {
    12: lambda packed: reader(packed, bz2.BZ2Decompressor()),
    _LZMA: _lzma,
    93: _zstd,
    95: lambda packed: reader(packed, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28)),
}

_READERS = {_STORED: _stored, _DEFLATED: _deflated}
