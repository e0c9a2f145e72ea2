"""SLSA provenance as BuildKit writes it with ``mode=max``: build steps, where each comes from, what layers it made.

Three shapes are in the wild: v0.2, v1, and v1 with the keys of v0.2. Any field may be missing; ``mode=min`` has
none of the steps. Source: BuildKit, docs/attestations/slsa-definitions.md.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scanner.image.dockerfile import MAX_DOCKERFILE, Dockerfile, parse_dockerfile
from scanner.image.oci import Document, as_list, as_map, as_text

_OLD = "https://mobyproject.org/buildkit@v1#metadata"
_ARG = "build-arg:"
_SECRET = 1
_MAX_STEPS = 20_000
_MAX_CHAINS = 100_000
"""Digests in the layer chains of one statement that are read; a chain repeats that of the step before it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a step comes from.

    Attributes:
        source: index of the Dockerfile among those in the statement.
        line: its first line, from 1.
    """

    source: int
    line: int


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One operation of a build.

    Attributes:
        number: its place in the statement.
        id: what the statement calls it.
        kind: ``exec``, ``file``, ``source``, ``merge``, ``diff``, or empty for the result.
        inputs: ids of the steps it works on, the first the one it changes.
        secrets: ids of the build secrets it could read.
        source: what a ``source`` step fetches, such as ``docker-image://…``; else empty.
    """

    number: int
    id: str
    kind: str
    inputs: tuple[str, ...]
    secrets: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Provenance:
    """One statement.

    Attributes:
        document: the attestation.
    """

    document: Document = field(repr=False)

    @cached_property
    def _predicate(self) -> Mapping[str, Any]:
        return as_map(as_map(self.document.value).get("predicate"))

    @cached_property
    def _definition(self) -> Mapping[str, Any]:
        return as_map(self._predicate.get("buildDefinition"))

    @cached_property
    def _request(self) -> Mapping[str, Any]:
        """What was asked of the builder; the newest shape keeps it once more in ``root``."""
        external = as_map(self._definition.get("externalParameters"))
        shapes = (
            external.get("request"),
            external.get("parameters"),
            as_map(self._predicate.get("invocation")).get("parameters"),
        )
        request = next((as_map(shape) for shape in shapes if as_map(shape)), {})
        root = as_map(as_map(request.get("root")).get("request"))
        return {**root, **request, "args": {**as_map(root.get("args")), **as_map(request.get("args"))}}

    @cached_property
    def args(self) -> Mapping[str, str]:
        """Build arguments that were given, by name."""
        given = as_map(self._request.get("args"))
        return {key[len(_ARG) :]: as_text(value) for key, value in given.items() if key.startswith(_ARG)}

    @property
    def target(self) -> str:
        """The stage that was asked for, or empty."""
        return as_text(as_map(self._request.get("args")).get("target"))

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        run = as_map(as_map(self._predicate.get("runDetails")).get("metadata"))
        shapes = (run.get("buildkit_metadata"), run.get(_OLD), as_map(self._predicate.get("metadata")).get(_OLD))
        return next((as_map(shape) for shape in shapes if as_map(shape)), {})

    @cached_property
    def steps(self) -> tuple[BuildStep, ...]:
        """The build's steps, in the order of the statement."""
        internal = as_map(self._definition.get("internalParameters"))
        config = as_map(internal.get("buildConfig") or self._predicate.get("buildConfig"))
        steps = as_list(config.get("llbDefinition"))[:_MAX_STEPS]
        return tuple(_step(number, as_map(raw)) for number, raw in enumerate(steps))

    @cached_property
    def by_id(self) -> Mapping[str, BuildStep]:
        """The steps by their ids."""
        return {step.id: step for step in self.steps}

    @cached_property
    def dockerfiles(self) -> tuple[Dockerfile | None, ...]:
        """The Dockerfiles in the statement; None for a source that cannot be read as one."""
        infos = as_list(as_map(self._metadata.get("source")).get("infos"))[:64]
        return tuple(_dockerfile(as_map(info)) for info in infos)

    def origin(self, step: BuildStep) -> Origin | None:
        """Where a step comes from; what writes a heredoc has no place of its own, but its reader has."""
        seen = {step.id}
        while (found := self._located(step)) is None:
            readers = self._readers.get(step.id, ())
            if step.kind != "file" or not readers or readers[0].id in seen:
                return None
            step = readers[0]
            seen.add(step.id)
        return found

    @cached_property
    def _readers(self) -> Mapping[str, list[BuildStep]]:
        readers: dict[str, list[BuildStep]] = {}
        for step in self.steps:
            for name in step.inputs:
                readers.setdefault(name, []).append(step)
        return readers

    def _located(self, step: BuildStep) -> Origin | None:
        known = as_map(as_map(self._metadata.get("source")).get("locations"))
        for raw in as_list(as_map(known.get(step.id)).get("locations")):
            location = as_map(raw)
            for span in as_list(location.get("ranges")):
                line = as_map(as_map(span).get("start")).get("line", 0)
                source = location.get("sourceIndex", 0)
                if type(line) is int and type(source) is int and line > 0:
                    return Origin(source, line)
        return None

    def layer_steps(self, count: int) -> tuple[BuildStep | None, ...]:
        """Which step made each layer of the image, from the lowest up; None where the statement does not say.

        Args:
            count: layers of the image. They are joined by position: with another compression than the build's
                own the statement has the digests of blobs that are in no image.
        """
        made: list[BuildStep | None] = [None] * count
        whole = next((chain for step in self._results() if (chain := self._chains.get(step.id))), ())
        if len(whole) != count:
            return tuple(made)
        for step in self.steps:
            chain = self._chains.get(step.id, ())
            at = len(chain) - 1
            # Steps that changed nothing repeat the chain of the one before; the first with it made the layer.
            if 0 <= at < count and made[at] is None and chain == whole[: at + 1]:
                made[at] = step
        return tuple(made)

    @cached_property
    def made(self) -> Mapping[tuple[str, ...], BuildStep]:
        """Of a chain of layers, as digests from the lowest up, the step that put the last of them there.

        Also of stages that are in no image, so that a build cache can be read by it.
        """
        found: dict[tuple[str, ...], BuildStep] = {}
        for step in self.steps:
            if chain := self._chains.get(step.id):
                found.setdefault(chain, step)
        return found

    def _results(self) -> Iterator[BuildStep]:
        """The step whose result the image is, then what it changed, down to the base."""
        read = {name for step in self.steps for name in step.inputs}
        step = next((step for step in reversed(self.steps) if step.id not in read), None)
        seen: set[str] = set()
        while step is not None and step.id not in seen:
            seen.add(step.id)
            yield step
            step = self.by_id.get(step.inputs[0]) if step.inputs else None

    def base_layers(self, count: int) -> int:
        """How many of the lowest layers a base image brought; 0 where none did, -1 where the statement does not say.

        Args:
            count: layers of the image.
        """
        line = list(self._results())
        if not line:
            return -1
        if not any(step.source.startswith("docker-image:") or step.source.startswith("oci-layout:") for step in line):
            return 0
        own = [at for at, step in enumerate(self.layer_steps(count)) if step is not None and step.kind != "source"]
        return own[0] if own else -1

    @cached_property
    def _chains(self) -> Mapping[str, tuple[str, ...]]:
        chains: dict[str, tuple[str, ...]] = {}
        left = _MAX_CHAINS
        for key, raw in as_map(self._metadata.get("layers")).items():
            step, _, output = key.partition(":")
            alternatives = as_list(raw)
            if output not in ("", "0") or not alternatives:
                continue
            chain = tuple(as_text(as_map(item).get("digest")) for item in as_list(alternatives[0])[:left])
            left -= len(chain)
            chains[step] = chain
        return chains


def _step(number: int, raw: Mapping[str, Any]) -> BuildStep:
    operation = as_map(as_map(raw.get("op")).get("Op"))
    kind = next((name for name in ("exec", "file", "source", "merge", "diff", "build") if name in operation), "")
    inputs = [_input(item) for item in as_list(raw.get("inputs"))]
    secrets = []
    for item in as_list(as_map(operation.get("exec")).get("mounts")):
        mount = as_map(item)
        if mount.get("mountType") in (_SECRET, "SECRET"):
            secrets.append(as_text(as_map(mount.get("secretOpt")).get("ID")))
    variables = as_list(as_map(operation.get("exec")).get("secretenv"))
    secrets += [as_text(as_map(item).get("ID")) for item in variables]
    return BuildStep(
        number,
        as_text(raw.get("id")),
        kind,
        tuple(name for name in inputs if name),
        tuple(dict.fromkeys(name for name in secrets if name)),
        as_text(as_map(operation.get("source")).get("identifier")),
    )


_INPUT = re.compile(r"(step\d+)(?::\d+)?")


def _input(raw: Any) -> str:
    match = _INPUT.fullmatch(as_text(raw))
    return match[1] if match else ""


def _dockerfile(info: Mapping[str, Any]) -> Dockerfile | None:
    data = as_text(info.get("data"))
    if not data or len(data) > MAX_DOCKERFILE * 4 // 3:
        return None
    try:
        text = base64.b64decode(data).decode("utf-8", "replace")
    except ValueError:
        return None
    return parse_dockerfile(text, as_text(info.get("filename")) or "Dockerfile")
