"""Refuses signatures that would spoil the speed of all others, before anybody scans an image with them.

What an expression shows by itself is read from its tree; what only shows when it runs is measured on a made-up
sample, against a reference that is measured beside it. Nothing here knows files or the command line.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import hyperscan

from scanner.detect import backtracking, expression
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND
from scanner.detect.selftest import Failure
from scanner.detect.signature import Example, Signature
from scanner.detect.speed import Company

ANCHOR = 3
"""Literal characters in a row that every match must hold; measured, three cost the same whether in any case or not."""

SPAN = 64
"""Greatest count of a repeat, and the most by which its counts may differ."""

ENDS = 8
"""Match ends that one example may report."""

COST = 1.65
"""Time of a hundred literals and the prefilter, by that of the hundred. Good ones stay under 1.55: anything with a
literal of three characters takes 1.3, since the engine then reads byte by byte. The bad start at 1.7 and reach 10."""

HITS_A_MB = 50.0
"""Matches a MB of the sample; each costs a call of Python code and a run of the pattern."""

MILLISECONDS_A_KB = 5.0
"""CPU time of a pattern on hostile text; good ones take 0.1, the slowest that is needed 0.6."""

POWER = 2.6
"""How the time of a pattern may grow with its text; 2 is quadratic, which the windows keep bounded."""

FLOOR = 2.0
"""Milliseconds below which growth is not judged: clocks are too coarse."""


def lint(signatures: Iterable[Signature]) -> Iterator[Failure]:
    """Yields a failure for everything in a signature that would cost others their speed.

    Args:
        signatures: whose names of filters and proofs need not be known.
    """
    company = Company()
    for sig in signatures:
        for text, reason in (*_window(sig), *_pattern(sig)):
            yield Failure(sig.id, text, reason)
        for prefilter in sig.prefilter:
            reasons = tuple(_shape(prefilter)) or tuple(_run(prefilter, sig.examples, company))
            for reason in reasons:
                yield Failure(sig.id, prefilter, reason)
        if not sig.prefilter:
            yield Failure(sig.id, "", "has no prefilter; give one that ends inside every match")


def _window(sig: Signature) -> Iterator[tuple[str, str]]:
    if sig.before > LOOKBEHIND:
        yield f"before = {sig.before}", f"blocks overlap by {LOOKBEHIND} bytes; look at no more before the match"
    if sig.after > LOOKAHEAD:
        yield f"after = {sig.after}", f"blocks overlap by {LOOKAHEAD} bytes; look at no more after the match"


def _shape(prefilter: str) -> Iterator[str]:
    """What is wrong with a prefilter as it is written."""
    try:
        tree = expression.parse(prefilter)
    except expression.error as error:
        yield f"cannot be parsed: {error}"
        return
    for name in dict.fromkeys(expression.unsupported(tree)):
        yield f"holds {name}, which the engine has not; leave it to the pattern"
    if expression.can_be_empty(tree):
        yield "matches nothing at all, so everywhere; give it a literal that every secret holds"
        return
    for low, high in expression.repeats(tree):
        if high is None:
            yield f"repeats without end ({{{low},}}); give a count of at most {SPAN}"
        elif high > SPAN:
            yield f"repeats up to {high} times; {SPAN} are enough to say where to look, the pattern does the rest"
    if expression.open_ended(tree):
        yield "ends in a repeat of variable length and so reports every end of one secret; cut it to the least count"
    if (length := expression.anchor(tree)) < ANCHOR:
        yield (
            f"is sure of only {length} literal characters in a row, in the weakest of its alternatives; anchor it by "
            f"{ANCHOR} or more, by the name beside the secret if the secret has none, or split the alternatives"
        )


def _run(prefilter: str, examples: Iterable[Example], company: Company) -> Iterator[str]:
    """What is wrong with a prefilter when it runs."""
    try:
        database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=[prefilter.encode()], ids=[0], flags=0)
        ratio, hits = company.cost(prefilter, COST)
    except hyperscan.HyperscanError as error:
        yield f"does not compile: {error}"
        return
    if ratio > COST:
        yield (
            f"is slow: a hundred literals take {ratio:.1f} times as long with it (limit {COST}); give it a longer or "
            "rarer literal, and split alternatives: from a long list the engine takes the part they share"
        )
    if hits > HITS_A_MB:
        yield f"hits {hits:.0f} times a MB of ordinary files (limit {HITS_A_MB:.0f}); ask for more of the secret"
    ends = max((_ends(database, example.text.encode()) for example in examples), default=0)
    if ends > ENDS:
        yield f"reports {ends} match ends in one example (limit {ENDS}); let no repeat match what stands behind it"


def _ends(database: Any, data: bytes) -> int:
    ends: list[int] = []
    database.scan(
        data, match_event_handler=lambda _number, _start, end, _flags, _context: ends.append(end),
        scratch=hyperscan.Scratch(database),
    )  # fmt: skip
    return len(ends)


def _pattern(sig: Signature) -> Iterator[tuple[str, str]]:
    """What is wrong with a pattern."""
    try:
        tree = expression.parse(sig.pattern.encode())
        names = sig.regex.groupindex
    except expression.error as error:
        yield sig.pattern, f"does not compile: {error}"
        return
    if expression.can_be_empty(tree):
        yield sig.pattern, "matches nothing at all; ask for at least one character"
    if "secret" in names and not expression.always_sets(tree, names["secret"]):
        yield sig.pattern, 'has a group "secret" that not every match sets; have one group that all alternatives share'
    slow = backtracking.slowest(sig, MILLISECONDS_A_KB, POWER, FLOOR)
    if slow is not None:
        yield (
            sig.pattern,
            (
                f"backtracks: {slow.milliseconds:.0f} ms for {slow.size} bytes of {slow.unit!r}, growing with the "
                f"{slow.power:.1f}th power of the length; let no two repeats match the same bytes, or make the first "
                "possessive (`++`)"
            ),
        )
