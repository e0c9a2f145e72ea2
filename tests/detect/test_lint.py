"""What the lint refuses, by bad examples, and what it accepts, by good ones of the same kind."""

import pytest

from scanner.detect import expression
from scanner.detect.lint import COST, HITS_A_MB, lint
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND
from scanner.detect.ruleset import Ruleset
from scanner.detect.sample_text import sample
from scanner.detect.signature import Example
from scanner.detect.speed import Company
from tests.detect.engine import signature

GOOD = (
    "acme_[a-z0-9]{10}",
    "(?i)acme[\\w.-]{0,32}(?:key|token)[\\s=:\"']{1,12}[a-z0-9]{16}",
    "(?:acme|apex)(?:db)?://[a-z]{0,64}:[!-~]{3}",
    "AC[MN]E-(?:live|test)?[A-F0-9]{20}",
    "(?i:acme)[A-F0-9]{20}",
)

SLOW = (
    "[A-Za-z0-9]{40}(?:the|ing|ion|for|and|ent|her|tha|nth|int|ere|tio|ter|est|ers|ati|hat|ate|all|eth|hes|ver|his|oft"
    "|ith|fth|sth|oth|res|ont)"
)
"""At its best five times the company's time, so that no weather brings it under the limit."""


@pytest.fixture(scope="module")
def company() -> Company:
    return Company()


def faults(**changes: object) -> list[str]:
    return [failure.reason for failure in lint([signature(**changes)])]


@pytest.mark.parametrize("prefilter", GOOD)
def test_a_prefilter_with_a_literal_and_a_short_fixed_tail_is_accepted(prefilter: str) -> None:
    assert faults(prefilter=(prefilter,)) == []


@pytest.mark.parametrize(
    ("prefilter", "reason"),
    [
        ("[0-9a-f]{40}", "is sure of only 1 literal"),
        ("[A-Za-z0-9]{20}", "is sure of only 0 literal"),
        ("ac[a-z]{3}me", "is sure of only 2 literal"),
        ("(?i)key[0-9a-f]{32}", "is sure of only 3 literal characters in a row in any case"),
        ("(?i:key)[0-9a-f]{32}", "is sure of only 3 literal characters in a row in any case"),
        ("(?:x(?i:ke)|acme_)[0-9a-f]{32}", "is sure of only 3 literal characters in a row in any case"),
        ("(?:acme|[0-9]{4})-[a-z]{9}", "is sure of only 2 literal"),
        ("(?:acme)?[a-z0-9]{9}", "is sure of only 0 literal"),
        ("acme_[a-z]*_[a-z]{4}", "repeats without end"),
        ("acme_[a-z]+_x", "repeats without end"),
        ("acme_[a-z]{4,}_x", "repeats without end"),
        ("acme_[a-z]{4,300}_x", "repeats up to 300 times"),
        ("acme_[a-z]{200}", "repeats up to 200 times"),
        ("acme_[a-z]{4,30}", "ends in a repeat of variable length"),
        ("acme_[a-z]{4}(?:-[0-9])?", "ends in a repeat of variable length"),
        ("(?<![a-z])acme_[a-z]{4}", "holds look-around"),
        ("acme_[a-z]{4}(?!x)", "holds look-around"),
        ("acme_([a-z])\\1", "holds a back-reference"),
        ("^acme_[a-z]{4}", "holds an anchor"),
        ("(?:acme_)?", "matches nothing at all"),
        ("acme_(", "cannot be parsed"),
    ],
)
def test_a_prefilter_is_refused_by_how_it_is_written(prefilter: str, reason: str) -> None:
    assert any(fault.startswith(reason) for fault in faults(prefilter=(prefilter,))), faults(prefilter=(prefilter,))


def test_a_prefilter_that_only_the_engine_can_refuse_is_refused_by_name_among_good_ones() -> None:
    found = list(lint([signature(prefilter=("acme_[a-z]{4}", "acme\\p{Nonsense}"))]))
    assert [failure.text for failure in found] == ["acme\\p{Nonsense}"]


def test_a_signature_without_prefilter_is_refused() -> None:
    assert faults(prefilter=()) == ["has no prefilter; give one that ends inside every match"]


@pytest.mark.parametrize("prefilter", ["[0-9a-f]{40}", SLOW])
def test_a_prefilter_that_slows_all_others_down_is_over_the_limit(prefilter: str, company: Company) -> None:
    assert company.join([prefilter]).cost(COST) > COST


@pytest.mark.parametrize("prefilter", GOOD)
def test_a_prefilter_that_does_not_is_under_it(prefilter: str, company: Company) -> None:
    assert company.join([prefilter]).cost(COST) <= COST


def test_a_slow_prefilter_is_refused_by_name_among_good_ones() -> None:
    found = list(lint([signature(prefilter=("acme_[a-z]{4}", SLOW))]))
    assert [(failure.text, failure.reason.split(":")[0]) for failure in found] == [(SLOW, "is slow")]


def test_a_prefilter_that_hits_at_every_line_is_refused() -> None:
    assert any(f"(limit {HITS_A_MB:.0f})" in fault for fault in faults(prefilter=("http",)))


def test_hits_are_counted_alike_each_time(company: Company) -> None:
    once, again = (company.join(["http", "acme_"]).hits_a_mb() for _ in range(2))
    assert once == again
    assert once[0] > HITS_A_MB > once[1]


def test_a_prefilter_that_reports_one_secret_many_times_is_refused() -> None:
    text = "acme:" + ":".join("abcdefghijk")
    found = faults(prefilter=("acme:[!-~]{1,64}:[!-~]",), examples=(Example(text, text),))
    assert [fault.split(" in ")[0] for fault in found] == ["reports 10 match ends"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("acme_(", "does not compile"),
        ("(?:acme_)?", "matches nothing at all"),
        ("acme_(?:(?P<secret>[a-z]{9})|[0-9]{9})", 'has a group "secret" that not every match sets'),
        ("acme_(?P<secret>[a-z]{9})?", 'has a group "secret" that not every match sets'),
        ("acme_(?:[a-z0-9]+)+-", "backtracks"),
        ("acme_(?:[a-z]|[a-z][0-9]?)*!", "backtracks"),
    ],
)
def test_a_pattern_is_refused(pattern: str, reason: str) -> None:
    example = Example("acme_q1w2e3r4t5", "acme_q1w2e3r4t5")
    assert [fault.split(":")[0].split(";")[0] for fault in faults(pattern=pattern, examples=(example,))] == [reason]


@pytest.mark.parametrize(
    "pattern",
    [
        "(?<![a-z0-9])acme_[a-z0-9]{10}(?![a-z0-9])",
        "acme_(?:live|test)(?P<secret>[a-z]{9}|[0-9]{9})",
        "acme_(?:[a-z0-9]++-?)++!",
    ],
)
def test_a_pattern_that_cannot_be_kept_busy_is_accepted(pattern: str) -> None:
    example = Example("acme_q1w2e3r4t5", "acme_q1w2e3r4t5")
    assert faults(pattern=pattern, examples=(example,)) == []


def test_a_window_that_is_wider_than_blocks_overlap_is_refused() -> None:
    assert len(faults(before=LOOKBEHIND + 1, after=LOOKAHEAD + 1)) == 2
    assert faults(before=LOOKBEHIND, after=LOOKAHEAD) == []


@pytest.mark.parametrize(
    ("prefilter", "length"),
    [
        ("acme", 4),
        ("[Aa][Cc]me", 4),
        ("[0-9]:AA", 4),
        ("[0-9]{9}:AA", 4),
        ("a(?:bc|d)e", 3),
        ("passw(?:or)?d", 6),
        ("x{3}[0-9]?yy", 5),
        ("ab.cd", 2),
        ("a{2,5}b", 2),
        ("(?:abc|d[a-z]e)", 1),
    ],
)
def test_the_sure_literals_of_an_expression_are_counted(prefilter: str, length: int) -> None:
    assert expression.anchor(expression.parse(prefilter)).length == length


@pytest.mark.parametrize(
    ("prefilter", "any_case"),
    [
        ("(?i)acme", True),
        ("(?i:acme)", True),
        ("a(?i:c)me", True),
        ("(?i)(?-i:acme)", False),
        ("(?i:.{4})acme", False),
        ("(?i)1234", False),
        ("(?i:a).acme", False),
    ],
)
def test_letters_in_any_case_are_seen_wherever_the_flag_stands(prefilter: str, any_case: bool) -> None:
    anchor = expression.anchor(expression.parse(prefilter))
    assert (anchor.length, anchor.any_case) == (4, any_case)


def test_the_sample_is_the_same_each_time_and_of_the_size_asked_for() -> None:
    assert len(sample()) == 4 << 20
    assert sample(1 << 16) == sample()[: 1 << 16]


def test_the_built_in_signatures_pass(ruleset: Ruleset) -> None:
    assert [f"{failure.signature}: {failure.text}: {failure.reason}" for failure in lint(ruleset.signatures)] == []
