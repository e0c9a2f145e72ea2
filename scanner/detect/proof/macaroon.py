"""Macaroons of version 2, which PyPI's tokens are (libmacaroons, ``doc/format.txt``)."""

from collections.abc import Iterator

from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import Verdict, said

_END, _LOCATION, _IDENTIFIER, _SIGNATURE = 0, 1, 2, 6

Field = tuple[int, bytes]


def macaroon(secret: bytes) -> Verdict:
    """Reads the fields of a token behind its prefix; says where it is for and by how many caveats it is limited."""
    try:
        fields = list(_fields(unbase64(secret.partition(b"-")[2])))
    except ValueError:
        return Verdict(False, "does not parse as a macaroon")
    location = next((value for kind, value in fields if kind == _LOCATION), b"")
    identifiers = sum(kind == _IDENTIFIER for kind, _ in fields)
    kind, signature = fields[-1] if fields else (_END, b"")
    if not identifiers or kind != _SIGNATURE or len(signature) != 32:
        return Verdict(False, "does not parse as a macaroon")
    caveats = identifiers - 1
    limited = {0: "not limited", 1: "limited by 1 caveat"}.get(caveats, f"limited by {caveats} caveats")
    return Verdict(True, f"macaroon for {said(location.decode('ascii', 'replace'))}, {limited}")


def _fields(data: bytes) -> Iterator[Field]:
    """The fields in their order.

    Raises:
        ValueError: it is not of version 2, or a field is longer than what is left.
    """
    if data[:1] != b"\x02":
        raise ValueError("not of version 2")
    at = 1
    while at < len(data):
        kind, at = data[at], at + 1
        if kind == _END:
            continue
        length, at = _number(data, at)
        if at + length > len(data):
            raise ValueError("a field is cut off")
        yield kind, data[at : at + length]
        at += length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in base 128, its least digits first, and the offset behind it."""
    number = 0
    for shift in (0, 7, 14):
        if at >= len(data):
            break
        number |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return number, at
    raise ValueError("a length is cut off")
