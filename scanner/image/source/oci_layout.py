"""Images in an OCI image layout, as a folder or an archive, and the skopeo ``dir:`` form.

Source: OCI image-spec v1.1, image-layout.md, image-index.md and manifest.md; BuildKit's docs/attestations and
docs/dev for what it adds.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scanner.errors import FormatError
from scanner.image.oci import (
    CACHE_CONFIG,
    PREDICATE_TYPE,
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
    Document,
    Image,
    LayerRef,
    Skip,
    as_list,
    as_map,
    as_text,
    diff_ids,
    parse_document,
    platform_of,
)
from scanner.image.source.container import Container

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""Annotations of a descriptor that hold the image's name; the first there is counts."""

_UNCOMPRESSED = "containerd.io/uncompressed"
"""Annotation of a layer descriptor: its diff_id (containerd)."""

_TITLE = "org.opencontainers.image.title"
"""Annotation of a layer descriptor of an artifact: the name of the file that it is (image-spec, annotations.md)."""

_SCHEMA_1 = "schema 1, which Docker gave up in 2019 and no registry should still hand out; push the image anew"

_MAX_NESTING = 8
_MAX_MANIFESTS = 10_000


@dataclass
class _Walk:
    """One reading of a layout: what has been seen, so that indexes which name each other come to an end."""

    container: Container
    vouched: bool = False
    seen: set[str] = field(default_factory=set)
    images: list[Image] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)  # in images, by digest
    statements: dict[str, list[Document]] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)

    def skip(self, where: str, reason: str, size: int = 0, *, complete: bool = False) -> None:
        self.skips.append(Skip(f"{self.container.name}: {where}", reason, size, complete))


def images(container: Container, index: Document, *, vouched: bool = False) -> tuple[list[Image], list[Skip]]:
    """The images that a layout's ``index.json`` leads to, each with its attestations.

    Args:
        container: of the blobs.
        index: the ``index.json``.
        vouched: as `Source` has it.

    Returns:
        The images, and what could not be followed.
    """
    walk = _Walk(container, vouched)
    _index(walk, index, (), (), 0)
    found = []
    for image in walk.images:
        statements = walk.statements.pop(image.digest, [])
        found.append(replace(image, documents=(*image.documents, *statements)))
    for digest, left in walk.statements.items():
        walk.skip(digest, "image of an attestation is not here; the attestation is scanned", complete=True)
        found.append(Image("artifact", digest=digest, documents=tuple(left)))
    return found, walk.skips


def blob_name(digest: str) -> str:
    """Where a layout keeps the blob of a digest."""
    return "blobs/" + digest.replace(":", "/", 1)


def _read(walk: _Walk, digest: str, kind: str, subtype: str = "") -> Document | None:
    """Reads and checks a blob that should be JSON; None, with a skip, where that fails."""
    name = blob_name(digest)
    try:
        data = walk.container.read(name)
        algorithm, _, claimed = digest.partition(":")
        if algorithm in ("sha256", "sha512") and hashlib.new(algorithm, data).hexdigest() != claimed:
            walk.skip(
                name,
                f"digest does not match: the {kind}'s bytes are not those its name promises",
                complete=not walk.vouched,
            )
        return parse_document(kind, name, data, subtype)
    except FormatError as error:
        walk.skip(name, str(error))
        return None


def _index(walk: _Walk, index: Document, names: tuple[str, ...], parents: tuple[Document, ...], depth: int) -> None:
    value = as_map(index.value)
    if as_map(value.get("config")).get("mediaType") == CACHE_CONFIG or _old_cache(value):
        walk.images.append(_old_cache_image(walk, index, value, names))
        return
    for raw in as_list(value.get("manifests")):
        descriptor = as_map(raw)
        named = _reference(descriptor)
        _descriptor(walk, descriptor, (named,) if named else names, (*parents, index), depth + 1)


def _reference(descriptor: Mapping[str, Any]) -> str:
    annotations = as_map(descriptor.get("annotations"))
    return next((as_text(annotations[name]) for name in _NAMES if as_text(annotations.get(name))), "")


def _descriptor(
    walk: _Walk,
    descriptor: Mapping[str, Any],
    names: tuple[str, ...],
    parents: tuple[Document, ...],
    depth: int,
) -> None:
    digest = as_text(descriptor.get("digest"))
    if digest in walk.seen:
        _add_names(walk, digest, names)
        return
    if depth > _MAX_NESTING or len(walk.seen) >= _MAX_MANIFESTS:
        walk.skip(digest, f"more than {_MAX_NESTING} nested indexes or {_MAX_MANIFESTS} manifests")
        return
    walk.seen.add(digest)
    if walk.container.size(blob_name(digest)) < 0:
        platform = platform_of(descriptor.get("platform"))
        # The containerd image store exports the whole index and one platform's blobs: nothing here goes unread.
        walk.skip(
            digest or "descriptor",
            f"manifest {platform} is not in the archive".replace("  ", " "),
            complete=True,
        )
        return
    document = _read(walk, digest, "manifest")
    if document is None:
        return
    value = as_map(document.value)
    # By content: the media type is what somebody wrote, the members are what is there.
    if isinstance(value.get("manifests"), list):
        _index(walk, replace(document, kind="index"), names, parents, depth)
    elif as_map(descriptor.get("annotations")).get(REFERENCE_TYPE) == "attestation-manifest" or _attests(value):
        _attestation(walk, descriptor, document)
    elif isinstance(value.get("layers"), list):
        walk.positions[digest] = len(walk.images)
        walk.images.append(_image(walk, document, value, names, parents, platform_of(descriptor.get("platform"))))
    elif "fsLayers" in value:
        walk.skip(blob_name(digest), f"a manifest of {_SCHEMA_1}")
    else:
        walk.skip(blob_name(digest), "neither an image manifest nor an index, which is what was expected")


def _add_names(walk: _Walk, digest: str, names: tuple[str, ...]) -> None:
    at = walk.positions.get(digest, -1)
    if at >= 0 and not set(names) <= set(walk.images[at].references):
        merged = tuple(dict.fromkeys((*walk.images[at].references, *names)))
        walk.images[at] = replace(walk.images[at], references=merged)


def _attests(manifest: Mapping[str, Any]) -> bool:
    """Whether it holds nothing but statements: BuildKit's, and what cosign keeps beside an image."""
    if as_text(manifest.get("artifactType")) == "application/vnd.docker.attestation.manifest.v1+json":
        return True
    types = [as_text(as_map(raw).get("mediaType")) for raw in as_list(manifest.get("layers"))]
    return bool(types) and all(name.startswith("application/vnd.in-toto") or name in _STATEMENTS for name in types)


_STATEMENTS = (
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/spdx+json",
    "application/vnd.cyclonedx+json",
    "application/vnd.syft+json",
    "text/spdx+json",
)
"""Media types of JSON that is said of an image (cosign, specs/SIGNATURE_SPEC.md and pkg/types; SPDX; CycloneDX)."""


def _attestation(walk: _Walk, descriptor: Mapping[str, Any], document: Document) -> None:
    manifest = as_map(document.value)
    config = as_text(as_map(manifest.get("config")).get("digest"))
    if config and walk.container.size(blob_name(config)) >= 0:
        _read(walk, config, "config")  # an empty object, or an image config without an image; nothing else is expected
    subject = as_text(as_map(descriptor.get("annotations")).get(REFERENCE_DIGEST))
    subject = subject or as_text(as_map(manifest.get("subject")).get("digest"))
    kept = walk.statements.setdefault(subject, [])
    if any("annotations" in as_map(part) for part in (manifest, *as_list(manifest.get("layers")))):
        kept.append(document)
    for raw in as_list(manifest.get("layers")):
        layer = as_map(raw)
        predicate = as_text(as_map(layer.get("annotations")).get(PREDICATE_TYPE))
        statement = _read(walk, as_text(layer.get("digest")), "attestation", predicate)
        if statement is not None:
            kept.append(_out_of_its_envelope(walk, statement))


def _out_of_its_envelope(walk: _Walk, statement: Document) -> Document:
    """What a DSSE envelope holds, which is base64 there (DSSE, envelope.md); anything else as it is."""
    value = as_map(statement.value)
    envelope = as_map(value.get("dsseEnvelope")) or value
    payload = as_text(envelope.get("payload"))
    if not payload or "payloadType" not in envelope:
        return statement
    try:
        data = base64.b64decode(payload, validate=True)
        inner = parse_document("attestation", statement.where, data, statement.subtype)
    except (ValueError, FormatError):
        walk.skip(statement.where, "the payload of its envelope is no JSON in base64; it is scanned as it is")
        return statement
    predicate = statement.subtype or as_text(as_map(inner.value).get("predicateType"))
    return replace(inner, digest=statement.digest, subtype=predicate)


def _image(
    walk: _Walk,
    manifest: Document,
    value: Mapping[str, Any],
    names: tuple[str, ...],
    parents: tuple[Document, ...],
    platform: str,
) -> Image:
    descriptor = as_map(value.get("config"))
    config_digest, config_type = as_text(descriptor.get("digest")), as_text(descriptor.get("mediaType"))
    before = len(walk.skips)
    described = as_list(value.get("layers"))
    config = _read(walk, config_digest, "config") if config_digest else None
    if config_digest and config is None and config_type != CACHE_CONFIG and not config_type.endswith("json"):
        del walk.skips[before:]  # an artifact's may be anything, and is a file like the rest
        described = [*described, {**descriptor, "annotations": {_TITLE: "config"}}]
    if config_type == CACHE_CONFIG:
        kind = "build-cache"
    elif config is not None and isinstance(as_map(config.value).get("rootfs"), Mapping):
        kind = "image"
    else:
        kind = "artifact"
    image = Image(
        kind=kind,
        references=names,
        digest="sha256:" + manifest.where.rpartition("/")[2] if "sha256" in manifest.where else manifest.digest,
        platform=platform or (platform_of(config.value) if config else ""),
        layers=_layers(walk, described, diff_ids(config)),
        config=config,
        documents=(manifest, *parents),
        skips=tuple(walk.skips[before:]),
    )
    del walk.skips[before:]
    return image


def _layers(walk: _Walk, descriptors: list[Any], ids: tuple[str, ...]) -> tuple[LayerRef, ...]:
    if len(ids) != len(descriptors):
        ids = ("",) * len(descriptors)
    refs = []
    for index, (raw, diff_id) in enumerate(zip(descriptors, ids, strict=True)):
        layer = as_map(raw)
        digest = as_text(layer.get("digest"))
        size = layer.get("size")
        annotations, media_type = as_map(layer.get("annotations")), as_text(layer.get("mediaType"))
        claimed = as_text(annotations.get(_UNCOMPRESSED))
        is_file = bool(media_type) and "tar" not in media_type
        refs.append(
            LayerRef(
                index=index,
                blob=blob_name(digest),
                digest=digest,
                diff_id=diff_id or claimed,
                size=size if type(size) is int and 0 <= size < 1 << 63 else walk.container.size(blob_name(digest)),
                media_type=media_type,
                title=(as_text(annotations.get(_TITLE)) or media_type) if is_file else "",
            )
        )
    return tuple(refs)


def _old_cache(index: Mapping[str, Any]) -> bool:
    return any(as_text(as_map(raw).get("mediaType")) == CACHE_CONFIG for raw in as_list(index.get("manifests")))


def _old_cache_image(walk: _Walk, index: Document, value: Mapping[str, Any], names: tuple[str, ...]) -> Image:
    """A cache of BuildKit before 0.21: an index whose ``manifests`` are the layer blobs and the cache config."""
    descriptors = [as_map(raw) for raw in as_list(value.get("manifests"))]
    configs = [d for d in descriptors if as_text(d.get("mediaType")) == CACHE_CONFIG]
    config = _read(walk, as_text(configs[0].get("digest")), "config") if configs else None
    layers = [d for d in descriptors if d not in configs]
    return Image(
        kind="build-cache",
        references=names,
        digest=index.digest,
        layers=_layers(walk, layers, ()),
        config=config,
        documents=(index,),
    )


def dir_images(container: Container, manifest: Document) -> Iterator[Image]:
    """The images of a skopeo ``dir:`` folder: blobs beside the manifest, named by the hex of their digests."""
    descriptors = as_map(manifest.value).get("manifests")
    if not isinstance(descriptors, list):
        yield _dir_image(container, manifest, ())
        return
    for raw in descriptors:
        digest = as_text(as_map(raw).get("digest"))
        name = f"{digest.partition(':')[2]}.manifest.json"
        try:
            document = parse_document("manifest", name, container.read(name))
        except FormatError as error:
            yield Image("image", digest=digest, skips=(Skip(f"{container.name}: {name}", str(error)),))
            continue
        yield _dir_image(container, document, (replace(manifest, kind="index"),))


def _dir_image(container: Container, manifest: Document, parents: tuple[Document, ...]) -> Image:
    value = as_map(manifest.value)
    skips: list[Skip] = []
    digest = as_text(as_map(value.get("config")).get("digest"))
    config = None
    try:
        name = digest.partition(":")[2]
        config = parse_document("config", name, container.read(name))
    except FormatError as error:
        skips.append(Skip(f"{container.name}: config {digest}", str(error)))
    layers = _layers(_Walk(container), as_list(value.get("layers")), diff_ids(config))
    here = tuple(replace(layer, blob=layer.digest.partition(":")[2]) for layer in layers)
    return Image(
        kind="image",
        digest=manifest.digest,
        platform=platform_of(config.value) if config else "",
        layers=here,
        config=config,
        documents=(manifest, *parents),
        skips=tuple(skips),
    )
