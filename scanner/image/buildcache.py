"""BuildKit's exported build caches: in what order their layers lie upon each other.

Source: BuildKit, cache/remotecache/v1: ``{"layers": [{"blob", "parent"}], "records": […]}``; Go leaves out zeros, so a
layer without a parent has the first for its parent, and -1 says that there is none.
"""

from collections.abc import Iterator

from scanner.image.oci import Image, as_list, as_map, as_text


def chains(image: Image) -> Iterator[tuple[int, ...]]:
    """Indexes of an image's layers, from a lowest up to one that nothing lies upon; one tuple for each of the latter.

    Args:
        image: a build cache.
    """
    raw = as_list(as_map(image.config.value).get("layers")) if image.config else []
    known = [as_map(item) for item in raw]
    parents = [_parent(item.get("parent", 0), len(known)) for item in known]
    at_blob = {layer.digest: layer.index for layer in image.layers}
    indexes = [at_blob.get(as_text(item.get("blob"))) for item in known]
    below = set(parents)
    steps = len(known) * 16  # of all chains together, which a hostile config could make quadratic
    for tip in range(len(known)):
        if tip in below:
            continue
        chain: list[int] = []
        here = tip
        while here >= 0 and len(chain) < len(known) and steps > 0:
            index = indexes[here]
            if index is None:
                break
            chain.append(index)
            here = parents[here]
            steps -= 1
        if here < 0:
            yield tuple(reversed(chain))


def _parent(raw: object, count: int) -> int:
    return raw if type(raw) is int and 0 <= raw < count else -1
