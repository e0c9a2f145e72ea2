"""Finds what is public of key pairs: certificates, requests for them, and public keys as SSH and PEM write them.

They are no secrets and no hits. They are collected because a private key elsewhere in the image may be theirs, which
says what that key opens. Their anchors are looked for in the same pass as all signatures.
"""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.detect.matcher import Found, Region

MAX_BODY = 16384
"""Largest certificate that is collected, in bytes of DER; most have one or two thousand."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Something that holds the public half of a key pair.

    Attributes:
        kind: ``certificate``, ``request``, ``spki``, ``rsa`` (a public key as PKCS#1 has it) or ``ssh``.
        region: index of the region it lies in.
        start: offset in the block where it starts.
        body: DER; for SSH, the key as it goes over the wire.
    """

    kind: str
    region: int
    start: int
    body: bytes = field(repr=False)


_Reader = Callable[[bytearray | bytes, int, int], tuple[str, int, int, bytes] | None]
"""Takes the block, the end of an anchor's match and the end of its region; returns kind, start, end and body.

Of what only looked like one, and took work to tell, the body is empty."""

_TITLES = {
    b"CERTIFICATE": "certificate",
    b"TRUSTED CERTIFICATE": "certificate",
    b"X509 CERTIFICATE": "certificate",
    b"CERTIFICATE REQUEST": "request",
    b"NEW CERTIFICATE REQUEST": "request",
    b"PUBLIC KEY": "spki",
    b"RSA PUBLIC KEY": "rsa",
}
_PEM = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{10,30})-----(?:\\{1,4}[nr]|[\s\"',])++"
    rb"((?:[A-Za-z0-9+/=]{1,24000}+(?:\\{1,4}[nr]|[\s\"',])++){1,500}+)-----END"
)
_WRAPPING = re.compile(rb"\\+[nr]|[\s\"',]")
_LONGEST_TITLE = 42
_SSH = re.compile(rb"(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp(?:256|384|521)) (AAAA[A-Za-z0-9+/]{40,4000}={0,2})")
_SSH_NAME = re.compile(rb"(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp(?:256|384|521)) AAAA$")
_LONGEST_NAME = 24
_BASE64 = re.compile(rb"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t[A-Za-z0-9+/]{100,24000}={0,2}")
_BASE64_TITLE = 36
_DER = re.compile(
    rb"0(?:\x82[\x00-\xff]{2}|\x81[\x00-\xff])0(?:\x82[\x00-\xff]{2}|\x81[\x00-\xff])\xa0\x03\x02\x01\x02\x02"
)
_DER_HEAD = 14


def _pem(data: bytearray | bytes, end: int, stop: int) -> tuple[str, int, int, bytes] | None:
    start = data.rfind(b"-----BEGIN ", max(0, end - _LONGEST_TITLE), end)
    match = _PEM.match(data, start, min(stop, end + 2 * MAX_BODY)) if start >= 0 else None
    kind = _TITLES.get(match[1]) if match else None
    if match is None or kind is None:
        return None
    return kind, start, match.end(), base64.b64decode(_WRAPPING.sub(b"", match[2]), validate=True)


def _ssh(data: bytearray | bytes, end: int, stop: int) -> tuple[str, int, int, bytes] | None:
    name = _SSH_NAME.search(data, max(0, end - _LONGEST_NAME), end)
    match = _SSH.match(data, name.start(), min(stop, end + 4096)) if name else None
    if match is None:
        return None
    return "ssh", match.start(), match.end(), base64.b64decode(match[1], validate=True)


def _base64(data: bytearray | bytes, end: int, stop: int) -> tuple[str, int, int, bytes] | None:
    match = _BASE64.match(data, end - _BASE64_TITLE, min(stop, end + 2 * MAX_BODY))
    if match is None:
        return None
    inner = base64.b64decode(match[0], validate=True)
    found = _pem(inner, inner.find(b"-----", 5) + 5, len(inner))
    # The run is done with in any case: others that begin in it would be decoded again and again.
    return "certificate", match.start(), match.end(), found[3] if found else b""


def _der(data: bytearray | bytes, end: int, stop: int) -> tuple[str, int, int, bytes] | None:
    for start in range(end - _DER_HEAD, end - _DER_HEAD + 3):  # shorter lengths take one octet less each
        if start >= 0 and (match := _DER.match(data, start, end)) and match.end() == end:
            wide = data[start + 1] == 0x82
            head = 4 if wide else 3
            size = head + int.from_bytes(data[start + 2 : start + head], "big")
            if size <= MAX_BODY and start + size <= stop:
                return "certificate", start, start + size, bytes(data[start : start + size])
    return None


_READERS: tuple[tuple[str, _Reader], ...] = (
    ("-----BEGIN (?:(?:TRUSTED |X509 )?CERTIFICATE|(?:NEW )?CERTIFICATE REQUEST|(?:RSA )?PUBLIC KEY)-----", _pem),
    ("ssh-(?:rsa|ed25519|dss) AAAA", _ssh),
    ("ecdsa-sha2-nistp(?:256|384|521) AAAA", _ssh),
    ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", _base64),
    # A certificate of version 3: two sequences, the version, and the first octet of the serial number (RFC 5280, 4.1).
    (r"0(?:\x82[\x00-\xff]{2}|\x81[\x00-\xff])0(?:\x82[\x00-\xff]{2}|\x81[\x00-\xff])\xa0\x03\x02\x01\x02\x02", _der),
)

ANCHORS = tuple(expression for expression, _ in _READERS)
"""Expressions for the multi-pattern database, in the order in which `public_keys` numbers them."""


def public_keys(
    data: bytearray | bytes, regions: Sequence["Region"], found: Sequence["Found"], low: int, high: int
) -> Iterator[PublicKey]:
    """What is public of key pairs in a block.

    Args:
        data: the block.
        regions: its parts, ascending and disjoint.
        found: matches of the anchors, ascending by their ends: the number of the expression, the offset behind it.
        low: matches that end at or before this offset were the previous block's.
        high: matches that end after this offset will be the next block's.
    """
    place = passed = 0
    for number, end in found:
        # What lies in one that was taken is that one again, so that no byte is taken twice.
        if end <= passed or not low < end <= high:
            continue
        while place < len(regions) and regions[place].end < end:
            place += 1
        if place == len(regions):
            return
        if end <= regions[place].start:
            continue
        try:
            read = _READERS[number][1](data, end, regions[place].end)
        except ValueError:
            continue
        if read is not None and read[1] >= regions[place].start:
            kind, start, passed, body = read
            if body:
                yield PublicKey(kind, place, start, body)
