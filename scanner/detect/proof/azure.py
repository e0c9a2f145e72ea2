"""Microsoft's identifiable keys: a fixed signature, and a checksum behind it.

The formats, the seeds and the checksum (Marvin32, also in SymCrypt) are public in Microsoft's security-utilities.
"""

import base64
import binascii
from collections.abc import Mapping

from scanner.detect.proof.encoding import DIGITS, in_base, unbase64
from scanner.detect.proof.verdict import Verdict, checksum

_WORD = 0xFFFFFFFF

_MESSAGING: Mapping[bytes, str] = {
    b"Send0000": "may send",
    b"Listen00": "may listen",
    b"Manage00": "may manage",
    b"Unknown0": "",
    b"System00": "",
}
_SEEDS: Mapping[bytes, Mapping[bytes, str]] = {
    b"+ASt": {b"Default0": ""},
    b"+ACR": {b"ACRDflt0": ""},
    b"ACDb": {b"MastRO00": "read-only key", b"MastRW00": "read-write key"},
    b"AzFu": {b"Functi00": "", b"Master00": "master key", b"System00": "system key"},
    b"AIoT": {b"IoTHub00": "hub key", b"DpsKey00": "provisioning key", b"Device00": "device key"},
    b"+ASb": _MESSAGING,
    b"+AEh": _MESSAGING,
    b"+ARm": _MESSAGING,
}
"""By a key's signature, the seeds its checksum may have, and what each says of the key."""

_ANNOTATED_SEED = b"Default0"
_CLIENT_SEED = b"AadPwd00"
_CLIENT_DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890.-_~"
_BASE64_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DEVOPS_SEEDS = (0xE0B9692D, 0x1019F92E)


def marvin(data: bytes, seed: int) -> int:
    """The Marvin checksum of 64 bits.

    Args:
        data: what is summed.
        seed: 64 bits.
    """
    low, high = seed & _WORD, seed >> 32
    padded = data + b"\x80"
    padded += bytes(-len(padded) % 4)
    for at in range(0, len(padded), 4):
        low, high = _mixed(low + int.from_bytes(padded[at : at + 4], "little") & _WORD, high)
    low, high = _mixed(low, high)
    return high << 32 | low


def _mixed(low: int, high: int) -> tuple[int, int]:
    high ^= low
    low = _rotated(low, 20) + high & _WORD
    high = _rotated(high, 9) ^ low
    low = _rotated(low, 27) + high & _WORD
    return low, _rotated(high, 19)


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & _WORD


def _marvin32(data: bytes, seed: bytes) -> bytes:
    """Both halves in one, least byte first. Seeds are words of eight letters."""
    both = marvin(data, int.from_bytes(seed, "big"))
    return (both >> 32 ^ both & _WORD).to_bytes(4, "little")


def identifiable_key(secret: bytes) -> Verdict | None:
    """A key whose last four bytes are the checksum of those before; its signature stands before them.

    Keys that were made before Microsoft had signatures have none, and nothing to check.
    """
    text = secret.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    seeds = _SEEDS.get(text[-10:-6])
    if seeds is None:
        return None
    try:
        key = unbase64(text)
    except ValueError:
        return checksum(False)
    for seed, meaning in seeds.items():
        if _marvin32(key[:-4], seed) == key[-4:]:
            return checksum(True, meaning)
    return checksum(False)


def annotated_key(secret: bytes) -> Verdict:
    """A "common annotated security key": 80 characters, of which two tell the month it was made in, and a checksum."""
    try:
        key = base64.b64decode(secret[:80], validate=True)
    except ValueError:
        return checksum(False)
    computed = _marvin32(key, _ANNOTATED_SEED)
    # Newer keys have it in base 62, so that they are of letters and digits only.
    zeros = len(computed) - len(computed.lstrip(b"\0"))
    letters = ("0" * zeros + in_base(int.from_bytes(computed, "big"), DIGITS)).ljust(6, "0").encode()
    if len(key) != 60 or secret[80:84] not in (letters[:4], base64.b64encode(computed)[:4]):
        return checksum(False)
    year, month = (_BASE64_DIGITS.find(c) for c in secret[58:60])
    return checksum(True, f"made in {2024 + year}-{month + 1:02d}" if month < 12 else "")


def client_secret(secret: bytes) -> Verdict | None:
    """An application's secret with ``8Q~``: the last three characters start the checksum of all before them.

    Microsoft does not rely on it in its own scanner, so that a secret without it is not held to be a wrong one.
    """
    if secret[3:6] != b"8Q~":
        return None
    computed = int.from_bytes(_marvin32(secret[:-3], _CLIENT_SEED), "little")
    return checksum(True) if in_base(computed, _CLIENT_DIGITS)[:3].encode() == secret[-3:] else None


def devops_token(secret: bytes) -> Verdict:
    """A personal access token of 52 characters of base 32, with the four bytes of its CRC-32 strewn into it."""
    try:
        token = base64.b32decode(secret.upper() + b"=" * (-len(secret) % 8))
    except ValueError:
        return checksum(False)
    if len(token) != 32:
        return checksum(False)
    body = token[:2] + token[3:7] + token[9:22] + token[23:]
    claimed = int.from_bytes(bytes((token[22], token[8], token[7], token[2])), "little")
    return checksum(any(claimed == binascii.crc32(body) ^ seed for seed in _DEVOPS_SEEDS))
