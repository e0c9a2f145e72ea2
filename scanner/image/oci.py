"""The nouns of the OCI image-spec as layerleak needs them: documents, layers, images.

Source: OCI image-spec v1.1 (descriptor.md, manifest.md, image-index.md, config.md).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scanner.errors import FormatError

MAX_DOCUMENT = 32 << 20
"""Largest JSON document that is read, in bytes; the largest provenance seen in the wild is below 10 MB."""

CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
"""Media type of the config of a BuildKit cache export (BuildKit, docs/dev/cache)."""

REFERENCE_TYPE = "vnd.docker.reference.type"
REFERENCE_DIGEST = "vnd.docker.reference.digest"
"""Annotations that tie an attestation manifest to its image (BuildKit, docs/attestations/attestation-storage.md)."""

PREDICATE_TYPE = "in-toto.io/predicate-type"


def as_map(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a JSON object, else an empty one: what a hostile document holds is never trusted."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """``value`` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """``value`` if it is a JSON string, else an empty one."""
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Document:
    """A JSON document of an image.

    Attributes:
        kind: ``config``, ``manifest``, ``index``, ``attestation`` ``v1`` (docker's per-layer json) or
            ``unreferenced``.
        where: the name of the file or blob it was read from.
        digest: of its bytes.
        value: the parsed JSON.
        subtype: for an attestation its predicate type.
    """

    kind: str
    where: str
    digest: str
    value: Any = field(repr=False, compare=False)
    subtype: str = ""


def parse_document(kind: str, where: str, data: bytes, subtype: str = "") -> Document:
    """Parses a document.

    Raises:
        FormatError: it is no JSON, or nested deeper than the parser goes.
    """
    try:
        value = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: expected a JSON {kind}: {error}") from None
    return Document(kind, where, "sha256:" + hashlib.sha256(data).hexdigest(), value, subtype)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that is there twice the last counts, as for every engine, and the others are kept."""
    value = dict(pairs)
    if len(value) < len(pairs):
        last = {key: index for index, (key, _) in enumerate(pairs)}
        value |= {f"{key} (#{index})": item for index, (key, item) in enumerate(pairs) if last[key] != index}
    return value


@dataclass(frozen=True)
class Skip:
    """Something that was not read, or not what it claims to be.

    Attributes:
        where: file, blob, layer or field.
        reason: why, in one line.
        bytes: that were not looked at, where known.
        complete: True where nothing of the target went unread all the same.
    """

    where: str
    reason: str
    bytes: int = 0
    complete: bool = False


_DIGEST_NAME = re.compile(r"blobs/sha256/[0-9a-f]{64}")


def is_digest(blob: str) -> bool:
    """Whether a blob's name is its digest, as in an OCI layout: ``blobs/sha256/…`` (image-layout.md, "Blobs")."""
    return bool(_DIGEST_NAME.fullmatch(blob))


@dataclass(frozen=True)
class LayerRef:
    """A layer as the manifest names it.

    Attributes:
        index: its place, 0 the lowest.
        blob: name of the blob in its container.
        digest: of the blob as stored, as the manifest claims it; empty where it claims none.
        diff_id: of the uncompressed tar, as the config claims it; empty where it claims none.
        size: in bytes as stored; -1 where unknown.
        media_type: as claimed.
        title: name of the file that the blob is, where it is claimed to be one and no tar; else empty.
    """

    index: int
    blob: str
    digest: str = ""
    diff_id: str = ""
    size: int = -1
    media_type: str = ""
    title: str = ""


@dataclass(frozen=True)
class Image:
    """One image of one platform, or a build cache.

    Attributes:
        kind: ``image``, ``build-cache``, ``artifact``, ``filesystem`` (a tar that is no image) or
            ``unreferenced`` (blobs that no manifest names).
        references: names and tags it goes by; may be empty.
        digest: of its manifest; empty where its container has none.
        platform: ``os/architecture[/variant]``, or empty.
        layers: from the lowest up.
        config: the image config, if there is one.
        documents: every other document that belongs to it.
        skips: what of it could not be read.
    """

    kind: str
    references: tuple[str, ...] = ()
    digest: str = ""
    platform: str = ""
    layers: tuple[LayerRef, ...] = ()
    config: Document | None = None
    documents: tuple[Document, ...] = ()
    skips: tuple[Skip, ...] = ()

    @property
    def image_id(self) -> str:
        """Digest of the config, which is what Docker calls an image's id."""
        return self.config.digest if self.config else ""


def platform_of(value: Any) -> str:
    """``os/architecture[/variant]`` of a config or a descriptor's platform; empty where it names none."""
    parts = [as_text(as_map(value).get(key)) for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if _PLATFORM.fullmatch(part))


_PLATFORM = re.compile(r"[A-Za-z0-9_.-]{1,16}")
"""What a part of a platform may look like (Go's GOOS and GOARCH); it is printed, and the image's to choose."""


def diff_ids(config: Document | None) -> tuple[str, ...]:
    """The diff_ids of an image config, from the lowest layer up."""
    value = as_map(config.value) if config else {}
    return tuple(as_text(item) for item in as_list(as_map(value.get("rootfs")).get("diff_ids")))
