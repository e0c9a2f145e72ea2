"""Reasons to say that a value is no secret."""

import pytest

from scanner.detect.filters import FILTERS, Candidate


def candidate(value: str, lead: str = "password = ", path: str = "") -> Candidate:
    return Candidate(value, lead + value, len(lead), path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("placeholder", "your-api-key-here"),
        ("placeholder", "xxxxxxxxxxxx"),
        ("placeholder", "changeme"),
        ("templated", "${DB_PASSWORD}"),
        ("templated", "{{ password }}"),
        ("templated", "<password>"),
        ("sequential", "0123456789ABCDEF"),
        ("uuid", "d8a59510-d51e-4dd9-a8e1-53b87abb7961"),
        ("lettered", "1234-5678"),
        ("gibberish", "administrator"),
        ("code", "settings.database.password"),
        ("code", "PBEWithHmacSHA512/256AndAES_128"),
        ("code", "PBKDF2WithHmacSHA512/256"),
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
