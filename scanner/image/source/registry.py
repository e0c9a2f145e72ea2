"""Images in a registry: documents first, which are small and may hold the worst; layers as they are asked for.

Source: OCI distribution-spec v1.1; cosign's naming of what belongs to an image ("sha256-….att").
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO

from scanner.codec.compression import read_up_to
from scanner.errors import FormatError, TargetError
from scanner.image.oci import (
    MAX_DOCUMENT,
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
    Document,
    Image,
    Skip,
    as_list,
    as_map,
    as_text,
    parse_document,
)
from scanner.image.registry.client import Registry
from scanner.image.registry.reference import Reference
from scanner.image.source import oci_layout
from scanner.image.source.selection import by_platform

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "",
)
_MANIFESTS = (
    *_INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
)
"""Media types of what is asked for as a manifest; the rest are blobs."""

_COSIGN = (".att", ".sbom", ".sig")
_MOST_SUBJECTS = 64
"""Manifests of one image whose referrers are asked for."""

_ASKING = 8
"""Requests at once for what belongs to an image: each is short, and there are several a manifest."""

_ELSEWHERE = ("foreign", "nondistributable")
"""In the media type of a layer whose bytes its image says are kept at some other address."""


class _Blobs:
    """A repository as a container of blobs, named as in a layout."""

    def __init__(self, registry: Registry) -> None:
        self.name = f"docker://{registry.reference}"
        self._registry = registry
        self._manifests: set[str] = set()
        self._documents: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    def names(self) -> Collection[str]:
        """Of what was read."""
        return list(self._documents)

    def resolve(self, name: str) -> str:
        """The name itself."""
        return name

    def size(self, name: str) -> int:
        """Bytes of a blob, as its descriptor has them; 0 where nobody said: whether it is there, asking shows."""
        return self.sizes.get(name, 0)

    def read(self, name: str) -> bytes:
        """A document."""
        if name not in self._documents:
            digest = _digest(name)
            self.add(name, self._manifest(digest) if digest in self._manifests else self._blob(name, digest))
        return self._documents[name]

    def add(self, name: str, data: bytes) -> None:
        """Keeps a document, and what it says of others."""
        self._documents[name] = data
        self.sizes[name] = len(data)
        self._manifests.update(as_text(descriptor.get("digest")) for descriptor in _manifests(data))

    def _manifest(self, digest: str) -> bytes:
        try:
            return self._registry.manifest(digest)[0]
        except TargetError as error:
            raise FormatError(str(error)) from None

    def _blob(self, name: str, digest: str) -> bytes:
        try:
            with self.open(name) as stream:
                data = read_up_to(stream, MAX_DOCUMENT + 1)
        except OSError as error:
            raise FormatError(f"{self.name}: {digest}: {error}") from None
        if len(data) > MAX_DOCUMENT:
            raise FormatError(f"{self.name}: {digest} is larger than a document may be, {MAX_DOCUMENT} bytes")
        return data

    def open(self, name: str) -> BinaryIO:
        """A blob as a stream."""
        return self._registry.blob(_digest(name), self.sizes.get(name) or -1)


def _digest(name: str) -> str:
    return name.removeprefix("blobs/").replace("/", ":", 1)


class RegistrySource:
    """One image of a registry, on all its platforms, with what belongs to it."""

    concurrent = True
    vouched = True

    def __init__(self, registry: Registry, platform: str = "") -> None:
        """Reads the image's documents.

        Args:
            registry: where it is.
            platform: the only one whose layers are wanted, ``os/architecture[/variant]``; all if empty.

        Raises:
            TargetError: it is not there.
        """
        self._blobs = _Blobs(registry)
        self._registry = registry
        self._skips: list[Skip] = []
        index = self._index(registry.reference)
        images, skips = oci_layout.images(self._blobs, index, vouched=True)
        # What holds the descriptors together is of our own making, and no document of the image.
        images = [replace(image, documents=_without(image.documents, index)) for image in images]
        self._images = by_platform(self._blobs.name, platform)(images) if platform else images
        self._skips += skips
        self._sizes = {layer.blob: layer.size for image in self._images for layer in image.layers}
        self._foreign = {
            layer.blob
            for image in self._images
            for layer in image.layers
            if any(word in layer.media_type for word in _ELSEWHERE)
        }
        self._blobs.sizes |= {name: size for name, size in self._sizes.items() if size > 0}

    def _index(self, reference: Reference) -> Document:
        data, media_type = self._registry.manifest(reference.version)
        digest = reference.digest or "sha256:" + hashlib.sha256(data).hexdigest()
        self._blobs.add(oci_layout.blob_name(digest), data)
        names = {"io.containerd.image.name": str(reference)}
        root = {"digest": digest, "size": len(data), "mediaType": media_type, "annotations": names}
        with ThreadPoolExecutor(_ASKING) as threads:
            related = threads.map(lambda subject: list(self._related(subject)), self._subjects(digest, data))
            others = [entry for entries in related for entry in entries]
        made = json.dumps({"manifests": [root, *others]}).encode()
        self._blobs.add("index.json", made)
        return parse_document("index", "index.json", made)

    def _subjects(self, digest: str, data: bytes) -> list[str]:
        """The image's own digest, and those of its platforms, however the indexes are nested."""
        found = {digest: data}
        left = [digest]
        while left and len(found) <= _MOST_SUBJECTS:
            for descriptor in _manifests(found[left.pop(0)]):
                inner = as_text(descriptor.get("digest"))
                attests = REFERENCE_TYPE in as_map(descriptor.get("annotations"))
                if inner in found or not inner or attests:
                    continue
                found[inner] = b""
                if as_text(descriptor.get("mediaType")) in _INDEXES:
                    with suppress(FormatError):  # told when the index is read
                        found[inner] = self._blobs.read(oci_layout.blob_name(inner))
                    left.append(inner)
        if len(found) > _MOST_SUBJECTS:
            reason = f"what refers to it was asked for {_MOST_SUBJECTS} of its manifests, and there are more"
            self._skips.append(Skip(self._blobs.name, reason))
        return list(found)[:_MOST_SUBJECTS]

    def _related(self, digest: str) -> Iterator[dict[str, Any]]:
        """Descriptors of what belongs to a manifest without being named by it."""
        try:
            for page in self._registry.referrers(digest):
                yield from (dict(descriptor) for descriptor in _manifests(page))
            for suffix in _COSIGN:
                tag = digest.replace(":", "-", 1) + suffix
                if self._registry.has(tag):
                    data, media_type = self._registry.manifest(tag)
                    own = "sha256:" + hashlib.sha256(data).hexdigest()
                    self._blobs.add(oci_layout.blob_name(own), data)
                    # Its tag is all that says whose it is.
                    of = {REFERENCE_DIGEST: digest, "org.opencontainers.image.ref.name": tag}
                    yield {"digest": own, "size": len(data), "mediaType": media_type, "annotations": of}
        except TargetError as error:
            self._skips.append(Skip(f"{self._blobs.name}: what refers to {digest}", str(error)))

    @property
    def size(self) -> int:
        """Bytes of all layers, as their descriptors have them."""
        return sum(size for size in self._sizes.values() if size > 0)

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Each layer that any image names, once; the largest first, so that no core waits for it at the end."""
        for name in sorted(self._sizes, key=lambda name: -self._sizes[name]):
            try:
                stream = self._blobs.open(name)
            except FormatError as error:
                reason = _FOREIGN if name in self._foreign else str(error)
                self._skips.append(Skip(f"{self._blobs.name}: {_digest(name)}", reason))
                continue
            yield name, stream

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images, and what of them could not be read."""
        return self._images, self._skips

    def again(self, name: str) -> BinaryIO | None:
        """A layer anew."""
        try:
            return self._blobs.open(name)
        except FormatError:
            return None


_FOREIGN = "a foreign layer, which the registry lacks; the addresses that the image names for it are not asked"


def _manifests(index: bytes) -> Iterator[Mapping[str, Any]]:
    """The manifests and indexes that an index names; none where it is none."""
    try:
        listed = as_list(as_map(json.loads(index)).get("manifests")) if index else []
    except (ValueError, RecursionError):
        return  # whoever parses it will say so
    for raw in listed:
        if as_text(as_map(raw).get("mediaType")) in _MANIFESTS:
            yield as_map(raw)


def _without(documents: tuple[Document, ...], made: Document) -> tuple[Document, ...]:
    return tuple(document for document in documents if document is not made)
