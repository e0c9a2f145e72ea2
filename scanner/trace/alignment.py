"""Lays the instructions of a Dockerfile beside the history of an image, and says where they do not match.

Both are in the order in which things ran, so the best match is a longest common subsequence, weighed by how alike an
instruction and an entry are. What the entries look like differs by builder: `scanner.image.history`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from scanner.image.dockerfile import Command, Scope
from scanner.image.dockerfile.words import UNKNOWN
from scanner.image.history import CONTENT, Step

EXACT, GOOD, WEAK = 8, 6, 2
"""How alike an instruction and an entry are: word for word; in what names them; only in their keyword."""

MAX_CELLS = 400_000
"""Pairs of an instruction and an entry that are compared."""

_NOISE = re.compile(r"""[\s"'\[\],\\`]+""")
_SEEN = 4096
"""Characters of two texts that are compared word by word, where they are not the same."""

_OPTIONAL = frozenset({"ARG", "MAINTAINER", "ONBUILD", "FROM"})
"""Instructions that leave no entry with some builder, which says nothing about a match."""


@dataclass(frozen=True)
class Alignment:
    """A Dockerfile's stage beside a history.

    Attributes:
        scope: the stage, with its instructions in order.
        matched: of each history index that was matched the position of the instruction in the scope, and how alike
            they are.
        missing: positions of instructions that have no entry.
        extra: history indexes above the base image's that match no instruction.
        expected: how many instructions should have an entry.
    """

    scope: Scope
    matched: Mapping[int, tuple[int, int]]
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    expected: int

    @cached_property
    def score(self) -> int:
        """How well the two match, to be compared with other stages of the same Dockerfile."""
        return sum(likeness for _, likeness in self.matched.values()) - WEAK * (len(self.missing) + len(self.extra))

    @property
    def holds(self) -> bool:
        """Whether the history can be that of this Dockerfile: it shares more with it than not."""
        good = sum(1 for _, likeness in self.matched.values() if likeness >= GOOD)
        return good > 0 and 2 * good >= self.expected + len(self.extra)


def align(scope: Scope, steps: Sequence[Step]) -> Alignment | None:
    """Matches the instructions of a stage to the entries of a history.

    Args:
        scope: the stage.
        steps: the history, base image first.

    Returns:
        The match; None where the two are too long to be compared.
    """
    asked = [_Asked(scope, at) for at, command in enumerate(scope.commands) if command.keyword != "FROM"]
    if len(asked) * len(steps) > MAX_CELLS:
        return None
    found = [_Entry(step) for step in steps]
    matched = _best(asked, found)
    # Kaniko writes no entry for what makes no layer.
    terse = any(step.builder == "kaniko" for step in steps)
    expected = [
        item
        for item in asked
        if item.command.keyword not in _OPTIONAL and (not terse or item.command.keyword in CONTENT)
    ]
    at_all = {at for at, _ in matched.values()}
    first = min(matched, default=len(steps))
    return Alignment(
        scope,
        matched,
        tuple(item.at for item in expected if item.at not in at_all),
        tuple(step.index for step in steps if step.index > first and step.index not in matched),
        len(expected),
    )


def _best(asked: Sequence["_Asked"], found: Sequence["_Entry"]) -> dict[int, tuple[int, int]]:
    width = len(found) + 1
    best = [[0] * width]
    likeness: list[list[int]] = []
    for item in asked:
        above, row = best[-1], [0] * width
        alike = [_likeness(item, entry) for entry in found]
        for at, value in enumerate(alike):
            row[at + 1] = max(above[at + 1], row[at], above[at] + value if value else 0)
        best.append(row)
        likeness.append(alike)
    matched: dict[int, tuple[int, int]] = {}
    here, there = len(asked), len(found)
    # From the end: of equal matches the last, since what a base image brought comes first.
    while here and there:
        value = likeness[here - 1][there - 1]
        if value and best[here][there] == best[here - 1][there - 1] + value:
            matched[found[there - 1].step.index] = (asked[here - 1].at, value)
            here, there = here - 1, there - 1
        elif best[here][there] == best[here][there - 1]:
            there -= 1
        else:
            here -= 1
    return matched


def squeeze(text: str) -> str:
    """A text without what builders add or drop: blanks, quotes, brackets, commas, escapes."""
    return _NOISE.sub("", text)


class _Asked:
    """An instruction, as it may show in a history."""

    def __init__(self, scope: Scope, at: int) -> None:
        self.at = at
        self.command = command = scope.commands[at]
        self.keyword = command.keyword
        body = command.body
        self.expanded = body
        if command.keyword not in ("RUN", "CMD", "ENTRYPOINT", "SHELL", "HEALTHCHECK"):
            self.expanded = scope.expand(body, at)
        heredocs = "".join(f"{heredoc.text}{heredoc.name}" for heredoc in command.heredocs)
        self.forms = {squeeze(body), squeeze(self.expanded), squeeze(body + heredocs)}
        self.scripts = [squeeze(heredoc.text) for heredoc in command.heredocs if heredoc.text.strip()]
        self.names = tuple(name for name, _ in command.pairs)
        self.target = _target(self.expanded, command.arguments)
        self.words = frozenset(body[:_SEEN].split())


def _target(expanded: str, arguments: Sequence[str]) -> str:
    last = arguments[-1] if arguments else ""
    word = expanded.split()[-1] if expanded.split() else ""
    return (last if "$" not in last and not expanded.startswith("[") else word).strip("\"'[],").rstrip("/")


class _Entry:
    """An entry of a history, cut in the same way."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.keyword = step.keyword
        command = Command(step.keyword, step.text, 1, 1, -1) if step.keyword else None
        self.body = command.body if command else ""
        self.form = squeeze(self.body)
        words = self.body.split()
        self.target = words[-1].strip("\"'[],").rstrip("/") if words else ""
        self.words = frozenset(self.body[:_SEEN].split())


def _likeness(asked: _Asked, entry: _Entry) -> int:
    """How alike an instruction and an entry are; 0 if they cannot be the same."""
    if asked.keyword != entry.keyword:
        return 0
    if entry.form in asked.forms:
        return EXACT
    return _LIKE.get(asked.keyword, _like_text)(asked, entry)


def _like_run(asked: _Asked, entry: _Entry) -> int:
    if any(script in entry.form for script in asked.scripts):
        return EXACT
    if asked.words and entry.words:
        shared = len(asked.words & entry.words) / len(asked.words | entry.words)
        return WEAK if shared >= 0.6 else 0
    return 0


def _like_copy(asked: _Asked, entry: _Entry) -> int:
    if asked.target == entry.target or (UNKNOWN in asked.target and _fits(asked.target, entry.target)):
        return GOOD
    return 0


def _like_names(asked: _Asked, entry: _Entry) -> int:
    step = entry.step
    if asked.keyword == "ARG":
        return GOOD if set(asked.names) & set(step.names) else 0
    if asked.names and asked.names == step.names:
        return GOOD
    return WEAK if set(asked.names) & set(step.names) else 0


def _like_text(asked: _Asked, entry: _Entry) -> int:
    forms = [form.replace("/tcp", "") for form in asked.forms if form]
    seen = entry.form.replace("/tcp", "")
    if any(form == seen or (UNKNOWN in form and _fits(form, seen)) for form in forms):
        return GOOD
    if asked.keyword in ("WORKDIR", "USER") and any(seen.endswith(form) for form in forms):
        return GOOD
    return WEAK if asked.keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "VOLUME", "EXPOSE") else 0


def _like_healthcheck(asked: _Asked, entry: _Entry) -> int:
    # BuildKit prints the parsed check, Docker the command as a list of strings.
    command = squeeze(asked.command.body.partition("CMD")[2] or asked.command.body)
    return GOOD if command and command in entry.form else WEAK


def _fits(pattern: str, text: str) -> bool:
    """Whether a text is the pattern with something in the place of each value that is not known."""
    at = 0
    for part in pattern.split(UNKNOWN):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


_LIKE = {
    "RUN": _like_run,
    "COPY": _like_copy,
    "ADD": _like_copy,
    "ARG": _like_names,
    "ENV": _like_names,
    "LABEL": _like_names,
    "HEALTHCHECK": _like_healthcheck,
}
