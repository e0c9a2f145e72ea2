"""Git's objects, loose and in packs, with the deltas applied: also those of commits that no branch has any more.

Source: gitformat-pack(5); gitformat-loose is in the manual's chapter "Git Internals - Git Objects".
"""

import hashlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from scanner.detect.unpack.inflate import SMALL, inflated, up_to
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import DAMAGE, Context, Member, say
from scanner.errors import FormatError

_HEADER = re.compile(rb"(blob|commit|tree|tag) (\d{1,19})\0")
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _NAME_DELTA = 6, 7

_WHOLE = 16 << 20
"""Bytes of an object that is held whole; a larger one is handed on as it comes, and has no name."""

_BASES = 256 << 20
"""Bytes of objects that wait for what is made of them by deltas."""


def is_loose(head: bytes) -> bool:
    """Whether a file that begins like this is a loose object."""
    if int.from_bytes(head[:2], "big") % 31:
        return False
    try:
        return _HEADER.match(zlib.decompressobj().decompress(head, 32)) is not None
    except zlib.error:
        return False


def open_loose(source: Input, context: Context) -> Iterator[Member]:
    """The content of a loose object."""
    read = context.counted(inflated(source, zlib=True))
    start = up_to(read, 32)
    header = _HEADER.match(start)
    if header is None:
        raise FormatError("expected the header of an object")
    kind, rest = header[1].decode(), start[header.end() :]
    content = rest + up_to(read, _WHOLE - len(rest))
    if len(content) < _WHOLE:
        yield from _object(kind, _name(kind, content), content, context)
    else:
        yield Member(kind, Input(content, read))


def _object(kind: str, name: str, content: bytes, context: Context) -> Iterator[Member]:
    context.repository.add(kind, name, content)
    if kind != "tree" and content:  # in a tree there are names, which are other objects' too
        yield Member(f"{kind} {name}", Input(content))


def _name(kind: str, content: bytes) -> str:
    # What a repository of SHA-256 calls it, nobody here asks for.
    made = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)), usedforsecurity=False)
    made.update(content)
    return made.hexdigest()


class _Delta(NamedTuple):
    place: int  # of the object in the pack
    start: int  # of its compressed bytes


class _Waiting(NamedTuple):
    """A delta whose base is there."""

    delta: _Delta
    kind: str
    base: bytes
    last: bool  # to be made of this base


class _Pack:
    """What the first pass over a pack leaves for the second: which deltas there are to which bases."""

    def __init__(self) -> None:
        self.whole: list[tuple[int, int, str, str]] = []  # place, start of the compressed bytes, kind, name
        self._by_place: dict[int, list[_Delta]] = defaultdict(list)
        self._by_name: dict[str, list[_Delta]] = defaultdict(list)

    def add(self, base: int | str, delta: _Delta) -> None:
        (self._by_place[base] if isinstance(base, int) else self._by_name[base]).append(delta)

    def take(self, place: int, name: str) -> list[_Delta]:
        """The deltas to an object, once."""
        return [*self._by_place.pop(place, ()), *self._by_name.pop(name, ())]

    @property
    def left(self) -> int:
        return sum(map(len, self._by_place.values())) + sum(map(len, self._by_name.values()))


def open_pack(source: Input, context: Context) -> Iterator[Member]:
    """Every object of a pack; first those that are whole, then those that are made by deltas."""
    held = context.allowance.limits.held
    data = source.peek(held + 1)
    pack = _Pack()
    try:
        yield from _first_pass(source, pack, context)
    except DAMAGE as error:
        context.tell("", f"damaged pack: {say(error)}", 0)
    if not pack.left:
        return
    if len(data) > held:
        context.tell("", f"{pack.left} objects are deltas, and the pack is larger than {held} bytes", 0)
        return
    for place, start, kind, name in pack.whole:
        if deltas := pack.take(place, name):
            try:
                base = _at(data, start, context)
            except DAMAGE:  # told by the first pass
                continue
            yield from _made(data, pack, deltas, kind, base, context)
    if pack.left:
        context.tell("", f"{pack.left} objects are deltas to others that are too large, damaged, or not in the pack", 0)


def _first_pass(source: Input, pack: _Pack, context: Context) -> Iterator[Member]:
    """The objects that are whole; the others are noted."""
    begin = source.position
    head = source.exactly(12)
    if head[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        raise FormatError(f"version {int.from_bytes(head[4:8], 'big')}, expected 2 or 3")
    for _ in range(int.from_bytes(head[8:], "big")):
        context.allowance.member()
        place = source.position - begin
        kind = _entry_kind(source)
        base: int | str = ""
        if kind == _OFFSET_DELTA:
            base = place - _distance(source)
        elif kind == _NAME_DELTA:
            base = source.exactly(20).hex()
        elif kind not in _KINDS:
            raise FormatError(f"object of type {kind} at byte {place}")
        start = source.position - begin
        read = context.counted(inflated(source, zlib=True))
        if base == "":
            content = up_to(read, _WHOLE)
            if len(content) < _WHOLE:
                name = _name(_KINDS[kind], content)
                pack.whole.append((place, start, _KINDS[kind], name))
                yield from _object(_KINDS[kind], name, content, context)
            else:
                yield Member(f"{_KINDS[kind]} at byte {place}", Input(content, read))
        else:
            pack.add(base, _Delta(place, start))
        while read(SMALL):
            pass


def _made(data: bytes, pack: _Pack, deltas: list[_Delta], kind: str, base: bytes, context: Context) -> Iterator[Member]:
    """The objects that deltas make of a base, and of what they made of it."""
    stack = _stacked(deltas, kind, base)
    waiting = len(base)
    while stack:
        delta, kind, base, last = stack.pop()
        waiting -= len(base) if last else 0
        context.allowance.member()
        try:
            content = _applied(base, _at(data, delta.start, context))
        except DAMAGE as error:
            context.tell(f"object at byte {delta.place}", f"damaged: {say(error)}", 0)
            continue
        context.allowance.spend(len(content))
        name = _name(kind, content)
        yield from _object(kind, name, content, context)
        if waiting + len(content) <= _BASES and (more := pack.take(delta.place, name)):
            waiting += len(content)
            stack += _stacked(more, kind, content)


def _stacked(deltas: list[_Delta], kind: str, base: bytes) -> list[_Waiting]:
    return [_Waiting(delta, kind, base, number == 0) for number, delta in enumerate(deltas)]


def _at(data: bytes, start: int, context: Context) -> bytes:
    """What the compressed bytes at a place hold."""
    source = Input(data)
    source.skip(start)
    content = up_to(context.counted(inflated(source, zlib=True)), _WHOLE)
    if len(content) == _WHOLE:
        raise FormatError(f"larger than {_WHOLE} bytes")
    return content


def _entry_kind(source: Input) -> int:
    """The type of the object that follows, whose size is passed over: the compressed bytes know their end."""
    first = byte = source.exactly(1)[0]
    while byte & 0x80:
        byte = source.exactly(1)[0]
    return first >> 4 & 7


def _distance(source: Input) -> int:
    byte = source.exactly(1)[0]
    distance = byte & 0x7F
    while byte & 0x80:
        byte = source.exactly(1)[0]
        distance = (distance + 1 << 7) | byte & 0x7F
    return distance


def _applied(base: bytes, delta: bytes) -> bytes:
    """What a delta makes of its base.

    Raises:
        FormatError: they do not belong together.
        IndexError: the delta is cut off.
    """
    length, at = _length(delta, 0)
    size, at = _length(delta, at)
    if length != len(base) or size >= _WHOLE:
        raise FormatError(f"delta to {length} bytes that makes {size}, its base has {len(base)}")
    out = bytearray()
    while at < len(delta):
        code = delta[at]
        at += 1
        if code & 0x80:
            offset = count = 0
            for bit in range(7):
                if code & 1 << bit:
                    if bit < 4:
                        offset |= delta[at] << 8 * bit
                    else:
                        count |= delta[at] << 8 * (bit - 4)
                    at += 1
            out += base[offset : offset + (count or 0x10000)]
        elif code:
            out += delta[at : at + code]
            at += code
        else:
            raise FormatError("delta with an instruction of type 0")
        if len(out) > size:
            break
    if len(out) != size:
        raise FormatError(f"delta that makes {len(out)} bytes and not {size}")
    return bytes(out)


def _length(delta: bytes, at: int) -> tuple[int, int]:
    length = shift = 0
    while True:
        byte = delta[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return length, at
        if shift > 63:
            raise FormatError("delta with a length beyond all bounds")
