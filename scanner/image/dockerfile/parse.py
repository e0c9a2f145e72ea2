"""A whole Dockerfile: its instructions, its stages, and which stage builds upon which.

Source: Dockerfile reference, "FROM", "ONBUILD"; BuildKit matches the names of stages without regard to case.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from scanner.image.dockerfile.command import KEYWORDS, Command
from scanner.image.dockerfile.lines import directives, logical, physical
from scanner.image.dockerfile.words import expand, split

MAX_DOCKERFILE = 4 << 20
"""Largest Dockerfile that is read, in bytes; generated ones have some hundred kilobytes."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One build stage.

    Attributes:
        index: 0 the first.
        name: what ``AS`` calls it, or empty.
        start: the FROM.
        base: what it is built on, as it stands.
        commands: its instructions, without the FROM.
    """

    index: int
    name: str
    start: Command
    base: str
    commands: tuple[Command, ...]

    @property
    def label(self) -> str | int:
        """Its name, or its number where it has none."""
        return self.name or self.index


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile.

    Attributes:
        path: what it is called.
        lines: as they stand.
        commands: all its instructions, in order.
        stages: in order.
        escape: the escape character.
        syntax: the front end it asks for, or empty.
        problems: what could not be read, one sentence each, with the line and without its text.
    """

    path: str
    lines: tuple[str, ...] = field(repr=False)
    commands: tuple[Command, ...] = field(repr=False)
    stages: tuple[Stage, ...] = field(repr=False)
    escape: str
    syntax: str
    problems: tuple[str, ...]

    @property
    def global_args(self) -> tuple[Command, ...]:
        """The ARGs before the first FROM."""
        return tuple(command for command in self.commands if command.stage == -1 and command.keyword == "ARG")

    def stage(self, name: str | int, before: int | None = None) -> Stage | None:
        """The stage of a name or number; None if there is none.

        Args:
            name: what a flag, a FROM or a user calls it.
            before: only stages before the one of this index count; of equal names the last of them.
        """
        end = len(self.stages) if before is None else before
        wanted = str(name).lower()
        named = self._named.get(wanted, [])
        if last := bisect_left(named, end):
            return self.stages[named[last - 1]]
        return self.stages[int(wanted)] if wanted.isdecimal() and len(wanted) < 9 and int(wanted) < end else None

    @cached_property
    def _named(self) -> Mapping[str, list[int]]:
        named: dict[str, list[int]] = {}
        for stage in self.stages:
            if stage.name:
                named.setdefault(stage.name.lower(), []).append(stage.index)
        return named

    def base_of(self, stage: Stage, args: Mapping[str, str] | None = None) -> str:
        """What a stage is built on, with the values of the global ARGs; arguments of the build come first."""
        if "$" not in stage.base:
            return stage.base
        values: dict[str, str | None] = {}
        for command in self.global_args:
            for name, value in command.pairs:
                given = (args or {}).get(name)
                default = expand(value, lambda key: values.get(key, ""), self.escape) if value is not None else None
                values[name] = default if given is None else given
        return expand(stage.base, lambda key: values.get(key, ""), self.escape)

    def line_of_stages(self, stage: Stage, args: Mapping[str, str] | None = None) -> tuple[Stage, ...]:
        """A stage with those it is built on, the lowest first."""
        line = [stage]
        while parent := self.stage(self.base_of(line[-1], args), line[-1].index):
            line.append(parent)
        return tuple(reversed(line))


def parse_dockerfile(text: str, path: str = "Dockerfile") -> Dockerfile:
    """Reads a Dockerfile. Nothing in it is an error: what makes no sense is left out, and told in ``problems``.

    Args:
        text: its content.
        path: what to call it.
    """
    lines = physical(text)
    known = directives(lines)
    escape = "`" if known.get("escape") == "`" else "\\"
    problems: list[str] = []
    commands = tuple(_commands(lines, escape, problems))
    return Dockerfile(
        path,
        tuple(lines),
        commands,
        tuple(_stages(commands)),
        escape,
        known.get("syntax", ""),
        tuple(problems),
    )


def _commands(lines: list[str], escape: str, problems: list[str]) -> Iterator[Command]:
    stage: str | int = -1
    stages = 0
    for item in logical(lines, escape):
        keyword = item.text.split(maxsplit=1)[0].upper() if item.text else ""
        if keyword not in KEYWORDS:
            if item.text:
                problems.append(f"line {item.start} is no instruction")
            continue
        problems += (f"line {item.start}: a heredoc has no end" for _ in item.unended)
        command = Command(keyword, item.text, item.start, item.end, stage, escape, item.heredocs)
        if keyword == "FROM":
            stage = _stage_name(command) or stages
            stages += 1
            command = Command(keyword, item.text, item.start, item.end, stage, escape)
        yield command


def _stage_name(command: Command) -> str:
    words = split(command.body, command.escape)
    return words[2] if len(words) == 3 and words[1].upper() == "AS" else ""


def _stages(commands: Sequence[Command]) -> Iterator[Stage]:
    starts = [at for at, command in enumerate(commands) if command.keyword == "FROM"]
    for index, at in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(commands)
        words = split(commands[at].body, commands[at].escape)
        yield Stage(
            index,
            _stage_name(commands[at]),
            commands[at],
            words[0] if words else "",
            tuple(commands[at + 1 : end]),
        )


def command_at(commands: Sequence[Command], line: int) -> Command | None:
    """The instruction that a line belongs to, or None."""
    at = bisect_right(commands, line, key=lambda command: command.start_line) - 1
    return commands[at] if at >= 0 and line <= commands[at].end_line else None
