"""What can be proven of a secret without asking anybody: checksums and structure.

Each proof takes the secret and says what it found. A proof that fails lowers the confidence of a hit; it never
drops one, since issuers change their formats without telling.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a proof.

    Attributes:
        holds: whether the secret is what its form claims.
        text: what was proven, for the report.
    """

    holds: bool
    text: str


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits.rjust(width, "0")


def crc32_base62(secret: bytes) -> Verdict:
    """The last six characters are the CRC-32 of the random part before them, in base 62.

    So it is for GitHub's classic tokens (GitHub Engineering blog, "Behind GitHub's new authentication token
    formats", 2021) and for npm's.
    """
    body = secret.rsplit(b"_", 1)[-1]
    holds = _base62(binascii.crc32(body[:-6]), 6).encode() == body[-6:]
    return Verdict(holds, "checksum matches" if holds else "checksum does not match")


def crc32_hex(secret: bytes) -> Verdict:
    """The last eight characters are the CRC-32, in hex, of all before their separator (Grafana, Atlassian)."""
    body, claimed = secret[:-9], secret[-8:]
    holds = f"{binascii.crc32(body):08x}".encode() == claimed.lower()
    return Verdict(holds, "checksum matches" if holds else "checksum does not match")


def _decode(text: bytes) -> bytes:
    text = text.rstrip(b"=")
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def jwt(secret: bytes) -> Verdict:
    """Header and claims are JSON objects (RFC 7519, section 3); says algorithm, issuer and expiry."""
    try:
        header, claims = (json.loads(_decode(part)) for part in secret.split(b".")[:2])
        told = [f"alg {header['alg']}", *(f"{key} {claims[key]}" for key in ("iss", "exp") if key in claims)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Verdict(False, "does not decode to a JSON Web Token")
    return Verdict(True, "decodes: " + ", ".join(told))


def user_password(secret: bytes) -> Verdict:
    """The base64 of ``user:password`` (RFC 7617, section 2), as in HTTP basic auth and docker's config.json."""
    try:
        user, colon, password = base64.b64decode(secret + b"=" * (-len(secret) % 4)).decode().partition(":")
    except ValueError:
        return Verdict(False, "does not decode to user:password")
    if not (colon and password and (user + password).isprintable()):
        return Verdict(False, "does not decode to user:password")
    return Verdict(True, "decodes to user:password")


PROOFS: Mapping[str, Callable[[bytes], Verdict]] = {
    "crc32-base62": crc32_base62,
    "crc32-hex": crc32_hex,
    "jwt": jwt,
    "user-password": user_password,
}
"""Proofs by the name that signatures use."""
