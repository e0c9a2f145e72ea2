"""Checksums that issuers put into their tokens, so that a scanner can tell a token from something alike."""

import base64
import binascii
import hashlib
import re

from scanner.detect.proof.encoding import DIGITS, in_base
from scanner.detect.proof.verdict import Context, Verdict, checksum

_BASE36 = DIGITS[:36].lower()
_INSTANCE_PREFIX = re.compile(rb"[A-Za-z0-9_-]+$")
_LONGEST_PREFIX = 20
_BECH32 = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def crc32_base62(secret: bytes) -> Verdict:
    """The last six characters are the CRC-32, in base 62, of all between them and the prefix.

    So it is for GitHub's classic tokens (GitHub Engineering blog, "Behind GitHub's new authentication token
    formats", 2021), npm's and Vercel's.
    """
    body = secret.partition(b"_")[2]
    return checksum(in_base(binascii.crc32(body[:-6]), DIGITS).rjust(6, "0").encode() == body[-6:])


def github_fine_grained(secret: bytes) -> Verdict:
    """The first eight of the last sixteen characters are the start of the SHA-256, in base 32, of all before them."""
    digest = base64.b32encode(hashlib.sha256(secret[:-16]).digest())
    return checksum(digest[:8] == secret[-16:-8])


def gitlab_routable(secret: bytes, context: Context) -> Verdict | None:
    """The last seven characters are the CRC-32, in base 36, of all before them.

    Source: GitLab's ``RoutableToken`` generator. Tokens without a dot are of the older kind and have no checksum.

    Args:
        secret: the token.
        context: where the prefix stands that an instance may put before all its tokens, and sums as well.
    """
    if b"." not in secret:
        return None
    own = _INSTANCE_PREFIX.search(context.before[-_LONGEST_PREFIX:])
    sums = (binascii.crc32(prefix + secret[:-7]) for prefix in {b"", own[0] if own else b""})
    return checksum(any(in_base(crc, _BASE36).rjust(7, "0").encode() == secret[-7:] for crc in sums))


def crc32_hex(secret: bytes) -> Verdict:
    """The last eight characters are the CRC-32, in hex, of all before them, the ``=`` included.

    So it is for Atlassian's tokens and Private Packagist's ("Token format" in its documentation).
    """
    return checksum(f"{binascii.crc32(secret[:-8]):08x}".encode() == secret[-8:].lower())


def grafana_service_account(secret: bytes) -> Verdict:
    """Behind the last underscore: the CRC-32 of all before it, in hex, its least byte first.

    Source: ``pkg/components/satokengen`` of Grafana.
    """
    body, _, claimed = secret.rpartition(b"_")
    return checksum(binascii.crc32(body).to_bytes(4, "little").hex().encode() == claimed.lower())


def cloudflare(secret: bytes) -> Verdict | None:
    """Behind prefix and forty characters: the CRC-32 of those forty, in hex."""
    body = secret.partition(b"_")[2]
    if len(body) != 48:
        return None
    return checksum(f"{binascii.crc32(body[:40]):08x}".encode() == body[40:].lower())


def confluent(secret: bytes) -> Verdict | None:
    """The last six characters are the base64 of the CRC-32, its least byte first, of all behind the prefix.

    Secrets made before July 2025 have no prefix and no checksum.
    """
    if not secret.startswith(b"cflt") or len(secret) != 64:
        return None
    claimed = base64.b64encode(binascii.crc32(secret[4:-6]).to_bytes(4, "little"))
    return checksum(claimed.rstrip(b"=") == secret[-6:])


def bech32(secret: bytes) -> Verdict:
    """The last six characters are the checksum of BIP 173 (age's keys: "Bech32" in the age specification)."""
    name, one, data = secret.lower().rpartition(b"1")
    values = [_BECH32.find(c) for c in data]
    if not (name and one and len(data) >= 6) or -1 in values:
        return checksum(False)
    return checksum(_polymod([c >> 5 for c in name] + [0] + [c & 31 for c in name] + values) == 1)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                check ^= term
    return check
