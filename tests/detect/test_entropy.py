"""Entropy, against values that can be worked out by hand."""

import pytest

from scanner.detect.entropy import shannon


@pytest.mark.parametrize(
    ("data", "bits"), [(b"", 0), (b"aaaa", 0), (b"abab", 1), (b"abcd", 2), (bytes(range(256)), 8), (b"aab", 0.9183)]
)
def test_entropy_is_shannons(data: bytes, bits: float) -> None:
    assert shannon(data) == pytest.approx(bits, abs=1e-4)
