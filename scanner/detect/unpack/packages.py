"""The outsides of packages: deb, which is an ar archive of tars, and rpm, which is a compressed cpio behind headers.

Source: deb(5); the package format of rpm's manual ("Package format", lead, header structure).
"""

import struct
from collections.abc import Iterator

from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member, text
from scanner.errors import FormatError

_AR_HEADER = 60
_LEAD = 96
_RPM_HEADER = struct.Struct(">4s4xII")
_RPM_MAGIC = b"\x8e\xad\xe8\x01"
_MOST = 64 << 20


def is_deb(head: bytes) -> bool:
    """Whether an ar archive is a package; in others, which are libraries, the code lies as it is."""
    return head[8:21] == b"debian-binary"


def open_deb(source: Input, _: Context) -> Iterator[Member]:
    """The tars of control files and of content."""
    source.exactly(8)
    while header := source.read(_AR_HEADER):
        if header[58:60] != b"`\n":
            raise FormatError("expected the header of an ar member")
        size = int(header[48:58])
        if size < 0:
            raise FormatError("ar member with a negative size")
        inside = source.cut(size)
        yield Member(text(header[:16].rstrip(b" /")), inside)
        for _piece in inside.pieces():
            pass
        source.skip(size & 1)


def open_rpm(source: Input, _: Context) -> Iterator[Member]:
    """The payload, behind the lead, the signatures and the header; what these say is read as text."""
    source.exactly(_LEAD)
    for name in ("signature", "header"):
        magic, entries, size = _RPM_HEADER.unpack(source.exactly(_RPM_HEADER.size))
        if magic != _RPM_MAGIC or 16 * entries + size > _MOST:
            raise FormatError(f"expected the {name} of a package")
        source.exactly(16 * entries)
        yield Member(name, Input(source.exactly(size)))
        if name == "signature":
            source.skip(-size % 8)
    yield Member("payload", source)
