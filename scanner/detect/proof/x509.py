"""Certificates and what is alike: the key in one, found without parsing the rest, and what one says of its holder.

Structure: RFC 5280, section 4.1, for certificates; RFC 2986, section 4.1, for requests; RFC 8017, A.1.1, for RSA keys.
"""

import ipaddress
from typing import TYPE_CHECKING

from scanner.detect.proof.verdict import said

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateSigningRequest, Name

_SEQUENCE, _VERSION = 0x30, 0xA0
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_BEFORE_KEY = {"certificate": 5, "request": 2}
"""Elements before the key: serial number, algorithm, issuer, validity, subject; version and subject."""

MAX_NAMES = 4
"""Alternative names that are told; certificates of large sites have a hundred."""


def spki(kind: str, body: bytes) -> bytes:
    """The SubjectPublicKeyInfo that something holds; empty if it does not parse so far.

    Args:
        kind: ``certificate``, ``request``, ``spki`` or ``rsa``.
        body: its DER.
    """
    if kind == "spki":
        return body
    if kind == "rsa":
        bits = b"\0" + body
        return _element(0x30, _RSA + _element(0x03, bits))
    try:
        at = _inside(body, _inside(body, 0))
        if kind == "certificate" and body[at] == _VERSION:
            at = _behind(body, at)
        for _ in range(_BEFORE_KEY[kind]):
            at = _behind(body, at)
        return body[at : _behind(body, at)] if body[at] == _SEQUENCE else b""
    except (IndexError, ValueError):
        return b""


def _header(body: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element starts, and its length."""
    size, start = body[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        if not 0 < octets <= 3:
            raise ValueError("a length that no certificate has")
        size, start = int.from_bytes(body[start : start + octets], "big"), start + octets
    if start + size > len(body):
        raise ValueError("cut off")
    return start, size


def _inside(body: bytes, at: int) -> int:
    if body[at] != _SEQUENCE:
        raise ValueError("not a sequence")
    return _header(body, at)[0]


def _behind(body: bytes, at: int) -> int:
    start, size = _header(body, at)
    return start + size


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = (size.bit_length() + 7) // 8
    length = bytes([size]) if size < 0x80 else bytes([0x80 | octets]) + size.to_bytes(octets, "big")
    return bytes([tag]) + length + content


def described(kind: str, body: bytes) -> tuple[str, str]:
    """What to call something, and what else it says.

    Args:
        kind: ``certificate`` or ``request``.
        body: its DER.

    Returns:
        Its name with the subject's, as in ``certificate for app.example``, and what is told behind that: issuer,
        alternative names, how long it is valid; empty where it does not parse.
    """
    from cryptography.x509 import load_der_x509_certificate, load_der_x509_csr

    name = "certificate" if kind == "certificate" else "certificate request"
    try:
        if kind == "certificate":
            size = _behind(body, 0)  # OpenSSL's trusted certificates have more behind it
            loaded = load_der_x509_certificate(body[:size])
            subject, issuer = _name(loaded.subject), _name(loaded.issuer)
            told = ["self-signed" if loaded.subject == loaded.issuer else f"issued by {issuer}" if issuer else ""]
            told += [_names(loaded, subject), f"valid until {loaded.not_valid_after_utc:%Y-%m-%d}"]
        else:
            request = load_der_x509_csr(body)
            subject, told = _name(request.subject), [_names(request, _name(request.subject))]
    except Exception:  # what the package raises of damaged ones is not documented
        return name, ""
    return f"{name} for {subject}" if subject else name, ", ".join(part for part in told if part)


def _name(name: "Name") -> str:
    """The common name, or else the most that is there."""
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return said(common[0].value if common else name.rfc4514_string())


def _names(holder: "Certificate | CertificateSigningRequest", subject: str) -> str:
    from cryptography.x509 import ExtensionNotFound, SubjectAlternativeName

    try:
        extension = holder.extensions.get_extension_for_class(SubjectAlternativeName)
    except (ExtensionNotFound, ValueError):
        return ""
    values = [said(_plain(name.value)) for name in extension.value]
    names = [value for value in dict.fromkeys(values) if value and value != subject]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"also for {', '.join(names[:MAX_NAMES])}{more}" if names else ""


def _plain(value: object) -> object:
    return str(value) if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address) else value
