"""Reasons to say that a value is no secret."""

import pytest

from scanner.detect.filters import FILTERS, Candidate, shipped_test


def candidate(value: str, lead: str = "password = ", path: str = "") -> Candidate:
    return Candidate(value, lead + value, len(lead), path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("placeholder", "your-api-key-here"),
        ("placeholder", "xxxxxxxxxxxx"),
        ("placeholder", "changeme"),
        ("placeholder", "tR7kQz2vLx9WmB4n..."),
        ("placeholder", "abcdefg12346+FJQCK"),
        ("templated", "${DB_PASSWORD}"),
        ("templated", "{{ password }}"),
        ("templated", "{{"),
        ("templated", "{{.Values.password"),
        ("templated", "prefix-${DB_PASSWORD:-x1}"),
        ("templated", "$(cat"),
        ("templated", "<password>"),
        ("sequential", "0123456789ABCDEF"),
        ("uuid", "d8a59510-d51e-4dd9-a8e1-53b87abb7961"),
        ("lettered", "1234-5678"),
        ("gibberish", "administrator"),
        ("code", "settings.database.password"),
        ("code", "Jobs[-1].JobId"),
        ("code", "lookup(kX9tWq2vL8)"),
        ("code", "PBEWithHmacSHA512/256AndAES_128"),
        ("code", "PBKDF2WithHmacSHA512/256"),
        ("code", "eve:x:1001:1000:Eve"),
    ],
)
def test_a_filter_rejects_what_it_is_named_for(name: str, value: str) -> None:
    assert FILTERS[name](candidate(value))


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"undigited", "unpaired"}))
def test_no_filter_rejects_a_random_password(name: str) -> None:
    assert not FILTERS[name](candidate("tR7kQz2vLx9WmB4n"))


def test_a_look_up_on_the_right_hand_side_is_indirect() -> None:
    assert FILTERS["indirect"](Candidate("get_secret_key()", "secret = get_secret_key()", 9, ""))


def test_a_value_the_line_calls_a_digest_is_hashed() -> None:
    assert FILTERS["hashed"](candidate("9f86d081884c7d659a2feaa0c55ad015", lead="sha256: "))


def test_lock_files_hold_checksums() -> None:
    assert FILTERS["lock_file"](candidate("q1w2e3r4t5y6", path="app/yarn.lock"))


@pytest.mark.parametrize("value", ["v}9kR${q]Lw(7x2{{pT", "tR7{{kQz2vLx9WmB4n", "kX{9t(Wq2]vL8mZ4"])
@pytest.mark.parametrize("name", ["templated", "code", "placeholder", "wordy"])
def test_brackets_do_not_make_a_quoted_random_password_a_reference_or_a_call(name: str, value: str) -> None:
    line = f'password = "{value}"'
    assert not FILTERS[name](Candidate(value, line, line.index(value), "app/settings.py"))


def test_without_quotes_a_name_and_a_bracket_are_a_call() -> None:
    assert FILTERS["code"](candidate("kX9tWq2vL8mZ4(7q"))


@pytest.mark.parametrize(
    "lead",
    [
        'var DB_PASSWORD string = "',
        'DB_PASSWORD: string = "',
        'const DB_PASSWORD: &str = "',
        "DB_PASSWORD ::= ",
        '$DB_PASSWORD .= "',
        'char DB_PASSWORD[25] = "',
        'variable "DB_PASSWORD" { default = "',
        '{"name": "DB_PASSWORD", "value": "',
    ],
)
def test_the_name_of_a_value_is_told_in_the_ways_it_is_assigned(lead: str) -> None:
    assert candidate("tR7kQz2vLx9WmB4n", lead=lead).name == "DB_PASSWORD"


@pytest.mark.parametrize("name", ["authenticity_token", "io.jsonwebtoken", "master-keying"])
def test_a_word_that_only_begins_or_ends_like_a_credential_is_misnamed(name: str) -> None:
    assert FILTERS["misnamed"](candidate("jjwt-jackson-0.11.2", lead=f"{name}:"))


@pytest.mark.parametrize(
    ("path", "shipped"),
    [
        ("usr/lib/python3/dist-packages/acme/tests/key.pem", True),
        ("usr/share/doc/acme/examples/key.pem", True),
        ("usr/src/linux-headers-6.1/scripts/test/key.pem", True),
        ("usr/src/app/node_modules/acme/test/key.pem", True),
        ("usr/src/app/test/key.pem", False),
        ("usr/src/app/README.md", False),
        ("usr/share/nginx/html/index.html", False),
        ("usr/share/nginx/html/docs/key.pem", False),
        ("srv/tests/key.pem", False),
    ],
)
def test_what_lies_in_tests_is_shipped_by_a_package_only_where_packages_lie(path: str, shipped: bool) -> None:
    assert shipped_test(candidate("x", path=path)) == shipped
