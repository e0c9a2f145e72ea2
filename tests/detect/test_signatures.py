"""Every signature is tested by its own examples, through the real engine."""

import re
from pathlib import Path

import pytest

from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND, Matcher, Whole
from scanner.detect.ruleset import Ruleset, compile_ruleset
from scanner.detect.selftest import check_examples
from scanner.detect.signature import Example
from tests.detect.engine import signature


def test_every_example_is_found_exactly_and_no_counter_example_is(ruleset: Ruleset) -> None:
    assert [f"{f.signature}: {f.reason}" for f in check_examples(ruleset)] == []


def test_an_example_whose_proof_fails_is_a_failure(tmp_path: Path) -> None:
    example = Example("token acme_0123456789", "acme_0123456789")
    ruleset = compile_ruleset((signature(proof="crc32-base62", examples=(example,)),), tmp_path)

    assert [f.reason for f in check_examples(ruleset)] == ["found, but its proof fails: checksum does not match"]


def test_there_are_at_least_eighty_kinds(ruleset: Ruleset) -> None:
    assert len(ruleset.signatures) >= 80


def test_no_signature_looks_further_than_blocks_overlap(ruleset: Ruleset) -> None:
    assert [s.id for s in ruleset.signatures if s.before > LOOKBEHIND or s.after > LOOKAHEAD] == []


def test_every_signature_says_what_it_opens_and_what_to_do(ruleset: Ruleset) -> None:
    assert [s.id for s in ruleset.signatures if not s.opens or not s.remediation] == []


def test_every_signature_has_an_example_and_a_counter_example(ruleset: Ruleset) -> None:
    assert [s.id for s in ruleset.signatures if not s.examples or not s.counterexamples] == []


@pytest.mark.parametrize(
    "kind",
    [
        "aws-access-key-id",
        "npm-access-token",
        "github-personal-access-token",
        "stripe-secret-key",
        "openssh-private-key",
        "json-web-token",
        "slack-bot-token",
    ],
)
def test_the_kinds_people_ask_for_first_are_there(kind: str, ruleset: Ruleset) -> None:
    assert kind in {sig.id for sig in ruleset.signatures}


@pytest.mark.parametrize(
    "shape",
    [
        'var {} string = "{}"',
        'export const {}: string = "{}";',
        'let {}: String = "{}"',
        "static {}: &str = `{}`;",
        '<add key="{}" value="{}"/>',
        '{{"name": "{}", "value": "{}"}}',
        'variable "{}" {{\n  default = "{}"\n}}',
        "{} ::= {}",
        "{} ?= {}",
        "  '{}' => '{}',",
        'System.setProperty("{}", "{}")',
        '{{"settings": "{{\\"{}\\": \\"{}\\"}}"}}',
    ],
)
def test_what_is_set_by_an_environment_variable_is_found_in_other_assignments(shape: str, ruleset: Ruleset) -> None:
    data = b""
    regions, expected = [], []
    for sig in ruleset.signatures:
        for example in sig.examples:
            assigned = re.fullmatch(r"(?:export )?([A-Z][A-Z0-9_]+)=([^\s\"'`\\\[]+)", example.text)
            if assigned and assigned[2] == example.secret and not sig.paths:
                start, data = len(data), data + shape.format(*assigned.groups()).encode()
                regions.append(Whole(len(data), start=start))
                data += b"\n"
                expected.append((sig.id, example.secret))

    found = {(hit.region, hit.secret.decode()) for hit in Matcher(ruleset).scan(data, regions)}

    assert len(expected) > 500
    assert [each for number, each in enumerate(expected) if (number, each[1]) not in found] == []
