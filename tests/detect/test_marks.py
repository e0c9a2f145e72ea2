"""Comments that ask scanners to look away, and which secrets they stand beside."""

from pathlib import Path

import pytest

from scanner.detect.marks import REACH, mark
from scanner.detect.matcher import Whole
from tests.detect.engine import matcher, signature

SECRET = b"acme_0k3j5h7g9f"


def mark_in(text: bytes) -> str:
    start = text.index(SECRET)
    return mark(text, 0, len(text), start, start + len(SECRET))


@pytest.mark.parametrize(
    "text",
    [
        "pragma: allowlist secret",
        "pragma:allowlist-secret",
        "pragma: whitelist secret",
        "gitleaks:allow",
        "trufflehog:ignore",
    ],
)
@pytest.mark.parametrize("line", ["KEY={} # {}", "/* {1} */ KEY={0};", "x {} <!-- {} -->\nnext"])
def test_a_mark_on_the_line_is_told_as_it_stands(line: str, text: str) -> None:
    assert mark_in(b"first\n" + line.format(SECRET.decode(), text).encode()) == text


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\0"])
def test_a_mark_on_another_line_is_none_of_the_secrets(end: bytes) -> None:
    assert mark_in(end.join((b"# gitleaks:allow", SECRET, b"# trufflehog:ignore"))) == ""


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("comment", [b"# %b", b"  // %b", b"/* %b */", b"-- %b", b"<!-- %b -->", b"' %b"])
def test_a_line_of_its_own_marks_the_next(comment: bytes, end: bytes) -> None:
    text = b"pragma: allowlist nextline secret"

    assert mark_in(b"first" + end + comment % text + end + b"KEY=" + SECRET) == text.decode()


@pytest.mark.parametrize(
    "text",
    [
        b"KEY=1 # pragma: allowlist nextline secret\nKEY=%b",
        b"# pragma: allowlist nextline secret\n\nKEY=%b",
        b"KEY=%b # pragma: allowlist nextline secret",
    ],
)
def test_a_mark_for_the_next_line_hides_nothing_that_it_does_not_seem_to(text: bytes) -> None:
    assert mark_in(text % SECRET) == ""


def test_a_secret_of_several_lines_is_marked_on_its_first_or_last() -> None:
    text = b"A # gitleaks:allow\nB gitleaks:allow ---\nkey\n--- trufflehog:ignore"
    first, last = text.index(b"---"), text.rindex(b"---") + 3

    assert mark(text, 0, len(text), first, last) == "gitleaks:allow"
    assert mark(text.replace(b"gitleaks", b"otherone"), 0, len(text), first, last) == "trufflehog:ignore"


def test_a_mark_outside_of_the_file_or_out_of_reach_does_not_count() -> None:
    outside = SECRET + b"#gitleaks:allow"
    far = SECRET + b" " * REACH + b"#gitleaks:allow"

    assert mark(outside, 0, len(outside) - 1, 0, len(SECRET)) == ""
    assert mark_in(far) == ""
    assert mark_in(far.replace(b" " * 20, b"", 1)) == "gitleaks:allow"


def test_a_hit_carries_its_mark_and_only_its_own(tmp_path: Path) -> None:
    data = SECRET + b"  # gitleaks:allow\n" + SECRET

    hits = matcher(tmp_path, signature()).scan(data, [Whole(len(data))])

    assert [hit.mark for hit in hits] == ["gitleaks:allow", ""]
