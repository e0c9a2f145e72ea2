"""Words of a Dockerfile: how they are divided, unquoted, and how variables in them are replaced.

Source: Dockerfile reference, "Environment replacement". What the shell of a RUN would do is not done.
"""

import fnmatch
import re
from collections.abc import Callable, Iterator

UNKNOWN = "\ufffc"
"""Stands in an expanded text for a value that only the build knew."""

MAX_VALUE = 1 << 14
"""Characters that a text may expand to; a variable that doubles itself on every line would fill the memory."""

_MAX_DEPTH = 16
_MAX_BRACES = 4096
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#]")
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)|([A-Za-z_]\w*))")

Lookup = Callable[[str], str | None]
"""Value of a variable, empty for one that is not set, None for one whose value is not known."""


def split(text: str, escape: str) -> list[str]:
    """Cuts a text at its blanks, but not at those that are quoted or escaped; quotes stay in the words."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        if char == escape and quote != "'" and at + 1 < end:
            word.append(text[at : at + 2])
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char.isspace():
            if word:
                words.append("".join(word))
            word = []
            at += 1
            continue
        word.append(char)
        at += 1
    if word:
        words.append("".join(word))
    return words


def references(text: str) -> Iterator[re.Match[str]]:
    """Where a text names a variable, as a shell or the builder would understand it; `name_of` says which."""
    for match in _REFERENCE.finditer(text):
        before = text[max(0, match.start() - 64) : match.start()]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            yield match


def name_of(reference: re.Match[str]) -> str:
    """The variable that a match of `references` names."""
    return reference[1] or reference[2]


def expand(text: str, lookup: Lookup, escape: str) -> str:
    """A text without its quotes and escapes, and with the values of its variables.

    Args:
        text: one word, or several.
        lookup: knows the values.
        escape: the escape character.

    Returns:
        The text, with `UNKNOWN` for each value that is not known; cut at `MAX_VALUE` characters.
    """
    parts: list[str] = []
    quote = ""
    at = size = 0
    while at < len(text) and size < MAX_VALUE:
        char = text[at]
        if quote != "'" and char == escape and at + 1 < len(text):
            # In double quotes an escape only escapes what would mean something there.
            keep = quote == '"' and text[at + 1] not in ('"', "$", escape)
            part = text[at : at + 2] if keep else text[at + 1]
            at += 2
        elif char in "\"'" and quote in ("", char):
            part, quote = "", "" if quote else char
            at += 1
        elif char == "$" and quote != "'":
            part, at = _variable(text, at, lookup, escape, 0)
        else:
            part, at = char, at + 1
        parts.append(part)
        size += len(part)
    return "".join(parts)[:MAX_VALUE]


def _variable(text: str, at: int, lookup: Lookup, escape: str, depth: int) -> tuple[str, int]:
    """The value of the variable at an offset, and the offset behind it."""
    braces = text.startswith("{", at + 1)
    name = _NAME.match(text, at + (2 if braces else 1))
    if name is None:
        return "$", at + 1
    value = lookup(name[0])
    if not braces:
        return UNKNOWN if value is None else value, name.end()
    end = _closing(text, name.end())
    if end < 0:
        return "$", at + 1
    return _modified(value, text[name.end() : end], lookup, escape, depth), end + 1


def _closing(text: str, at: int) -> int:
    """Where the brace is that closes one opened before an offset; -1 if nowhere near, or in too deep a nest."""
    start, limit = at, at + _MAX_BRACES
    for _ in range(_MAX_DEPTH):
        end = text.find("}", at, limit)
        if end < 0:
            break
        at = end + 1
        if text.count("{", start, end) == text.count("}", start, end):
            return end
    return -1


def _modified(value: str | None, modifier: str, lookup: Lookup, escape: str, depth: int) -> str:
    if value is None:
        return UNKNOWN
    colon = modifier.startswith(":")
    operator, word = modifier[colon : colon + 1], modifier[colon + 1 :]
    present = bool(value)
    if operator == "-":
        return value if present else _word(word, lookup, escape, depth)
    if operator == "+":
        return _word(word, lookup, escape, depth) if present else ""
    if operator in ("#", "%") and len(value) <= 4096:
        greedy = word.startswith(operator)
        return _trimmed(value, word[greedy:], front=operator == "#", greedy=greedy)
    if operator == "/" and UNKNOWN not in value:
        pattern, _, new = word.removeprefix("/").partition("/")
        return value.replace(pattern, new, -1 if word.startswith("/") else 1) if pattern else value
    return value


def _word(text: str, lookup: Lookup, escape: str, depth: int) -> str:
    if depth >= _MAX_DEPTH:
        return UNKNOWN
    parts: list[str] = []
    at = size = 0
    while at < len(text) and size < MAX_VALUE:
        if text[at] == "$":
            part, at = _variable(text, at, lookup, escape, depth + 1)
        else:
            part, at = ("" if text[at] in "\"'" else text[at]), at + 1
        parts.append(part)
        size += len(part)
    return "".join(parts)


def _trimmed(value: str, pattern: str, *, front: bool, greedy: bool) -> str:
    matches = re.compile(fnmatch.translate(pattern[:256])).match
    lengths = range(len(value), -1, -1) if greedy else range(len(value) + 1)
    for length in lengths:
        part = value[:length] if front else value[len(value) - length :]
        if matches(part):
            return value[length:] if front else value[: len(value) - length]
    return value
