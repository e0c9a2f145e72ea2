"""Targets on disk: recognises the form by content and tells images and layer blobs apart.

Two kinds of container need two orders of work. In a folder or a plain tar the manifests are read first and the
layers where they lie. An archive that is compressed as a whole goes by once: every member that may be a layer is
handed out when it comes, and what it was is known once the manifests have gone by too.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from scanner.errors import FormatError, TargetError
from scanner.image.compression import DECOMPRESSION_ERRORS, Peeked, decompressed, read_up_to, sniff
from scanner.image.oci import Document, Image, LayerRef, Skip, as_map, parse_document
from scanner.image.source import docker_archive, oci_layout
from scanner.image.source.container import (
    Container,
    Folder,
    SeekableContainer,
    SeekableTar,
    StreamedTar,
    opened,
)
from scanner.image.source.leftover import Noting, leftover
from scanner.image.tar import BLOCK, checksum_matches

_EXPECTED = "expected a docker or OCI archive, an OCI layout, a build cache or a tar of a file system"


class Source(Protocol):
    """An opened target. Go through `blobs` first, then ask for the images.

    Attributes:
        concurrent: whether a blob may be asked for before the ones handed out were read to their ends.
    """

    concurrent: bool

    @property
    def size(self) -> int:
        """Bytes that `blobs` will hand out as stored, for progress; 0 where unknown."""

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every blob that is, or may be, a layer, with its name; who gets a stream closes it."""

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images of the target, and what of it could not be read; complete once `blobs` is exhausted."""


def _resolve(inner: Container) -> tuple[list[Image], list[Skip]] | None:
    """The images of a container; None if it is none that holds images."""
    container = Noting(inner)
    names = set(container.names())
    found: list[Image] = []
    skips: list[Skip] = []
    recognised = False
    if "index.json" in names and ("oci-layout" in names or any(name.startswith("blobs/") for name in names)):
        index = _document(container, "index", "index.json", skips)
        if index is not None:
            recognised = True
            found, more = oci_layout.images(container, index)
            skips += more
    if "manifest.json" in names:
        manifest = _document(container, "manifest", "manifest.json", skips)
        if manifest is not None and _lists_layers(manifest.value):
            recognised = True
            if isinstance(manifest.value, dict):
                found = _merge(found, list(oci_layout.dir_images(container, manifest)))
            else:
                found = _merge(found, list(docker_archive.images(container, manifest.value)))
    elif "repositories" in names and not recognised:
        repositories = _document(container, "manifest", "repositories", skips)
        if repositories is not None and isinstance(repositories.value, dict):
            recognised = True
            found = list(docker_archive.v1_images(container, repositories.value))
    return ([*found, *leftover(container, found)], skips) if recognised else None


def _document(container: Container, kind: str, name: str, skips: list[Skip]) -> Document | None:
    try:
        return parse_document(kind, name, container.read(name))
    except FormatError as error:
        skips.append(Skip(f"{container.name}: {name}", str(error)))
        return None


def _lists_layers(manifest: object) -> bool:
    """Whether it is a manifest of images and not, in a tar of a file system, a web application's."""
    if isinstance(manifest, list):
        return any("Layers" in as_map(entry) or "Config" in as_map(entry) for entry in manifest)
    return any(isinstance(as_map(manifest).get(key), list) for key in ("layers", "manifests"))


def _merge(images: list[Image], saved: list[Image]) -> list[Image]:
    """Since Docker 25 an archive describes the same image twice; the OCI side knows more, the other the tags."""
    merged = list(images)
    by_id = {image.image_id: at for at, image in enumerate(images) if image.image_id}
    for image in saved:
        at = by_id.get(image.image_id, -1)
        if at < 0:
            merged.append(image)
        else:
            names = tuple(dict.fromkeys((*image.references, *merged[at].references)))
            merged[at] = replace(merged[at], references=names)
    return merged


class _SeekableSource:
    """Images in a folder or in a plain tar."""

    concurrent = True

    def __init__(self, container: SeekableContainer, images: list[Image], skips: list[Skip]) -> None:
        self._container = container
        self._images = images
        self._skips = skips

    def _wanted(self) -> list[str]:
        names = dict.fromkeys(layer.blob for image in self._images for layer in image.layers)
        return [name for name in names if self._container.size(name) >= 0]

    @property
    def size(self) -> int:
        """Bytes of all layers, as stored."""
        return sum(self._container.size(name) for name in self._wanted())

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Each layer that any image names, once."""
        for name in self._wanted():
            try:
                stream = self._container.open(name)
            except FormatError as error:
                self._skips.append(Skip(f"{self._container.name}: {name}", str(error)))
                continue
            yield name, stream

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images, and what of the container could not be read."""
        return self._images, self._skips


class _FilesystemSource:
    """A tar that holds no image: what ``docker export`` writes, or a layer by itself."""

    concurrent = False

    def __init__(self, path: Path, stream: BinaryIO, size: int) -> None:
        self._path = path
        self._stream = stream
        self.size = size

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """The file itself, as a layer."""
        yield self._path.name, self._stream

    def images(self) -> tuple[list[Image], list[Skip]]:
        """One image of one layer, without a config."""
        layer = LayerRef(0, self._path.name, size=self.size)
        return [Image("filesystem", references=(self._path.name,), layers=(layer,))], []


_BLOB_NAME = re.compile(
    r"""[0-9a-f]{32} | \.(?:json|tar|tgz|gz|zst|xz|bz2)$
      | (?:^|/)(?:layer|layers|blobs|oci-layout|repositories|version)(?:/|$)""",
    re.IGNORECASE | re.VERBOSE,
)
"""Names that members of image archives have: digests, layers, documents."""

_STRANGE = 8
"""Files that an archive may begin with before it is believed to hold a file system and no image."""


class _StreamedSource:
    """An archive that is compressed as a whole."""

    concurrent = False
    size = 0  # what the layers in it come to is known when they have gone by

    def __init__(self, path: Path, file: BinaryIO, kind: str) -> None:
        self._path = path
        self._file = file
        self._container = StreamedTar(str(path), decompressed(file, kind))
        self._filesystem: _FilesystemSource | None = None

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every member that may be a layer, then, if no member was a manifest, the whole file as one."""
        for number, (name, stream) in enumerate(self._container.blobs(), 1):
            if number == _STRANGE and not any(_BLOB_NAME.search(known) for known in self._container.names()):
                break  # a file system begins so, which need not be read through before it is scanned
            head = cast(Peeked, stream).head
            if sniff(head) != "none" or not head.strip(b"\0") or (len(head) == BLOCK and checksum_matches(head)):
                yield name, stream
        if _resolve(self._container) is None:
            self._file.seek(0)
            self._filesystem = _FilesystemSource(self._path, self._file, self._path.stat().st_size)
            yield from self._filesystem.blobs()

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images that the manifests which went by describe."""
        if self._filesystem is not None:
            return self._filesystem.images()
        images, skips = _resolve(self._container) or ([], [])
        return images, [*self._container.skips, *skips]


@contextmanager
def open_source(target: str) -> Iterator[Source]:
    """Opens a target on disk.

    Args:
        target: a path, with or without one of skopeo's transports for what lies on disk.

    Raises:
        TargetError: there is nothing there, or nothing that holds an image.
    """
    try:
        path = Path(_strip_transport(target))
        folder = path.is_dir()
    except OSError as error:  # a name that is too long
        raise TargetError(f"{target}: {error.strerror}") from None
    if folder:
        container = Folder(path)
        resolved = _resolve(container)
        if resolved is None:
            raise TargetError(f"{path}: {_EXPECTED}, found a folder without index.json, manifest.json or repositories")
        yield _SeekableSource(container, *resolved)
        return
    with opened(path) as file:
        yield _open_file(path, file)


_TRANSPORTS = ("docker-archive:", "oci-archive:", "oci:", "dir:")


def _strip_transport(target: str) -> str:
    for transport in _TRANSPORTS:
        if target.startswith(transport) and not Path(target).exists():
            rest = target[len(transport) :]
            # skopeo lets a name follow the path; the path alone says what to read, and every image in it is.
            while ":" in rest and not Path(rest).exists():
                rest = rest.rpartition(":")[0]
            return rest
    return target


def _open_file(path: Path, file: BinaryIO) -> Source:
    size = path.stat().st_size
    head = file.read(BLOCK)
    file.seek(0)
    if not size:
        raise TargetError(f"{path}: {_EXPECTED}, found an empty file")
    kind = sniff(head)
    if kind != "none":
        try:
            inner = read_up_to(decompressed(file, kind), BLOCK)
        except DECOMPRESSION_ERRORS as error:
            raise TargetError(f"{path}: damaged {kind} data: {' '.join(str(error).split())}") from None
        file.seek(0)
        if not _may_be_tar(inner):
            raise TargetError(f"{path}: {_EXPECTED}, found {kind} data of another kind")
        return _StreamedSource(path, file, kind)
    if not _may_be_tar(head):
        raise TargetError(f"{path}: {_EXPECTED}, found other data")
    container = SeekableTar(path, file)
    resolved = _resolve(container)
    if resolved is None:
        return _FilesystemSource(path, file, size)
    return _SeekableSource(container, resolved[0], [*container.skips, *resolved[1]])


def _may_be_tar(head: bytes) -> bool:
    return len(head) == BLOCK and (checksum_matches(head) or not head.strip(b"\0"))
