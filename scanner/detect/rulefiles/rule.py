"""What rules of all formats have in common, and how one becomes a signature.

A format says what its fields mean by filling a `Rule`; how that is run is decided here, once for all of them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scanner.detect import derive, expression
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND
from scanner.detect.rulefiles.notes import Unhonoured
from scanner.detect.rulefiles.syntax import Translated, UnsupportedError, translate
from scanner.detect.signature import Condition, Confidence, Example, Provider, Severity, Signature

NEAR = 1024
"""Bytes between a rule's keyword and its match; other scanners ask for the keyword anywhere in a file."""

OPEN = 8192
"""Bytes that a pattern without an end is given behind its anchor."""

OPEN_BEFORE = 1024
"""Bytes that a pattern without a start is given before it."""

_MARGIN = 2  # what \b and the like look at beside a match


@dataclass(frozen=True)
class Rule:
    """A rule as its format has it, in terms that all share.

    Attributes:
        id: its id.
        name: what to call it.
        regex: its expression, in the syntax of ``dialect``.
        dialect: as for `translate`.
        origin: the name of its format.
        groups: which groups may be the secret, the first of those that hold something; all of them if None.
        last: whether of all of them the last that holds something is the secret.
        keywords: of which one must be near, in any case.
        entropy: least entropy of the secret.
        paths: an expression in the same syntax, for the path of the file.
        excluded: as in `Signature`, in Python's syntax.
        severity: of a leak.
        confidence: of a match.
        generic: as in `Signature`.
        url: where to read about it.
        positives: texts that it must match.
        negatives: texts that it must not match.
    """

    id: str
    name: str
    regex: str
    dialect: str
    origin: str
    groups: tuple[int, ...] | None = None
    last: bool = False
    keywords: tuple[str, ...] = ()
    entropy: float = 0.0
    paths: str = ""
    excluded: tuple[tuple[Condition, ...], ...] = ()
    severity: Severity = Severity.HIGH
    confidence: Confidence = Confidence.MEDIUM
    generic: bool = False
    url: str = ""
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """How a pattern is looked for."""

    prefilter: tuple[str, ...]
    before: float
    after: float
    near: int = 0
    keywords: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


def build(rule: Rule) -> Iterator[Signature | Unhonoured]:
    """Makes the signature of a rule, and says what of it is not honoured; only that, if it cannot be run at all."""
    try:
        pattern = translate(rule.regex, rule.dialect)
    except UnsupportedError as error:
        yield Unhonoured(rule.id, "rule", f"left out, its regex has {error}")
        return
    try:
        paths = translate(rule.paths, rule.dialect) if rule.paths else Translated("", ())
        re.compile(paths.pattern)
    except (UnsupportedError, re.error) as error:
        yield Unhonoured(rule.id, "rule", f"left out, its path has {error}")
        return
    tree = expression.parse(pattern.pattern.encode())
    if expression.can_be_empty(tree):
        yield Unhonoured(rule.id, "rule", "left out, its regex matches nothing at all")
        return
    plan = _plan(tree, rule.keywords)
    if isinstance(plan, str):
        yield Unhonoured(rule.id, "rule", f"left out, {plan}")
        return
    for difference in (*pattern.differs, *paths.differs):
        yield Unhonoured(rule.id, "regex", difference)
    for what, why in plan.notes:
        yield Unhonoured(rule.id, what, why)
    groups = rule.groups
    if groups is None:
        groups = tuple(range(1, tree.state.groups))
        if rule.last and len(groups) > 1:
            yield Unhonoured(
                rule.id, "regex", f"of its {len(groups)} groups only the last that holds something is told"
            )
            groups = groups[::-1]
    elif groups and max(groups) >= tree.state.groups:
        yield Unhonoured(rule.id, "group", f"the regex has no group {max(groups)}; all of the match is the secret")
        groups = ()
    compiled = re.compile(pattern.pattern.encode())
    yield Signature(
        id=rule.id,
        name=rule.name or rule.id,
        provider=Provider(rule.origin.lower().replace(" ", ""), f"{rule.origin} rule", url=rule.url),
        severity=rule.severity,
        confidence=rule.confidence,
        prefilter=plan.prefilter,
        pattern=pattern.pattern,
        entropy=rule.entropy,
        keywords=plan.keywords,
        before=int(plan.before),
        after=int(plan.after),
        paths=paths.pattern,
        filters=(),
        generic=rule.generic,
        origin=rule.origin,
        groups=groups,
        near=plan.near,
        excluded=rule.excluded,
        examples=tuple(Example(text, _secret(compiled, groups, text)) for text in rule.positives),
        counterexamples=tuple(Example(text) for text in rule.negatives),
    )


def _plan(tree: Any, keywords: Sequence[str]) -> _Plan | str:
    """How to look for a pattern, or why that cannot be done."""
    anchor = derive.anchor(tree)
    words = tuple(dict.fromkeys(word.lower() for word in keywords if word))
    shortest = min(map(len, words), default=0)
    weak = anchor is None or anchor.strength < derive.GOOD
    notes: list[tuple[str, str]] = []
    near, checked = 0, words
    if weak and shortest >= derive.LEAST + (anchor is not None):
        # Beside the match or in it: where the regex has no good anchor, the words are looked for.
        width, ahead = derive.widths(tree)
        before, after = NEAR + width, NEAR + width + ahead
        prefilter, near, checked = tuple(derive.any_case(word) for word in words), NEAR, ()
        weak = shortest == derive.LEAST
    elif anchor is not None:
        before, after, prefilter = anchor.before, anchor.after, anchor.prefilter
        if words and derive.implies(tree, words):
            checked = ()
    elif words:
        return f"neither its regex nor each of its keywords is sure of {derive.LEAST} characters to look for"
    else:
        return f"its regex is not sure of {derive.LEAST} characters in a row to look for, and it has no keywords"
    if checked or near:
        notes.append(("keywords", f"looked for within {NEAR} bytes of the match, not in all of the file"))
        before, after = max(before, NEAR), max(after, NEAR)
    if weak:
        notes.append(("regex", "what it can be found by is short and common, which slows the scan"))
    before, cut_before = _within(before, LOOKBEHIND, OPEN_BEFORE)
    after, cut_after = _within(after, LOOKAHEAD, OPEN)
    if cut_before or cut_after:
        sides = [f"{before:.0f} bytes before"] * cut_before + [f"{after:.0f} bytes behind"] * cut_after
        notes.append(("regex", f"sees no more than {' and '.join(sides)} the text it is found by"))
    return _Plan(prefilter, before, after, near, checked, tuple(notes))


def _within(width: float, most: int, if_open: int) -> tuple[float, bool]:
    if math.isinf(width):
        return if_open, True
    return min(width + _MARGIN, most), width + _MARGIN > most


def _secret(pattern: re.Pattern[bytes], groups: tuple[int, ...], text: str) -> str:
    """What an example's secret is, as the rule itself has it; all of the text where the rule does not match."""
    match = pattern.search(text.encode())
    if match is None:
        return text
    found = next((match[number] for number in groups if match[number]), match[0])
    return found.decode(errors="replace")


def exclusion(target: str, regexes: Sequence[str], dialect: str) -> Condition:
    """A condition whose expressions are in the syntax of a dialect.

    Raises:
        UnsupportedError: as for `translate`.
    """
    return Condition(target, tuple(translate(regex, dialect).pattern for regex in regexes))
