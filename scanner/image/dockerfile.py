"""Cuts a Dockerfile into its instructions, each with its lines.

Source: Dockerfile reference, "Format", "Parser directives", "Here-documents".
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.image.history import KEYWORDS


@dataclass(frozen=True, slots=True)
class Command:
    """One instruction of a Dockerfile.

    Attributes:
        keyword: upper case.
        text: the instruction with its lines joined, comments left out.
        start_line: its first line, from 1.
        end_line: its last, inclusive; the end mark of a heredoc belongs to it.
        stage: name of its build stage, or its number where it has no name; -1 before the first FROM.
    """

    keyword: str
    text: str
    start_line: int
    end_line: int
    stage: str | int


_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S.*)")
_HEREDOC = re.compile(
    r"""(?:(?<=\s)|^)\d*<<(-?)((?:'[^']*'|"[^"]*"|[^\s<'"])+)(?!\S)"""
)  # a word of its own (BuildKit)
_STAGE_NAME = re.compile(r"\sAS\s+(\S+)\s*$", re.IGNORECASE)
_TAKES_HEREDOC = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)


def parse_dockerfile(text: str) -> tuple[Command, ...]:
    """The instructions of a Dockerfile, in order; lines that are none (a stray word) are left out."""
    # Not splitlines(): a form feed or U+2028 ends no line of a Dockerfile.
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    return tuple(_commands(lines, _escape(lines)))


def _escape(lines: list[str]) -> str:
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape" and match[2] == "`":
            return "`"
    return "\\"


def _commands(lines: list[str], escape: str) -> Iterator[Command]:
    at = 0
    stage: str | int = -1
    stages = 0
    while at < len(lines):
        start = at
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        parts, at = _joined(lines, at, escape)
        body = " ".join(part for part in parts if part)
        keyword = body.partition(" ")[0].partition("\t")[0].upper()
        if keyword not in KEYWORDS:
            continue
        if _TAKES_HEREDOC.match(body):
            at = _past_heredocs(lines, at, body)
        if keyword == "FROM":
            name = _STAGE_NAME.search(body)
            stage = name[1] if name else stages
            stages += 1
        yield Command(keyword, body, start + 1, at, stage)


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


def _past_heredocs(lines: list[str], at: int, body: str) -> int:
    for match in _HEREDOC.finditer(body):
        end = at
        name = re.sub(r"""['"\\]""", "", match[2])
        while end < len(lines) and (lines[end].lstrip("\t") if match[1] else lines[end]) != name:
            end += 1
        if end < len(lines):
            at = end + 1
    return at


def command_at(commands: tuple[Command, ...], line: int) -> Command | None:
    """The instruction that a line belongs to, or None."""
    at = bisect_right(commands, line, key=lambda command: command.start_line) - 1
    return commands[at] if at >= 0 and line <= commands[at].end_line else None
