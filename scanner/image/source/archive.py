"""Targets on disk: recognises the form by content and tells images and layer blobs apart.

Two kinds of container need two orders of work. In a folder or a plain tar the manifests are read first and the
layers where they lie. An archive that is compressed as a whole goes by once: every member that may be a layer is
handed out when it comes, and what it was is known once the manifests have gone by too.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from scanner.codec.compression import DECOMPRESSION_ERRORS, Peeked, decompressed, read_up_to, sniff
from scanner.codec.tar import BLOCK, checksum_matches
from scanner.errors import FormatError, TargetError
from scanner.image.oci import Document, Image, LayerRef, Skip, as_map, parse_document
from scanner.image.source import docker_archive, oci_layout
from scanner.image.source.container import (
    BLOB_NAME,
    Container,
    Folder,
    SeekableContainer,
    SeekableTar,
    StreamedTar,
    opened,
)
from scanner.image.source.leftover import Noting, leftover, looks_like_images
from scanner.image.source.selection import Selected, Source, by_name

_EXPECTED = "expected a docker or OCI archive, an OCI layout, a build cache or a tar of a file system"


def resolve(inner: Container) -> tuple[list[Image], list[Skip]] | None:
    """The images of a container, and what of it could not be read; None if it is none that holds images."""
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
    if not recognised and looks_like_images(container):
        recognised = True
        reason = "looks like an image archive, but has no readable index.json, manifest.json or repositories"
        skips.append(Skip(container.name, reason))
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
            documents = tuple(dict.fromkeys((*merged[at].documents, *image.documents)))
            merged[at] = replace(merged[at], references=names, documents=documents)
    return merged


class _SeekableSource:
    """Images in a folder or in a plain tar."""

    concurrent = True
    vouched = False

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
        """Each layer that any image names, once; the largest first, so that no core waits for it at the end."""
        for name in sorted(self._wanted(), key=self._container.size, reverse=True):
            try:
                stream = self._container.open(name)
            except FormatError as error:
                self._skips.append(Skip(f"{self._container.name}: {name}", str(error)))
                continue
            yield name, stream

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images, and what of the container could not be read."""
        return self._images, self._skips

    def again(self, name: str) -> BinaryIO | None:
        """A layer anew."""
        try:
            return self._container.open(name)
        except FormatError:
            return None


class _FilesystemSource:
    """A tar that holds no image: what ``docker export`` writes, or a layer by itself."""

    concurrent = False
    vouched = False

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

    def again(self, name: str) -> BinaryIO | None:
        """The file anew."""
        try:
            return cast(BinaryIO, self._path.open("rb", buffering=0))
        except OSError:
            return None


_STRANGE = 8
"""Files that an archive may begin with before it is believed to hold a file system and no image."""


def layer_blobs(container: StreamedTar) -> Iterator[tuple[str, BinaryIO]]:
    """Every member that may be a layer; of what begins as no image archive does, only a few."""
    for number, (name, stream) in enumerate(container.blobs(), 1):
        if number == _STRANGE and not any(BLOB_NAME.search(known) for known in container.names()):
            return  # a file system begins so, which need not be read through before it is scanned
        head = cast(Peeked, stream).head
        if sniff(head) != "none" or not head.strip(b"\0") or (len(head) == BLOCK and checksum_matches(head)):
            yield name, stream


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


class _StreamedSource:
    """An archive that is compressed as a whole."""

    concurrent = False
    vouched = False
    size = 0  # what the layers in it come to is known when they have gone by

    def __init__(self, path: Path, file: BinaryIO, kind: str) -> None:
        self._path = path
        self._file = file
        self._container = StreamedTar(str(path), decompressed(file, kind, lambda: _rewound(file)))
        self._filesystem: _FilesystemSource | None = None
        self._resolved: tuple[list[Image], list[Skip]] | None = None

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every member that may be a layer, then, if no member was a manifest, the whole file as one."""
        yield from layer_blobs(self._container)
        self._resolved = resolve(self._container)
        if self._resolved is None:
            self._file.seek(0)
            self._filesystem = _FilesystemSource(self._path, self._file, self._path.stat().st_size)
            yield from self._filesystem.blobs()

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images that the manifests which went by describe."""
        if self._filesystem is not None:
            return self._filesystem.images()
        images, skips = self._resolved or ([], [])
        return images, [*self._container.skips, *skips]

    def again(self, name: str) -> BinaryIO | None:
        """Only what turned out to be one layer."""
        return self._filesystem.again(name) if self._filesystem else None


@contextmanager
def open_archive(target: str) -> Iterator[Source]:
    """Opens a target on disk.

    Args:
        target: a path; or, as skopeo has it, a transport for what lies on disk, a path and, if only one image is
            meant, its name or tag.

    Raises:
        TargetError: there is nothing there, or nothing that holds an image.
    """
    place, named, asked = _split(target)
    path = Path(place)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise TargetError(f"{target}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(mode):
        source: Source = _open_folder(path)
        yield Selected(source, by_name(target, named)) if named else source
        return
    if not stat.S_ISREG(mode):
        raise TargetError(f"{target}: {_EXPECTED}, found a pipe or a device; save it to a file first")
    with opened(path) as file:
        source = _open_file(path, file)
        if asked and isinstance(source, _FilesystemSource):
            raise TargetError(f"{target}: {_EXPECTED.partition(' or a tar')[0]}, found a tar of other files")
        yield Selected(source, by_name(target, named)) if named else source


TRANSPORTS = ("docker-archive:", "oci-archive:", "oci:", "dir:")


def _split(target: str) -> tuple[str, str, bool]:
    """Path, name of one image in it, and whether a transport said that there is one."""
    transport = next((known for known in TRANSPORTS if target.startswith(known)), None)
    if transport is None or os.path.exists(target):
        return target, "", False
    path, named = target[len(transport) :], ""
    # A path may hold colons, and so may a name: the longest path that is there.
    while ":" in path and not os.path.exists(path):
        path, _, tail = path.rpartition(":")
        named = f"{tail}:{named}" if named else tail
    return (path, named, True) if os.path.exists(path) else (target[len(transport) :], "", True)


def _open_folder(path: Path) -> Source:
    if not any((path / name).exists() for name in ("index.json", "manifest.json", "repositories", "blobs")):
        raise TargetError(f"{path}: {_EXPECTED}, found a folder without index.json, manifest.json or repositories")
    container = Folder(path)
    resolved = resolve(container)
    if resolved is None:
        raise TargetError(f"{path}: {_EXPECTED}, found a folder that names no images")
    return _SeekableSource(container, resolved[0], [*container.skips, *resolved[1]])


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
    resolved = resolve(container)
    if resolved is None:
        return _FilesystemSource(path, file, size)
    return _SeekableSource(container, resolved[0], [*container.skips, *resolved[1]])


def _may_be_tar(head: bytes) -> bool:
    return len(head) == BLOCK and (checksum_matches(head) or not head.strip(b"\0"))
