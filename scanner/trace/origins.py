"""Follows a value back from the instruction that put it where it is to the one through which it came into the build.

Three things carry values: variables (ARG, ENV), commands that move files, and ``COPY --from`` another stage. Each
step back needs a reason in the Dockerfile; where there is none, the trail ends.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice

from scanner.finding import Instruction
from scanner.image.dockerfile import Command, Scope, Variable
from scanner.image.dockerfile.words import name_of, references
from scanner.image.history import CONTENT, BuildArg, Step
from scanner.trace.advice import advice
from scanner.trace.blame import Blame
from scanner.trace.evidence import ENOUGH, Evidence, copied_from, moved_from
from scanner.trace.recipe import Recipe

_MAX_STEPS = 32
"""Steps back of one trail; a file may be moved about at will."""

_MAX_PATHS = 64
_MAX_WRITERS = 2000
"""Instructions of a stage that may have written a file; each is weighed for each file with a secret."""

_MAX_VARIABLES = 1000

_SECRETIVE = re.compile(r"(?i)tok|pass|pwd|pw$|secret|key|auth|cred|pat$")


@dataclass(frozen=True)
class Deed:
    """An instruction at work.

    Attributes:
        scope: the stage it ran in, or one that builds upon it.
        at: its position there.
        sure: whether each step of the trail that led here was certain.
        outer: the ARG before the first FROM that the ARG at that position takes its value from, or None.
    """

    scope: Scope
    at: int
    sure: bool = True
    outer: Command | None = None

    @property
    def command(self) -> Command:
        """The instruction."""
        return self.outer or self.scope.commands[self.at]


class Origins:
    """Follows the trails of one image."""

    def __init__(self, recipe: Recipe) -> None:
        """Takes the Dockerfile of the image."""
        self._recipe = recipe
        self._known: dict[int, tuple[tuple[Step, ...], Evidence]] = {}

    def writer(self, scope: Scope, path: str, secret: str, *, within: range | Set[int] | None = None) -> Deed | None:
        """The instruction of a stage that most likely wrote a file.

        Args:
            scope: the stage.
            path: of the file, without a leading slash.
            secret: what is in it.
            within: positions that come into question; all if None.

        Returns:
            The instruction; None where nothing speaks for any of them.
        """
        content, evidence = self._steps(scope)
        able = [step for step in content if within is None or step.index in within]
        best = evidence.best(able, path, secret)
        if best is None:
            return None
        return Deed(scope, best.index, sure=False) if evidence.support(best, path, secret) >= ENOUGH else None

    def support(self, deed: Deed, path: str, secret: str) -> float:
        """How much speaks for an instruction as the one that wrote a file, to be compared with `Evidence.support`."""
        content, evidence = self._steps(deed.scope)
        step = next((step for step in content if step.index == deed.at), None)
        return evidence.support(step, path, secret) if step else 0

    def _steps(self, scope: Scope) -> tuple[tuple[Step, ...], Evidence]:
        known = self._known.get(scope.stage.index)
        if known is None:
            steps = tuple(_step(scope, at) for at in range(len(scope.commands)))
            content = tuple(step for step in steps if step.keyword in CONTENT)[:_MAX_WRITERS]
            known = self._known[scope.stage.index] = (content, Evidence(steps))
        return known

    def of_file(self, deed: Deed, path: str, secret: str) -> Deed:
        """Where the value in a file came from.

        Args:
            deed: what wrote the file.
            path: of the file, without a leading slash.
            secret: the value.
        """
        deed = self._fired(deed, path, secret)
        for _ in range(_MAX_STEPS):
            step = self._back(deed, path, secret)
            if step is None:
                break
            deed, path = step
        return self.of_value(deed, secret)

    def _fired(self, deed: Deed, path: str, secret: str) -> Deed:
        """The trigger that wrote a file, where BuildKit says that the FROM did which fired it."""
        if deed.command.keyword != "FROM":
            return deed
        commands = deed.scope.commands
        end = deed.at + 1
        while end < len(commands) and commands[end].fired:
            end += 1
        return self.writer(deed.scope, path, secret, within=range(deed.at + 1, end)) or deed

    def _back(self, deed: Deed, path: str, secret: str) -> tuple[Deed, str] | None:
        """What wrote the file that a file was made from, and that file's path."""
        command = deed.command
        if secret in command.mentions:
            return None
        if command.keyword in ("COPY", "ADD") and (name := command.flag("from")):
            stage = self._recipe.dockerfile.stage(name, _stage_index(deed))
            if stage is None:
                return None  # an image, or a context of another name
            scope = self._recipe.scope_of(stage)
            return self._found(scope, range(len(scope.commands)), copied_from(*self._copy(deed), path), secret)
        if command.keyword == "RUN":
            mounted = {mount.target.strip("/") for mount in command.mounts}
            sources = [
                source
                for source in moved_from(command.mentions, self._workdir(deed), path)
                if not any(source == target or source.startswith(f"{target}/") for target in mounted if target)
            ]
            return self._found(deed.scope, range(deed.at), sources, secret)
        return None

    def _found(self, scope: Scope, within: range, paths: Sequence[str], secret: str) -> tuple[Deed, str] | None:
        for path in paths[:_MAX_PATHS]:
            if writer := self.writer(scope, path, secret, within=within):
                return writer, path
        return None

    def _workdir(self, deed: Deed) -> str:
        return self._steps(deed.scope)[1].workdir(deed.at)

    def _copy(self, deed: Deed) -> tuple[list[str], str]:
        """What a COPY takes, and where to, as paths from the root."""
        words = [deed.scope.expand(word, deed.at) for word in deed.command.arguments]
        target = posixpath.join(self._workdir(deed), words[-1]) if words else "/"
        return words[:-1], target

    def of_value(self, deed: Deed, secret: str) -> Deed:
        """Where a value came from that an instruction wrote or set: itself, or the variable that it was in."""
        for _ in range(_MAX_STEPS):
            step = self._variable(deed, secret)
            if step is None:
                break
            deed = step
        # Where the value stands there is no doubt left, however the trail led there.
        return replace(deed, sure=True) if secret in deed.command.mentions else deed

    def _variable(self, deed: Deed, secret: str) -> Deed | None:
        command, scope = deed.command, deed.scope
        if secret in command.mentions or command.keyword == "FROM" or deed.outer:
            return None
        if command.keyword == "ARG":
            outer = scope.outer(command, secret)
            return Deed(scope, deed.at, deed.sure, outer) if outer else None
        named = list(dict.fromkeys(name_of(match) for match in references(command.mentions)))
        found = [variable for name in named if (variable := scope.variable(name, deed.at))]
        for variable in found:
            if variable.value and _carries(variable.value, secret):
                return _setting(scope, variable, sure=deed.sure)
        if command.keyword == "RUN":  # which has them all, whether it names them or not
            for name in islice(scope.names, _MAX_VARIABLES):
                variable = scope.variable(name, deed.at)
                if variable is not None and variable.value and secret in variable.value:
                    return _setting(scope, variable, sure=deed.sure)
        if command.keyword == "RUN" and any(mount.type == "secret" for mount in command.mounts):
            return None
        unknown = [variable for variable in found if variable.value is None]
        if len(unknown) > 1:
            unknown = [variable for variable in unknown if _SECRETIVE.search(variable.name)]
        # Nobody saw the value, so that it was this variable's is only likely.
        return _setting(scope, unknown[0], sure=False) if len(unknown) == 1 else None

    def setting(self, deed: Deed, name: str) -> Deed | None:
        """The instruction that set a variable as another finds it; None if it is not set there."""
        variable = deed.scope.variable(name, deed.at)
        return _setting(deed.scope, variable, sure=deed.sure) if variable else None

    def blame(self, deed: Deed, origin: Deed, secret: str, *, in_file: bool = False) -> Blame:
        """Says in the words of a report who is to blame.

        Args:
            deed: what carried a value to a place.
            origin: what let it in.
            secret: the value.
            in_file: whether it lies in a file, where a mounted secret does not belong.
        """
        wrote = self._told(deed)
        mounts = secret_mounts(origin.command.text, secret, origin.command.mentions) if in_file else ()
        source = None if origin.command is deed.command else self._told(origin)
        return Blame(wrote, source, mounts, advice(origin.scope, origin.at, secret))

    def _told(self, deed: Deed) -> Instruction:
        own = deed.scope is self._recipe.scope
        index = self._recipe.indexes.get(deed.at) if own else None
        return self._recipe.instruction(deed.command, index, sure=deed.sure)


def secret_mounts(text: str, secret: str, mentions: str = "") -> tuple[str, ...]:
    """Ids of the build secrets that a RUN could read and one of which is the secret it left behind.

    Args:
        text: the instruction; anything but a RUN mounts nothing.
        secret: what it left.
        mentions: text and heredocs of the instruction, where it has any.

    Returns:
        The ids of those it names, or else of all; none where the secret stands in the instruction itself.
    """
    if text[:4].upper() != "RUN " or "--mount" not in text or secret in (mentions or text):
        return ()
    command = Command("RUN", text, 1, 1, -1)
    mounts = [mount for mount in command.mounts if mount.type == "secret"]
    body = re.sub(r"--mount=\S+", "", mentions or text)
    named = [m for m in mounts if any(name and name in body for name in (m.target, m.env, m.id))]
    return tuple(dict.fromkeys(mount.id for mount in named or mounts))


def _setting(scope: Scope, variable: Variable, *, sure: bool) -> Deed | None:
    at = next((at for at, command in enumerate(scope.commands) if command is variable.command), None)
    return None if at is None else Deed(scope, at, sure)


def _carries(value: str, secret: str) -> bool:
    """Whether a variable's value explains a secret: it holds it, or is a good part of it."""
    return secret in value or (len(value) >= 6 and value in secret)


def _stage_index(deed: Deed) -> int:
    """The stage that an instruction stands in; those before it are what it may copy from."""
    line = deed.command.start_line
    return next((s.index for s in reversed(deed.scope.stages) if s.start.start_line <= line), 0)


def _step(scope: Scope, at: int) -> Step:
    """An instruction as an entry of a history, which is what evidence is weighed on."""
    command = scope.commands[at]
    text = command.mentions
    if command.keyword in ("COPY", "ADD", "WORKDIR") and not command.heredocs:
        words = [f'"{word}"' for word in _expanded(scope, at)]
        text = f"{command.keyword} {words[-1] if words else '/'}"
        if command.keyword in ("COPY", "ADD"):
            text = f"{command.keyword} [{', '.join(words)}]"
    return Step(
        index=at,
        keyword=command.keyword,
        text=text,
        created_by="",
        created="",
        builder="",
        empty=False,
        args=tuple(_values(scope, at, text)),
        names=(),
    )


def _expanded(scope: Scope, at: int) -> list[str]:
    command = scope.commands[at]
    words = (command.body,) if command.keyword == "WORKDIR" else command.arguments
    return [scope.expand(word, at) for word in words]


def _values(scope: Scope, at: int, text: str) -> Iterator[BuildArg]:
    for name in dict.fromkeys(name_of(match) for match in references(text)):
        variable = scope.variable(name, at)
        if variable is not None and variable.value:
            yield BuildArg(name, 0, variable.value)
