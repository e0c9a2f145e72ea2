"""What a proof says, and how it may say values that came out of a secret."""

from collections.abc import Callable
from dataclasses import dataclass, field

SAID = 80
"""Characters of a value from inside a secret that are said; whoever made the secret chose them."""


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """The public half of a key pair, which anybody may see.

    Attributes:
        spki: its SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7), as certificates have it; empty where it is not told.
        ssh: as it goes over the wire in SSH (RFC 4253, 6.6); empty for kinds that SSH has no use for.
    """

    spki: bytes = b""
    ssh: bytes = b""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a proof.

    Attributes:
        holds: whether the secret is what its form claims.
        text: what was proven, for the report; it never holds any of the secret's own bytes.
        public: the public half of a private key, where it can be told. It says no more than the fingerprint in
            ``text``, so that it is left out of comparisons.
    """

    holds: bool
    text: str
    public: PublicHalf | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Context:
    """What stands around a secret, as far as its signature asked to see it.

    Attributes:
        before: the bytes before it.
        after: the bytes behind it.
    """

    before: bytes = b""
    after: bytes = b""


Judge = Callable[[bytes], Verdict | None]
"""A proof that needs the secret only. None means that this form of it has nothing that could be checked."""

Proof = Callable[[bytes, Context], Verdict | None]
"""A proof as signatures name it."""


def checksum(holds: bool, more: str = "") -> Verdict:
    """The verdict of a checksum.

    Args:
        holds: whether it is the one that was computed.
        more: what else is known where it is.
    """
    if not holds:
        return Verdict(False, "checksum does not match")
    return Verdict(True, f"checksum matches, {more}" if more else "checksum matches")


def said(value: object) -> str:
    """A value from inside a secret, short and printable; empty if it is neither text nor a number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: SAID + 1])
    return text if len(text) <= SAID else text[: SAID - 1] + "…"
