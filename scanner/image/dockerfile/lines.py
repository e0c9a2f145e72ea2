"""Cuts a Dockerfile into instructions by its lines: directives, continuations, comments, heredocs.

Source: Dockerfile reference, "Format", "Parser directives", "Here-documents".
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from scanner.image.dockerfile.command import Heredoc

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*)")
_DIRECTIVES = ("syntax", "escape", "check")
_HEREDOC = re.compile(
    r"""(?:(?<=\s)|^)\d*<<(-?)((?:'[^']*'|"[^"]*"|[^\s<'"])+)(?!\S)"""
)  # a word of its own (BuildKit)
_TAKES_HEREDOC = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)


class Logical(NamedTuple):
    """One instruction as lines.

    Attributes:
        text: its lines joined, comments left out.
        start: its first line, from 1.
        end: its last, inclusive.
        heredocs: that belong to it.
        unended: end marks of heredocs that were not found; those took no lines.
    """

    text: str
    start: int
    end: int
    heredocs: tuple[Heredoc, ...]
    unended: tuple[str, ...]


def physical(text: str) -> list[str]:
    """The lines of a file, without what ends them."""
    # Not splitlines(): a form feed or U+2028 ends no line of a Dockerfile.
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def directives(lines: list[str]) -> dict[str, str]:
    """The parser directives, by name: only the known ones, only at the very top, each once."""
    found: dict[str, str] = {}
    for line in lines[1:] if lines and lines[0].startswith("#!") else lines:
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or match[1].lower() not in _DIRECTIVES:
            break
        found.setdefault(match[1].lower(), match[2].strip())
    return found


def logical(lines: list[str], escape: str) -> Iterator[Logical]:
    """The instructions of a Dockerfile, and whatever else stands where one could."""
    ends: _Ends | None = None
    at = 0
    while at < len(lines):
        start = at
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        parts, at = _joined(lines, at, escape)
        text = " ".join(part for part in parts if part)
        heredocs: list[Heredoc] = []
        unended: list[str] = []
        if _TAKES_HEREDOC.match(text):
            ends = ends or _Ends(lines)
            at = _heredocs(lines, at, text, ends, heredocs, unended)
        yield Logical(text, start + 1, at, tuple(heredocs), tuple(unended))


def _joined(lines: list[str], at: int, escape: str) -> tuple[list[str], int]:
    """The physical lines of one instruction, without the escapes that join them, and where the next one starts."""
    parts: list[str] = []
    while at < len(lines):
        line = lines[at]
        at += 1
        # Comments and empty lines inside a continued instruction are passed over.
        if parts and (not line.strip() or line.lstrip().startswith("#")):
            continue
        stripped = line.rstrip()
        if not stripped.endswith(escape) or stripped.endswith(escape * 2):  # a doubled one stands for itself
            parts.append(stripped.strip())
            break
        parts.append(stripped[: -len(escape)].strip())
    return parts, at


class _Ends:
    """Where each line stands, so that the end of a heredoc is not looked for all through the file each time."""

    def __init__(self, lines: list[str]) -> None:
        self._whole: dict[str, list[int]] = {}
        self._chomped: dict[str, list[int]] = {}
        for at, line in enumerate(lines):
            self._whole.setdefault(line, []).append(at)
            self._chomped.setdefault(line.lstrip("\t"), []).append(at)

    def find(self, name: str, at: int, *, chomp: bool) -> int:
        """The first line from one on that is an end mark; -1 if there is none."""
        known = (self._chomped if chomp else self._whole).get(name, [])
        index = bisect_left(known, at)
        return known[index] if index < len(known) else -1


def _heredocs(lines: list[str], at: int, text: str, ends: _Ends, found: list[Heredoc], unended: list[str]) -> int:
    """Reads the heredocs that a text opens, in order; gives the line behind the last."""
    for match in _HEREDOC.finditer(text):
        name, chomp = re.sub(r"""['"\\]""", "", match[2]), bool(match[1])
        end = ends.find(name, at, chomp=chomp)
        if end < 0:
            unended.append(name)
            continue
        content = [line.lstrip("\t") if chomp else line for line in lines[at:end]]
        found.append(Heredoc(name, at + 1, "\n".join(content), expanded=not re.search(r"""['"\\]""", match[2])))
        at = end + 1
    return at
