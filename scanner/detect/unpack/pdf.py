"""PDF: its compressed streams, and the text that these set, put together again.

Source: ISO 32000-1, 7.3.4.2 (literal strings), 7.3.8 (streams), 7.4.4 (FlateDecode), 9.4.3 (showing text).
"""

import re
from collections.abc import Iterator

from scanner.detect.unpack.inflate import SMALL, inflated, up_to
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import DAMAGE, Context, Member

_STREAM = re.compile(rb"stream\r?\n")
_DICTIONARY = 512
"""Bytes before a stream in which its filter is looked for."""
_SHOWN = re.compile(rb"\(((?:[^()\\]|\\.)*)\)|(TJ|Tj|'|\"|T\*|Td|TD|Tm|ET)\b", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def open_pdf(source: Input, context: Context) -> Iterator[Member]:
    """Each stream that is deflated, and the text in it if there is some."""
    data = b"".join(source.pieces())
    if b"/Encrypt" in data[-4096:] or b"/Encrypt" in data[:4096]:
        context.tell("", "encrypted", len(data))
        return
    for number, match in enumerate(_STREAM.finditer(data)):
        if data.rfind(b"FlateDecode", max(0, match.start() - _DICTIONARY), match.start()) < 0:
            continue
        context.allowance.member()
        packed = Input(data)
        packed.skip(match.end())
        read = context.counted(inflated(packed, zlib=True))
        try:
            content = up_to(read, SMALL)
        except DAMAGE:
            continue  # of one that is encoded once more, or no stream at all
        yield Member(f"stream {number}", Input(content, read if len(content) == SMALL else None))
        if (b"Tj" in content or b"TJ" in content) and (said := _said(content)):
            yield Member(f"text of stream {number}", Input(said))


def _said(content: bytes) -> bytes:
    """The strings of a page, a line for each time that the pen is moved."""
    parts: list[bytes] = []
    for match in _SHOWN.finditer(content):
        if match[1] is not None:
            parts.append(_ESCAPE.sub(_unescaped, match[1]))
        elif match[2] not in (b"TJ", b"Tj"):
            parts.append(b"\n")
    return b"".join(parts).strip()


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code[:1] in b"01234567":
        return bytes((int(code, 8) & 255,))
    return b"" if code.endswith(b"\n") else _LETTERS.get(code, code)
