"""What each variable is at each instruction of a stage, and which instruction made it so.

Source: Dockerfile reference, "ARG", "Scope", "Environment replacement".
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scanner.image.dockerfile.command import Command
from scanner.image.dockerfile.parse import Dockerfile, Stage
from scanner.image.dockerfile.words import expand

_MAX_VALUES = 1 << 24
"""Characters of all values of a stage together; what comes later counts as not known."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as it is at some instruction.

    Attributes:
        name: its name.
        value: its value; None where only the build knew it.
        command: the ARG or ENV that set it.
    """

    name: str
    value: str | None = field(repr=False)
    command: Command


class Scope:
    """A stage with all that it is built on in the same Dockerfile: its instructions in the order they ran."""

    def __init__(self, dockerfile: Dockerfile, stage: Stage, args: Mapping[str, str]) -> None:
        """Takes a stage.

        Args:
            dockerfile: that the stage is of.
            stage: the last one to run.
            args: build arguments that were given, as far as they are known.
        """
        self.dockerfile = dockerfile
        self.stage = stage
        self.stages = dockerfile.line_of_stages(stage, args)
        self.base = dockerfile.base_of(self.stages[0], args)
        self.commands: tuple[Command, ...] = tuple(self._in_order())
        self._args = args
        self._left = _MAX_VALUES
        self._set: defaultdict[str, list[tuple[int, Variable]]] = defaultdict(list)
        self._globals = self._global_variables()
        for at, command in enumerate(self.commands):
            self._run(at, command)

    def _in_order(self) -> Iterator[Command]:
        triggers: list[Command] = []
        for stage in self.stages:
            yield stage.start
            yield from triggers
            # A trigger fires once, in the stage directly above.
            triggers = [command.trigger for command in stage.commands if command.trigger]
            yield from stage.commands

    def _global_variables(self) -> dict[str, Variable]:
        known: dict[str, Variable] = {}

        def value_of(name: str) -> str | None:
            return known[name].value if name in known else ""

        for command in self.dockerfile.global_args:
            for name, raw in command.pairs:
                default = None if raw is None else expand(raw, value_of, command.escape)
                known[name] = Variable(name, self._args.get(name, default), command)
        return known

    def _run(self, at: int, command: Command) -> None:
        if command.keyword not in ("ARG", "ENV"):
            return
        values = [(name, self._value(at, command, name, raw)) for name, raw in command.pairs]
        for name, variable in values:
            if variable is not None:
                self._set[name].append((at, variable))

    def _value(self, at: int, command: Command, name: str, raw: str | None) -> Variable | None:
        if command.keyword == "ARG":
            now = self.variable(name, at)
            if now is not None and now.command.keyword == "ENV":
                return None  # an ENV always wins over an ARG of the same name
            if name in self._args:
                return Variable(name, self._args[name], command)
            if raw is None:
                outer = self._globals.get(name)
                return Variable(name, outer.value if outer else None, command)
        value = self.expand(raw or "", at) if self._left > 0 else None
        self._left -= len(value or "")
        return Variable(name, value, command)

    @property
    def names(self) -> Iterator[str]:
        """Names of all variables that any instruction sets."""
        return iter(self._set)

    def variable(self, name: str, at: int) -> Variable | None:
        """A variable as the instruction at a position finds it; None if it is not set there.

        Args:
            name: of the variable.
            at: position in ``commands``.
        """
        known = self._set.get(name, [])
        before = bisect_left(known, at, key=lambda item: item[0])
        return known[before - 1][1] if before else None

    def outer(self, command: Command, value: str) -> Command | None:
        """The ARG before the first FROM that gives an ARG of the stage a value; None where it is none of those.

        Args:
            command: the ARG of the stage.
            value: what has to stand in the other.
        """
        for name, raw in command.pairs:
            known = self._globals.get(name)
            if raw is None and known and value in known.command.text:
                return known.command
        return None

    def expand(self, text: str, at: int) -> str:
        """A text unquoted and with the values of the variables that the instruction at a position finds."""

        def value_of(name: str) -> str | None:
            found = self.variable(name, at)
            return found.value if found else ""

        return expand(text, value_of, self.dockerfile.escape)
