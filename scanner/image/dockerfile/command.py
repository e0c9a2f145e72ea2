"""One instruction of a Dockerfile, and what can be read off it alone.

Source: Dockerfile reference, one section an instruction.
"""

import json
import re
from dataclasses import dataclass, field, replace

from scanner.image.dockerfile.words import expand, split

KEYWORDS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER "
    "VOLUME WORKDIR".split()
)
"""Dockerfile instructions (Dockerfile reference)."""

_FLAG = re.compile(r"--([a-z][a-z-]{0,31})(?:=(.*))?", re.DOTALL)
_NAME = re.compile(r"\s*([A-Za-z]+)")
_MAX_FLAGS = 256


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document.

    Attributes:
        name: its end mark, unquoted.
        start_line: of its content, from 1.
        text: its content.
        expanded: whether variables in it are replaced, which quotes around the mark prevent.
    """

    name: str
    start_line: int
    text: str = field(repr=False)
    expanded: bool


@dataclass(frozen=True, slots=True)
class Mount:
    """A ``--mount`` of a RUN.

    Attributes:
        type: ``bind``, ``cache``, ``secret``, ``ssh`` or ``tmpfs``.
        id: of a secret, cache or ssh socket; a secret's is the last part of its target where it has none.
        target: path in the container, or empty.
        env: variable that a secret is in, or empty.
        source: stage, image or empty.
    """

    type: str
    id: str
    target: str
    env: str
    source: str


@dataclass(frozen=True, slots=True)
class Command:
    """One instruction of a Dockerfile.

    Attributes:
        keyword: upper case.
        text: the instruction with its lines joined, comments left out.
        start_line: its first line, from 1.
        end_line: its last, inclusive; the end mark of a heredoc belongs to it.
        stage: name of its build stage, or its number where it has no name; -1 before the first FROM.
        escape: the escape character in force.
        heredocs: in their order.
        fired: whether it is an ONBUILD's, at work in the stage that builds upon that.
    """

    keyword: str
    text: str = field(repr=False)
    start_line: int
    end_line: int
    stage: str | int
    escape: str = "\\"
    heredocs: tuple[Heredoc, ...] = ()
    fired: bool = False

    @property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """Options before the arguments, as name and value; one without a value is ``true``."""
        return self._flags_and_body()[0]

    @property
    def body(self) -> str:
        """The arguments: what follows keyword and flags."""
        return self._flags_and_body()[1]

    def _flags_and_body(self) -> tuple[tuple[tuple[str, str], ...], str]:
        keyword = _NAME.match(self.text)
        rest = self.text[keyword.end() :].strip() if keyword else ""
        flags: list[tuple[str, str]] = []
        while rest.startswith("--") and len(flags) < _MAX_FLAGS:
            word = rest.split(maxsplit=1)[0]
            if (match := _FLAG.fullmatch(word)) is None:
                break
            flags.append((match[1], "true" if match[2] is None else match[2]))
            rest = rest[len(word) :].lstrip()
        return tuple(flags), rest

    def flag(self, name: str) -> str:
        """The value of a flag; of several the last; empty for one that is not given."""
        return dict(self.flags).get(name, "")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments as words: of the JSON form its strings, else unquoted by nobody."""
        body = self.body
        if body.startswith("["):
            try:
                values = json.loads(body)
            except (ValueError, RecursionError):
                values = None
            if isinstance(values, list) and all(isinstance(value, str) for value in values):
                return tuple(values)
        return tuple(split(body, self.escape))

    @property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """Names that an ARG, ENV or LABEL sets, with their values as they stand; None for an ARG without one."""
        if self.keyword not in ("ARG", "ENV", "LABEL"):
            return ()
        words = split(self.body, self.escape)
        if not words:
            return ()
        if self.keyword != "ARG" and "=" not in words[0]:
            name, _, value = self.body.partition(words[0])[2].partition(" ")
            return ((words[0], (value or name).strip()),)  # `ENV NAME value`: all that follows is the value
        found: list[tuple[str, str | None]] = []
        for word in words:
            name, equals, value = word.partition("=")
            found.append((expand(name, lambda _: "", self.escape), value if equals else None))
        return tuple(found)

    @property
    def trigger(self) -> "Command | None":
        """The instruction that an ONBUILD carries, as it is when fired."""
        match = _NAME.match(self.body) if self.keyword == "ONBUILD" else None
        if match is None or match[1].upper() not in KEYWORDS:
            return None
        return replace(self, keyword=match[1].upper(), text=self.body, fired=True)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The mounts of a RUN."""
        return tuple(_mount(value) for name, value in self.flags if name == "mount")

    @property
    def mentions(self) -> str:
        """All that stands in the instruction: its text, and its heredocs."""
        return "\n".join((self.text, *(heredoc.text for heredoc in self.heredocs)))


def _mount(value: str) -> Mount:
    parts = {}
    for part in value.split(","):
        key, _, text = part.partition("=")
        parts[key.strip().lower()] = text.strip().strip("\"'")
    kind = parts.get("type", "bind")
    target = next((parts[key] for key in ("target", "dst", "destination") if parts.get(key)), "")
    name = parts.get("id", "")
    env = parts.get("env", "")
    if kind == "secret":
        name = name or target.rpartition("/")[2]
        target = target or ("" if env else f"/run/secrets/{name}")
    return Mount(kind, name or (target if kind == "cache" else ""), target, env, parts.get("from", ""))
