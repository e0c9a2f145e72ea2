"""Images in the forms of ``docker save``: with a ``manifest.json``, or before Docker 1.10 with v1 layers only.

Source: moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format", and v1.md.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scanner.codec.tar import normalise
from scanner.errors import FormatError
from scanner.image.oci import (
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

_MAX_CHAIN = 1024
"""Layers of a v1 image; each names its parent, and a circle of them must end somewhere."""


def images(container: Container, manifest: Any) -> Iterator[Image]:
    """The images that a ``manifest.json`` lists.

    Args:
        container: what holds it.
        manifest: the parsed document, an array.
    """
    for index, raw in enumerate(as_list(manifest)):
        # The entries before it are other images'; an empty place for each keeps the pointers right.
        document = parse_document("manifest", "manifest.json", json.dumps([None] * index + [raw]).encode())
        yield _image(container, as_map(raw), document)


def _name(raw: Any) -> str:
    return normalise(as_text(raw).encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _image(container: Container, entry: Mapping[str, Any], document: Document) -> Image:
    config_name, layers, tags = (
        as_text(entry.get("Config")),
        as_list(entry.get("Layers")),
        as_list(entry.get("RepoTags")),
    )
    skips: list[Skip] = []
    config = None
    try:
        config = parse_document("config", config_name, container.read(_name(config_name)))
    except FormatError as error:
        skips.append(Skip(f"{container.name}: {config_name}", str(error)))
    ids = diff_ids(config)
    names = [_name(layer) for layer in layers]
    if len(ids) != len(names):
        where = f"{container.name}: manifest.json"
        skips.append(
            Skip(where, f"lists {len(names)} layers, the config {len(ids)} diff_ids: none is checked", 0, True)
        )
        ids = ("",) * len(names)
    refs = []
    for index, (name, diff_id) in enumerate(zip(names, ids, strict=True)):
        blob = _resolve(container, name)
        digest = f"sha256:{blob[13:]}" if blob.startswith("blobs/sha256/") else ""
        refs.append(LayerRef(index, blob, digest, diff_id, container.size(blob)))
    documents = (document, *_v1_documents(container, names, skips))
    return Image(
        kind="image",
        references=tuple(as_text(tag) for tag in tags if as_text(tag)),
        platform=platform_of(config.value) if config else "",
        layers=tuple(refs),
        config=config,
        documents=documents,
        skips=tuple(skips),
    )


def _resolve(container: Container, name: str) -> str:
    try:
        return container.resolve(name)
    except FormatError:
        return name


def _v1_documents(container: Container, layers: list[str], skips: list[Skip]) -> Iterator[Document]:
    """The ``json`` beside each ``layer.tar``: written for engines before 1.10, and as readable as the config."""
    for name in dict.fromkeys(layers):
        folder, _, file = name.rpartition("/")
        if file == "layer.tar" and container.size(f"{folder}/json") > 0:
            try:
                yield parse_document("v1", f"{folder}/json", container.read(f"{folder}/json"))
            except FormatError as error:
                skips.append(Skip(f"{container.name}: {folder}/json", str(error), container.size(f"{folder}/json")))


def v1_images(container: Container, repositories: Any) -> Iterator[Image]:
    """The images that a ``repositories`` file names, for archives without a ``manifest.json``."""
    tops: dict[str, list[str]] = {}
    for repository, tags in as_map(repositories).items():
        for tag, top in as_map(tags).items():
            tops.setdefault(as_text(top), []).append(f"{repository}:{tag}")
    for top, references in tops.items():
        yield _v1_image(container, top, tuple(references))


def _v1_image(container: Container, top: str, references: tuple[str, ...]) -> Image:
    chain: list[Document] = []
    skips: list[Skip] = []
    seen: set[str] = set()
    parent = _name(top)
    while parent:
        where = f"{parent}/json"
        if parent in seen or len(seen) >= _MAX_CHAIN:
            skips.append(Skip(f"{container.name}: {where}", f"parents go round, or are more than {_MAX_CHAIN}"))
            break
        seen.add(parent)
        try:
            document = parse_document("v1", where, container.read(where))
        except FormatError as error:
            skips.append(Skip(f"{container.name}: {where}", str(error)))
            break
        chain.append(document)
        parent = _name(as_map(document.value).get("parent"))
    folders = [document.where.rpartition("/")[0] for document in reversed(chain)]
    blobs = [_resolve(container, f"{folder}/layer.tar") for folder in folders]
    return Image(
        kind="image",
        references=references,
        platform=platform_of(chain[0].value) if chain else "",
        layers=tuple(LayerRef(index, blob, size=container.size(blob)) for index, blob in enumerate(blobs)),
        documents=tuple(chain),
        skips=tuple(skips),
    )
