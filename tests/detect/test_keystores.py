"""Key stores: those with a key are told from those that hold certificates alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.keystores import Entry, entries, only_certificates
from scanner.detect.proof.stores import java_keystore


def number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big")


def text(value: str) -> bytes:
    return number(len(value), 2) + value.encode()


def certificate(size: int = 30) -> bytes:
    return text("X.509") + number(size) + bytes(size)


def store(*parts: bytes, count: int | None = None) -> bytes:
    return b"\xfe\xed\xfe\xed" + number(2) + number(len(parts) if count is None else count) + b"".join(parts)


KEY = number(1) + text("app") + bytes(8) + number(40) + bytes(40) + number(2) + certificate() + certificate()
TRUSTED = number(2) + text("ca") + bytes(8) + certificate()
SECRET = number(3) + text("aes") + bytes(8)


def test_entries_are_told_one_after_another() -> None:
    assert list(entries(store(TRUSTED, KEY, TRUSTED))) == [Entry("ca", False), Entry("app", True), Entry("ca", False)]


@pytest.mark.parametrize(
    ("data", "whole", "so_far"),
    [
        (store(TRUSTED, TRUSTED), True, True),
        (store(), True, True),
        (store(TRUSTED, KEY), False, False),
        (store(TRUSTED, SECRET), False, False),
        (store(TRUSTED, TRUSTED)[:-1], False, True),
        (store(TRUSTED, count=2), False, True),
        (store(TRUSTED)[:-1], False, True),
        (store(count=3), False, False),
        (store(number(9) + text("x")), False, False),
        (b"", True, True),
    ],
)
def test_only_certificates_are_no_secret(data: bytes, whole: bool, so_far: bool) -> None:
    assert (only_certificates(data), only_certificates(data, so_far=True)) == (whole, so_far)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    assert only_certificates(b"\xfe\xed\xfe\xed" + number(2) + data) in (True, False)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (store(TRUSTED, KEY, TRUSTED), "holds the keys of app"),
        (store(SECRET), "holds the keys of aes"),
        (
            store(*(KEY.replace(b"app", b"a%02d" % n) for n in range(6))),
            "holds the keys of a00, a01, a02, a03 and 2 more",
        ),
        (store(TRUSTED), None),
        (b"", None),
    ],
)
def test_the_keys_of_a_store_are_told_by_their_aliases(data: bytes, told: str | None) -> None:
    verdict = java_keystore(data)

    assert (verdict.text if verdict else None) == told
