"""Images put together from their parts, for tests of the tracer: no bytes, only what was found in them."""

from scanner.codec.tar import DIRECTORY, HARD_LINK, REGULAR, Member
from scanner.detect.hit import Hit
from scanner.detect.signature import Confidence
from scanner.hits import FieldHit, FileHit, ImageScan, LayerScan
from scanner.image.fields import Place
from scanner.image.footprint import Footprint
from scanner.image.oci import Document, Image, LayerRef
from tests.detect.engine import signature

SECRET = b"acme_0k3j5h7g9f"


def hit(secret: bytes = SECRET) -> Hit:
    """A confirmed match."""
    return Hit(signature(), 0, 0, secret, secret, Confidence.HIGH, None, None)


def layer(*entries: str, secret_in: str = "", secret: bytes = SECRET) -> LayerScan:
    """A layer of these entries: ``a/b`` a file, ``a/`` a directory, ``a->b`` a hard link from a to b."""
    footprint = Footprint()
    hits = []
    for ordinal, entry in enumerate(entries):
        name, _, target = entry.partition("->")
        kind = DIRECTORY if name.endswith("/") else HARD_LINK if target else REGULAR
        footprint.extend([Member(name.rstrip("/").encode(), kind, 0, 0, target.encode(), ordinal)])
        if name == secret_in:
            hits.append(FileHit(hit(secret), name.encode(), ordinal, 0, 1))
    return LayerScan("sha256:l", "sha256:d", 1, 1, len(entries), tuple(hits), footprint, ())


def image(history: list[dict[str, object]], layers: int, kind: str = "image", **config: object) -> Image:
    """An image with this history and so many layers."""
    document = Document("config", "config.json", "sha256:c", {"history": history, **config})
    refs = tuple(LayerRef(index, f"blob{index}", f"sha256:{index}") for index in range(layers))
    return Image(kind, config=document, layers=refs)


def entry(created_by: str, *, empty: bool = False, comment: str = "") -> dict[str, object]:
    """A history entry."""
    return {"created_by": created_by, "comment": comment, **({"empty_layer": True} if empty else {})}


def in_field(of: Image, pointer: str, offset: int = 0) -> FieldHit:
    """A hit in a field of the config."""
    assert of.config is not None
    return FieldHit(hit(), of.config, Place(pointer, offset, False))


def scanned(of: Image, *layers: LayerScan | None, fields: tuple[FieldHit, ...] = ()) -> ImageScan:
    """What the scan of an image gave."""
    return ImageScan("image.tar", of, layers, fields)
