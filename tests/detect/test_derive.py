"""Prefilters that are made from patterns: whatever the pattern matches, they are in it."""

import math
import re

import hyperscan
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect import derive, expression


def anchor(pattern: str) -> derive.Anchor | None:
    return derive.anchor(expression.parse(pattern.encode()))


@pytest.mark.parametrize(
    ("pattern", "prefilter"),
    [
        ("acme_[a-z0-9]{32}", ["acme_[0-9a-z]{8}"]),
        (r"\b(?:ghx|gho)_[a-z]{36}\b", ["gh[ox]_[a-z]{8}"]),
        ("(?:foo|barb)_key", ["foo_key", "barb_key"]),
        (r"(?:foo_[a-z]+|barb_\d+)x", ["foo_[a-z]", "barb_[0-9]"]),
        ("(?i:Acme)Key", ["[Aa][Cc][Mm][Ee]Key"]),
        ("[a-z]{0,20}acme-?key", ["acmekey", r"acme\x2dkey"]),
        (r"(?<!x)a(?=.)c\bme", ["acme"]),
        (r"(['\"])acme\1", ["[\"']acme"]),
        ("(?:acme){2,}", ["acmeacme"]),
        ("[ab]{3}acme[\\s\\S]*?end", ["[a-b]{3}acme"]),
        ("[xyz]acme", ["[x-z]acme"]),
    ],
)
def test_the_longest_literals_that_every_match_holds(pattern: str, prefilter: list[str]) -> None:
    found = anchor(pattern)

    assert found is not None
    assert sorted(found.prefilter) == sorted(prefilter)


@pytest.mark.parametrize(
    "pattern", ["[a-f0-9]{32}", "ab[0-9a-z]+", "(?:acme)?x", "acme|[a-z]{20}", "aaaa", ".*", "(?!acme)x"]
)
def test_a_pattern_without_a_sure_literal_has_none(pattern: str) -> None:
    assert anchor(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "strength"), [("ab[0-9]x", 3), ("ab[0-9]", 2), ("(?i)abc", 2), ("(?i)abcd", 3), ("abc", 3)]
)
def test_classes_and_letters_in_any_case_count_for_less(pattern: str, strength: int) -> None:
    found = anchor(pattern)

    assert found is not None
    assert found.strength == strength


@pytest.mark.parametrize(
    ("pattern", "before", "after"),
    [
        ("[a-z]{2,5}acme[0-9]{1,9}", 10, 9),
        ("acme.*", 4, math.inf),
        (".*acme", math.inf, 0),
        ("acme(?=[0-9]{20})", 4, 20),
        ("(?:x{1,3}acme|yacme!!)z", 7, 1),
    ],
)
def test_says_how_far_the_pattern_reaches_from_there(pattern: str, before: float, after: float) -> None:
    found = anchor(pattern)

    assert found is not None
    assert (found.before, found.after) == (before, after)


@pytest.mark.parametrize(
    ("pattern", "words", "implied"),
    [
        ("(?i:x?ACME)_[a-z]{9}", ["acme"], True),
        ("(?:acme|zeta)-[a-z]{9}", ["zeta", "acme"], True),
        ("(?:acme|zeta)-[a-z]{9}", ["zeta"], False),
        ("(?:acme)?[a-z]{9}", ["acme"], False),
        ("acmelonger_key=[a-z]{9}", ["acme"], True),
    ],
)
def test_knows_which_words_every_match_holds(pattern: str, words: list[str], implied: bool) -> None:
    assert derive.implies(expression.parse(pattern.encode()), words) is implied


Sample = tuple[str, str]
"""A pattern, and a text that it matches."""


def _repeated(sample: Sample, low: int, more: int, times: int, lazy: bool) -> Sample:
    high = "" if more > 3 else str(low + more)
    return f"(?:{sample[0]}){{{low},{high}}}{'?' if lazy else ''}", sample[1] * (low + min(more, times))


def _joined(samples: list[Sample]) -> Sample:
    return "".join(pattern for pattern, _ in samples), "".join(text for _, text in samples)


_LITERALS = st.text("abcXY_-0.", min_size=1, max_size=6).map(lambda text: (re.escape(text), text))
_CLASSES = st.sampled_from([("[a-c]", "b"), ("[^x]", "q"), (r"\d", "7"), (".", "+"), (r"\s", "\n"), ("(?:)", "")])
_ANYCASE = st.text("abXY", min_size=1, max_size=5).map(lambda text: (f"(?i:{text})", text.swapcase()))
_LOOKS = st.sampled_from([(r"(?=[\s\S]|\Z)", ""), (r"(?<!\x00)", ""), (r"(?!\x00)", "")])
_SAMPLES = st.recursive(
    st.one_of(_LITERALS, _LITERALS, _CLASSES, _ANYCASE, _LOOKS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=5).map(_joined),
        st.lists(inner, min_size=2, max_size=4).map(lambda s: (f"({'|'.join(pattern for pattern, _ in s)})", s[-1][1])),
        st.builds(_repeated, inner, st.integers(0, 3), st.integers(0, 4), st.integers(0, 3), st.booleans()),
    ),
    max_leaves=12,
)


@given(_SAMPLES)
def test_the_engine_finds_every_match_by_its_prefilter_within_the_windows(sample: Sample) -> None:
    pattern, text = sample[0].encode(), sample[1].encode()
    assert re.fullmatch(pattern, text)
    found = derive.anchor(expression.parse(pattern))
    if found is None:
        return

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[one.encode() for one in found.prefilter], flags=0)
    ends: list[int] = []
    database.scan(text, match_event_handler=lambda _number, _start, end, _flags, _context: ends.append(end))

    assert [end for end in ends if end <= found.before and len(text) - end <= found.after]


@given(_SAMPLES)
def test_a_prefilter_is_one_that_the_engine_takes(sample: Sample) -> None:
    found = anchor(sample[0])
    for prefilter in found.prefilter if found else ():
        tree = expression.parse(prefilter)
        assert not list(expression.unsupported(tree))
        assert not expression.open_ended(tree)
        assert expression.anchor(tree).length >= derive.LEAST


@given(_SAMPLES)
def test_no_match_is_wider_than_is_said(sample: Sample) -> None:
    width, _ = derive.widths(expression.parse(sample[0].encode()))

    assert len(sample[1].encode()) <= width
