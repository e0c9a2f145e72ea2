"""Microsoft's checksum, against the values that its own implementations are tested with."""

from scanner.detect.proof.azure import marvin


def test_marvin_gives_what_symcrypt_expects() -> None:
    assert marvin(b"abc", 0xD53CD9CECD0893B7) == 0x22C74339492769BF
    assert marvin(b"abcdefghijklmnopqrstuvwxyz", 0xDDDDEEEEFFFF000) == 0xA128EB7E7260ACA2
