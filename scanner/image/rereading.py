"""Reads some members of a layer once more, for what could not be known when they went by."""

from collections.abc import Iterator, Set
from typing import BinaryIO, NamedTuple

from scanner.codec.tar import Member
from scanner.image.layer import Layer


class Piece(NamedTuple):
    """Some of a member's data.

    Attributes:
        member: whose.
        data: the bytes, which follow those of the piece before.
        last: whether the member ends with them.
    """

    member: Member
    data: bytes
    last: bool


def pieces(stream: BinaryIO, ordinals: Set[int]) -> Iterator[Piece]:
    """The data of some members, one member after the other; reads no further than they need.

    Args:
        stream: the layer's blob, from its first byte on.
        ordinals: of the members, among all of the layer.
    """
    left = set(ordinals)
    for block in Layer(stream, 0, 0, with_diff_id=False).blocks() if left else ():
        for span in block.spans:
            member = span.member
            if member.ordinal in ordinals:
                last = block.offset + span.end >= member.offset + member.size
                yield Piece(member, bytes(memoryview(block.data)[max(span.start, block.fresh) : span.end]), last)
                if last:
                    left.discard(member.ordinal)
        if not left:
            return
