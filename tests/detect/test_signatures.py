"""Every signature is tested by its own examples, through the real engine."""

import marshal
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


def test_a_secret_that_is_known_by_itself_is_known_as_a_constant_of_compiled_python(ruleset: Ruleset) -> None:
    # The byte before a constant is its length, which may be a letter or a digit; that behind it is the next one's type.
    engine = Matcher(ruleset)

    def finds(data: bytes, path: str, signature: str, secret: str) -> bool:
        hits = engine.scan(data, [Whole(len(data), path)])
        return any((hit.signature.id, hit.secret.decode("latin-1")) == (signature, secret) for hit in hits)

    known, missed = 0, []
    for sig in ruleset.signatures:
        for secret in [
            e.secret for e in sig.examples if e.secret.isascii() and e.encoding == "utf-8" and not sig.paths
        ]:
            if finds(f'x = "{secret}"\n'.encode(), "app/x.py", sig.id, secret):
                known += 1
                code = marshal.dumps(("zz", secret, "zz"))
                if not finds(code, "app/x.pyc", sig.id, secret):
                    missed.append((sig.id, code))

    assert missed == []
    assert known > 300


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
