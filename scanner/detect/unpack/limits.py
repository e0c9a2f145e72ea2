"""How far nested content is followed, and who keeps count: nothing in an image may make a scan endless."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from scanner.errors import LayerleakError

DEPTH = 8
"""Formats in one another: a gzip with a tar with a zip is three."""

EXPANDED = 16 << 30
"""Bytes that the files of one layer may expand to, all together."""

RATIO = 250
"""Bytes that a file may expand to, by its own size, beyond `GRACE`; text comes to 10, deflate's end is 1032."""

GRACE = 256 << 20
"""Bytes that a file may expand to, however small it is."""

MEMBERS = 1_000_000
"""Members that a file may hold, those of its members included."""

SECONDS = 120.0
"""Time that one file may take."""

HELD = 64 << 20
"""Bytes of a file that are held in memory, for formats that cannot be read from the beginning to the end."""

TOLD = 100
"""Troubles that are told of the files of one layer, each by itself; what is beyond is counted."""


class LimitError(LayerleakError):
    """Nested content goes beyond one of these limits."""


@dataclass(frozen=True)
class Limits:
    """The limits that apply; what they are is said at the constants."""

    depth: int = DEPTH
    expanded: int = EXPANDED
    ratio: int = RATIO
    grace: int = GRACE
    members: int = MEMBERS
    seconds: float = SECONDS
    held: int = HELD


@dataclass
class Budget:
    """What the files of one layer may expand to, all together; several threads may spend of one.

    Attributes:
        limits: the limits.
        clock: tells seconds.
    """

    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = monotonic
    _spent: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def spend(self, count: int) -> None:
        """Takes note of bytes that something expanded to.

        Raises:
            LimitError: all of it is spent.
        """
        with self._lock:
            self._spent += count
            if self._spent > self.limits.expanded:
                raise LimitError(f"the files of this layer expand to more than {self.limits.expanded} bytes")


class Allowance:
    """What one file may take of a budget.

    Args:
        budget: of its layer.
        size: of the file, in bytes.

    Attributes:
        limits: the limits.
    """

    def __init__(self, budget: Budget, size: int) -> None:
        self.limits = budget.limits
        self._budget = budget
        self._most = self.limits.grace + self.limits.ratio * size
        self._spent = self._members = 0
        self._end = budget.clock() + self.limits.seconds

    def spend(self, count: int) -> None:
        """Takes note of bytes that something in the file expanded to.

        Raises:
            LimitError: they are too many, or it took too long.
        """
        self._spent += count
        if self._spent > self._most:
            raise LimitError(f"expands to more than {self._most} bytes, {self.limits.ratio} times its size and some")
        self._budget.spend(count)
        self._hurry()

    def member(self) -> None:
        """Takes note of one member.

        Raises:
            LimitError: they are too many, or it took too long.
        """
        self._members += 1
        if self._members > self.limits.members:
            raise LimitError(f"has more than {self.limits.members} members")
        if self._members % 64 == 0:
            self._hurry()

    def late(self) -> bool:
        """Whether it took too long."""
        return self._budget.clock() > self._end

    def _hurry(self) -> None:
        if self.late():
            raise LimitError(f"takes longer than {self.limits.seconds:g} seconds")
