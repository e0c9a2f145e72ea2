import json
from dataclasses import replace
from datetime import date
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from scanner.detect.unpack.git_history import Commit
from scanner.finding import Event, Excerpt, Partner, redact
from scanner.report.json_report import to_json

from .factory import (
    ACCESS_ID,
    COPY,
    DELETED,
    DOWNGRADED,
    EXAMPLE,
    IN_ENV,
    KEY,
    LEAKED_KEY,
    LEAKED_TOKEN,
    MARK,
    PAIRED,
    PUBLIC,
    RULE,
    SMALL,
    TOKEN,
    as_json,
    everywhere,
    finding,
    ignored,
    image,
    report,
)

SCHEMA = json.loads((files("scanner.report") / "report-1.schema.json").read_text())
VALID = Draft202012Validator(SCHEMA)


def objects(node: Any) -> list[dict[str, Any]]:
    """Every object of a schema that describes an object."""
    found = [node] if isinstance(node, dict) and node.get("type") == "object" else []
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return found + [inner for child in children for inner in objects(child)]


def test_the_schema_is_one_and_closes_every_object() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    assert [known for known in objects(SCHEMA) if known.get("additionalProperties") is not False] == []


@pytest.mark.parametrize("show_secrets", [False, True])
@pytest.mark.parametrize(
    "told",
    [
        SMALL,
        report(),
        report(image(), image(kind="artifact", references=())),
        everywhere("a\x1b/~1"),
        everywhere(""),
        report(image(ignored=(ignored(MARK), ignored(RULE))), rules=(RULE, replace(RULE, expires=date(2026, 1, 31)))),
    ],
    ids=["small", "empty", "clean", "hostile", "without texts", "ignored"],
)
def test_every_report_is_valid(told: Any, show_secrets: bool) -> None:
    VALID.validate(json.loads(as_json(told, show_secrets=show_secrets)))


def test_the_schema_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="more"):
        VALID.validate({**to_json(SMALL, show_secrets=False), "more": 1})


def test_a_finding_has_these_fields() -> None:
    told = to_json(report(image(LEAKED_KEY)), show_secrets=False)["images"][0]["findings"][0]

    copy = {
        "keyword": "COPY",
        "text": "COPY .env /app/.env",
        "history_index": 2,
        "stage": None,
        "dockerfile": {"path": "Dockerfile", "start_line": 7, "end_line": 7},
        "basis": "history",
        "others": 0,
    }
    remove = {**copy, "keyword": "RUN", "text": "RUN rm /app/.env", "history_index": 3, "dockerfile": None}
    assert told == {
        "fingerprint": "f" * 32,
        "redacted": LEAKED_KEY.redacted,
        "signature": {"id": "acme-key", "name": "Acme secret key", "provider": "acme"},
        "severity": "critical",
        "confidence": "high",
        "proof": "checksum matches",
        "downgraded": None,
        "remediation": "Revoke the key in the console. https://acme.example/rotate",
        "partners": [],
        "part_of": [],
        "introduced_by": copy,
        "excerpt": None,
        "advice": [],
        "life": [],
        "occurrences": [
            {
                "kind": "file",
                "document": None,
                "layer": 1,
                "layer_digest": "sha256:" + "b" * 64,
                "path": "app/.env",
                "inner": [],
                "line": 2,
                "offset": 31,
                "field": None,
                "state": "deleted",
                "removed_by": remove,
                "removed_in": 2,
                "instruction": copy,
                "via": "COPY",
                "mark": None,
                "commit": None,
                "secret_mounts": [],
            }
        ],
    }


def test_the_life_of_a_secret_is_told_in_order() -> None:
    events = (Event("introduced", 1, KEY, None), Event("deleted", 2, "a", None))
    told = to_json(report(image(finding(life=events))), show_secrets=False)["images"][0]["findings"][0]["life"]

    assert told == [
        {"kind": "introduced", "layer": 1, "path": finding().redacted, "instruction": None},
        {"kind": "deleted", "layer": 2, "path": "a", "instruction": None},
    ]


def test_an_excerpt_is_told_with_its_secrets_hidden() -> None:
    leaked = Excerpt("Dockerfile", 4, ("FROM a", f"ENV ACME_KEY={KEY}", "RUN b"), (5,))
    told = report(image(finding(excerpt=leaked)))

    assert to_json(told, show_secrets=False)["images"][0]["findings"][0]["excerpt"] == {
        "path": "Dockerfile",
        "start_line": 4,
        "lines": ["FROM a", f"ENV ACME_KEY={finding().redacted}", "RUN b"],
        "marked": [5],
    }
    assert KEY in to_json(told, show_secrets=True)["images"][0]["findings"][0]["excerpt"]["lines"][1]


def test_a_secret_and_its_digest_are_there_only_when_asked_for() -> None:
    shown = to_json(SMALL, show_secrets=True)["images"][0]["findings"][0]

    assert shown["secret"] == KEY
    assert shown["sha256"] == sha256(KEY.encode()).hexdigest()
    assert not {"secret", "sha256"} & to_json(SMALL, show_secrets=False)["images"][0]["findings"][0].keys()


def test_a_secret_that_is_no_text_is_escaped_and_its_digest_is_of_the_bytes() -> None:
    shown = to_json(report(image(finding(secret=b"\xff\x00a"))), show_secrets=True)["images"][0]["findings"][0]

    assert shown["secret"].encode() == b"\\xff\x00a"
    assert shown["sha256"] == sha256(b"\xff\x00a").hexdigest()


def test_no_secret_is_anywhere_unless_asked_for() -> None:
    told = everywhere(f"a {KEY} /{EXAMPLE}/")

    assert KEY not in as_json(told)
    assert EXAMPLE not in as_json(told)
    assert KEY in as_json(told, show_secrets=True)
    assert TOKEN not in as_json(SMALL)


def test_a_secret_is_hidden_in_the_spelling_that_pointers_and_paths_have() -> None:
    odd = b"p/q~" + KEY.encode() + b"\xff/z"
    text = odd.decode("utf-8", "backslashreplace")
    pointer = "/config/Labels/" + text.replace("~", "~0").replace("/", "~1")
    told = as_json(report(image(finding(replace(DELETED, path=f"etc/{text}", field=pointer), secret=odd))))

    assert KEY not in told
    assert '"path": "etc/p/q~' in told
    assert '"field": "/config/Labels/p~1q' in told


@given(st.binary(min_size=12, max_size=60).filter(lambda secret: len(set(secret)) > 6))
@settings(deadline=None, max_examples=60)
def test_any_secret_is_hidden_in_a_path(secret: bytes) -> None:
    path = "etc/" + secret.decode("utf-8", "backslashreplace")
    told = json.loads(as_json(report(image(finding(replace(DELETED, path=path), secret=secret)))))

    assert told["images"][0]["findings"][0]["occurrences"][0]["path"] != path


def test_the_schema_says_when_a_layer_has_no_digest_and_no_diff_id() -> None:
    fields = SCHEMA["$defs"]["layer"]["properties"]
    nullable = {name: field for name, field in fields.items() if "null" in field.get("type", ())}

    assert [name for name, field in nullable.items() if "null" not in field["description"].lower()] == []
    assert "--check-diff-ids" in nullable["diff_id"]["description"]


def test_what_is_not_known_is_null() -> None:
    blank = image(digest="", image_id="", platform="", references=())
    told = to_json(report(blank), show_secrets=False)["images"][0]

    assert [told[name] for name in ("digest", "image_id", "platform", "reference")] == [None] * 4
    assert told["layers"][1]["diff_id"] is None
    assert told["layers"][2]["digest"] is None
    assert told["layers"][2]["size"] is None


def test_an_instruction_without_a_keyword_has_none() -> None:
    told = to_json(report(image(finding(introduced_by=replace(COPY, keyword="")))), show_secrets=False)

    assert told["images"][0]["findings"][0]["introduced_by"]["keyword"] is None


def test_an_endless_instruction_is_cut_with_its_length() -> None:
    told = to_json(report(image(finding(introduced_by=replace(COPY, text="RUN " + "x" * 9996)))), show_secrets=False)

    assert told["images"][0]["findings"][0]["introduced_by"]["text"] == "RUN " + "x" * 4092 + "… (10000 characters)"


def test_the_reference_is_the_first_of_all() -> None:
    told = to_json(report(image(references=("a:1", "b:1"))), show_secrets=False)["images"][0]

    assert (told["reference"], told["references"], told["target"]) == ("a:1", ["a:1", "b:1"], "shop.tar")


def test_every_skip_is_listed_with_whether_it_made_a_difference() -> None:
    told = to_json(SMALL, show_secrets=False)["images"][0]["coverage"]

    assert told == {
        "complete": True,
        "layers": 3,
        "files": 1234,
        "bytes": 47_815_066,
        "skipped": [{"where": "manifest.json", "reason": "names no tag", "bytes": 0, "complete": True}],
    }


def test_the_summary_counts_what_matters() -> None:
    told = report(
        image(LEAKED_KEY, DOWNGRADED), image(LEAKED_KEY, finding(IN_ENV, secret=TOKEN)), image(), failures=(("x", "y"),)
    )

    assert to_json(told, show_secrets=False)["summary"] == {
        "images": 3,
        "leaking": 2,
        "findings": 3,
        "secrets": 1,  # the factory gives equal fingerprints unless told otherwise
        "joined": 0,
        "downgraded": 1,
        "ignored": 0,
        "ignored_by": {"rules": 0, "marks": 0},
        "ignored_in_part": 0,
        "recoverable": 2,
        "severity": {"critical": 3, "high": 0, "medium": 0, "low": 0},
        "failures": 1,
        "complete": False,
    }


def test_what_is_ignored_is_told_with_what_ignores_each_place() -> None:
    marked = replace(PUBLIC, mark="gitleaks:allow")
    one = ignored(MARK, marked, secret=TOKEN, partial=True)
    told = to_json(report(image(LEAKED_KEY, ignored=(one, ignored(RULE))), rules=(RULE,)), show_secrets=False)

    first, second = told["images"][0]["ignored"]
    assert [place["mark"] for place in first["finding"]["occurrences"]] == ["gitleaks:allow"]
    assert (first["partial"], first["by"]) == (
        True,
        [{"kind": "mark", "source": None, "rule": None, "reason": "gitleaks:allow"}],
    )
    assert (second["partial"], second["by"]) == (
        False,
        [{"kind": "rule", "source": ".layerleakignore", "rule": 2, "reason": "the vendor's own example"}],
    )
    assert [told["summary"][name] for name in ("findings", "ignored", "ignored_in_part")] == [1, 1, 1]
    assert told["summary"]["ignored_by"] == {"rules": 1, "marks": 0}


def test_every_rule_is_told_with_whether_it_did_anything() -> None:
    expired = replace(RULE, expires=date(2026, 1, 31), expired=True, signature="acme-*")

    assert to_json(report(rules=(expired,)), show_secrets=False)["ignore_rules"] == [
        {
            "source": ".layerleakignore",
            "rule": 2,
            "reason": "the vendor's own example",
            "fingerprint": None,
            "signature": "acme-*",
            "path": "usr/share/**",
            "layer": None,
            "image": None,
            "expires": "2026-01-31",
            "expired": True,
        }
    ]


def test_an_ignored_secret_is_hidden_as_any_other() -> None:
    blamed = replace(COPY, text=f"COPY {TOKEN} /")
    told = report(image(finding(introduced_by=blamed), ignored=(ignored(MARK, secret=TOKEN),)))

    assert TOKEN not in as_json(told)
    assert TOKEN in as_json(told, show_secrets=True)


def test_failures_are_told_with_their_reason() -> None:
    told = to_json(report(failures=(("gone.tar", "no such file"),)), show_secrets=False)

    assert told["failures"] == [{"target": "gone.tar", "reason": "no such file"}]


def test_the_document_is_ascii_and_ends_its_line() -> None:
    written = as_json(everywhere("漢字 \u202e \x1b \ud800"))

    assert written.isascii()
    assert "\x1b" not in written
    assert written.endswith("}\n")


def test_what_a_secret_belongs_to_is_told_and_what_is_a_secret_too_is_not() -> None:
    told = to_json(report(PAIRED), show_secrets=False)
    shown = to_json(report(PAIRED), show_secrets=True)

    VALID.validate(told)
    secret, name = told["images"][0]["findings"]
    assert secret["partners"] == [
        {"name": "access id", "value": redact(ACCESS_ID.encode()), "proof": "account 12", "fingerprint": "c" * 32},
        {"name": "signing key", "value": redact(TOKEN.encode()), "proof": None, "fingerprint": None},
    ]
    assert (secret["part_of"], name["part_of"]) == ([], ["f" * 32])
    assert (told["summary"]["findings"], told["summary"]["joined"]) == (1, 1)
    assert [partner["value"] for partner in shown["images"][0]["findings"][0]["partners"]] == [ACCESS_ID, TOKEN]


def test_a_partner_without_a_signature_that_turns_out_to_be_a_secret_is_hidden() -> None:
    mistaken = finding(partners=(Partner("client id", f"x{TOKEN}".encode(), True),))

    told = as_json(report(image(mistaken, LEAKED_TOKEN)))

    assert TOKEN not in told


def test_the_commit_that_brought_a_secret_is_told() -> None:
    place = replace(DELETED, commit=Commit("0" * 40, "A U Thor <thor@example.com>", "", ""))
    told = to_json(report(image(finding(place))), show_secrets=False)["images"][0]["findings"][0]

    assert told["occurrences"][0]["commit"] == {
        "id": "0" * 40,
        "author": "A U Thor <thor@example.com>",
        "date": None,
        "path": None,
    }
