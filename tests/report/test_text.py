import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.report.text import is_digest, plural, safe, shorten, size


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red] text\\n", "plain [red] text\\n"),
        ("漢字 é 🎉", "漢字 é 🎉"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31m\x00\x7f\x9b", "\\x1b[31m\\x00\\x7f\\x9b"),
        ("\u202a\u202e\u2066\u2069\u200e\u200f", "\\u202a\\u202e\\u2066\\u2069\\u200e\\u200f"),
        ("a\u200bb\ufeff\u00ad", "a\\u200bb\\ufeff\\xad"),
        ("\u00a0\u3000\u2028", "\\xa0\\u3000\\u2028"),
        ("\ud800\ue000\U000e0041\ufe0f", "\\ud800\\ue000\\U000e0041\\ufe0f"),
    ],
)
def test_what_is_not_plainly_visible_is_escaped(text: str, shown: str) -> None:
    assert shown == safe(text)


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    assert {unicodedata.category(char) for char in safe(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()


@given(st.text())
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


def test_a_text_is_shortened_only_when_too_long() -> None:
    assert shorten("abcde", 5) == "abcde"
    assert shorten("abcd efgh", 6) == "abcd…"


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (-1, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1258291, "1.2 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3 * 1024**4, "3.0 TiB"),
    ],
)
def test_sizes_are_told_in_binary_units(count: int, told: str) -> None:
    assert told == size(count)


def test_a_noun_has_the_number_of_its_count() -> None:
    assert [plural(count, "layer") for count in (0, 1, 2000)] == ["0 layers", "1 layer", "2,000 layers"]


def test_a_digest_is_told_from_what_only_looks_like_one() -> None:
    assert is_digest("sha256:" + "0a" * 32)
    assert is_digest("sha512:" + "0a" * 64)
    assert not is_digest("sha256:short")
    assert not is_digest("sha256:" + "0a" * 32 + "\n")
