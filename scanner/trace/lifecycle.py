"""What became of each file that holds a secret, from what the layers above it do.

Nothing is unpacked: a footprint of each layer is enough. Source: OCI image-spec v1.1, layer.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scanner.hits import Fate, Fates, LayerScan
from scanner.image.footprint import Footprint, Touch

File = tuple[int, bytes, int]
"""A file of an image: index of the layer, path, ordinal of the member."""


def fates(layers: Sequence[LayerScan | None], files: Iterable[File]) -> Fates:
    """The state of each of ``files`` in the final image, and the layer that brought it about.

    Args:
        layers: from the lowest up; None where a layer could not be read.
        files: the files asked about.
    """
    asked = list(files)
    paths = {part for _, path, _ in asked for part in _with_parents(path)}
    touches = [scan.footprint.touches(paths) if scan and asked else {} for scan in layers]
    return {file: _fate(file, layers, touches) for file in asked}


def _with_parents(path: bytes) -> Iterator[bytes]:
    yield path
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _fate(file: File, layers: Sequence[LayerScan | None], touches: Sequence[Mapping[bytes, Touch]]) -> Fate:
    home, path, ordinal = file
    twin = touches[home].get(path)
    if twin is not None and twin.last > ordinal:
        return Fate("overwritten", home)  # a later member of the same tar has the same path
    for index in range(home + 1, len(layers)):
        scan = layers[index]
        if scan is not None and (state := _done_by(path, scan.footprint, touches[index])):
            return Fate(state, index)
    return Fate("present", None)


def _done_by(path: bytes, footprint: Footprint, touches: Mapping[bytes, Touch]) -> str | None:
    if path in touches:
        return "overwritten"
    if path in footprint.whiteouts:
        return "deleted"
    for parent in list(_with_parents(path))[1:]:
        if parent in footprint.whiteouts:
            return "deleted"
        touch = touches.get(parent)
        if touch is not None and not touch.directory:
            return "hidden"  # a file or link where the directory was: no whiteout tells of it
        if parent in footprint.opaques:
            return "hidden"
    return "hidden" if b"" in footprint.opaques else None
