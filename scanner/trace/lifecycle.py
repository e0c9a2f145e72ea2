"""What became of each file that holds a secret, from what the layers above it do.

Nothing is unpacked: a footprint of each layer is enough. Source: OCI image-spec v1.1, layer.md.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice

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
    own, above, twins = _Events(), _Events(), {}
    for index, scan in enumerate(layers):
        if scan is not None and asked:
            twins[index] = scan.footprint.touches(paths)
            _note(index, scan.footprint, twins[index], paths, own, above)
    return {file: _fate(file, own, above, twins.get(file[0], {})) for file in asked}


def _with_parents(path: bytes) -> Iterator[bytes]:
    yield path
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path
    if path:
        yield b""  # the root, which may be opaque too


class _Events:
    """What was done to paths, in the order of the layers."""

    def __init__(self) -> None:
        self._layers: defaultdict[bytes, list[int]] = defaultdict(list)
        self._states: defaultdict[bytes, list[str]] = defaultdict(list)

    def add(self, path: bytes, layer: int, state: str) -> None:
        """Notes what a layer did; of several things one layer does to a path, the first noted counts."""
        if not (known := self._layers[path]) or known[-1] != layer:
            known.append(layer)
            self._states[path].append(state)

    def after(self, path: bytes, layer: int) -> tuple[int, str] | None:
        """The first thing done to a path above a layer."""
        known = self._layers.get(path, ())
        at = bisect_right(known, layer)
        return (known[at], self._states[path][at]) if at < len(known) else None


def _note(
    index: int,
    footprint: Footprint,
    touches: Mapping[bytes, Touch],
    paths: Set[bytes],
    own: _Events,
    above: _Events,
) -> None:
    """Notes what a layer does to the paths themselves, and to what lies below them."""
    for path in touches:
        own.add(path, index, "overwritten")
    for path in footprint.whiteouts & paths:
        own.add(path, index, "deleted")
        above.add(path, index, "deleted")
    for path, touch in touches.items():
        if not touch.directory:
            above.add(path, index, "hidden")  # a file or link where the directory was: no whiteout tells of it
    for path in footprint.opaques & paths:
        above.add(path, index, "hidden")


def _fate(file: File, own: _Events, above: _Events, twins: Mapping[bytes, Touch]) -> Fate:
    home, path, ordinal = file
    twin = twins.get(path)
    if twin is not None and twin.last > ordinal:
        return Fate("overwritten", home)  # a later member of the same tar has the same path
    parents = islice(_with_parents(path), 1, None)
    done = [own.after(path, home), *(above.after(parent, home) for parent in parents)]
    # Of what one layer does, that to the file itself comes before that to its directories: `min` keeps the first.
    first = min((event for event in done if event), key=lambda event: event[0], default=None)
    return Fate(first[1], first[0]) if first else Fate("present", None)
