"""Finds secrets that are written in base64, hex or UTF-16, without decoding everything that may be.

What tokens begin with looks the same in each of these forms, wherever in a text they stand, and the engine looks for
that as it looks for the tokens themselves. Only what lies around such a place is decoded, and looked through again.
Sources: RFC 4648; the Unicode standard, 3.10.
"""

import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from scanner.detect.signature import Signature

if TYPE_CHECKING:
    from scanner.detect.hit import Hit
    from scanner.detect.matcher import Matcher, Region

LEAST = 4
"""Characters that a beginning must have to be looked for."""

TWICE = 12
"""Characters that a beginning must have to be looked for in base64 of base64: nine forms, which a long one has only."""

_OPENERS = b'="'

MOST = 12
"""Characters of a beginning that are looked for; the rest is the pattern's."""

BEFORE, AFTER = 4096, 32768
"""Bytes around such a place that are decoded, at most; what neighbouring blocks share."""

DEPTH = 8
"""Encodings in one another that are undone."""

_LITERAL = re.compile(r"(?:\\[^A-Za-z0-9]|[A-Za-z0-9_\-:/ @=>])+")
_SAFE = bytes.maketrans(b"+/", b"-_")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Form(NamedTuple):
    """What a beginning looks like in an encoding.

    Attributes:
        encoding: ``base64``, ``hex`` or ``UTF-16``.
        expression: that finds it.
        length: bytes that it matches.
        phase: how far into a unit of the encoding it starts: characters of four, of base64.
    """

    encoding: str
    expression: bytes
    length: int
    phase: int = 0


def forms(signatures: Iterable[Signature]) -> tuple[Form, ...]:
    """Every form of the beginnings that secrets of these signatures have, as their examples show."""
    literals = sorted({literal for sig in signatures for literal in _beginnings(sig)})
    found = (form for literal in literals for form in _forms(literal))
    return tuple(dict.fromkeys(spelled for form in found for spelled in _spellings(form)))


def _spellings(form: Form) -> Iterator[Form]:
    """In base64's two alphabets (RFC 4648, 4 and 5), where that makes a difference."""
    yield form
    if form.encoding == "base64":
        yield form._replace(expression=re.escape(_plain(form).translate(_SAFE)))


def _beginnings(sig: Signature) -> Iterator[str]:
    """What every secret begins with that one of the prefilters finds."""
    for prefilter in sig.prefilter if not sig.generic else ():
        match = _LITERAL.match(prefilter)
        if match is None:
            continue
        literal = re.sub(r"\\(.)", r"\1", match[0])
        if prefilter[match.end() : match.end() + 1] in ("?", "*", "{", "|"):
            literal = literal[:-1]
        if len(literal) >= LEAST and any(example.secret.startswith(literal) for example in sig.examples):
            yield literal[:MOST]


def _forms(literal: str) -> Iterator[Form]:
    text = literal.encode()
    yield Form("UTF-16", rb"\x00".join(map(re.escape, map(_byte, text))), 2 * len(text) - 1)
    for digits in dict.fromkeys((text.hex(), text.hex().upper())):
        yield Form("hex", digits.encode(), len(digits))
    yield from _base64_forms(text)
    if len(text) > LEAST:
        yield from _base64_forms(b"\0".join(map(_byte, text)))  # what PowerShell calls an encoded command
    if len(text) >= TWICE:
        for form in _base64_forms(text):
            yield from _base64_forms(_plain(form))


def _plain(form: Form) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", form.expression)


def _byte(number: int) -> bytes:
    return bytes((number,))


def _base64_forms(text: bytes) -> Iterator[Form]:
    """The characters that a text settles, wherever in three bytes it starts.

    Those at its ends that it settles in part are left out: classes cost the engine much more than literals do.
    """
    for shift in range(3):
        form = _base64_form(text, shift)
        if form.length > LEAST:
            yield form
        else:
            # Too short to be rare; longer with what comes before a value as a rule.
            yield from (_base64_form(_byte(before) + text, shift - 1) for before in _OPENERS)


def _base64_form(text: bytes, shift: int) -> Form:
    """As above, for a text that starts ``shift`` bytes into three."""
    packed = binascii.b2a_base64(bytes(shift) + text + bytes(3), newline=False)
    first, last = -(-8 * shift // 6), 8 * (shift + len(text)) // 6
    return Form("base64", re.escape(packed[first:last]), last - first, first)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Something that was decoded.

    Attributes:
        start: offset in the block of its first byte there.
        end: offset behind its last.
        data: what it says.
        unit: where units of the encoding start, so that what lies one byte beside it is told from it.
    """

    start: int
    end: int
    data: bytes
    unit: int


@dataclass(frozen=True, slots=True)
class EncodedHit:
    """A hit in something that was decoded.

    Attributes:
        hit: what was found.
        region: index of the region of the block that holds it.
        names: of the encodings, outermost first, with where what they encode starts in what is around it.
        offset: of the secret in what the last of them says.
        line: there, from 1.
    """

    hit: "Hit"
    region: int
    names: tuple[tuple[str, int], ...]
    offset: int
    line: int

    @property
    def start(self) -> int:
        """Where in the block the outermost of what is encoded starts."""
        return self.names[0][1]

    def inner(self, shift: int) -> tuple[str, ...]:
        """The encodings as paths of members, given where the region's first byte in the block is in its file."""
        first, *others = self.names
        return (f"{first[0]} at byte {first[1] + shift}", *(f"{name} at byte {at}" for name, at in others))


def search(
    matcher: "Matcher",
    data: bytes | bytearray,
    regions: "Sequence[Region]",
    found: "Iterable[tuple[Form, int]]",
    low: int,
    high: int,
    depth: int = DEPTH,
) -> Iterator[EncodedHit]:
    """Decodes what lies around some places, and finds the secrets in it.

    Args:
        matcher: of this thread.
        data: the block.
        regions: as for `Matcher.confirm`.
        found: forms that the engine found, and the offsets behind them.
        low: as for `Matcher.confirm`.
        high: as for `Matcher.confirm`.
        depth: encodings in one another that are undone.
    """
    from scanner.detect.matcher import Whole
    from scanner.detect.pairing import paired

    starts = [region.start for region in regions]
    done: dict[tuple[str, int], int] = {}  # by encoding and phase, the end of what was decoded last
    known: set[bytes] = set()  # secrets in what was decoded last: what is too long for one piece overlaps
    for form, end in found:
        place = bisect_right(starts, end - 1) - 1
        if not low < end <= high or place < 0 or end > regions[place].end:
            continue
        region = regions[place]
        start = end - form.length
        if start < region.start:
            continue
        decoded = _DECODERS[form.encoding](data, region.start, region.end, start, end, form.phase)
        key = (form.encoding, decoded.unit)
        until = done.get(key, 0)
        if end <= until or not decoded.data:
            continue
        if decoded.start >= until:
            known.clear()  # what comes is no part of what was decoded before
        done[key] = decoded.end
        name = (form.encoding, decoded.start)
        inside = decoded.data
        whole = (Whole(len(inside), region.path),)
        ends = matcher.find(inside)
        for hit in paired(matcher.ruleset, matcher.confirm(inside, whole, ends, 0, None), inside, whole):
            if hit.secret in known and decoded.start < until:
                continue
            known.add(hit.secret)
            yield EncodedHit(hit, place, (name,), hit.start, inside.count(b"\n", 0, hit.start) + 1)
        if depth > 1:
            for deeper in search(matcher, inside, whole, matcher.forms(ends), 0, len(inside), depth - 1):
                yield replace(deeper, region=place, names=(name, *deeper.names))


def _base64(data: bytes | bytearray, low: int, high: int, start: int, end: int, phase: int) -> Decoded:
    first = start - len(_run(data[max(low, start - BEFORE) : start][::-1], _BASE64))
    last = end + len(_run(data[end : min(high, end + AFTER)], _BASE64))
    before = bytes(data[first:start]).translate(_URL_SAFE, b"\r\n")
    rest = bytes(data[start:last]).translate(_URL_SAFE, b"\r\n")
    skipped = (len(before) - phase) % 4
    packed = before[skipped:] + rest
    return Decoded(
        first, last, binascii.a2b_base64(packed[: len(packed) // 4 * 4] + _rest(packed)), (first + skipped) % 4
    )


def _rest(packed: bytes) -> bytes:
    """The last characters, where they are fewer than four, as a whole unit; one by itself says nothing."""
    left = packed[len(packed) // 4 * 4 :]
    return left + b"=" * (4 - len(left)) if len(left) > 1 else b""


def _hex(data: bytes | bytearray, low: int, high: int, start: int, end: int, _phase: int) -> Decoded:
    first = start - len(_run(data[max(low, start - BEFORE) : start][::-1], _HEX)) // 2 * 2
    last = end + len(_run(data[end : min(high, end + AFTER)], _HEX)) // 2 * 2
    return Decoded(first, last, bytes.fromhex(bytes(data[first:last]).decode()), first % 2)


def _utf16(data: bytes | bytearray, low: int, high: int, start: int, end: int, _phase: int) -> Decoded:
    first = start - len(_run(data[max(low, start - BEFORE) : start][::-1], _WIDE))
    last = end + len(_run(data[end : min(high, end + AFTER)], _WIDE))
    return Decoded(first, last, bytes(data[first:last:2]), first % 2)


_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/_-]|\n(?=[A-Za-z0-9+/_\r-])|\r(?=[A-Za-z0-9+/_\n-]))*")
_HEX = re.compile(rb"[0-9A-Fa-f]*")
_WIDE = re.compile(rb"(?:\0[\t\n\r -~])*")


_DECODERS = {"base64": _base64, "hex": _hex, "UTF-16": _utf16}


def _run(data: bytes | bytearray, pattern: re.Pattern[bytes]) -> bytes:
    match = pattern.match(data)
    return match[0] if match else b""
