"""Archives that are not opened: it is told that they are there, and how large they are."""

from collections.abc import Iterator

from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member


def open_nothing(source: Input, context: Context) -> Iterator[Member]:
    """No members; what is in there goes unread."""
    lost = sum(map(len, source.pieces()))
    context.tell("", "an archive of a format that is not opened", lost)
    yield from ()
