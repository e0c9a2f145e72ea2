"""Says for a text why each signature that has anything to do with it finds something there or not.

It asks the matcher's own questions, one by one and all of them, where the matcher stops at the first that fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.detect.entropy import shannon
from scanner.detect.filters import DOWNGRADES, FILTERS
from scanner.detect.hit import Hit
from scanner.detect.matcher import Match, Matcher, Whole, around, candidate, judge, keyword, matches, rejecting
from scanner.detect.pairing import paired
from scanner.detect.proof import PROOFS
from scanner.detect.public import known_public
from scanner.detect.published import published
from scanner.detect.ruleset import Ruleset
from scanner.detect.signature import Signature


@dataclass(frozen=True)
class Step:
    """One question and its answer.

    Attributes:
        name: what is asked: ``prefilter``, ``pattern`` or ``plugin``, ``paths``, ``keywords``, ``entropy``, ``public``,
            ``filter NAME``, ``proof``, ``claimed``, ``belongs to`` or ``marked``; ``keyword`` where the prefilter
            does not match.
        passed: whether the answer lets the value through; None where it decides nothing.
        told: the answer in words; holds no secret.
        secret: the value it is about, for the step that found it. Never print it unasked.
    """

    name: str
    passed: bool | None
    told: str
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Explanation:
    """What a signature makes of a text, or of one place in it.

    Attributes:
        signature: the signature.
        found: whether a scan reports it.
        steps: how that came about.
    """

    signature: Signature
    found: bool
    steps: tuple[Step, ...]


_ALONE = 65536
"""Bytes of a text in which a pattern is tried where no prefilter tells it to look; time may grow as their square."""


def explain(text: bytes, ruleset: Ruleset, path: str = "") -> Iterator[Explanation]:
    """Explains what a ruleset makes of a text.

    Args:
        text: as it would stand in a file or in metadata.
        ruleset: the signatures.
        path: of the file it is said to stand in; empty for metadata.

    Yields:
        One explanation for each match of a signature whose prefilter matches, and one for each other signature whose
        prefilter or keyword is in the text or whose pattern alone matches; those that find something first.
    """
    region = Whole(len(text), path)
    matcher = Matcher(ruleset)
    raw = matcher.find(text)
    hits = paired(ruleset, matcher.confirm(text, [region], raw, 0, None), text, [region])
    ends: dict[int, list[int]] = {}
    for number, end in raw:
        if number < len(ruleset.owners):  # the others are public keys, or forms in another encoding than the text's
            ends.setdefault(ruleset.owners[number], []).append(end)
    made = [
        explanation
        for index, sig in enumerate(ruleset.signatures)
        for explanation in (
            _prefiltered(sig, text, region, sorted(set(ends[index])), hits) if index in ends else _untouched(sig, text)
        )
    ]
    yield from sorted(made, key=lambda it: (not it.found, *(step.passed is not True for step in it.steps[:2])))


def _prefiltered(sig: Signature, text: bytes, region: Whole, ends: list[int], hits: list[Hit]) -> Iterator[Explanation]:
    places: dict[tuple[int, int], list[tuple[int, Match]]] = {}
    for end in ends:
        for match in matches(sig, text, region, end):
            places.setdefault((match.start_of_secret, match.end_of_secret), []).append((end, match))
    if not places:
        yield Explanation(sig, False, (_touched(text, ends[0]), _unmatched(sig, text)))
    own = [hit for hit in hits if hit.signature is sig]
    for (start, stop), windows in places.items():
        found = any((hit.start, hit.end) == (start, stop) for hit in own)
        if not found and any(hit.start < stop and start < hit.end for hit in own):
            continue  # a part of what was found, seen through another window
        # Where several prefilters match, a window that shows what is asked for is enough.
        end, best = next((pair for pair in windows if judge(sig, pair[1], text, 0, region)), windows[0])
        yield Explanation(sig, found, (_touched(text, end), *_questions(sig, text, region, best, hits)))


def _touched(text: bytes, end: int) -> Step:
    return Step("prefilter", True, f"matches up to {_at(text, end - 1)}")


def _unmatched(sig: Signature, text: bytes) -> Step:
    """What is said of a pattern that does not match where the prefilter did."""
    if sig.reader:
        return Step("plugin", False, "finds nothing on the line around it")
    if sig.regex.search(text, 0, _ALONE):
        return Step("pattern", False, f"matches only with more than {sig.before} bytes before or {sig.after} behind")
    return Step("pattern", False, "does not match around it")


def _untouched(sig: Signature, text: bytes) -> Iterator[Explanation]:
    """What is said of a signature whose prefilter does not match."""
    lower = text.lower()
    word = next((word for word in sig.keyword_bytes if word in lower), None)
    match = None if sig.reader else sig.regex.search(text, 0, _ALONE)
    if word is None and match is None:
        return
    missed = Step("prefilter", False, f"matches nowhere: {'  '.join(sig.prefilter)}")
    pattern = Step("pattern", None, "would match") if match else Step("pattern", False, "does not match")
    near = (Step("keyword", None, f"{word.decode()!r} is there"),) if word is not None else ()
    yield Explanation(sig, False, (missed, pattern, *near))


def _questions(sig: Signature, text: bytes, region: Whole, match: Match, hits: list[Hit]) -> Iterator[Step]:
    """All that is asked of a match."""
    start, end = match.start_of_secret, match.end_of_secret
    secret = text[start:end]
    yield Step("plugin" if sig.reader else "pattern", True, f"matches at {_at(text, start)}", secret)
    if sig.paths:
        fits = bool(region.path and sig.path_regex.search(region.path))
        yield Step("paths", fits, f"{region.path or 'no path'} {'matches' if fits else 'does not match'} {sig.paths}")
    if sig.keywords:
        word = keyword(sig, match, text)
        told = f"{word.decode()!r} is near" if word is not None else f"none near of {', '.join(sig.keywords)}"
        yield Step("keywords", word is not None, told)
    if sig.entropy:
        value = shannon(secret)
        yield Step("entropy", value >= sig.entropy, f"{value:.2f} bits a byte, {sig.entropy:.2f} asked for")
    public = known_public(secret)
    if public is not None:
        yield Step("public", None, f"{public}; so no filter is asked, and the hit is downgraded")
    yield from _filtered(sig, text, region, match, asked=public is None)
    if sig.proof:
        verdict = PROOFS[sig.proof](secret, around(match, text))
        if verdict is None:
            yield Step("proof", None, "this form of it has nothing that could be checked")
        else:
            told = verdict.text if verdict.holds else f"{verdict.text}, so the confidence is low"
            yield Step("proof", verdict.holds or None, told)
            if verdict.public and (where := published(verdict.public)):
                yield Step("public", None, f"{where}; so the hit is downgraded")
    yield from _outcome(sig, text, region, match, hits)


def _filtered(sig: Signature, text: bytes, region: Whole, match: Match, *, asked: bool) -> Iterator[Step]:
    if not asked or not sig.filters:
        return
    value = candidate(match, text, region)
    rejected = set(rejecting(sig, value))
    for name, function in FILTERS.items():
        if name in sig.filters:
            meaning = (function.__doc__ or "").partition("\n")[0].rstrip(".")
            # Every one of them begins with an article.
            told = f"rejects {meaning[:1].lower()}{meaning[1:]}" if name in rejected else "lets it through"
            yield Step(f"filter {name}", name not in rejected, told)
    for name, (holds, why) in DOWNGRADES.items():
        if name in sig.filters and holds(value):
            yield Step(f"filter {name}", None, f"{why}; so the hit is downgraded")


def _outcome(sig: Signature, text: bytes, region: Whole, match: Match, hits: list[Hit]) -> Iterator[Step]:
    """What becomes of a match that all questions let through."""
    hit = judge(sig, match, text, 0, region)
    if hit is None or (sig.paths and not (region.path and sig.path_regex.search(region.path))):
        return
    claims = [other for other in hits if other.start < hit.end and hit.start < other.end]
    own = next((other for other in claims if other.signature is sig), None)
    if own is not None:
        yield Step("claimed", True, "no other signature has a better claim to these bytes")
        yield from _belongings(sig, own)
    else:
        yield Step("claimed", False, f"{', '.join(other.signature.id for other in claims)} claims these bytes")
    if hit.mark:
        yield Step("marked", None, f"a comment asks to ignore it: {hit.mark}")


def _belongings(sig: Signature, hit: Hit) -> Iterator[Step]:
    """What the signature looks for beside its secret, and whether it is there."""
    for pair in sig.pairs:
        mate = next((mate for mate in hit.mates if mate.name == pair.name), None)
        if mate is None:
            yield Step("belongs to", None, f"no {pair.name} within {pair.within} bytes")
        else:
            proof = f" ({mate.proof})" if mate.proof else ""
            value = mate.value.decode("utf-8", "backslashreplace") if pair.value else "that is told by itself"
            yield Step("belongs to", None, f"{pair.name} {value}{proof}")


def _at(text: bytes, offset: int) -> str:
    line_start = text.rfind(b"\n", 0, offset) + 1
    return f"line {text.count(bytes([10]), 0, offset) + 1}, byte {offset - line_start + 1}"
