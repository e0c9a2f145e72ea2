"""What belongs to a secret: which id a signature says stands beside it, and the one that did.

Most credentials are two values, of which one only names the other. This module knows the shape of both; who finds
them in a block is `detect.pairing`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

WITHIN = 1024
"""Bytes that may lie between the two: some dozen lines of settings, or a few instructions of a history."""

_BETWEEN = r"""[\s"'`\\:=>,(.|?<-]{1,12}"""
_KEYS = frozenset({"name", "with", "field", "value", "within", "shared"})


@dataclass(frozen=True)
class Pair:
    """What stands beside a secret: values that other signatures find, or one that has no signature of its own.

    Attributes:
        name: what to call it, such as ``access key id``.
        signatures: ids of the signatures that find it; ``with`` in the file.
        value: a regular expression of it, where it is no secret and so has no signature.
        field: a regular expression, in any case, of what it is called where it stands; needed where the value alone
            would be found in any file.
        within: bytes that may lie between it and the secret.
        shared: whether it may belong to several secrets, as a tenant does; otherwise each takes one of its own.
    """

    name: str
    signatures: tuple[str, ...] = ()
    value: str = ""
    field: str = ""
    within: int = WITHIN
    shared: bool = False

    @cached_property
    def pattern(self) -> str:
        """The expression that finds it, by its group ``id``; empty where signatures do."""
        if not self.value:
            return ""
        lead = f"(?i:{self.field}){_BETWEEN}" if self.field else "(?<![A-Za-z0-9])"
        return f"{lead}(?P<id>{self.value})(?![A-Za-z0-9])"

    @cached_property
    def regex(self) -> re.Pattern[bytes]:
        """The compiled pattern."""
        return re.compile(self.pattern.encode())


@dataclass(frozen=True, slots=True)
class Mate:
    """What was found beside a secret.

    Attributes:
        name: what it is.
        value: its bytes.
        public: whether it is no secret by itself, and may be shown.
        proof: what was proven of it offline, or None.
    """

    name: str
    value: bytes = field(repr=False)
    public: bool
    proof: str | None = None


def read_pair(table: Mapping[str, Any]) -> Pair:
    """A pair as a signature's file has it.

    Args:
        table: ``name``; ``with``, or ``value`` and as needed ``field``; and as needed ``within`` and ``shared``.

    Raises:
        ValueError: a key is missing, unknown, or at odds with another.
        re.error: an expression does not compile.
    """
    if unknown := sorted(table.keys() - _KEYS):
        raise ValueError(f"pairs: unknown keys {', '.join(unknown)}")
    values = dict(table)
    signatures = values.pop("with", ())
    pair = Pair(signatures=(signatures,) if isinstance(signatures, str) else tuple(signatures), **values)
    if bool(pair.signatures) == bool(pair.value) or (pair.field and not pair.value):
        raise ValueError("pairs: give either with, or value and as needed field")
    if pair.value:
        re.compile(pair.pattern.encode())
    return pair
