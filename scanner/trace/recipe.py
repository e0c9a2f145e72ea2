"""Ties a Dockerfile to the image that was built from it: which instruction made each history entry and each layer.

The Dockerfile is the one in BuildKit's provenance, which proves itself, or one that the user gives, which has to
match the history. What does not match is said in notes, and never guessed over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from scanner.finding import DockerfileLines, Instruction
from scanner.image.buildcache import chains
from scanner.image.dockerfile import Command, Dockerfile, Scope, Stage, command_at
from scanner.image.history import CONTENT, Step
from scanner.image.oci import Image
from scanner.image.provenance import BuildStep, Provenance
from scanner.trace.alignment import GOOD, Alignment, align
from scanner.trace.given import Given

MAX_COMMANDS = 10_000
"""Instructions, of all stages together, that are tried, from the last stage, where nobody says which was built."""

_TOLD = 5
"""Instructions that a note names; of others it only says how many."""


@dataclass(frozen=True)
class Recipe:
    """A Dockerfile, tied to an image.

    Attributes:
        dockerfile: the file.
        scope: the stage that the image is, with all it is built on.
        basis: ``provenance`` or ``dockerfile``.
        entries: of a history index the position of its instruction in the scope.
        unsure: history indexes of which only the keyword, or little more, matches.
        layers: for each layer what made it, where the statement or the chain says so; may be empty.
        base: how many of the lowest layers a base image brought; -1 where that is not known.
        notes: what does not match.
        provenance: the statement, if there is one.
    """

    dockerfile: Dockerfile
    scope: Scope
    basis: str
    entries: Mapping[int, int]
    unsure: frozenset[int]
    layers: tuple[Command | None, ...]
    base: int
    notes: tuple[str, ...]
    provenance: Provenance | None = None
    args: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def _scopes(self) -> dict[int, Scope]:
        return {self.scope.stage.index: self.scope}

    def scope_of(self, stage: Stage) -> Scope:
        """The scope of a stage of the same Dockerfile."""
        if stage.index not in self._scopes:
            self._scopes[stage.index] = Scope(self.dockerfile, stage, self.args)
        return self._scopes[stage.index]

    def locate(self, command: Command) -> tuple[Scope, int] | None:
        """Where an instruction ran: a scope, and its position there; None for an ARG before the first FROM."""
        own = self._positions(self.scope).get(command.start_line)
        if own is not None:
            return self.scope, own
        stage = next((s for s in reversed(self.dockerfile.stages) if s.start.start_line <= command.start_line), None)
        if stage is None:
            return None
        scope = self.scope_of(stage)
        at = self._positions(scope).get(command.start_line)
        return None if at is None else (scope, at)

    def _positions(self, scope: Scope) -> Mapping[int, int]:
        known = self._indexes.get(scope.stage.index)
        if known is None:
            known = {command.start_line: at for at, command in enumerate(scope.commands)}
            self._indexes[scope.stage.index] = known
        return known

    @cached_property
    def _indexes(self) -> dict[int, Mapping[int, int]]:
        return {}

    def instruction(self, command: Command, index: int | None = None, *, sure: bool = True) -> Instruction:
        """An instruction of this Dockerfile, as reports have it.

        Args:
            command: the instruction.
            index: of its history entry.
            sure: whether it is known, and not only likely, to be the one.
        """
        return told(self.dockerfile, command, self.basis if sure else "guess", index)

    @cached_property
    def indexes(self) -> Mapping[int, int]:
        """Of a position in the scope the history index of its entry."""
        return {at: index for index, at in self.entries.items()}

    def of_entry(self, index: int) -> Command | None:
        """The instruction of a history entry, or None."""
        at = self.entries.get(index)
        return None if at is None else self.scope.commands[at]

    def of_build_step(self, step: BuildStep) -> Command | None:
        """The instruction of a build step of the provenance, or None."""
        origin = self.provenance.origin(step) if self.provenance else None
        if origin is None or self.provenance is None:
            return None
        known = self.provenance.dockerfiles
        if origin.source >= len(known) or known[origin.source] is not self.dockerfile:
            return None
        return command_at(self.dockerfile.commands, origin.line)


def told(dockerfile: Dockerfile, command: Command, basis: str, index: int | None = None) -> Instruction:
    """An instruction of a Dockerfile, as reports have it.

    Args:
        dockerfile: the file.
        command: the instruction.
        basis: what says that it is the one.
        index: of its history entry.
    """
    lines = DockerfileLines(dockerfile.path, command.start_line, command.end_line)
    stage = command.stage if command.stage != -1 else None
    if command.fired:
        return Instruction("ONBUILD", f"ONBUILD {command.text}", index, basis, stage, lines)
    return Instruction(command.keyword, command.text, index, basis, stage, lines)


def known_args(steps: Sequence[Step]) -> dict[str, str]:
    """Values of build arguments that a history tells."""
    known: dict[str, str] = {}
    for step in steps:
        if step.keyword == "ARG" and len(step.names) == 1 and "=" in step.text:
            known[step.names[0]] = step.text.partition("=")[2]
        known.update((arg.name, arg.value) for arg in step.args)
    return known


def from_provenance(image: Image, steps: Sequence[Step]) -> Recipe | None:
    """The recipe in an image's provenance, if it has one with the Dockerfile.

    Args:
        image: the image.
        steps: its history.
    """
    for document in image.documents:
        if document.kind != "attestation":
            continue
        provenance = Provenance(document)
        dockerfile = next((known for known in provenance.dockerfiles if known and known.stages), None)
        if dockerfile is not None:
            return _proven(provenance, dockerfile, image, steps)
    return None


def _proven(provenance: Provenance, dockerfile: Dockerfile, image: Image, steps: Sequence[Step]) -> Recipe:
    args = {**known_args(steps), **provenance.args}
    stage = dockerfile.stage(provenance.target) if provenance.target else None
    scope = Scope(dockerfile, stage or dockerfile.stages[-1], args)
    found = align(scope, steps) if steps else None
    bare = Recipe(dockerfile, scope, "provenance", {}, frozenset(), (), -1, (), provenance, args)
    made = provenance.layer_steps(len(image.layers))
    return replace(
        bare,
        entries=_entries(found),
        unsure=_unsure(found),
        layers=tuple(bare.of_build_step(step) if step else None for step in made),
        base=provenance.base_layers(len(image.layers)),
    )


def from_dockerfile(given: Given, image: Image, steps: Sequence[Step]) -> tuple[Recipe | None, tuple[str, ...]]:
    """The recipe that a given Dockerfile is for an image.

    Args:
        given: the Dockerfile.
        image: the image, or a build cache.
        steps: its history.

    Returns:
        The recipe, None where the Dockerfile cannot be this image's; and what is to be said about it.
    """
    dockerfile = given.dockerfile
    path = dockerfile.path
    notes = [f"{path}: {problem}" for problem in dockerfile.problems[:_TOLD]]
    if not dockerfile.stages:
        return None, (*notes, f"{path} has no FROM, and was not used")
    args = {**known_args(steps), **given.args}
    stages: Sequence[Stage] = dockerfile.stages
    if given.target:
        wanted = dockerfile.stage(given.target)
        if wanted is None:
            return None, (*notes, f"{path} has no such stage as the target, and was not used")
        stages = (wanted,)
    scopes = list(_scopes(dockerfile, stages, args))
    if len(scopes) < len(stages):
        notes.append(f"{path}: only the last {len(scopes)} of its {len(stages)} stages were compared")
    if image.kind == "build-cache":
        return _of_cache(given, scopes, image, args, tuple(notes))
    if not steps:
        bare = Recipe(dockerfile, scopes[0], "dockerfile", {}, frozenset(), (), -1, (), None, args)
        return bare, (*notes, f"the image has no history, so what {path} says of it is found by content")
    found = [alignment for scope in scopes if (alignment := align(scope, steps))]
    if not found:
        return None, (*notes, f"{path} and the history are too long to be compared, and it was not used")
    best = max(found, key=lambda alignment: alignment.score)
    if not best.holds:
        return None, (*notes, f"{path} is not what this image was built from: {_mismatch(best)}; it was not used")
    if best.scope.stage is not dockerfile.stages[-1] and not given.target:
        notes.append(f"{path}: the history is that of stage {best.scope.stage.label}, not of the last")
    if best.missing or best.extra:
        notes.append(f"{path} does not match the history in everything: {_mismatch(best)}")
    recipe = Recipe(
        dockerfile,
        best.scope,
        "dockerfile",
        _entries(best),
        _unsure(best),
        (),
        _base(best, steps, len(image.layers)),
        (),
        None,
        args,
    )
    return recipe, tuple(notes)


def _scopes(dockerfile: Dockerfile, stages: Sequence[Stage], args: Mapping[str, str]) -> Iterator[Scope]:
    """The scopes of stages, the last first, until there are too many instructions."""
    left = MAX_COMMANDS
    for stage in reversed(stages):
        scope = Scope(dockerfile, stage, args)
        yield scope
        left -= len(scope.commands)
        if left < 0:
            break


def _of_cache(
    given: Given, scopes: Sequence[Scope], image: Image, args: Mapping[str, str], notes: tuple[str, ...]
) -> tuple[Recipe | None, tuple[str, ...]]:
    """Layers of a build cache follow each other in chains; one is a stage's if both have the same length."""
    path = given.dockerfile.path
    making = {scope.stage.index: [c for c in scope.commands if c.keyword in CONTENT] for scope in scopes}
    layers: list[Command | None] = [None] * len(image.layers)
    untied = 0
    for chain in chains(image):
        fitting = [scope for scope in scopes if len(making[scope.stage.index]) == len(chain)]
        if len(fitting) != 1:
            untied += 1
            continue
        for layer, command in zip(chain, making[fitting[0].stage.index], strict=True):
            layers[layer] = command
    if untied:
        notes = (*notes, f"{path}: {untied} of the cache's chains of layers fit no stage, or several")
    if not any(layers):
        return None, notes
    made = tuple(layers)
    return Recipe(given.dockerfile, scopes[0], "dockerfile", {}, frozenset(), made, -1, (), None, args), notes


def _entries(found: Alignment | None) -> dict[int, int]:
    return {index: at for index, (at, _) in found.matched.items()} if found else {}


def _unsure(found: Alignment | None) -> frozenset[int]:
    return frozenset(index for index, (_, alike) in found.matched.items() if alike < GOOD) if found else frozenset()


def _mismatch(found: Alignment) -> str:
    return "; ".join(_mismatches(found))


def _mismatches(found: Alignment) -> Iterator[str]:
    if found.missing:
        named = [found.scope.commands[at] for at in found.missing[:_TOLD]]
        lines = ", ".join(f"{command.keyword} in line {command.start_line}" for command in named)
        more = f" and {len(found.missing) - _TOLD} more" if len(found.missing) > _TOLD else ""
        yield f"{lines}{more} of {found.expected} instructions have no entry"
    if found.extra:
        indexes = ", ".join(str(index) for index in found.extra[:_TOLD])
        more = f" and {len(found.extra) - _TOLD} more" if len(found.extra) > _TOLD else ""
        yield f"history entries {indexes}{more} are of no instruction"


def _base(found: Alignment, steps: Sequence[Step], layers: int) -> int:
    """Layers of the base image: those of the entries before the first instruction, if that is there."""
    if found.scope.base.lower() == "scratch":
        return 0
    first = min(found.matched, default=0)
    opening = found.matched.get(first, (0, 0))[0]
    made = [step for step in steps if not step.empty]
    if len(made) != layers or any(at < opening for at in found.missing):
        return -1
    own = first - _fired(steps[:first])
    return sum(1 for step in made if step.index < own)


def _fired(below: Sequence[Step]) -> int:
    """How many of the last entries below an image's own are what triggers of its base image did in its build."""
    triggers = [step.text.split()[1:2] for step in below if step.keyword == "ONBUILD"]
    last = [[step.keyword] for step in below[len(below) - len(triggers) :]]
    return len(triggers) if triggers and triggers == last else 0
