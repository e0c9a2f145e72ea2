"""Private keys of all kinds: whether they parse, what they are, whether a passphrase protects them, and whose they are.

The fingerprint is the one that OpenSSH shows for the public half, so that it can be looked for in authorized_keys
files, deploy keys and logs. Of the private half nothing is said.
"""

import base64
import re

from scanner.detect.proof import pem, pgp, putty, ssh
from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import Verdict

_BROKEN = Verdict(False, "does not parse as a key")
_BASE64_OF_BEGIN = b"LS0tLS1CRUdJTi"
_ARMOR = re.compile(rb"-{4,5} ?BEGIN ([A-Z0-9 ]{0,20})PRIVATE KEY(?: BLOCK)? ?-{4,5}(.*?)(?:-{4,5} ?END|\Z)", re.DOTALL)
_WRAPPING = re.compile(rb"""\\+[nrt]?|[\s"',]""")
_ENCRYPTED = re.compile(rb"DEK-Info: ?([A-Z0-9-]{3,20}),[0-9A-Fa-f]{8,64}(.*)", re.DOTALL)
_SSH2_HEADERS = re.compile(
    rb"""(?:\\{1,8}[nrt]|[\s"',])*(?:[A-Z][A-Za-z-]{1,30}: [^\n\\]*(?:\\{1,8}[nr]|\n)[\s"',]*)*"""
)


def private_key(secret: bytes) -> Verdict:
    """Parses a key of any kind, wrapped and escaped as source files have them.

    Args:
        secret: PEM (PKCS#1, PKCS#8, SEC 1, OpenSSH), PGP armor, a PuTTY or ssh.com file, or the base64 of one of them.
    """
    try:
        return _parsed(unbase64(secret) if secret.startswith(_BASE64_OF_BEGIN) else secret) or _BROKEN
    except Exception:  # ValueError as a rule; what else the cryptography package raises is not documented
        return _BROKEN


def _parsed(text: bytes) -> Verdict | None:
    """The verdict on a key, None if it does not parse.

    Raises:
        ValueError: it does not parse either.
    """
    if text.startswith(b"PuTTY-"):
        return putty.putty_key(text)
    armor = _ARMOR.search(text)
    if armor is None:
        return None
    label, body = armor[1].strip(), armor[2]
    if label == b"PGP":
        return pgp.pgp_key(_lines(body))
    if label.startswith(b"SSH2"):
        return Verdict(True, ssh.ssh2_kind(_WRAPPING.sub(b"", _SSH2_HEADERS.sub(b"", body, count=1))))
    encrypted = _ENCRYPTED.search(body)
    data = base64.b64decode(_WRAPPING.sub(b"", encrypted[2] if encrypted else body), validate=True)
    if encrypted:
        return pem.encrypted_key(label.decode(), encrypted[1].decode(), data)
    return pem.openssh_key(data) if label == b"OPENSSH" else pem.der_key(data)


def _lines(text: bytes) -> bytes:
    return re.sub(rb"(?:\\{1,8}[nrt]|[\r\n])[\s\"',]*", b"\n", text)


def wireguard_key(secret: bytes) -> Verdict | None:
    """Says the public half of a key that was made as ``wg genkey`` does; others may be preshared keys, which have none.

    Args:
        secret: the key in base64.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    try:
        key = unbase64(secret)
    except ValueError:
        return Verdict(False, "does not parse as a key")
    if len(key) != 32 or key[0] & 7 or key[31] >> 6 != 1:
        return None
    public = X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    return Verdict(True, f"public key {base64.b64encode(public).decode()}")
