"""Follows nested content to its innermost files, depth first, and hands these on in pieces."""

from collections.abc import Callable, Iterator
from typing import Protocol

from scanner.detect.unpack.formats import HEAD, recognise
from scanner.detect.unpack.git_history import Repository
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.limits import Allowance, Budget, LimitError
from scanner.detect.unpack.member import DAMAGE, Context, Member, Trouble, say


class Sink(Protocol):
    """Who takes the innermost files."""

    def begin(self, inner: tuple[str, ...]) -> None:
        """Is told that a file starts, by the paths of the members that it is in and its own, outermost first."""

    def feed(self, piece: bytes) -> None:
        """Is given the next bytes of that file."""

    def end(self) -> None:
        """Is told that there is no more of that file."""


def unpack(name: str, data: Input, size: int, budget: Budget, sink: Sink, repository: Repository) -> list[Trouble]:
    """Hands on everything that lies in a file, but not the file itself.

    Args:
        name: its path.
        data: its bytes.
        size: how many these are.
        budget: of the layer that it is in.
        sink: takes what lies in it.
        repository: takes note of commits and trees.

    Returns:
        What could not be read.
    """
    walk = _Walk(name, Allowance(budget, size), sink, repository)
    try:
        walk.visit(data, (), 0, seen=True)
    except LimitError as error:
        walk.troubles.append(Trouble(walk.at, str(error), max(0, size - data.position)))
        walk.close()
    return walk.troubles


class _Walk:
    """The way through one file.

    Attributes:
        at: where it is, as paths of members.
        troubles: what could not be read so far.
    """

    def __init__(self, name: str, allowance: Allowance, sink: Sink, repository: Repository) -> None:
        self._name = name
        self._allowance = allowance
        self._repository = repository
        self._sink = sink
        self._open = False
        self.at: tuple[str, ...] = ()
        self.troubles: list[Trouble] = []
        self._kinds: dict[str, int] = {}

    def visit(self, source: Input, inner: tuple[str, ...], depth: int, *, seen: bool) -> None:
        """Goes through one file.

        Args:
            source: its bytes.
            inner: where it is.
            depth: in how many others it lies.
            seen: whether somebody has looked at these bytes as they are.
        """
        self.at = inner
        found = None
        try:
            found = recognise(source.peek(HEAD))
            if found is not None and depth >= self._allowance.limits.depth:
                self._tell(inner, f"{found.name} in more than {depth} others, not opened", 0)
                found = None
            if found is not None:
                context = Context(
                    inner[-1] if inner else self._name, self._allowance, self._repository, self._teller(inner)
                )
                if found.legible:
                    data = context.whole(source)
                    if data is None:
                        return
                    if not seen:
                        self._hand_on(Input(data), inner)
                    source, seen = Input(data), True
                self._members(found.open(source, context), inner, depth)
        except DAMAGE as error:
            self._tell(inner, f"damaged {found.name}: {say(error)}" if found else _CUT.format(say(error)), 0)
        if not seen:
            try:
                self._hand_on(source, inner)  # of a format that was opened: what is behind its end
            except DAMAGE as error:
                self.close()
                self._tell(inner, _CUT.format(say(error)), 0)

    def _members(self, members: Iterator[Member], inner: tuple[str, ...], depth: int) -> None:
        for member in members:
            self._allowance.member()
            self.visit(member.input, (*inner, member.name), depth + 1, seen=False)

    def _hand_on(self, source: Input, inner: tuple[str, ...]) -> None:
        piece = source.some()
        if not piece:
            return
        self._open = True
        self._sink.begin(inner)
        while piece:
            self._sink.feed(piece)
            piece = source.some()
        self.close()

    def _teller(self, inner: tuple[str, ...]) -> Callable[[str, str, int], None]:
        return lambda name, reason, lost: self._tell((*inner, name) if name else inner, reason, lost)

    def _tell(self, inner: tuple[str, ...], reason: str, lost: int) -> None:
        """Notes a trouble; of one kind in one file only the first by its name, since there may be a million."""
        seen = self._kinds.get(reason)
        if seen is None:
            self._kinds[reason] = len(self.troubles)
            self.troubles.append(Trouble(inner, reason, lost))
        else:
            known = self.troubles[seen]
            self.troubles[seen] = known._replace(lost=known.lost + lost, more=known.more + 1)

    def close(self) -> None:
        """Ends the file that was being handed on, if it was."""
        if self._open:
            self._open = False
            self._sink.end()


_CUT = "cannot be read to its end: {}"
