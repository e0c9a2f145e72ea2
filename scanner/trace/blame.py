"""What is said of one place that a secret is in: who carried it there, and who let it in."""

from dataclasses import dataclass, field

from scanner.finding import Instruction


@dataclass(frozen=True)
class Blame:
    """Who is to blame for a secret in one place.

    Attributes:
        carried: the instruction that made the place: the layer, the entry, the field.
        source: the instruction through which the value came into the build, where that is another one.
        mounts: ids of build secrets that the source could read, one of which it persisted.
        advice: what to write instead of the source.
    """

    carried: Instruction | None = None
    source: Instruction | None = None
    mounts: tuple[str, ...] = ()
    advice: tuple[str, ...] = field(default=(), repr=False)

    @property
    def entered(self) -> Instruction | None:
        """The instruction through which the value came into the build."""
        return self.source or self.carried
