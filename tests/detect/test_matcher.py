"""The matcher: one call of the database a block, and a closer look where it hit."""

import marshal
import random
from pathlib import Path
from typing import Any

import pytest

from scanner.detect import matcher as engine_module
from scanner.detect.hit import Hit
from scanner.detect.matcher import Matcher
from scanner.detect.ruleset import Ruleset
from scanner.detect.signature import Condition, Confidence, Signature
from tests.detect.engine import Part, found, matcher, signature

TOKEN = b"acme_" + b"0k3j5h7g9f"


def whole(data: bytes, path: str = "") -> list[Part]:
    return [Part(0, len(data), path)]


def test_finds_a_secret_and_where_it_starts(tmp_path: Path) -> None:
    data = b"TOKEN=" + TOKEN + b"\n"

    (hit,) = matcher(tmp_path, signature()).scan(data, whole(data))

    assert (hit.start, hit.secret) == (6, TOKEN)


def test_a_match_outside_of_all_regions_is_no_hit(tmp_path: Path) -> None:
    data = TOKEN + b" " * 20 + TOKEN

    hits = matcher(tmp_path, signature()).scan(data, [Part(30, len(data))])

    assert [hit.start for hit in hits] == [35]


def test_a_region_ends_what_the_pattern_sees(tmp_path: Path) -> None:
    data = TOKEN + b"more"

    assert found(matcher(tmp_path, signature()).scan(data, [Part(0, len(TOKEN)), Part(len(TOKEN), len(data))])) == [
        ("acme-token", TOKEN)
    ]


def test_a_secret_across_two_regions_is_no_hit(tmp_path: Path) -> None:
    assert matcher(tmp_path, signature()).scan(TOKEN, [Part(0, 12), Part(12, 15)]) == []


def test_blocks_that_overlap_report_a_secret_once_wherever_the_cut_is(tmp_path: Path) -> None:
    engine = matcher(tmp_path, signature())
    data = b"." * 40 + TOKEN + b"." * 40
    counts = []
    for cut in range(1, len(data)):
        first = engine.scan(data, whole(data), 0, cut)
        second = engine.scan(data, whole(data), cut, len(data))
        counts.append(len(first) + len(second))

    assert set(counts) == {1}


def test_the_signature_that_says_most_wins_the_bytes(tmp_path: Path) -> None:
    generic = signature(
        id="generic", generic=True, prefilter=("TOKEN=[a-z_]{4}",), pattern="TOKEN=(?P<secret>[a-z0-9_]{8,})"
    )
    data = b"TOKEN=" + TOKEN

    assert found(matcher(tmp_path, generic, signature()).scan(data, whole(data))) == [("acme-token", TOKEN)]


def test_a_keyword_must_stand_in_the_window(tmp_path: Path) -> None:
    engine = matcher(tmp_path, signature(keywords=("Acme-Cloud",)))
    near, far = b"# acme-cloud\n" + TOKEN, b"acme-cloud" + b" " * 100 + TOKEN

    assert len(engine.scan(near, whole(near))) == 1
    assert engine.scan(far, whole(far)) == []


def test_entropy_refuses_a_value_that_does_not_surprise(tmp_path: Path) -> None:
    data = b"acme_aaaaaaaaaa"

    assert matcher(tmp_path, signature(entropy=3.0)).scan(data, whole(data)) == []


def test_a_signature_with_paths_asks_for_a_file(tmp_path: Path) -> None:
    engine = matcher(tmp_path, signature(paths=r"(^|/)\.acmerc$"))

    assert len(engine.scan(TOKEN, whole(TOKEN, "root/.acmerc"))) == 1
    assert engine.scan(TOKEN, whole(TOKEN, "root/other")) == []
    assert engine.scan(TOKEN, whole(TOKEN)) == []


def test_a_failed_proof_lowers_the_confidence_and_keeps_the_hit(tmp_path: Path) -> None:
    (hit,) = matcher(tmp_path, signature(proof="crc32-base62")).scan(TOKEN, whole(TOKEN))

    assert (hit.confidence, hit.proof) == (Confidence.LOW, "checksum does not match")


def test_a_documented_example_is_reported_with_the_reason(ruleset: Ruleset) -> None:
    data = b"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"

    assert [hit.downgraded for hit in Matcher(ruleset).scan(data, whole(data))] == [
        "AWS documentation's example key id"
    ]


def test_one_key_has_one_canonical_form_however_it_is_wrapped(ruleset: Ruleset) -> None:
    body = "".join(random.Random(1).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=240))
    lines = [
        "-----BEGIN PRIVATE KEY-----",
        body[:64],
        body[64:128],
        body[128:192],
        body[192:],
        "-----END PRIVATE KEY-----",
    ]
    copies = ["\n".join(lines), "\r\n".join(lines), "\\n".join(lines), "\n    ".join(lines)]
    engine = Matcher(ruleset)

    canonical = {hit.canonical for text in copies for hit in engine.scan(text.encode(), whole(text.encode()))}

    assert len(canonical) == 1


def test_a_token_in_compiled_python_ends_where_its_string_does(tmp_path: Path) -> None:
    data = marshal.dumps((TOKEN.decode(), "zzz", 7))

    assert found(matcher(tmp_path, signature()).scan(data, whole(data, "app/x.pyc"))) == [("acme-token", TOKEN)]


def test_letters_of_a_constant_that_look_like_the_head_of_another_do_not_cut_the_token(tmp_path: Path) -> None:
    # "z " reads as a string of 32 characters, which would end within the token, where the pattern may end as well.
    data = marshal.dumps(("the quiz of " + "x" * 17 + " " + TOKEN.decode(), 7))
    engine = matcher(
        tmp_path, signature(pattern="(?<![a-z0-9])acme_[a-z0-9]{4,10}(?![a-z0-9])", prefilter=("acme_[a-z0-9]{4}",))
    )

    assert found(engine.scan(data, whole(data, "app/x.pyc"))) == [("acme-token", TOKEN)]


def test_a_constant_is_known_by_its_head_where_that_lies_before_what_the_pattern_sees(tmp_path: Path) -> None:
    data = marshal.dumps((TOKEN.decode() + "-" * (ord("F") - len(TOKEN)), 7))
    engine = matcher(tmp_path, signature(pattern="(?<![A-Za-z0-9])acme_[a-z0-9]{10}", before=len("acme_q1w2")))

    assert found(engine.scan(data, whole(data, "app/x.pyc"))) == [("acme-token", TOKEN)]


def test_binary_bytes_end_a_token(tmp_path: Path) -> None:
    data = b"\x00\xff" + TOKEN + b"\x80\x01"

    assert found(matcher(tmp_path, signature()).scan(data, whole(data))) == [("acme-token", TOKEN)]


def test_many_hits_in_one_block_keep_their_order(tmp_path: Path) -> None:
    data = b"\n".join(b"acme_%010d" % number for number in range(1000))

    hits = matcher(tmp_path, signature()).scan(data, whole(data))

    assert [hit.start for hit in hits] == list(range(0, 16 * 1000, 16))


def test_what_lies_in_the_tests_of_an_installed_package_is_told_and_not_counted(tmp_path: Path) -> None:
    data = b"x = '" + TOKEN + b"'\n"
    engine = matcher(tmp_path, signature(filters=("shipped_test",)))

    paths = ("usr/lib/python3/dist-packages/acme/tests/data.py", "srv/app/tests/data.py")
    assert [hit.downgraded for path in paths for hit in engine.scan(data, whole(data, path))] == [
        "in the tests, examples or documentation of an installed package",
        None,
    ]


NEAR = {
    "near": 40,
    "before": 60,
    "after": 60,
    "prefilter": ("[Aa]cmecorp",),
    "pattern": "(?<![a-z0-9])[0-9]{10}(?![0-9])",
}


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (b"AcmeCorp: 0123456789", []),
        (b"Acmecorp: 0123456789", [b"0123456789"]),
        (b"0123456789 # acmecorp", [b"0123456789"]),
        (b"acmecorp" + b" " * 39 + b"0123456789", [b"0123456789"]),
        (b"acmecorp" + b" " * 40 + b"0123456789", []),
        (b"0123456789" + b" " * 42 + b"acmecorp", [b"0123456789"]),
        (b"0123456789" + b" " * 43 + b"acmecorp", []),
        (b"acmecorp 0123456789 acmecorp 9876543210 acmecorp", [b"0123456789", b"9876543210"]),
    ],
)
def test_a_near_prefilter_may_stand_beside_the_match(text: bytes, secrets: list[bytes], tmp_path: Path) -> None:
    hits = matcher(tmp_path, signature(**NEAR)).scan(text, whole(text))

    assert [hit.secret for hit in hits] == secrets


def test_a_near_prefilter_of_one_region_finds_nothing_in_another(tmp_path: Path) -> None:
    data = b"acmecorp 0123456789"

    assert matcher(tmp_path, signature(**NEAR)).scan(data, [Part(0, 9), Part(9, len(data))]) == []


def test_a_near_prefilter_in_one_region_does_not_hide_the_next(tmp_path: Path) -> None:
    data = b"acmecorp " + b"0123456789 acmecorp"

    hits = matcher(tmp_path, signature(**NEAR)).scan(data, [Part(0, 9), Part(9, len(data))])

    assert [hit.start for hit in hits] == [9]


def test_blocks_that_overlap_report_what_is_near_once_wherever_the_cut_is(tmp_path: Path) -> None:
    engine = matcher(tmp_path, signature(**NEAR))
    data = b"." * 30 + b"acmecorp 0123456789 acmecorp" + b"." * 30
    counts = [
        len(engine.scan(data, whole(data), 0, cut)) + len(engine.scan(data, whole(data), cut))
        for cut in range(len(data))
    ]

    assert set(counts) == {1}


def test_what_was_searched_is_not_searched_again_from_its_middle(tmp_path: Path) -> None:
    engine = matcher(tmp_path, signature(**{**NEAR, "pattern": "[0-9]{10,40}"}))
    data = b"acmecorp" + b" " * 35 + b"7" * 30 + b" acmecorp"

    # The match starts in the block before; its tail, which the second word is near to, is none of this block's.
    assert engine.scan(data, whole(data), 45) == []
    assert [hit.start for hit in engine.scan(data, whole(data))] == [43]


def test_the_first_group_that_holds_something_is_the_secret(tmp_path: Path) -> None:
    engine = matcher(
        tmp_path, signature(pattern="acme_(?:([0-9]+)|([a-z]*)([a-z]))", groups=(2, 1), prefilter=("acme_",))
    )
    data = b"acme_123 acme_abc acme_z"

    # Of the last, group 2 is empty and group 1 not set, so all of the match is the secret; a prefilter ends before it.
    assert [hit.secret for hit in engine.scan(data, whole(data))] == [b"123", b"ab", b"acme_z"]


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ([Condition("secret", ("k3j",))], []),
        ([Condition("secret", ("zzz", "9f$"))], []),
        ([Condition("secret", ("zzz",))], ["app/x.env", ""]),
        ([Condition("secret", ("zzz",), negated=True)], []),
        ([Condition("secret", words=("zzz", "k3j"))], []),
        ([Condition("secret", words=("K3J",))], ["app/x.env", ""]),
        ([Condition("secret", words=("K3J",), any_case=True)], []),
        ([Condition("match", ("^acme_",))], []),
        ([Condition("line", ("revoked$",))], []),
        ([Condition("line", ("other",))], ["app/x.env", ""]),
        ([Condition("path", (r"\.env$",))], [""]),
        ([Condition("path", (r"\.env$",)), Condition("line", ("revoked",))], [""]),
        ([Condition("path", (r"\.env$",)), Condition("line", ("other",))], ["app/x.env", ""]),
    ],
)
def test_a_match_is_dropped_where_all_conditions_of_an_exclusion_hold(
    conditions: list[Condition], kept: list[str], tmp_path: Path
) -> None:
    engine = matcher(tmp_path, signature(excluded=((Condition("secret", ("never",)),), tuple(conditions))))
    data = b"other\nTOKEN=" + TOKEN + b" revoked\nother\n"

    assert [path for path in ("app/x.env", "") if engine.scan(data, whole(data, path))] == kept


def test_the_first_line_of_a_file_begins_where_the_file_does(tmp_path: Path) -> None:
    line = signature(pattern="(?m)^acme_[a-z0-9]{10}$")
    near = signature(pattern="(?m)^acme_[a-z0-9]{10}$", prefilter=("acme_[a-z0-9]{4}",), near=1, before=9)
    data = b"\0\0\0" + TOKEN + b"\nx" + TOKEN + b"\n"

    for sig in (line, near):
        hits = matcher(tmp_path, sig).scan(data, [Part(3, len(data))])

        assert [hit.start for hit in hits] == [3]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The signatures of the matches that are judged, in their order."""
    names: list[str] = []
    judge = engine_module.judge

    def counting(sig: Signature, *rest: Any) -> Hit | None:
        names.append(sig.id)
        return judge(sig, *rest)

    monkeypatch.setattr(engine_module, "judge", counting)
    return names


GENERIC = {
    "id": "generic",
    "generic": True,
    "prefilter": ("token=[!-~]{4}",),
    "pattern": "token=(?P<secret>[!-~]{8,40})",
}


def test_a_generic_signature_is_not_asked_about_what_another_has_found(tmp_path: Path, asked: list[str]) -> None:
    engine = matcher(tmp_path, signature(), signature(**GENERIC))
    data = b"token=" + TOKEN + b" token=q1w2e3r4t5"

    assert found(engine.scan(data, whole(data))) == [("acme-token", TOKEN), ("generic", b"q1w2e3r4t5")]
    assert asked == ["acme-token", "generic"]


def test_a_generic_signature_is_asked_once_about_a_value_on_which_its_prefilter_matches_often(
    tmp_path: Path, asked: list[str]
) -> None:
    engine = matcher(tmp_path, signature(**GENERIC | {"prefilter": ("token=[!-~]{4,12}",), "filters": ("undigited",)}))
    data = b"token=qwertzuiop token=q1w2e3r4t5"

    assert found(engine.scan(data, whole(data))) == [("generic", b"q1w2e3r4t5")]
    assert asked == ["generic", "generic"]
