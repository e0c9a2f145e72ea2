"""Reads the databases of packages, once all layers have gone by, for what they say about files with hits.

And reads layers again for the digests of large files with hits, where a package says that it brought them. A file that
fits into one block has its digests from the pass over the layer. A larger one has not: by the time a hit is found in
it, the block with its beginning is gone. They are few, so their layers go by once more.
"""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import replace
from typing import BinaryIO

from scanner.hits import LayerScan
from scanner.image.packages import Content, owned
from scanner.image.rereading import pieces
from scanner.image.source import Source


def complete(source: Source, scans: Mapping[str, LayerScan]) -> dict[str, LayerScan]:
    """The scans, with what packages say and, of the files that these claim, the digests.

    Where a blob cannot be read again, digests stay unknown.

    Args:
        source: that the scans are of, all of whose blobs have gone by.
        scans: by the names of the blobs.
    """
    wanted = frozenset(found.name for scan in scans.values() for found in scan.hits)
    scans = {name: _read(scan, wanted) for name, scan in scans.items()}
    claimed: dict[bytes, set[str]] = {}
    for scan in scans.values():
        for item in scan.owned:
            claimed.setdefault(item.path, set()).add(item.algorithm)
    return {name: _complete(source, name, scan, claimed) for name, scan in scans.items()}


def _read(scan: LayerScan, wanted: Set[bytes]) -> LayerScan:
    # The databases are let go: they take megabytes, and all images that share the layer are served by what is kept.
    return replace(scan, records={}, owned=tuple(owned(scan.records, wanted)) if wanted else ())


def _complete(source: Source, name: str, scan: LayerScan, claimed: Mapping[bytes, set[str]]) -> LayerScan:
    wanted = {
        found.ordinal: claimed[found.name] for found in scan.hits if found.content is None and found.name in claimed
    }
    stream = source.again(name) if wanted else None
    if stream is None:
        return scan
    with stream:
        contents = _contents(stream, wanted)
    hits = (replace(found, content=found.content or contents.get(found.ordinal)) for found in scan.hits)
    return replace(scan, hits=tuple(hits))


def _contents(stream: BinaryIO, wanted: Mapping[int, set[str]]) -> dict[int, Content]:
    """Digests of members, by their ordinals; of those that were read whole."""
    hashes = {
        ordinal: {name: hashlib.new(name, usedforsecurity=False) for name in names} for ordinal, names in wanted.items()
    }
    found: dict[int, Content] = {}
    for piece in pieces(stream, wanted.keys()):
        made = hashes[piece.member.ordinal]
        for each in made.values():
            each.update(piece.data)
        if piece.last:
            found[piece.member.ordinal] = Content({name: each.hexdigest() for name, each in made.items()})
    return found
