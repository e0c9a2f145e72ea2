"""Bech32, against the vectors of BIP 173."""

import pytest

from scanner.detect.proof.checksums import bech32


@pytest.mark.parametrize("text", [b"A12UEL5L", b"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", b"?1ezyfcl"])
def test_valid_strings_have_a_matching_checksum(text: bytes) -> None:
    assert bech32(text).holds


@pytest.mark.parametrize(
    "text", [b"A1G7SGD8", b"x1b4n0q5v", b"li1dgmt3", b"pzry9x0s0muk", b"1pzry9x0s0muk", b"10a06t8"]
)
def test_invalid_strings_have_none(text: bytes) -> None:
    assert not bech32(text).holds
