"""Blobs that no manifest names: left by a deleted tag or an aborted push, and as readable as the rest."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.image.oci import MAX_DOCUMENT, Document, Image, LayerRef, parse_document
from scanner.image.source.container import Container

_BLOB = re.compile(r"blobs/[a-z0-9]+/[0-9a-f]{32,}|[^/]+/layer\.tar(?:\.gz)?|[0-9a-f]{64}\.(?:json|tar(?:\.gz)?)")
"""Names that hold blobs and nothing else, in layouts and in docker archives of every age."""

_BESIDE = re.compile(r"oci-layout|index\.json|manifest\.json|repositories|[0-9a-f]{64}/(?:json|VERSION)")
"""Names of what lies beside the blobs."""


@dataclass
class Noting:
    """A container that notes which of its blobs are read.

    Attributes:
        container: what is read.
        noted: names of what was.
    """

    container: Container
    noted: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The container's."""
        return self.container.name

    def names(self) -> Collection[str]:
        """The container's."""
        return self.container.names()

    def size(self, name: str) -> int:
        """The container's."""
        return self.container.size(name)

    def resolve(self, name: str) -> str:
        """The container's."""
        return self.container.resolve(name)

    def read(self, name: str) -> bytes:
        """The container's, noted."""
        self.noted.add(name)
        return self.container.read(name)


def leftover(container: Noting, images: Collection[Image]) -> Iterator[Image]:
    """What is left when the images of a container are known, as one more image; nothing if nothing is left."""
    named = container.noted | {layer.blob for image in images for layer in image.layers}
    known = {container.resolve(name) for name in named if container.size(name) >= 0}
    left = sorted(name for name in container.names() if _BLOB.fullmatch(name) and name not in named)
    layers: list[str] = []
    documents: list[Document] = []
    for name in left:
        if _resolved(container, name) in known:
            continue
        document = _document(container, name)
        if document is None:
            layers.append(name)
        else:
            documents.append(document)
    if layers or documents:
        refs = (LayerRef(index, name, _digest(name), "", container.size(name)) for index, name in enumerate(layers))
        yield Image("unreferenced", layers=tuple(refs), documents=tuple(documents))


def _resolved(container: Container, name: str) -> str:
    try:
        return container.resolve(name)
    except FormatError:  # a link to itself, which is told where it is read
        return name


def looks_like_images(container: Container) -> bool:
    """Whether all names are those of an image archive: no file system, although there is no manifest."""
    names = container.names()
    return any(_BLOB.fullmatch(name) for name in names) and all(
        _BLOB.fullmatch(name) or _BESIDE.fullmatch(name) for name in names
    )


def _document(container: Container, name: str) -> Document | None:
    if container.size(name) > MAX_DOCUMENT:
        return None
    try:
        return parse_document("unreferenced", name, container.read(name))
    except FormatError:
        return None


def _digest(name: str) -> str:
    return "sha256:" + name.rpartition("/")[2] if name.startswith("blobs/sha256/") else ""
