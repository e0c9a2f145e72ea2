"""Keeps the content of some members of a layer while it goes by in blocks, for those who need it whole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scanner.codec.tar import BLOCK, Member

Wanted = Callable[[bytearray, int], bool]
"""Whether the member whose content starts at this offset of these bytes is wanted; only its first block is sure to be
there."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A member that was wanted.

    Attributes:
        member: which.
        data: its content; None where that is more than is kept.
    """

    member: Member
    data: bytes | None


class Keeper:
    """Is shown the blocks of a layer in their order. They must share at least one tar block with their neighbours.

    Args:
        wanted: says which members to keep.
        limit: bytes of a member that are kept.
    """

    def __init__(self, wanted: Wanted, limit: int) -> None:
        self._wanted = wanted
        self._limit = limit
        self._member: Member | None = None  # the one that goes on in the next block
        self._content = bytearray()

    def take(
        self, data: bytearray, offset: int, fresh: int, members: Iterable[Member], *, last: bool
    ) -> tuple[Kept, ...]:
        """Looks through a block.

        Args:
            data: its bytes.
            offset: of the first of them in the layer.
            fresh: where the bytes start that no earlier block showed.
            members: all that have content in it.
            last: whether no block follows; then what is cut off is given as far as it goes.

        Returns:
            The members that are wanted and end here, or are too large and start here.
        """
        kept: list[Kept] = []
        filled = len(data)
        wanted = self._wanted
        for member in members:
            start = member.offset - offset
            if start < 0 and member is not self._member:
                continue
            size = member.size
            end = start + size
            if self._member is not None and member.ordinal == self._member.ordinal:
                self._content += memoryview(data)[fresh : max(fresh, min(end, filled))]
                if end <= filled or last:
                    kept.append(Kept(member, bytes(self._content)))
                    self._member, self._content = None, bytearray()
                continue
            # The block that first shows all of the head decides, and no other.
            head = start + (size if size < BLOCK else BLOCK)
            if head <= fresh or (head > filled and not last) or start >= filled or not wanted(data, start):
                continue
            if end <= filled or (last and filled - start <= self._limit):
                kept.append(Kept(member, bytes(memoryview(data)[start : min(end, filled)])))
            elif size > self._limit:
                kept.append(Kept(member, None))
            else:
                self._member, self._content = member, bytearray(memoryview(data)[start:filled])
        return tuple(kept)
