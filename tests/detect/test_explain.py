"""Explanations say what the matcher does, question by question."""

from pathlib import Path
from typing import Any

from scanner.detect.explain import Explanation, Step, explain
from scanner.detect.matcher import Matcher, Whole
from scanner.detect.pair import Pair
from scanner.detect.ruleset import Ruleset, compile_ruleset
from scanner.detect.signature import Signature
from tests.detect.engine import signature

TOKEN = b"acme_0k3j5h7g9f"


def explained(cache: Path, text: bytes, *signatures: Signature, path: str = "") -> list[Explanation]:
    return list(explain(text, compile_ruleset(signatures, cache), path))


def steps(cache: Path, text: bytes, path: str = "", **changes: object) -> list[tuple[str, bool | None, str]]:
    (one,) = explained(cache, text, signature(**changes), path=path)
    return [(step.name, step.passed, step.told) for step in one.steps]


def test_what_is_found_is_what_the_matcher_finds_in_every_example(ruleset: Ruleset) -> None:
    matcher = Matcher(ruleset)
    for sig in ruleset.signatures:
        for example in (*sig.examples, *sig.counterexamples):
            text = example.text.encode()
            hits = matcher.scan(text, [Whole(len(text), example.path)])
            found = [one for one in explain(text, ruleset, example.path) if one.found]

            assert sorted((one.signature.id, one.steps[1].secret) for one in found) == sorted(
                (hit.signature.id, hit.secret) for hit in hits
            )


def test_each_question_is_answered_although_one_before_it_failed(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "paths": r"\.acmerc$",
        "keywords": ("cloud", "Console"),
        "entropy": 5.0,
        "filters": ("placeholder", "undigited"),
        "proof": "crc32-base62",
    }
    undigited = "rejects a value without a digit; a random token of any length worth the name has one"
    assert steps(tmp_path, b"# x\nT = acme_aaaaaaaaaa", **asked) == [
        ("prefilter", True, "matches up to line 2, byte 13"),
        ("pattern", True, "matches at line 2, byte 5"),
        ("paths", False, r"no path does not match \.acmerc$"),
        ("keywords", False, "none near of cloud, Console"),
        ("entropy", False, "1.37 bits a byte, 5.00 asked for"),
        ("filter undigited", False, undigited),
        ("filter placeholder", True, "lets it through"),
        ("proof", None, "checksum does not match, so the confidence is low"),
    ]


def test_a_value_that_all_questions_let_through_is_found(tmp_path: Path) -> None:
    asked = {"paths": r"\.acmerc$", "keywords": ("cloud", "Console"), "entropy": 3.0}

    (one,) = explained(tmp_path, b"console=" + TOKEN, signature(**asked), path="root/.acmerc")

    assert one.found
    assert [step.secret for step in one.steps] == [None, TOKEN, None, None, None, None]
    assert [(step.name, step.passed, step.told) for step in one.steps[2:]] == [
        ("paths", True, r"root/.acmerc matches \.acmerc$"),
        ("keywords", True, "'console' is near"),
        ("entropy", True, "3.91 bits a byte, 3.00 asked for"),
        ("claimed", True, "no other signature has a better claim to these bytes"),
    ]


def test_a_signature_that_says_more_claims_the_bytes(tmp_path: Path) -> None:
    generic = signature(
        id="generic", generic=True, prefilter=("TOKEN=[a-z_]{4}",), pattern="TOKEN=(?P<secret>[a-z0-9_]{8,})"
    )

    better, other = explained(tmp_path, b"TOKEN=" + TOKEN, generic, signature())

    assert (better.signature.id, better.found, other.signature.id, other.found) == (
        "acme-token",
        True,
        "generic",
        False,
    )
    assert other.steps[-1] == Step("claimed", False, "acme-token claims these bytes")


def test_a_pattern_that_needs_more_context_says_so(tmp_path: Path) -> None:
    text = b"acme:" + b" " * 100 + TOKEN

    assert steps(tmp_path, text, pattern="acme: +(?P<secret>acme_[a-z0-9]{10})")[1] == (
        "pattern",
        False,
        "matches only with more than 70 bytes before or 170 behind",
    )
    assert steps(tmp_path, b"acme_12345")[1] == ("pattern", False, "does not match around it")


def test_a_signature_whose_prefilter_does_not_match_is_told_if_it_is_near(tmp_path: Path) -> None:
    near = signature(prefilter=("acme_zz[a-z0-9]{4}",), keywords=("Token",))

    assert steps(tmp_path, b"token=" + TOKEN, prefilter=near.prefilter, keywords=near.keywords) == [
        ("prefilter", False, "matches nowhere: acme_zz[a-z0-9]{4}"),
        ("pattern", None, "would match"),
        ("keyword", None, "'token' is there"),
    ]
    assert explained(tmp_path, b"nothing of the kind", near) == []


def test_a_documented_value_is_asked_no_filter(ruleset: Ruleset) -> None:
    (one,) = [one for one in explain(b"id=AKIAIOSFODNN7EXAMPLE", ruleset) if one.found]

    told = "AWS documentation's example key id; so no filter is asked, and the hit is downgraded"
    assert [step for step in one.steps if step.name == "public"] == [Step("public", None, told)]
    assert [step for step in one.steps if step.name.startswith("filter")] == []


def test_a_mark_is_told(tmp_path: Path) -> None:
    assert steps(tmp_path, TOKEN + b" # gitleaks:allow")[-1] == (
        "marked",
        None,
        "a comment asks to ignore it: gitleaks:allow",
    )


def test_two_secrets_of_one_kind_are_two_explanations_and_copies_of_a_window_are_none(tmp_path: Path) -> None:
    text = TOKEN + b" " + TOKEN[::-1].replace(b"_emca", b"") + b" acme_9z8y7x6w5v"
    sig = signature(prefilter=("acme_[a-z0-9]{4}", "me_[a-z0-9]{6}"))

    found = explained(tmp_path, text, sig)

    assert [(one.found, one.steps[1].secret) for one in found] == [(True, TOKEN), (True, b"acme_9z8y7x6w5v")]


def test_what_belongs_to_a_secret_is_told_and_that_it_is_not_there(tmp_path: Path) -> None:
    pairs = (Pair("client id", value="[0-9]{6}", field="client"), Pair("tenant", value="t-[0-9]{6}"))

    told = steps(tmp_path, b"client=271828 " + TOKEN, pairs=pairs)

    assert told[-2:] == [
        ("belongs to", None, "client id 271828"),
        ("belongs to", None, "no tenant within 1024 bytes"),
    ]


def test_what_is_a_finding_by_itself_is_not_shown_as_what_belongs_to_another(tmp_path: Path) -> None:
    name = signature(id="acme-id", prefilter=("ACID[A-Z]{4}",), pattern="ACID[A-Z]{8}", identifier=True)
    sig = signature(pairs=(Pair("id", signatures=("acme-id",)),))

    told = [step.told for one in explained(tmp_path, b"ACIDQWERTZUI " + TOKEN, name, sig) for step in one.steps]

    assert "id that is told by itself" in told
    assert not any("ACIDQWERTZUI" in text for text in told)
