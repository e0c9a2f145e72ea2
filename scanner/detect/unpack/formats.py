"""The nested formats that are known: what each begins with, and what opens it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scanner.detect.unpack.compressed import open_compressed
from scanner.detect.unpack.cpio import open_cpio
from scanner.detect.unpack.git import is_loose, open_loose, open_pack
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member
from scanner.detect.unpack.notebook import is_notebook, open_notebook
from scanner.detect.unpack.packages import is_deb, open_deb, open_rpm
from scanner.detect.unpack.pdf import open_pdf
from scanner.detect.unpack.sqlite import open_sqlite
from scanner.detect.unpack.tar import is_tar, open_tar
from scanner.detect.unpack.unopened import open_nothing
from scanner.detect.unpack.wide_text import is_wide, open_wide
from scanner.detect.unpack.zip import open_zip

HEAD = 512
"""Bytes at the beginning of a file that tell its format."""


def _certain(_: bytes) -> bool:
    return True


@dataclass(frozen=True)
class Format:
    """A nested format.

    Attributes:
        name: as its users call it.
        magic: what its files begin with, one of these; for a tar, which begins with a name, none.
        open: the members of a file.
        confirm: whether a head that begins so is one indeed.
        legible: whether there is something to read in its bytes as they are, beside its members.
    """

    name: str
    magic: tuple[bytes, ...]
    open: Callable[[Input, Context], Iterator[Member]]
    confirm: Callable[[bytes], bool] = _certain
    legible: bool = False


FORMATS = (
    Format("gzip", (b"\x1f\x8b\x08",), open_compressed),
    Format("zip", (b"PK\x03\x04",), open_zip),
    Format("zip behind a script", (b"#!",), open_zip, lambda head: b"PK\x03\x04" in head),
    Format("zstd", (b"\x28\xb5\x2f\xfd",), open_compressed),
    Format("xz", (b"\xfd7zXZ\0",), open_compressed),
    Format("git pack", (b"PACK\0\0\0",), open_pack),
    Format("git object", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), open_loose, is_loose),
    Format("deb", (b"!<arch>\n",), open_deb, is_deb),
    Format("rpm", (b"\xed\xab\xee\xdb",), open_rpm),
    Format("cpio", (b"070701", b"070702", b"070707"), open_cpio),
    Format("SQLite database", (b"SQLite format 3\0",), open_sqlite, legible=True),
    Format("notebook", (b"{",), open_notebook, is_notebook, legible=True),
    Format("PDF", (b"%PDF-",), open_pdf, legible=True),
    Format("UTF-16", (b"\xff\xfe", b"\xfe\xff"), open_wide, is_wide),
    Format("7z", (b"7z\xbc\xaf\x27\x1c",), open_nothing),
    Format("RAR", (b"Rar!\x1a\x07",), open_nothing),
    Format("bzip2", (b"BZh",), open_compressed, lambda head: head[4:10] == b"1AY&SY"),
)

_TAR = Format("tar", (), open_tar, is_tar)

_BY_FIRST: dict[int, tuple[Format, ...]] = {
    first: tuple(f for f in FORMATS if any(magic[0] == first for magic in f.magic))
    for first in {magic[0] for f in FORMATS for magic in f.magic}
}


def recognise(head: bytes) -> Format | None:
    """The format of a file; None for one that holds no others.

    Args:
        head: its first `HEAD` bytes, or all of them.
    """
    for candidate in _BY_FIRST.get(head[0], ()) if head else ():
        if head.startswith(candidate.magic) and candidate.confirm(head):
            return candidate
    return _TAR if is_tar(head) else None


def is_nested(data: bytes | bytearray, start: int) -> bool:
    """Whether a file that starts there is of one of the formats; quick, as hundreds of thousands are asked about."""
    if data[start] not in _BY_FIRST and not data.startswith(b"ustar", start + 257):
        return False
    return recognise(bytes(data[start : start + HEAD])) is not None
