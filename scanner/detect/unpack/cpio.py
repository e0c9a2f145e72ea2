"""cpio archives: what is in rpm packages and in initial RAM disks.

Source: cpio(5) of the BSDs, "Portable ASCII format" and "New ASCII format".
"""

from collections.abc import Iterator

from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member, text
from scanner.errors import FormatError

_NEW = (b"070701", b"070702")
_OLD = b"070707"
_LAST = "TRAILER!!!"
_LONGEST = 1 << 16


def open_cpio(source: Input, _: Context) -> Iterator[Member]:
    """The members that have content; several archives may stand on end, with zeros between."""
    while magic := source.peek(6):
        begin = source.position
        if magic in _NEW:
            header = source.exactly(110)
            size, length, unit = int(header[54:62], 16), int(header[94:102], 16), 4
        elif magic == _OLD:
            header = source.exactly(76)
            size, length, unit = int(header[65:76], 8), int(header[59:65], 8), 1
        elif not magic.strip(b"\0"):
            zeros = source.peek(4096)
            source.skip(len(zeros) - len(zeros.lstrip(b"\0")))
            continue
        else:
            raise FormatError("expected the header of a cpio member")
        if size < 0 or not 0 < length < _LONGEST:
            raise FormatError("cpio member with an impossible length")
        name = text(source.exactly(length).rstrip(b"\0"))
        source.skip((begin - source.position) % unit)
        inside = source.cut(size)
        if size and name != _LAST:
            yield Member(name, inside)
        for _piece in inside.pieces():
            pass
        source.skip((begin - source.position) % unit)
