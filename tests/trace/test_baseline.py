"""What a baseline of detect-secrets knows, and what it says of a finding."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import IgnoreError
from scanner.finding import Known, Rule, on_a_line
from scanner.trace.baseline import Baseline, load_known
from scanner.trace.ignore import Ignoring
from tests.report.factory import KEY, LEAKED_KEY, LEAKED_TOKEN, image


def sha1(value: str) -> str:
    return hashlib.sha1(value.encode()).hexdigest()


def known(file: str = "app/.env", secret: bool | None = None, value: str = KEY) -> Known:
    return Known(".secrets.baseline", 1, file, sha1(value), secret)


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_baseline_is_read(tmp_path: Path) -> None:
    entries = [{"type": "Secret Keyword", "hashed_secret": sha1(KEY).upper(), "line_number": 2}]
    more = [{"type": "AWS Access Key", "hashed_secret": sha1("x"), "is_secret": False}]
    path = write(tmp_path / "b", {"version": "1.5.0", "results": {"app/.env": entries, "x.py": more}})

    assert load_known(path) == (
        Known(str(path), 1, "app/.env", sha1(KEY)),
        Known(str(path), 2, "x.py", sha1("x"), False),
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "a table of results"),
        ({"results": []}, "a table of results"),
        ({"results": {"a": 3}}, "results of 'a': expected a list"),
        ({"results": {"a": [3]}}, "result 1, of 'a': expected a table with a hashed_secret"),
        ({"results": {"a": [{"hashed_secret": "0", "is_secret": "no"}]}}, "is_secret: expected true or false"),
    ],
)
def test_what_is_no_baseline_is_told(document: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(IgnoreError, match=said):
        load_known(write(tmp_path / "b", document))


def test_a_baseline_that_is_missing_or_no_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(IgnoreError, match="No such file"):
        load_known(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xff[")
    with pytest.raises(IgnoreError, match="in JSON"):
        load_known(tmp_path / "b")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (known(), "it is known, and was not audited"),
        (known(secret=False), "an audit says that it is no secret"),
        (known(secret=True), None),
        (known(value="another"), None),
        (known("repository/app/.env"), "it is known, and was not audited"),
        (known("./.env"), "it is known, and was not audited"),
        (known("app2/.env"), None),
        (known("env"), None),
    ],
)
def test_a_known_value_does_not_count_unless_an_audit_says_that_it_is_a_secret(
    entry: Known, reason: str | None
) -> None:
    told = Ignoring(known=(entry,)).apply(image(LEAKED_KEY, LEAKED_TOKEN))

    causes = [cause for one in told.ignored for cause in one.causes]
    assert causes == ([Rule(".secrets.baseline", 1, reason)] if reason else [])
    assert len(told.findings) == (1 if reason else 2)


def test_what_one_entry_says_is_a_secret_counts_whatever_another_says() -> None:
    entries = (known(secret=False), known(secret=True), known())

    assert Ignoring(known=entries).apply(image(LEAKED_KEY)).ignored == ()


def test_a_secret_of_many_lines_is_known_by_its_name() -> None:
    key = b"-----BEGIN X-----\nabc\n"
    finding = replace(LEAKED_KEY, secret=key)

    assert sha1(on_a_line(key)) in finding.sha1
    assert on_a_line(key).startswith("_BEGIN_X_")
    assert Baseline([known(value=on_a_line(key))]).rule(finding.sha1, "app/.env")
