"""Opens files the way a scan does, and collects what lies in them."""

from scanner.detect.unpack.git_history import Repository
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.limits import Budget, Limits
from scanner.detect.unpack.member import Trouble
from scanner.detect.unpack.walk import unpack


class Collected:
    """The innermost files, by the paths that lead to them."""

    def __init__(self) -> None:
        self.files: list[tuple[tuple[str, ...], bytearray]] = []

    def begin(self, inner: tuple[str, ...]) -> None:
        self.files.append((inner, bytearray()))

    def feed(self, piece: bytes) -> None:
        self.files[-1][1].extend(piece)

    def end(self) -> None:
        pass


Files = dict[tuple[str, ...], bytes]


def opened(data: bytes, name: str = "file", limits: Limits | None = None, step: int = 0) -> tuple[Files, list[Trouble]]:
    """What lies in a file, and what could not be read of it.

    Args:
        data: the file.
        name: its path.
        limits: other limits than usual.
        step: has the bytes come in pieces of so many, and not all at once.
    """
    sink = Collected()
    source = Input(more=_pieces(data, step)) if step else Input(data)
    troubles = unpack(name, source, len(data), Budget(limits or Limits()), sink, Repository())
    assert len(sink.files) == len({inner for inner, _ in sink.files})
    return {inner: bytes(content) for inner, content in sink.files}, troubles


class _pieces:  # noqa: N801 - used as a function
    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step, self._at = data, step, 0

    def __call__(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + min(count, self._step)]
        self._at += len(piece)
        return piece
