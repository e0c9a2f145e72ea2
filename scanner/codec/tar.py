"""Walks a tar stream in place, header by header, without unpacking or copying what it holds.

Sources: POSIX.1-2017 pax (ustar and extended headers), the GNU tar manual's "Basic Tar Format" and "Storing
Sparse Files", and V7 tar(5). ``tarfile`` needs a read and an object a member and gives no access to the bytes
where they lie, which costs thirty times more than the walk below.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple
from zlib import adler32

from scanner.errors import FormatError

BLOCK = 512
"""A tar header's size, and what every member is padded to."""

MAX_EXTENDED = 1 << 20
"""Largest extended header (pax records, GNU long name) that is read, in bytes."""

REGULAR, HARD_LINK, SYMLINK, DIRECTORY = b"0", b"1", b"2", b"5"
_PLAIN = (REGULAR, DIRECTORY)
_REGULAR_KINDS = (b"0", b"\0", b"7", b"S")
_ZEROS = bytes(BLOCK)

_USUAL = Struct("100s24x12s12x8sc100x6s82x155s8x4s")
"""Of a ustar header: name, size, checksum, type flag, magic, prefix, and star's mark (POSIX.1-2017 pax, star(5))."""

_ENDS = frozenset((b"\0", b" ", b"\0 ", b" \0", b"  ", b"\0\0"))
"""What a number of a header ends in where it is written as usual."""


class Member(NamedTuple):
    """One entry of a tar stream.

    Attributes:
        name: the path, normalised: no leading or trailing slash, no ``.`` or ``..``.
        kind: the type flag; every kind of regular file is `REGULAR`.
        offset: where its data starts in the uncompressed stream.
        size: bytes of data stored; for a sparse file less than its size when unpacked.
        link: target of a symbolic or hard link, as written.
        ordinal: its place among the members of the stream, from 0.
    """

    name: bytes
    kind: bytes
    offset: int
    size: int
    link: bytes
    ordinal: int

    @property
    def path(self) -> str:
        r"""The name as text; bytes that are no UTF-8 are shown as ``\xNN``."""
        return self.name.decode("utf-8", "backslashreplace")


def normalise(name: bytes) -> bytes:
    """The one spelling of a path in a layer: ``./a//b/`` and ``/a/b`` are ``a/b``; ``..`` stays below the root."""
    if name[:2] == b"./":
        name = name[2:]
    if name[-1:] == b"/":
        name = name.rstrip(b"/")
    if name[:1] == b"/" or name[-1:] == b"." or b"./" in name or b"//" in name:
        name = posixpath.normpath(b"/" + name.lstrip(b"/")).lstrip(b"/")
    return name


def _number(text: bytes) -> int:
    """A numeric header field: octal, or base 256 where the top bit is set (GNU and star)."""
    if text[0] & 0x80:
        value = int.from_bytes(text, "big")
        bits = len(text) * 8
        # 0x80 marks a positive number, 0xff a negative one in two's complement.
        return value - (1 << bits) if text[0] == 0xFF else value & ~(0x80 << (bits - 8))
    return _octal(text)


def _octal(text: bytes) -> int:
    """Octal digits, which blanks and NULs may stand before, and which a NUL, blanks or the field's end end."""
    digits = text.lstrip(b" \0").partition(b"\0")[0].rstrip(b" ")
    if digits and not digits.isdigit():
        raise ValueError(text)  # a sign, an underscore or a tab, which `int` takes
    return int(digits or b"0", 8)


def _sum(field: bytes | bytearray) -> int:
    """Sum of a few bytes: what Adler-32 has in its lower half, less one."""
    return (adler32(field) & 0xFFFF) - 1


def checksum_matches(header: bytes | bytearray, at: int = 0) -> bool:
    """Whether 512 bytes are a tar header: their sum, the checksum field taken as blanks, is what that field says.

    Adler-32 keeps the sum of its bytes, plus one, modulo 65521 in its lower half, and computes it thirty times
    faster than a loop of this language's; the sum of a header is below twice that modulus, so both are tried.
    """
    field = bytes(header[at + 148 : at + 156])
    try:
        claimed = _octal(field)
    except ValueError:
        return False
    total = (adler32(header[at : at + BLOCK]) & 0xFFFF) - 1 - _sum(field) + 8 * 32
    if (claimed - total) % 65521 == 0:
        return True
    # Some old tars summed signed bytes: each byte from 0x80 on counts 256 less.
    high = sum(1 for byte in header[at : at + BLOCK] if byte >= 0x80) - sum(1 for byte in field if byte >= 0x80)
    return (claimed - (total - 256 * high)) % 65521 == 0


def zero_blocks(data: bytes | bytearray, at: int, end: int) -> int:
    """How many blocks of zeros there are from ``at`` on: archives may be padded with gigabytes of them.

    Looks ahead in growing steps, so that a single block costs little and many cost no more than reading them.
    """
    start, step = at, 4 * BLOCK
    while at + BLOCK <= end:
        piece = data[at : min(at + step, end)]
        if piece.count(0) < len(piece):
            if step == BLOCK:
                break
            step = BLOCK if step <= 4 * BLOCK else step // 4
        else:
            at += len(piece) // BLOCK * BLOCK
            step = min(step * 2, 1 << 20)
    return (at - start) // BLOCK


_GLOBAL_KEYS = frozenset((b"path", b"linkpath", b"size", b"GNU.sparse.name"))
"""Records that say where a member is and how large; a global header may hold a megabyte of others."""

_PAX_RECORD = re.compile(rb"(\d{1,20}) ([^=]+)=")


def parse_pax(body: bytes) -> dict[bytes, bytes]:
    r"""Records of a pax extended header: ``length key=value\n``, the length counting the whole record.

    Raises:
        FormatError: a record's length does not fit.
    """
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(body) and body[at] != 0:
        match = _PAX_RECORD.match(body, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(body):
            raise FormatError(f"pax record at byte {at}: expected `length key=value`")
        records[match[2]] = body[match.end() : end - 1]
        at = end
    return records


@dataclass
class TarWalker:
    """Reads headers as they come by and says where the next one is.

    Feed it every header block at ``next_header``; it holds what extended headers say until their member comes.

    Attributes:
        next_header: offset in the stream of the header it wants next.
        count: members seen.
    """

    next_header: int = 0
    count: int = 0
    _global: dict[bytes, bytes] = field(default_factory=dict)
    _local: dict[bytes, bytes] = field(default_factory=dict)
    _long_name: bytes | None = None
    _long_link: bytes | None = None
    _pending: bytes = b""
    _pending_size: int = 0
    _body: bytearray = field(default_factory=bytearray)
    _sparse: Member | None = None
    _extended: bool = False  # any of the above is set, and bears on the next block

    def run(self, data: bytes | bytearray, offset: int) -> list[Member]:
        """Goes from header to header for as long as they are plain files and directories.

        Most members are, in layers of hundreds of thousands: theirs are read in one go. Whatever is unusual about a
        header ends the run, and is for `feed`, which knows it all.

        Args:
            data: a stretch of the stream that holds ``next_header``.
            offset: where in the stream it starts.
        """
        members: list[Member] = []
        if self._extended:
            return members
        at, ordinal, end = self.next_header - offset, self.count, len(data) - BLOCK
        while at <= end:
            name, size, claimed, kind, magic, prefix, star = _USUAL.unpack_from(data, at)
            digits, summed = size[:11], claimed[:6]
            if not (
                kind in _PLAIN and digits.isdigit() and size[11:] in _ENDS and summed.isdigit() and claimed[6:] in _ENDS
            ):
                break
            try:
                length = int(digits, 8)
                total = int(summed, 8)
            except ValueError:  # an 8 or a 9
                break
            if (total - (adler32(data[at : at + BLOCK]) & 0xFFFF) + adler32(claimed) % 65536 - 256) % 65521:
                break
            length = length if kind == REGULAR else 0
            name = name.partition(b"\0")[0]
            if prefix[0] and magic == b"ustar\0":
                if star == b"tar\0":
                    break
                name = prefix.partition(b"\0")[0] + b"/" + name
            members.append(Member(normalise(name), kind, offset + at + BLOCK, length, b"", ordinal))
            ordinal += 1
            at += BLOCK + (length + BLOCK - 1) // BLOCK * BLOCK
        self.next_header, self.count = offset + at, ordinal
        return members

    def feed(self, data: bytes | bytearray, at: int) -> Member | None:
        """Takes the 512 bytes of ``data`` from ``at`` on, which are those at ``next_header``.

        Returns:
            The member that starts here, or None for a block that only prepares one (or ends the archive).

        Raises:
            FormatError: the block is no tar header.
        """
        if self._pending:
            self._extend(data, at)
            return None
        if self._sparse is not None:
            return self._skip_sparse_map(data, at)
        if data[at] == 0 and data[at : at + BLOCK] == _ZEROS:
            # The end mark; what follows it may be padding or another archive (tar --concatenate, cat), so go on.
            self.next_header += BLOCK
            return None
        if not checksum_matches(data, at):
            raise FormatError(f"offset {self.next_header}: expected a tar header, found other bytes")
        return self._header(bytes(data[at : at + BLOCK]))

    def pass_zeros(self, data: bytes | bytearray, at: int, end: int) -> None:
        """Goes past the zeros that start at ``at``, which is at ``next_header``, unless a header still needs them."""
        if not self._pending and self._sparse is None:
            self.next_header += zero_blocks(data, at, end) * BLOCK

    def _header(self, header: bytes) -> Member | None:
        kind = header[156:157]
        try:
            size = _number(header[124:136])
        except ValueError:
            raise FormatError(f"offset {self.next_header}: tar header with a size that is no number") from None
        if size < 0:
            raise FormatError(f"offset {self.next_header}: tar header with a negative size, {size}")
        if kind in b"xgLK":
            if size > MAX_EXTENDED:
                raise FormatError(f"offset {self.next_header}: extended header of {size} bytes, limit {MAX_EXTENDED}")
            self._pending, self._pending_size = kind, size
            self._extended = True
            self._body.clear()
            self.next_header += BLOCK
            if not size:
                self._finish_extended()
            return None
        return self._member(header, kind, size)

    def _member(self, header: bytes, kind: bytes, size: int) -> Member | None:
        pax: Mapping[bytes, bytes] = {**self._global, **self._local} if self._global or self._local else {}
        name = pax.get(b"path") or self._long_name
        name = pax.get(b"GNU.sparse.name", name)
        if name is None:
            name = header[:100].partition(b"\0")[0]
            if header[257:263] == b"ustar\0" and header[345]:
                # star keeps times where the longest prefixes of others end.
                name = header[345 : 476 if header[508:512] == b"tar\0" else 500].partition(b"\0")[0] + b"/" + name
        link = pax.get(b"linkpath") or self._long_link or header[157:257].partition(b"\0")[0]
        if pax.get(b"size"):  # an empty value takes a record back (POSIX pax)
            try:
                size = int(pax[b"size"])
            except ValueError:
                raise FormatError(f"offset {self.next_header}: pax size is no number") from None
            if size < 0:
                raise FormatError(f"offset {self.next_header}: pax size is negative")
        if kind in _REGULAR_KINDS:
            # V7 tar had no directories: a name that ends in a slash is one.
            member_kind = DIRECTORY if kind == b"\0" and name.endswith(b"/") else REGULAR
        else:
            member_kind = kind
        if member_kind in b"123456":
            # Links, devices and directories have no data whatever size they claim; so does Go's archive/tar, which
            # every container engine unpacks with.
            size = 0
        self.next_header += BLOCK
        member = Member(normalise(name), member_kind, self.next_header, size, link, self.count)
        self._local, self._long_name, self._long_link = {}, None, None
        self._extended = bool(self._global)
        if kind == b"S" and header[482]:
            self._sparse, self._extended = member, True
            return None
        return self._start(member)

    def _start(self, member: Member) -> Member:
        self.count += 1
        self.next_header += -(-member.size // BLOCK) * BLOCK
        return member

    def _skip_sparse_map(self, data: bytes | bytearray, at: int) -> Member | None:
        """Old GNU sparse files go on with blocks of their map, each of which says whether one more follows."""
        assert self._sparse is not None  # noqa: S101 - only called with one
        self.next_header += BLOCK
        if data[at + 504]:
            return None
        member, self._sparse = self._sparse._replace(offset=self.next_header), None
        self._extended = bool(self._global)
        return self._start(member)

    def _extend(self, data: bytes | bytearray, at: int) -> None:
        self._body += data[at : at + min(BLOCK, self._pending_size - len(self._body))]
        self.next_header += BLOCK
        if len(self._body) >= self._pending_size:
            self._finish_extended()

    def _finish_extended(self) -> None:
        kind, body = self._pending, bytes(self._body)
        self._pending = b""
        if kind == b"x":
            self._local = parse_pax(body)
        elif kind == b"g":
            records = parse_pax(body)
            self._global.update({key: records[key] for key in _GLOBAL_KEYS & records.keys()})
        elif kind == b"L":
            self._long_name = body.partition(b"\0")[0]
        else:
            self._long_link = body.partition(b"\0")[0]
