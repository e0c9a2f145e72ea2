"""Runs every signature's own examples through the real engine."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.detect.hit import Hit
from scanner.detect.matcher import Matcher, Whole
from scanner.detect.pairing import paired
from scanner.detect.ruleset import Ruleset
from scanner.detect.signature import MATE_CLOSE, MATE_OPEN, Example, Signature


@dataclass(frozen=True)
class Failure:
    """An example that did not do what it is there for.

    Attributes:
        signature: id of the signature it belongs to.
        text: the example.
        reason: what was expected and what happened.
    """

    signature: str
    text: str
    reason: str


def check_examples(ruleset: Ruleset) -> Iterator[Failure]:
    """Yields a failure for every example that is not found exactly and every counter-example that is.

    Each text is scanned by the whole ruleset, so that an example also fails when another signature takes its
    place.
    """
    matcher = Matcher(ruleset)
    for sig in ruleset.signatures:
        if not sig.examples and not sig.origin:
            yield Failure(sig.id, "", "has no example")
        if reason := _broken(sig):
            yield Failure(sig.id, sig.pattern, reason)
            continue
        shown = sum(len(example.mates) for example in sig.examples)
        if shown < len({pair.name for pair in sig.pairs}) and not sig.origin:
            yield Failure(sig.id, "", f"its examples do not mark all it is paired with, as {MATE_OPEN}so{MATE_CLOSE}")
        for example in sig.examples:
            if reason := _missed(sig, example, _scan(matcher, ruleset, example)):
                yield Failure(sig.id, example.text, reason)
        for example in sig.counterexamples:
            for hit in _scan(matcher, ruleset, example):
                if hit.signature.id == sig.id and not hit.downgraded:
                    yield Failure(sig.id, example.text, f"a counter-example, but found {hit.secret!r}")


def _broken(sig: Signature) -> str | None:
    try:
        pattern = sig.regex
    except re.error as error:
        return f"the pattern does not compile: {error}"
    if "secret" in pattern.groupindex and pattern.search(b"") is not None:
        return "the pattern matches nothing at all"
    return None


def _scan(matcher: Matcher, ruleset: Ruleset, example: Example) -> list[Hit]:
    data = example.data
    regions = [Whole(len(data), example.path)]
    return paired(ruleset, matcher.scan(data, regions), data, regions)


def _missed(sig: Signature, example: Example, hits: list[Hit]) -> str | None:
    found = {(hit.signature.id, hit.secret.decode(example.encoding, "replace")): hit for hit in hits}
    if (hit := found.get((sig.id, example.secret))) is not None:
        if hit.confidence != sig.confidence:
            return f"found, but its proof fails: {hit.proof}"
        mates = tuple(mate.value.decode(example.encoding, "replace") for mate in hit.mates)
        if lost := [mate for mate in example.mates if mate not in mates]:
            return f"expected {', '.join(lost)} to belong to it, found {', '.join(mates) or 'nothing'}"
        return None
    if sig.origin and any(example.secret in secret or secret in example.secret for _, secret in found):
        return None  # rules that were written apart overlap, and the one that says most of the bytes has them
    return f"expected {example.secret!r} by {sig.id}, found {list(found)}"
