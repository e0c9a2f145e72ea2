"""Text files in UTF-16, as their byte order mark says, in UTF-8."""

import codecs
from collections.abc import Iterator

from scanner.detect.unpack.input import PIECE, Input
from scanner.detect.unpack.member import Context, Member


def is_wide(head: bytes) -> bool:
    """Whether a mark is followed by characters that are no controls, and not by zeros, as in UTF-32."""
    first = head[2:18].decode("utf-16-le" if head[0] == 0xFF else "utf-16-be", "replace")
    return len(first) > 1 and all(letter.isprintable() or letter in "\t\r\n" for letter in first)


def open_wide(source: Input, context: Context) -> Iterator[Member]:
    """The text."""
    order = "utf-16-le" if source.exactly(2)[0] == 0xFF else "utf-16-be"
    decoder = codecs.getincrementaldecoder(order)("replace")

    def read(_: int) -> bytes:
        while piece := source.read(PIECE):
            if decoded := decoder.decode(piece):
                return decoded.encode("utf-8", "replace")
        return b""

    yield Member("UTF-16", Input(more=context.counted(read)))
