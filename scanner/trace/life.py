"""The life of a secret in the files of an image, from the places it is in: introduced, copied, changed, removed."""

from collections.abc import Iterable

from scanner.finding import Event, Instruction, Occurrence

MAX_EVENTS = 256
"""Events that are told of one secret; a key in every layer of a large image has thousands."""

_REMOVED = ("deleted", "overwritten", "hidden")


def life(places: Iterable[Occurrence], entered: Instruction | None) -> tuple[Event, ...]:
    """What happened to a secret in files, layer by layer; what one layer does is told with removals last.

    Args:
        places: that it is in.
        entered: the instruction that let it in.
    """
    files = [place for place in places if place.kind == "file" and place.layer is not None]
    first = min((place.layer or 0 for place in files), default=0)
    # Where a layer has a file again with the secret in it, the one below is covered and nothing is gone.
    covered = {(place.removed_in, place.name) for place in files}
    alive = {(place.layer, place.name) for place in files}
    told: dict[Event, None] = {}
    for place in files:
        layer = place.layer or 0
        is_new = layer == first or place.instruction == entered
        kind = "changed" if (layer, place.name) in covered else "introduced" if is_new else "copied"
        told[Event(kind, layer, place.name, place.instruction)] = None
        if place.state in _REMOVED and place.removed_in is not None and (place.removed_in, place.name) not in alive:
            told[Event(place.state, place.removed_in, place.name, place.removed_by)] = None
    return tuple(sorted(told, key=lambda event: (event.layer, event.kind in _REMOVED))[:MAX_EVENTS])
