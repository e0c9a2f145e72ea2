"""Ignore files: what they say, and one clear line for what they should not."""

from datetime import date
from pathlib import Path

import pytest

from scanner.errors import IgnoreError
from scanner.finding import Rule
from scanner.trace.ignore_file import load_rules

TODAY = date(2026, 6, 1)
FORMS = "fingerprint, path, signature, layer, image, reason or expires"


def rules(folder: Path, text: str) -> tuple[Rule, ...]:
    (folder / "rules").write_text(text)
    return load_rules(folder / "rules", TODAY)


def test_every_field_is_read(tmp_path: Path) -> None:
    text = f"""
[[ignore]]
fingerprint = "{"0a" * 16}"
path = "usr/share/**"
signature = "generic-*"
layer = "sha256:{"b" * 64}"
image = "shop:*"
reason = "the vendor's own example"
expires = 2026-06-01

[[ignore]]
path = "x"
reason = "y"
"""

    assert rules(tmp_path, text) == (
        Rule(
            source=str(tmp_path / "rules"),
            number=1,
            reason="the vendor's own example",
            fingerprint="0a" * 16,
            path="usr/share/**",
            signature="generic-*",
            layer="sha256:" + "b" * 64,
            image="shop:*",
            expires=TODAY,
        ),
        Rule(str(tmp_path / "rules"), 2, "y", path="x"),
    )


def test_a_file_without_rules_has_none(tmp_path: Path) -> None:
    assert rules(tmp_path, "# none yet\n") == ()


@pytest.mark.parametrize(("day", "expired"), [("2026-05-31", True), ("2026-06-01", False), ("2026-06-02", False)])
def test_a_rule_expires_after_its_last_day(day: str, expired: bool, tmp_path: Path) -> None:
    (rule,) = rules(tmp_path, f'[[ignore]]\npath = "x"\nreason = "y"\nexpires = {day}\n')

    assert rule.expired is expired


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[ignore]]\npath = "x"\n', "rule 1: expected a reason, a text that says why"),
        ('[[ignore]]\npath = "x"\nreason = " "\n', "rule 1: reason: expected a text, found ' '"),
        (
            '[[ignore]]\npath = "x"\nreason = "y"\n[[ignore]]\nfile = "x"\nreason = "y"\n',
            f"rule 2: unknown field 'file'; expected {FORMS}",
        ),
        (
            '[[ignore]]\nimage = "x"\nreason = "y"\n',
            "rule 1: expected one or more of fingerprint, path, signature, layer",
        ),
        ('[[ignore]]\npath = ["x"]\nreason = "y"\n', "rule 1: path: expected a text, found ['x']"),
        (
            '[[ignore]]\npath = "x"\nreason = "y"\nexpires = "2026-12-31"\n',
            "rule 1: expires: expected a date such as 2026-12-31, without quotes, found '2026-12-31'",
        ),
        (
            '[[ignore]]\npath = "x"\nreason = "y"\nexpires = 2026-12-31T10:00:00\n',
            "rule 1: expires: expected a date such as 2026-12-31, without quotes, found 2026-12-31 10:00:00",
        ),
        (
            '[[ignore]]\nfingerprint = "F00"\nreason = "y"\n',
            "rule 1: fingerprint: expected 32 hexadecimal digits, as in a report, found 'F00'",
        ),
        (
            '[[ignore]]\nlayer = "abc"\nreason = "y"\n',
            "rule 1: layer: expected a digest or diff_id, as in 'sha256:' and 64 digits, found 'abc'",
        ),
        ('[ignore]\npath = "x"\n', "expected [[ignore]] tables, with two brackets"),
        ('[[allow]]\npath = "x"\n', "unknown 'allow'; expected [[ignore]] tables"),
        ("ignore = 1\n", "expected [[ignore]] tables, with two brackets"),
        ("app/.env\n", "expected TOML: Expected '=' after a key in a key/value pair (at line 1, column 4)"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_file_and_the_rule(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(IgnoreError) as caught:
        rules(tmp_path, text)

    assert str(caught.value) == f"{tmp_path / 'rules'}: {told}"


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(IgnoreError) as caught:
        load_rules(tmp_path / "none", TODAY)

    assert str(caught.value) == f"{tmp_path / 'none'}: No such file or directory"


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rules").write_bytes(b"\xff\xfe")

    with pytest.raises(IgnoreError, match="expected TOML: ") as caught:
        load_rules(tmp_path / "rules", TODAY)

    assert "\n" not in str(caught.value)
