"""What can be told about a regular expression without running it.

It reads the tree that Python's own parser makes, which is also right for the subset of Perl's syntax that Hyperscan
and the signatures share. It knows nothing of signatures.
"""

import importlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

# Public in all but name: the module has been there, under this name, since Python 3.11 and has no stubs.
_parser: Any = importlib.import_module("re._parser")

error = re.error
"""What `parse` raises."""

FEW = 16
"""A class of so many characters next to literals is written out by Hyperscan: `SK[a-f0-9]` costs what `SKa` does."""

_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_UNSUPPORTED = {
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
    "AT": "an anchor (^, $, \\b)",
}

WAYS = 32
"""Literals that a run of small classes may be written out as."""

Node = tuple[Any, Any]
"""A name and what belongs to it, as ``re._parser`` has them."""


def parse(text: str | bytes) -> Any:
    """The tree of an expression: a sequence of nodes.

    Raises:
        re.error: it cannot be parsed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # a "[" inside of a class is meant as it stands
        return _parser.parse(text)


def unsupported(tree: Any) -> Iterator[str]:
    """Names of the constructs that Hyperscan has not, or that have no meaning in a block of many files."""
    return (_UNSUPPORTED[str(name)] for name, _ in walk(tree) if str(name) in _UNSUPPORTED)


def repeats(tree: Any) -> Iterator[tuple[int, int | None]]:
    """Least and greatest count of every repeat; None where there is no greatest."""
    for name, value in walk(tree):
        if str(name) in _REPEATS:
            low, high, _ = value
            yield int(low), None if high == _parser.MAXREPEAT else int(high)


def walk(tree: Any) -> Iterator[Node]:
    """Every node of a tree, outer before inner."""
    for node in tree:
        yield node
        for part in _parts(node):
            yield from walk(part)


def _parts(node: Node) -> Sequence[Any]:
    """The trees inside a node."""
    name, value = str(node[0]), node[1]
    if name == "BRANCH":
        return tuple(value[1])
    if name in _REPEATS:
        return (value[2],)
    if name == "SUBPATTERN":
        return (value[3],)
    if name in ("ASSERT", "ASSERT_NOT"):
        return (value[1],)
    if name == "ATOMIC_GROUP":
        return (value,)
    if name == "GROUPREF_EXISTS":
        return tuple(part for part in value[1:] if part is not None)
    return ()


def always_sets(tree: Any, group: int) -> bool:
    """Whether every match sets the group of this number."""
    for node in tree:
        name, value = str(node[0]), node[1]
        if name == "SUBPATTERN" and value[0] == group:
            return True
        skippable = name in ("GROUPREF_EXISTS", "ASSERT_NOT") or (name in _REPEATS and value[0] == 0)
        parts = _parts(node)
        if parts and not skippable and all(always_sets(part, group) for part in parts):
            return True
    return False


def open_ended(tree: Any) -> bool:
    """Whether it ends in something of variable length, so that a scanner reports every one of its ends."""
    if not len(tree):
        return False
    name, value = str(tree[-1][0]), tree[-1][1]
    if name in _REPEATS:
        return bool(value[0] != value[1]) or (value[0] == 1 and open_ended(value[2]))
    return any(open_ended(part) for part in _parts(tree[-1]))


class Anchor(NamedTuple):
    """Literal characters in a row that every match holds; ordered by how good they are to look for.

    Attributes:
        strength: how many there are, one less if case does not matter for some of them.
        length: how many there are.
    """

    strength: int
    length: int

    @property
    def any_case(self) -> bool:
        """Whether case does not matter for some of them."""
        return self.strength < self.length


class _Char(NamedTuple):
    """A place in a run: how many characters it may be (1 for a literal), and whether they are a letter in any case."""

    size: int
    any_case: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """Characters in a row that stand in every match."""

    chars: tuple[_Char, ...] = ()

    def __add__(self, other: "_Run") -> "_Run":
        return _Run(self.chars + other.chars)

    @property
    def anchor(self) -> Anchor:
        """The best part that can be written out as a few literals."""
        best, start = Anchor(0, 0), 0
        ways = 1
        for end, char in enumerate(self.chars, 1):
            ways *= char.size
            while ways > WAYS:
                ways //= self.chars[start].size
                start += 1
            length = end - start
            best = max(best, Anchor(length - any(char.any_case for char in self.chars[start:end]), length))
        return best

    def least(self, other: "_Run") -> "_Run":
        return min(self, other, key=lambda run: (run.anchor, len(run.chars)))


@dataclass(frozen=True, slots=True)
class _Literals:
    """The runs that are sure in a part of an expression: at its start, at its end, the longest, and all through."""

    head: _Run
    tail: _Run
    best: Anchor
    solid: bool

    def __add__(self, other: "_Literals") -> "_Literals":
        middle = self.tail + other.head
        return _Literals(
            head=self.head + other.head if self.solid else self.head,
            tail=self.tail + other.tail if other.solid else other.tail,
            best=max(self.best, other.best, middle.anchor),
            solid=self.solid and other.solid,
        )

    def either(self, other: "_Literals") -> "_Literals":
        return _Literals(
            self.head.least(other.head),
            self.tail.least(other.tail),
            min(self.best, other.best),
            self.solid and other.solid,
        )


_NOTHING = _Literals(_Run(), _Run(), Anchor(0, 0), True)
_OPEN = _Literals(_Run(), _Run(), Anchor(0, 0), False)


def anchor(tree: Any) -> Anchor:
    """The best run of literal characters that every match is sure to hold."""
    return _sequence(tree, tree.state.flags).best


def _sequence(tree: Any, flags: int) -> _Literals:
    total = _NOTHING
    for node in tree:
        total += _literals(node, flags)
    return total


def _literals(node: Node, flags: int) -> _Literals:
    name, value = str(node[0]), node[1]
    if name == "LITERAL":
        caseless = bool(flags & re.IGNORECASE) and chr(value).isalpha()
        return _solid(_Char(2, any_case=True) if caseless else _Char(1))
    if name == "IN":
        size = _class_size(value)
        return _solid(_Char(size)) if size <= FEW else _OPEN
    if name == "SUBPATTERN":
        _group, added, taken, part = value  # flags, as `(?i:` and `(?-i:` have them
        return _sequence(part, (flags | added) & ~taken)
    if name in _REPEATS:
        low, high, part = value
        inner, total = _sequence(part, flags), _NOTHING
        for _ in range(min(int(low), 32)):
            total += inner
        return total if low == high and low <= 32 else total + (inner.either(_NOTHING) if high == 1 else _OPEN)
    parts = [_sequence(part, flags) for part in _parts(node)]
    if name in ("AT", "ASSERT", "ASSERT_NOT"):
        return _NOTHING
    if not parts:
        return _OPEN
    total = parts[0]
    for other in parts[1:]:
        total = total.either(other)
    return total


def _solid(char: _Char) -> _Literals:
    run = _Run((char,))
    return _Literals(run, run, run.anchor, True)


def _class_size(items: Sequence[Node]) -> int:
    """How many characters a class holds; more than `FEW` where that takes knowing what a category is."""
    total = 0
    for name, value in items:
        if str(name) in ("CATEGORY", "NEGATE"):
            return 256
        total += value[1] - value[0] + 1 if str(name) == "RANGE" else 1
    return total


def can_be_empty(tree: Any) -> bool:
    """Whether it matches without consuming anything."""
    return int(tree.getwidth()[0]) == 0
