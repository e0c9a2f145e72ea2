"""Tars, also saved images: their layers are tars in a tar."""

from collections.abc import Iterator

from scanner.codec.tar import BLOCK, TarWalker, checksum_matches
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member


def is_tar(head: bytes) -> bool:
    """Whether these 512 bytes are the header of a member, in POSIX' or GNU's form."""
    return len(head) >= BLOCK and head[257:262] == b"ustar" and checksum_matches(head)


def open_tar(source: Input, context: Context) -> Iterator[Member]:
    """The members that have content."""
    walker = TarWalker()
    while True:
        source.skip(walker.next_header - source.position)
        header = source.read(BLOCK)
        if len(header) < BLOCK:
            return
        member = walker.feed(header, 0)
        if member is not None and member.size:
            inside = source.cut(member.size)
            yield Member(member.path, inside)
            for _ in inside.pieces():
                pass
            if source.position < member.offset + member.size:
                raise EOFError(f"ends inside of {member.path}")
