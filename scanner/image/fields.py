"""Turns a JSON document into text that can be scanned, field by field, and back from an offset to the field.

Every string of a document is scanned, known or not. The table below only says how a field is best read.
"""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby
from typing import Any

from scanner.image.oci import Document

MAX_DEPTH = 200
"""Nesting to which a field has a pointer of its own; what lies deeper is read under that of its ancestor there.

Python's ``json`` gives up at about 1,000, with an error.
"""


class Shape(Enum):
    """How the strings of a field are laid out for the matcher."""

    PLAIN = auto()  # the string itself
    KEYED = auto()  # `key=value`, since the key is the context that tells a password from a word
    ARGV = auto()  # all strings of the array on one line, since an option and its value are two of them
    BASE64 = auto()  # what the string decodes to, line by line


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        pointer: regular expression that a field's JSON Pointer matches in whole.
        shape: how it is read.
        keyword: the instruction that sets the field, or empty.
    """

    pointer: str
    shape: Shape
    keyword: str = ""


_CONFIG = "/(?:container_)?config"
FIELDS = (
    Row(f"{_CONFIG}/Env/\\d+", Shape.PLAIN, "ENV"),
    Row(f"{_CONFIG}/Cmd", Shape.ARGV, "CMD"),
    Row(f"{_CONFIG}/Entrypoint", Shape.ARGV, "ENTRYPOINT"),
    Row(f"{_CONFIG}/Healthcheck/Test", Shape.ARGV, "HEALTHCHECK"),
    Row(f"{_CONFIG}/Shell", Shape.ARGV, "SHELL"),
    Row(f"{_CONFIG}/OnBuild/\\d+", Shape.PLAIN, "ONBUILD"),
    Row(f"{_CONFIG}/Labels/.*", Shape.KEYED, "LABEL"),
    Row(f"{_CONFIG}/Volumes/.*", Shape.KEYED, "VOLUME"),
    Row(f"{_CONFIG}/ExposedPorts/.*", Shape.KEYED, "EXPOSE"),
    Row(f"{_CONFIG}/User", Shape.KEYED, "USER"),
    Row(f"{_CONFIG}/WorkingDir", Shape.KEYED, "WORKDIR"),
    Row(f"{_CONFIG}/StopSignal", Shape.KEYED, "STOPSIGNAL"),
    Row("/author", Shape.KEYED, "MAINTAINER"),
    Row("/history/\\d+/(?:created_by|comment|author)", Shape.PLAIN),
    Row("/moby\\.buildkit\\.(?:cache|buildinfo)\\.v\\d", Shape.BASE64),
    Row(".*/(?:meta/)?env/\\d+", Shape.PLAIN, "ENV"),
    Row(".*/meta/args", Shape.ARGV, "RUN"),
    Row(".*/source/infos/\\d+/data", Shape.BASE64),
    Row(".*/mkfile/data", Shape.BASE64, "COPY"),
)
"""How fields are read; the first row that matches counts, and a field that none matches is KEYED or PLAIN."""

_COMPILED = tuple((re.compile(row.pointer), row) for row in FIELDS)


def row_of(pointer: str) -> Row | None:
    """The row of the table for a field, by its JSON Pointer."""
    return next((row for pattern, row in _COMPILED if pattern.fullmatch(pointer)), None)


@dataclass(frozen=True, slots=True)
class TextRegion:
    """A stretch of the text that belongs together: a field, or an array of arguments.

    Attributes:
        start: offset of its first byte.
        end: offset behind its last.
        path: always empty; what has a path is a file.
    """

    start: int
    end: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a document an offset of the text lies.

    Attributes:
        pointer: JSON Pointer (RFC 6901) of the string.
        offset: in the string, or in what it decodes to; negative in a key that was put before it.
        decoded: whether the string is base64 and the offset counts in what it decodes to.
    """

    pointer: str
    offset: int
    decoded: bool


@dataclass(frozen=True)
class Text:
    """A document laid out for the matcher.

    Attributes:
        data: all fields, divided by newlines.
        regions: where each is.
        scopes: for each, from where to where those lie that stand beside it: elements of the same array, members of
            the same object, and all entries of the history.
    """

    data: bytes
    regions: tuple[TextRegion, ...]
    scopes: tuple[tuple[int, int], ...]
    _starts: tuple[int, ...]
    _pointers: tuple[tuple[str, bool, int], ...]  # with the length of the key before the string

    def place(self, offset: int) -> Place:
        """The field that ``offset`` of ``data`` lies in."""
        at = max(bisect_right(self._starts, offset) - 1, 0)
        pointer, decoded, lead = self._pointers[at]
        return Place(pointer, offset - self._starts[at] - lead, decoded)

    def decoded_lines(self, pointer: str) -> bytes:
        """What the base64 field at ``pointer`` decodes to; empty if there is none."""
        for at, (name, decoded, _) in enumerate(self._pointers):
            if decoded and name == pointer:
                end = self._starts[at + 1] if at + 1 < len(self._starts) else len(self.data)
                return self.data[self._starts[at] : end]
        return b""


def escape(key: str) -> str:
    """A key as a token of a JSON Pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The key that a token of a JSON Pointer stands for."""
    return token.replace("~1", "/").replace("~0", "~")


def string_at(value: Any, pointer: str) -> str:
    """The string that a JSON Pointer leads to in a document; empty if there is none."""
    for token in pointer.split("/")[1:]:
        key = unescape(token)
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ""
    return value if isinstance(value, str) else ""


def lay_out(document: Document) -> Text:
    """Lays out every string of a document, keys included, for one call of the matcher."""
    data = bytearray()
    regions: list[TextRegion] = []
    starts: list[int] = []
    pointers: list[tuple[str, bool, int]] = []
    parents: list[str] = []
    for pieces in _pieces(document.value, "", "", 0):
        start = len(data)
        for pointer, lead, text, decoded in pieces:
            starts.append(len(data))
            pointers.append((pointer, decoded, len(lead)))
            data += lead + text + b" "
        del data[-1:]
        regions.append(TextRegion(start, len(data)))
        parents.append(_HISTORY if pieces[0][0].startswith(_HISTORY) else pieces[0][0].rpartition("/")[0])
        data += b"\n"
    return Text(bytes(data), tuple(regions), tuple(_scopes(regions, parents)), tuple(starts), tuple(pointers))


_HISTORY = "/history/"


def _scopes(regions: list[TextRegion], parents: list[str]) -> Iterator[tuple[int, int]]:
    """For each region, the extent of the run of regions of the same parent that it lies in."""
    for _, run in groupby(zip(parents, regions, strict=True), key=lambda item: item[0]):
        beside = [region for _, region in run]
        yield from ((beside[0].start, beside[-1].end) for _ in beside)


_Piece = tuple[str, bytes, bytes, bool]  # pointer, what stands before it, its text, whether it was base64


def _pieces(value: Any, pointer: str, key: str, depth: int) -> Iterator[list[_Piece]]:
    row = row_of(pointer) if isinstance(value, str | list) else None
    if isinstance(value, str):
        yield [_piece(value, pointer, key, row)]
    elif isinstance(value, list) and row and row.shape is Shape.ARGV and all(isinstance(v, str) for v in value):
        if value:
            yield [(f"{pointer}/{index}", b"", _encode(text), False) for index, text in enumerate(value)]
    elif depth >= MAX_DEPTH:
        yield from ([(pointer, lead, text, False)] for lead, text in _deeper(value))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _pieces(item, f"{pointer}/{index}", "", depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            inside = f"{pointer}/{escape(name)}"
            if not isinstance(item, str):
                yield [(inside, b"", _encode(name), False)]
            yield from _pieces(item, inside, name, depth + 1)


def _deeper(value: Any) -> Iterator[tuple[bytes, bytes]]:
    """Every string of a value, each with its key before it, however deep."""
    left = [(b"", value)]
    while left:
        lead, item = left.pop()
        if isinstance(item, str):
            yield lead, _encode(item)
        elif isinstance(item, dict):
            yield from ((b"", _encode(name)) for name, inside in item.items() if not isinstance(inside, str))
            left += reversed([(_encode(name) + b"=", inside) for name, inside in item.items()])
        elif isinstance(item, list):
            left += reversed([(b"", inside) for inside in item])


def _piece(value: str, pointer: str, key: str, row: Row | None) -> _Piece:
    if row and row.shape is Shape.BASE64:
        try:
            return (pointer, b"", base64.b64decode(value, validate=True), True)
        except (ValueError, binascii.Error):
            return (pointer, b"", _encode(value), False)
    if key and not (row and row.shape is Shape.PLAIN):
        return (pointer, _encode(key) + b"=", _encode(value), False)
    return (pointer, b"", _encode(value), False)


def _encode(text: str) -> bytes:
    # JSON may hold lone surrogates, which have no UTF-8
    return text.encode("utf-8", "backslashreplace")
