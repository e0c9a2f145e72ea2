"""OpenPGP keys in armor (RFC 4880; RFC 9580 for what came later)."""

import hashlib
import re

from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import Verdict

_BODY = re.compile(rb"(?:[A-Z][A-Za-z]{2,20}: [^\n]*\n+)*([A-Za-z0-9+/\n]*={0,2})\n*(?:=([A-Za-z0-9+/]{4}))?\s*")
_SECRET_KEY = 5
_RSA = (1, 2, 3)
_PUBLIC_NUMBERS = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4}
"""By algorithm, the numbers its public half consists of."""

_CURVED = {18: "ECDH", 19: "ECDSA", 22: "EdDSA"}
_NATIVE = {25: ("X25519", 32), 26: ("X448", 56), 27: ("Ed25519", 32), 28: ("Ed448", 57)}


def pgp_key(armor: bytes) -> Verdict | None:
    """Reads the first key of a block; None if it does not parse.

    Args:
        armor: what stands between the lines with the dashes, one line a line.
    """
    match = _BODY.fullmatch(armor.strip())
    if match is None:
        return None
    try:
        data = unbase64(match[1].replace(b"\n", b""))
        text = _described(_first_packet(data))
    except (ValueError, IndexError):
        return None
    if match[2] is not None and _crc24(data).to_bytes(3, "big") != unbase64(match[2]):
        return Verdict(False, f"{text}; checksum does not match")
    return Verdict(True, text)


def _first_packet(data: bytes) -> bytes:
    """The content of the first packet, which must be a secret key.

    Raises:
        ValueError: it is something else, or cut off.
        IndexError: it is cut off within its header.
    """
    tag, length, start = data[0], data[1], 2
    if tag & 0x40:
        if length >= 192:
            length, start = (length - 192 << 8) + data[2] + 192, 3
        number = tag & 0x3F
    else:
        octets = 1 << (tag & 3)
        length, start = int.from_bytes(data[1 : 1 + octets], "big"), 1 + octets
        number = tag >> 2 & 0xF
    if not tag & 0x80 or number != _SECRET_KEY or tag & 0x43 == 3 or start + length > len(data):
        raise ValueError("not a secret key")
    return data[start : start + length]


def _described(packet: bytes) -> str:
    version, algorithm = packet[0], packet[5]
    if version != 4:
        return f"PGP key of version {version}"
    at = 6
    name = "PGP"
    if count := _PUBLIC_NUMBERS.get(algorithm):
        bits = int.from_bytes(packet[at : at + 2], "big")
        name = f"{'RSA' if algorithm in _RSA else 'DSA' if algorithm == 17 else 'Elgamal'} key of {bits} bits"
        for _ in range(count):
            at = _behind_number(packet, at)
    elif algorithm in _CURVED:
        name = f"{_CURVED[algorithm]} key"
        at = _behind_number(packet, at + 1 + packet[at])
        if algorithm == 18:
            at += 1 + packet[at]
    elif algorithm in _NATIVE:
        label, octets = _NATIVE[algorithm]
        name, at = f"{label} key", at + octets
    else:
        return "PGP key"
    usage = packet[at]
    public = packet[:at]
    digest = hashlib.sha1(b"\x99" + len(public).to_bytes(2, "big") + public, usedforsecurity=False).hexdigest()
    return f"{name}, {'encrypted' if usage else 'not encrypted'}, fingerprint {digest.upper()}"


def _behind_number(packet: bytes, at: int) -> int:
    return at + 2 + (int.from_bytes(packet[at : at + 2], "big") + 7) // 8


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for octet in data:
        crc ^= octet << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF
