"""What an image's provenance says of a build cache of the same build: which instruction made each of its layers.

A cache has no Dockerfile and no history, but its layers are those of the build, of the stages that are in no image too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scanner.image.buildcache import chains
from scanner.image.dockerfile import Command, Dockerfile, Scope, command_at
from scanner.image.oci import Image
from scanner.image.provenance import Provenance
from scanner.trace.recipe import Recipe

MAX_CHAINED = 1 << 20
"""Layers of all chains of a cache together; one may be in each of them."""


@dataclass(frozen=True)
class Sibling:
    """A build, as an image of it tells.

    Attributes:
        dockerfile: its Dockerfile.
        args: its arguments.
        made: of a chain of layers, as digests from the lowest up, what put the last of them there.
    """

    dockerfile: Dockerfile
    args: Mapping[str, str] = field(repr=False)
    made: Mapping[tuple[str, ...], Command] = field(repr=False)


def siblings(image: Image) -> Iterator[Sibling]:
    """The builds that an image's statements tell of.

    Args:
        image: any image.
    """
    for document in image.documents:
        if document.kind != "attestation":
            continue
        provenance = Provenance(document)
        known = provenance.dockerfiles
        dockerfile = next((each for each in known if each and each.stages), None)
        if dockerfile is None:
            continue
        made = {}
        for chain, step in provenance.made.items():
            origin = provenance.origin(step)
            if origin and 0 <= origin.source < len(known) and known[origin.source] is dockerfile:
                command = command_at(dockerfile.commands, origin.line)
                if command is not None:
                    made[chain] = command
        if made:
            yield Sibling(dockerfile, provenance.args, made)


def from_sibling(image: Image, known: Sequence[Sibling]) -> Recipe | None:
    """The recipe of a build cache.

    Args:
        image: the cache.
        known: builds that it may be of.

    Returns:
        The recipe by the build that knows most of its layers; None where none knows any.
    """
    best: Recipe | None = None
    for sibling in known:
        layers = _layers(image, sibling)
        told = sum(1 for command in layers if command)
        if told > (sum(1 for command in best.layers if command) if best else 0):
            scope = Scope(sibling.dockerfile, sibling.dockerfile.stages[-1], sibling.args)
            best = Recipe(sibling.dockerfile, scope, "provenance", {}, frozenset(), layers, -1, (), None, sibling.args)
    return best


def _layers(image: Image, sibling: Sibling) -> tuple[Command | None, ...]:
    layers: list[Command | None] = [None] * len(image.layers)
    longest = max(map(len, sibling.made))
    left = MAX_CHAINED
    for chain in chains(image):
        digests = tuple(image.layers[index].digest for index in chain[:longest])
        for length in range(1, len(digests) + 1):
            left -= length
            if left < 0:
                return tuple(layers)
            if layers[chain[length - 1]] is None:
                layers[chain[length - 1]] = sibling.made.get(digests[:length])
    return tuple(layers)
