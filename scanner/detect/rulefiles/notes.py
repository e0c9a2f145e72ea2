"""What is said of a rule file that is not, or cannot be, done as it asks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unhonoured:
    """A part of a rule that is not done here, or a rule that is not.

    Attributes:
        rule: its id; empty for what a file says of all of its rules.
        what: the field, or ``"rule"`` where all of it is left out.
        why: the reason, and what happens instead.
    """

    rule: str
    what: str
    why: str

    def __str__(self) -> str:
        return self.why if self.what == "rule" else f"{self.what}: {self.why}"


class MalformedError(Exception):
    """A document that is not what its format asks for: where, and what was expected."""
