"""What openers of nested formats take and give: members, and what to do about what they cannot read."""

import sqlite3
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from scanner.codec.compression import DECOMPRESSION_ERRORS
from scanner.detect.unpack.git_history import Repository
from scanner.detect.unpack.inflate import Read
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.limits import Allowance

DAMAGE = (*DECOMPRESSION_ERRORS, zlib.error, sqlite3.Error, struct.error, LookupError, OverflowError, MemoryError)
"""What reading a file that is not what it claims to be raises."""


class Member(NamedTuple):
    """Something that lies in a file.

    Attributes:
        name: its path in there, or what else it is called by.
        input: its bytes.
    """

    name: str
    input: Input


class Trouble(NamedTuple):
    """Something in a file that could not be read.

    Attributes:
        inner: paths of the members that it is in, outermost first; empty for the file itself.
        reason: in a few words.
        lost: bytes that were not looked at, as stored; 0 where unknown.
        more: further members of which the same is true; their bytes are counted.
    """

    inner: tuple[str, ...]
    reason: str
    lost: int
    more: int = 0


@dataclass(frozen=True)
class Context:
    """What an opener is told beside the bytes.

    Attributes:
        name: last part of the path of what it opens.
        allowance: to spend from what is expanded.
        repository: takes note of commits and trees.
        tell: is told of what cannot be read: the member's name (empty for the whole), why, and how many bytes.
    """

    name: str
    allowance: Allowance
    repository: Repository
    tell: Callable[[str, str, int], None]

    def counted(self, read: Read) -> Read:
        """What a decompressor gives, all of which is spent from the allowance."""

        def more(count: int) -> bytes:
            piece = read(count)
            self.allowance.spend(len(piece))
            return piece

        return more

    def whole(self, source: Input) -> bytes | None:
        """All that is left of an input, for what cannot be read piece by piece; None, and told, if that is too much."""
        data = source.read(self.allowance.limits.held + 1)
        if len(data) <= self.allowance.limits.held:
            return data
        left = len(data) + sum(map(len, source.pieces()))
        self.tell("", f"larger than {self.allowance.limits.held} bytes, which is the most that is held of one", left)
        return None


def text(name: bytes) -> str:
    """A name as text."""
    return name.decode("utf-8", "backslashreplace")


def say(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__
