"""Makes a prefilter from a regular expression: literals of which every match holds one, and how far it reaches.

For rules that come without a prefilter. It reads the tree that Python's parser makes of the pattern, keeps what it is
sure of, and lets go of the rest: a prefilter may match where the pattern does not, never the other way round.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scanner.detect import expression

LEAST = 3
"""Literal characters in a row that a prefilter needs."""

GOOD = 3
"""Strength of an anchor from which on it costs little: three characters, or four in any case."""

_FEW = expression.FEW
_WAYS = expression.WAYS
_MANY = 16  # alternatives that are kept apart
_COVERS = 64  # alternatives in all
_LONG = 64  # characters of one of them
_CORE = 24  # characters that are kept of a long literal
_TAIL = 8  # characters of larger classes that are kept behind it, so that it hits less often

_Run = tuple[frozenset[int], ...]
"""Bytes in a row: for each, those that it may be."""


@dataclass(frozen=True)
class Anchor:
    """What the multi-pattern database can look for in place of a pattern.

    Attributes:
        prefilter: Hyperscan expressions; every match of the pattern holds a match of one of them.
        before: the most bytes from where the pattern may start to look to the end of the prefilter's match.
        after: the most bytes from there to where the pattern stops to look.
        strength: its literal characters, in the weakest alternative; one less if case does not matter.
    """

    prefilter: tuple[str, ...]
    before: float
    after: float
    strength: int


@dataclass(frozen=True, slots=True)
class _Cover:
    """Runs of which every match holds one."""

    runs: tuple[_Run, ...]
    score: int
    before: float
    after: float

    @property
    def rank(self) -> tuple[int, int]:
        return (min(self.score, 8), -len(self.runs))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of a pattern.

    Attributes:
        runs: all that it matches, if that is little; else what its matches start with.
        whole: whether the runs are all of it.
        cover: the best that was found inside of it.
        width: the most bytes it matches.
        ahead: the most bytes that it looks at behind itself.
    """

    runs: tuple[_Run, ...] = ((),)
    whole: bool = True
    cover: _Cover | None = None
    width: float = 0
    ahead: float = 0


_Judge = Callable[[_Run], tuple[int, int, int]]
"""Says how good a run is (0: not at all), and which part of it to keep."""


def anchor(tree: Any) -> Anchor | None:
    """The best prefilter of a pattern, or None if no literal is sure.

    Args:
        tree: of a pattern on bytes, from `expression.parse`.
    """
    return _anchored(tree, _strength)


def rare(tree: Any) -> Anchor | None:
    """The best prefilter of a pattern that is sure of no literal: classes in a row that little else matches.

    Such as 40 hexadecimal digits. It costs more than a literal; its strength says nothing.

    Args:
        tree: as for `anchor`.
    """
    return _anchored(tree, _rarity)


def _anchored(tree: Any, judge: "_Judge") -> Anchor | None:
    part = _Reader(tree, judge).sequence(tree, tree.state.flags)
    if part.cover is None:
        return None
    prefilter = tuple(dict.fromkeys(_written(run) for run in part.cover.runs))
    return Anchor(prefilter, part.cover.before, part.cover.after + part.ahead, part.cover.score)


def implies(tree: Any, words: Sequence[str]) -> bool:
    """Whether every match of a pattern holds one of the words, in any case."""
    lowered = [word.lower() for word in words]

    def holds(run: _Run) -> tuple[int, int, int]:
        text = "".join(_letter(chars) for chars in run)
        return (1 if any(word in text for word in lowered) else 0, 0, len(run))

    return _Reader(tree, holds).cover() is not None


def widths(tree: Any) -> tuple[float, float]:
    """The most bytes that a pattern matches, and that it looks at behind that; ``math.inf`` for no end."""
    part = _Reader(tree, _strength).sequence(tree, tree.state.flags)
    return part.width, part.ahead


def any_case(word: str) -> str:
    """A word as a prefilter that matches it in any case."""
    return _written(tuple(_cased({byte}, re.IGNORECASE) for byte in word.encode()))


class _Reader:
    """Walks a tree with a judge of runs."""

    def __init__(self, tree: Any, judge: _Judge) -> None:
        self._tree = tree
        self._judge = judge

    def cover(self) -> _Cover | None:
        """The best cover of all of the tree."""
        return self.sequence(self._tree, self._tree.state.flags).cover

    def sequence(self, nodes: Iterable[Any], flags: int) -> _Part:
        parts = [self._part(node, flags) for node in nodes]
        rest = [0.0]  # from each part on, the most bytes that are matched or looked at
        for part in reversed(parts):
            rest.append(max(part.ahead, rest[-1] + part.width))
        rest.reverse()
        best: _Cover | None = None
        opened: tuple[_Run, ...] = ((),)  # all that stands between where it was last let go and here
        begun = reached = 0.0
        whole = True
        for at, part in enumerate(parts):
            joined = tuple(dict.fromkeys(left + right for left in opened for right in part.runs))
            if len(joined) > _MANY or max(map(len, joined)) > _LONG:
                best = _better(best, self._judged(opened, begun, rest[at]))
                joined, begun, whole = part.runs, reached, False
            if part.whole:
                opened = joined
            else:
                best = _better(best, self._judged(joined, begun, part.width + rest[at + 1]))
                if inner := part.cover:
                    before, after = reached + inner.before, inner.after + rest[at + 1]
                    best = _better(best, replace(inner, before=before, after=after))
                opened, begun, whole = ((),), reached + part.width, False
            reached += part.width
        best = _better(best, self._judged(opened, begun, 0))
        ahead = max(0.0, rest[0] - reached) if math.isfinite(reached) else 0.0
        return _Part(opened if whole else ((),), whole, best, reached, ahead)

    def _judged(self, runs: tuple[_Run, ...], before: float, after: float) -> _Cover | None:
        """A cover of alternatives of which one starts at most ``before`` bytes into the pattern."""
        kept, score, reach, left = [], 99, 0.0, 0.0
        for run in runs:
            value, start, stop = self._judge(run)
            if not value:
                return None
            kept.append(run[start:stop])
            score, reach, left = min(score, value), max(reach, stop), max(left, len(run) - stop)
        return _Cover(tuple(dict.fromkeys(kept)), score, before + reach, left + after)

    def _part(self, node: Any, flags: int) -> _Part:
        name, value = str(node[0]), node[1]
        chars = _chars(name, value, flags)
        if chars is not None:
            return _Part(((chars,),), width=1)
        if name == "SUBPATTERN":
            return self.sequence(value[3], (flags | value[1]) & ~value[2])
        if name == "ATOMIC_GROUP":
            return self.sequence(value, flags)
        if name == "BRANCH":
            return self._branch([self.sequence(part, flags) for part in value[1]])
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return _repeat(self.sequence(value[2], flags), int(value[0]), _count(value[1]))
        if name in ("ASSERT", "ASSERT_NOT"):
            seen = self.sequence(value[1], flags)
            return _Part(ahead=seen.width + seen.ahead if value[0] > 0 else 0)
        if name == "AT":
            return _Part(ahead=1)
        if name == "GROUPREF":
            _, high = self._tree.state.groupwidths[value] or (0, None)
            return _Part(whole=False, width=math.inf if high is None else _count(high))
        if name == "GROUPREF_EXISTS":
            branches = [self.sequence(part, flags) for part in value[1:] if part is not None]
            return _Part(whole=False, width=max(part.width for part in branches))
        return _Part(whole=False, width=math.inf)

    def _branch(self, parts: list[_Part]) -> _Part:
        width, ahead = max(part.width for part in parts), max(part.width + part.ahead for part in parts)
        runs = tuple(dict.fromkeys(run for part in parts for run in part.runs))
        covers = [part.cover for part in parts if part.cover is not None]
        cover = None
        if len(covers) == len(parts):
            cover = _Cover(
                tuple(dict.fromkeys(run for each in covers for run in each.runs)),
                min(each.score for each in covers),
                max(each.before for each in covers),
                max(each.after for each in covers),
            )
            if len(cover.runs) > _COVERS:
                cover = None
        if all(part.whole for part in parts) and len(runs) <= _MANY:
            return _Part(runs, True, cover, width, ahead - width)
        return _Part(((),), False, cover, width, ahead - width if math.isfinite(width) else 0)


def _repeat(part: _Part, low: int, high: float) -> _Part:
    width = part.width * high if part.width and high else 0.0
    ahead = part.ahead
    cover = part.cover if low else None
    if cover is not None and high > 1:
        cover = replace(cover, after=cover.after + part.width * (high - 1))
    if not part.whole:
        return _Part(part.runs if low else ((),), False, cover, width, ahead)
    copies: list[tuple[_Run, ...]] = [((),)]
    while len(copies) <= min(max(low, 1), high):
        longer = tuple(dict.fromkeys(left + right for left in copies[-1] for right in part.runs))
        if len(longer) > _MANY or max(map(len, longer)) > _LONG:
            break
        copies.append(longer)
    if low == high == len(copies) - 1:
        return _Part(copies[-1], True, cover, width, ahead)
    if (low, high, len(copies)) == (0, 1, 2):
        return _Part((*copies[0], *copies[1]), True, cover, width, ahead)
    return _Part(copies[min(low, len(copies) - 1)], False, cover, width, ahead)


def _better(one: _Cover | None, other: _Cover | None) -> _Cover | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda cover: cover.rank)


def _count(high: Any) -> float:
    return math.inf if int(high) >= 2**31 else int(high)


def _strength(run: _Run) -> tuple[int, int, int]:
    """The longest part of a run that can be written out as a few literals, with more around it."""
    best = first = last = start = 0
    ways = 1
    for end, chars in enumerate(run, 1):
        ways *= len(chars)
        while ways > _WAYS:
            ways //= len(run[start])
            start += 1
        window = run[start:end]
        score = sum(len(chars) <= 2 for chars in window) - any(_is_letter(chars) for chars in window)
        if end - start >= LEAST and score > best and len(set(window)) > 1:
            best, first, last = score, start, end
    if not best:
        return 0, 0, 0
    while last < len(run) and len(run[last]) <= 2:
        last += 1
    first = max(first, last - _CORE)
    while first > 0 and len(run[first - 1]) <= 2 and last - first < _CORE:
        first -= 1
    tail = last
    while tail < len(run) and tail - last < _TAIL and len(run[tail]) < 128:
        tail += 1
    return best, first, tail


def _rarity(run: _Run) -> tuple[int, int, int]:
    """The whole of a run, if random bytes are it less often than once in 2 to the 48th; the rarer the better."""
    bits = sum(8 - math.log2(len(chars)) for chars in run if chars)
    return (int(bits // 24), 0, len(run)) if bits >= 48 else (0, 0, 0)


def _is_letter(chars: frozenset[int]) -> bool:
    """Whether it is one letter in any case."""
    return len(chars) == 2 and len({chr(char).lower() for char in chars}) == 1


def _letter(chars: frozenset[int]) -> str:
    """The character that it is, in lower case; one that stands in no word for a larger class."""
    lowered = {chr(char).lower() for char in chars}
    return lowered.pop() if len(lowered) == 1 else "\0"


_ALL = frozenset(range(256))
_DIGITS = frozenset(b"0123456789")
_WORD = frozenset(b"0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SPACE = frozenset(b" \t\n\r\f\v")
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": _ALL - _DIGITS,
    "CATEGORY_WORD": _WORD,
    "CATEGORY_NOT_WORD": _ALL - _WORD,
    "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": _ALL - _SPACE,
}


def _chars(name: str, value: Any, flags: int) -> frozenset[int] | None:
    """The bytes that a node of one byte may be; None for any other node."""
    if name == "ANY":
        return _ALL if flags & re.DOTALL else _ALL - {10}
    if name == "LITERAL":
        return _cased({value}, flags)
    if name == "NOT_LITERAL":
        return _ALL - _cased({value}, flags)
    if name != "IN":
        return None
    found: set[int] = set()
    negated = False
    for kind, item in value:
        kind = str(kind)
        if kind == "NEGATE":
            negated = True
        elif kind == "CATEGORY":
            found |= _CATEGORIES[str(item)]
        else:
            found |= set(range(item[0], item[1] + 1)) if kind == "RANGE" else {item}
    chars = _cased(found, flags)
    return _ALL - chars if negated else chars


def _cased(chars: set[int], flags: int) -> frozenset[int]:
    if flags & re.IGNORECASE:
        return frozenset(char for byte in chars for char in (*bytes([byte]).lower(), *bytes([byte]).upper()))
    return frozenset(chars)


def _written(run: _Run) -> str:
    """A run as an expression: classes by their bytes, and counts for what stands in a row."""
    written = []
    at = 0
    while at < len(run):
        end = at
        while end < len(run) and run[end] == run[at]:
            end += 1
        one = _class(run[at])
        written.append(one * (end - at) if end - at < 3 or len(run[at]) == 1 else f"{one}{{{end - at}}}")
        at = end
    return "".join(written)


def _class(chars: frozenset[int]) -> str:
    if len(chars) == 1:
        return _byte(min(chars))
    ranges: list[list[int]] = []
    for char in sorted(chars):
        if ranges and char == ranges[-1][1] + 1:
            ranges[-1][1] = char
        else:
            ranges.append([char, char])
    return "[" + "".join(_byte(a) if a == b else f"{_byte(a)}-{_byte(b)}" for a, b in ranges) + "]"


def _byte(char: int) -> str:
    plain = char < 128 and (chr(char).isalnum() or chr(char) in "_ ,:;=@/<>!%&'\"~`")
    return chr(char) if plain else f"\\x{char:02x}"
