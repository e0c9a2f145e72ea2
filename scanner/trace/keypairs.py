"""Whose a private key is: the certificates, the requests and the lists of keys in the image that hold its other half.

They may lie in other layers than the key. Nothing of them is looked at in an image without a private key.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scanner.detect.proof import PublicHalf
from scanner.detect.proof.x509 import described, spki
from scanner.hits import ImageScan, PublicPlace
from scanner.image.oci import Skip
from scanner.trace.lifecycle import fates

MAX_TOLD = 4
"""Places that are told of what holds one public half, and things that hold it."""


@dataclass(frozen=True)
class Partners:
    """What was found of a private key's other half.

    Attributes:
        told: that, in words; empty for nothing.
        accepted: whether the image, as it is in the end, lets somebody log in with the key.
    """

    told: str = ""
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A place of a public half, the index of its layer, and whether the file is there in the end."""

    place: PublicPlace
    layer: int
    present: bool

    @property
    def base(self) -> str:
        return self.place.path.rpartition("/")[2]

    @property
    def opened(self) -> bool:
        """Whether the file says who may log in."""
        return self.place.kind == "ssh" and self.base.startswith("authorized_keys")

    @property
    def order(self) -> tuple[bool, int, str]:
        """What says more comes first: what is still there, and what the key opens."""
        return not self.present, 0 if self.opened else 2 if self.base.endswith(".pub") else 1, self.place.path

    def __str__(self) -> str:
        return f"/{self.place.path} (layer {self.layer}{'' if self.present else ', gone since'})"


class KeyPairs:
    """Knows the other halves of an image's private keys."""

    def __init__(self, scan: ImageScan) -> None:
        """Looks for them.

        Args:
            scan: the image, and what was found in it.
        """
        hits = [found.hit for layer in scan.layers if layer for found in layer.hits]
        hits += [found.hit for found in scan.fields]
        wanted = {key for hit in hits if hit.public for key in (hit.public.spki, hit.public.ssh) if key}
        self._places = _found(scan, wanted) if wanted else {}
        self._known: dict[PublicHalf, Partners] = {}

    def of(self, half: PublicHalf) -> Partners:
        """Where the public half of a private key is."""
        if half not in self._known:
            places = [place for key in {half.spki, half.ssh} for place in self._places.get(key, ())]
            self._known[half] = _partners(sorted(places, key=lambda place: place.order))
        return self._known[half]


def _found(scan: ImageScan, wanted: set[bytes]) -> dict[bytes, list[_Place]]:
    found: list[tuple[bytes, int, PublicPlace]] = []
    keys: dict[bytes, bytes] = {}  # by the bytes, of which many a certificate's are in the image several times
    for index, layer in enumerate(scan.layers):
        for place in layer.public if layer else ():
            key = keys.get(place.body)
            if key is None:
                key = keys[place.body] = place.body if place.kind == "ssh" else spki(place.kind, place.body)
            if key in wanted:
                found.append((key, index, place))
    files = {(index, place.name, place.ordinal) for _, index, place in found}
    known = fates(scan.layers, files) if scan.image.kind in ("image", "filesystem") else {}
    places: defaultdict[bytes, dict[tuple[bytes, bytes], _Place]] = defaultdict(dict)
    for key, index, place in found:
        fate = known.get((index, place.name, place.ordinal))
        # One path counts once: as the last of the layers that have the key there has it.
        places[key][place.name, place.body] = _Place(place, index, fate is None or fate.state == "present")
    return {key: list(each.values()) for key, each in places.items()}


def _partners(places: list[_Place]) -> Partners:
    alike: defaultdict[str, list[_Place]] = defaultdict(list)
    heads: dict[tuple[str, bytes, bool, bool], tuple[str, str]] = {}
    behind: dict[str, str] = {}
    for place in places:
        identity = (place.place.kind, place.place.body, place.opened, place.present)
        if identity not in heads:
            if len(heads) > 2 * MAX_TOLD:  # each of the many certificates of one key has to be parsed to be told
                break
            heads[identity] = _said(place)
        head, more = heads[identity]
        behind.setdefault(head, more)
        alike[head].append(place)
    sentences = [f"{head} {_listed(each)}{behind[head]}" for head, each in list(alike.items())[:MAX_TOLD]]
    if len(alike) > MAX_TOLD:
        sentences.append("and more")
    return Partners("; ".join(sentences), any(place.opened and place.present for place in places))


def _listed(places: list[_Place]) -> str:
    told = ", ".join(str(place) for place in places[:MAX_TOLD])
    return f"{told} and {len(places) - MAX_TOLD} more" if len(places) > MAX_TOLD else told


def _said(place: _Place) -> tuple[str, str]:
    """What a place is to the key: what stands before its name, and what behind."""
    kind = place.place.kind
    if kind in ("certificate", "request"):
        name, more = described(kind, place.place.body)
        return f"matches the {name} in", f" ({more})" if more else ""
    if place.opened:
        return f"{'is' if place.present else 'was'} accepted by", ""
    if kind == "ssh" and place.base.startswith(("known_hosts", "ssh_known_hosts")):
        return "is of a host in", ""
    return "matches the public key in", ""


def unread(scan: ImageScan) -> Iterator[Skip]:
    """A note for each layer of which not all certificates were kept, if there is a private key to compare them with."""
    hits: Iterable[bool] = (found.hit.public is not None for layer in scan.layers if layer for found in layer.hits)
    if not any(hits):
        return
    for index, layer in enumerate(scan.layers):
        if layer and layer.public_left:
            reason = f"{layer.public_left} certificates and public keys too many to be compared with private keys"
            yield Skip(f"layer {index}", reason, 0, complete=True)
