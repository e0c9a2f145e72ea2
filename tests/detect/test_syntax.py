"""Expressions of Go and Rust, in Python's syntax."""

import re

import pytest

from scanner.detect.rulefiles.syntax import GO, RUST, UnsupportedError, translate


@pytest.mark.parametrize(
    ("dialect", "expression", "matches", "not_matches"),
    [
        (GO, "a(?i)b|c", ["aB", "C", "ab"], ["AB"]),
        (GO, "(a(?i)b|c)d", ["aBd", "Cd"], ["ABd", "cD"]),
        (GO, "(?i)a(?-i)b", ["Ab"], ["aB"]),
        (GO, "(?i:a)(?-i:b)", ["Ab"], ["aB"]),
        (GO, "(?s).(?-s).", ["\na"], ["a\n"]),
        (GO, r"a\z", ["a"], ["a\n"]),
        (GO, "a$", ["a"], ["a\n"]),
        (GO, r"^\Aa", ["a"], []),
        (GO, "(?m)^a$\n^b$", ["a\nb"], []),
        (GO, r"(?<word>a)(?P<other>b)", ["ab"], []),
        (GO, r"\x{41}\x42\x{e9}", ["ABé"], []),
        (GO, "é+", ["éé"], []),
        (GO, "[[:alnum:]_]+[[:^digit:]]", ["a9_-"], ["a99"]),
        (GO, r"\pL\p{Lu}\p{N}\PL[\p{Ll}\P{L}]", ["aA1_b"], ["1A1_b", "aa1_b", "aA1ab!"]),
        (GO, r"\Qa.b\E+", ["a.bb"], ["axb"]),
        (GO, "a{,3}", ["a{,3}"], ["aaa"]),
        (RUST, "a{,3}", ["aaa", ""], ["a{,3}"]),
        (GO, "[[a]", ["[", "a"], []),
        (GO, "[]a][^]]", ["]a"], ["a]"]),
        (GO, "a{x}", ["a{x}"], []),
        (RUST, "(?x) a b # c (d\n [ e f ] \\  \\# (?-x: g)", ["abe # g", "abf # g"], ["ab  # g"]),
        (RUST, "(?x)a {2} (?: b )", ["aab"], []),
        (RUST, r"\b{start}ab\b{end}", ["ab"], []),
        (RUST, r"\<ab\>", ["ab"], []),
        (GO, r"a(?=b)b(?<!x)", ["ab"], []),
        (GO, r"(['\"])a\1", ["'a'"], ["'a\""]),
        (GO, r"(?P<q>['\"])a(?P=q)", ["'a'"], ["'a\""]),
        (GO, r"(?<q>['\"])a\k<q>", ["'a'"], ["'a\""]),
        (GO, r"(?>a+)b", ["aab"], []),
        (GO, r"a(?#b)c", ["ac"], []),
        (GO, r"[\w.\-\x{2d}\b\]]+", ["a.-\b]"], []),
    ],
)
def test_means_what_it_meant(dialect: str, expression: str, matches: list[str], not_matches: list[str]) -> None:
    pattern = re.compile(translate(expression, dialect).pattern.encode())

    assert [text for text in matches if not pattern.fullmatch(text.encode())] == []
    assert [text for text in not_matches if pattern.fullmatch(text.encode())] == []


@pytest.mark.parametrize(
    ("dialect", "expression", "reason"),
    [
        (GO, "(?U)a+", "swaps greed"),
        (GO, "(?R)a", "unknown here"),
        (RUST, "[a-z&&[^b]]", "class operator &&"),
        (RUST, "[a[bc]]", "a class inside of a class"),
        (GO, r"\p{Greek}", "Greek"),
        (GO, "[é]", "of bytes"),
        (GO, r"[\x{2019}]", "of bytes"),
        (GO, "(?|a)", "share numbers"),
        (GO, "(a", "not closed"),
        (GO, "a)", "closes nothing"),
        (GO, "[a", "not closed"),
        (GO, "a\\", "backslash at the end"),
        (GO, r"\y", r"\\y"),
        (GO, r"\x{zz}", "without digits"),
        (GO, "[[:vowel:]]", "vowel"),
        (GO, "a**", "does not compile"),
        (GO, "(?<=a+)b", "does not compile"),
        (RUST, r"\b{middle}a", "middle"),
        (GO, r"\k", "without a name"),
    ],
)
def test_what_python_has_not_is_refused_by_name(dialect: str, expression: str, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        translate(expression, dialect)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("^a", ("^ also matches at the start of a line",)),
        (r"\Aa", (r"\A also matches at the start of a line",)),
        (r"\p{L}", (r"\p{L} is that of ASCII",)),
        ("(?m)^a$", ()),
    ],
)
def test_says_what_is_not_quite_the_same(expression: str, said: tuple[str, ...]) -> None:
    assert translate(expression, GO).differs == said


def test_groups_keep_their_numbers() -> None:
    pattern = translate(r"(a)(?i)(b)|(c)(?P<1x>d)", GO).pattern

    assert re.compile(pattern).groups == 4
