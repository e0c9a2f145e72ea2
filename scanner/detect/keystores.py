"""Looks into Java key stores: whether there is a key in one, or only certificates, which everybody may see.

Source: sun.security.provider.JavaKeyStore and com.sun.crypto.provider.JceKeyStore of OpenJDK, whose comments
describe the format; the lists of entries are not encrypted, the keys in them are.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = struct.Struct(">III")
_PRIVATE, _CERTIFICATE, _SECRET = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a key store.

    Attributes:
        alias: its name.
        is_key: whether it holds a private or secret key, and no certificate.
    """

    alias: str
    is_key: bool


def entries(data: bytes) -> Iterator[Entry]:
    """The entries of a JKS or JCEKS file, as far as they can be read.

    Args:
        data: the file from its first byte, or the beginning of it.

    Raises:
        ValueError: what follows is cut off or no entry.
    """
    _, version, count = _HEAD.unpack_from(data.ljust(_HEAD.size, b"\0"))
    reader = _Reader(data, _HEAD.size)
    for _ in range(count):
        kind, alias = reader.number(), reader.text()
        reader.skip(8)  # when it was made
        if kind not in (_PRIVATE, _CERTIFICATE, _SECRET):
            raise ValueError(f"entry of kind {kind}")
        yield Entry(alias, kind != _CERTIFICATE)
        if kind == _SECRET:
            raise ValueError("a serialised object, whose length is not told")
        if kind == _PRIVATE:
            reader.skip(reader.number())
        for _certificate in range(reader.number() if kind == _PRIVATE else 1):
            if version == 2:
                reader.text()
            reader.skip(reader.number())


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def skip(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise ValueError("cut off")
        self._at += count
        return piece

    def number(self) -> int:
        return int.from_bytes(self.skip(4), "big")

    def text(self) -> str:
        return self.skip(int.from_bytes(self.skip(2), "big")).decode("utf-8", "replace")


def only_certificates(data: bytes, *, so_far: bool = False) -> bool:
    """Whether a key store holds no key.

    Args:
        data: as for `entries`.
        so_far: whether to judge by the entries there are, of which there must be some, if the store is cut off.
    """
    seen = 0
    try:
        for entry in entries(data):
            if entry.is_key:
                return False
            seen += 1
    except ValueError:
        return so_far and seen > 0
    return True
