"""Refuses signatures that would spoil the speed of all others, before anybody scans an image with them.

What an expression shows by itself is read from its tree; what only shows when it runs is measured on a made-up
sample, against a reference that is measured beside it. Nothing here knows files or the command line.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import hyperscan

from scanner.detect import backtracking, expression
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND
from scanner.detect.pair import WITHIN
from scanner.detect.selftest import Failure
from scanner.detect.signature import Signature
from scanner.detect.speed import Company

ANCHOR = 3
"""Literal characters in a row that every match must hold."""

ANCHOR_ANY_CASE = 4
"""The same where case does not matter: three letters in any case are eight literals, and in every text."""

SPAN = 64
"""Greatest count of a repeat, and the most by which its counts may differ."""

ENDS = 8
"""Match ends that one example may report."""

COST = 2.2
"""Time of a hundred literals and some prefilters, by that of the hundred. One good prefilter takes up to 1.5 and a
hundred of them some 1.8; the bad start at 2.2 and reach 14. Clocks are noisy, so what is just a little bad is for the
rules above, which count."""

TOGETHER = 96
"""Prefilters that are measured at once, and in halves where they are too slow together: compiling a database takes
longer than running it, and one of many little longer than one of few."""

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
    sound: list[tuple[Signature, str]] = []
    for sig in signatures:
        for text, reason in (*_window(sig), *_pattern(sig), *_pairs(sig)):
            yield Failure(sig.id, text, reason)
        if not sig.prefilter:
            yield Failure(sig.id, "", "has no prefilter; give one that ends inside every match")
        for prefilter in sig.prefilter:
            faults = list(_shape(prefilter))
            yield from (Failure(sig.id, prefilter, fault) for fault in faults)
            if not faults:
                sound.append((sig, prefilter))
    for start in range(0, len(sound), TOGETHER):
        yield from _run(sound[start : start + TOGETHER], company)


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
    anchor = expression.anchor(tree)
    least = ANCHOR_ANY_CASE if anchor.any_case else ANCHOR
    if anchor.length < least:
        case = " in any case" if anchor.any_case else ""
        yield (
            f"is sure of only {anchor.length} literal characters in a row{case}, in the weakest of its alternatives; "
            f"anchor it by {least} or more, by the name beside the secret if the secret has none, or "
            "split the alternatives"
        )


def _run(sound: Sequence[tuple[Signature, str]], company: Company) -> Iterator[Failure]:
    """What is wrong with prefilters when they run: with many at once, which is enough if they are good."""
    try:
        guests = company.join([prefilter for _, prefilter in sound])
        ratio = guests.cost(COST)
    except hyperscan.HyperscanError as error:
        guests, ratio = None, math.inf
        if len(sound) == 1:
            yield Failure(sound[0][0].id, sound[0][1], f"does not compile: {error}")
            return
    if guests is None or (ratio > COST and len(sound) > 1):
        half = len(sound) // 2
        yield from _run(sound[:half], company)
        yield from _run(sound[half:], company)
        return
    if ratio > COST:
        yield Failure(
            sound[0][0].id,
            sound[0][1],
            f"is slow: a hundred literals take {ratio:.1f} times as long with it (limit {COST}); give it a longer or "
            "rarer literal, and split alternatives: from a long list the engine takes the part they share",
        )
    for (sig, prefilter), hits in zip(sound, guests.hits_a_mb(), strict=True):
        if hits > HITS_A_MB:
            yield Failure(
                sig.id,
                prefilter,
                f"hits {hits:.0f} times a MB of ordinary files (limit {HITS_A_MB:.0f}); ask for more of the secret",
            )
    for sig in dict.fromkeys(sig for sig, _ in sound):
        for example in sig.examples:
            for (owner, prefilter), ends in zip(sound, guests.ends(example.data), strict=True):
                if owner is sig and ends > ENDS:
                    yield Failure(
                        sig.id,
                        prefilter,
                        f"reports {ends} match ends in one example (limit {ENDS}); no repeat may match what follows it",
                    )


def _pairs(sig: Signature) -> Iterator[tuple[str, str]]:
    """What is wrong with what is looked for beside a secret."""
    for pair in sig.pairs:
        if not 0 < pair.within <= WITHIN:
            yield f"within = {pair.within}", f"what is further away than {WITHIN} bytes belongs to something else"
        if not pair.value:
            continue
        if expression.can_be_empty(expression.parse(pair.value.encode())):
            yield pair.value, "matches nothing at all; ask for at least one character"
            continue
        slow = _slow(replace(sig, pattern=pair.pattern, before=pair.within, after=pair.within))
        if slow is not None:
            yield pair.pattern, slow


def _pattern(sig: Signature) -> Iterator[tuple[str, str]]:
    """What is wrong with a pattern."""
    if sig.reader:  # stands in its place
        return
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
    if (slow := _slow(sig)) is not None:
        yield sig.pattern, slow


def _slow(sig: Signature) -> str | None:
    """What is said of a pattern that backtracks; None for one that does not."""
    slow = backtracking.slowest(sig, MILLISECONDS_A_KB, POWER, FLOOR)
    if slow is None:
        return None
    return (
        f"backtracks: {slow.milliseconds:.0f} ms for {slow.size} bytes of {slow.unit!r}, growing with the "
        f"{slow.power:.1f}th power of the length; let no two repeats match the same bytes, or make the first "
        "possessive (`++`)"
    )
