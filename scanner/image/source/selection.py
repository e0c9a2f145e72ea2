"""What a source of images is, and those of its images that the user asked for: by a name, or for a platform."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from scanner.errors import TargetError
from scanner.image.oci import Image, Skip

Choice = Callable[[list[Image]], list[Image]]
"""Takes the images of a source, gives those that are wanted; raises TargetError where there is none of them."""


class Source(Protocol):
    """An opened target. Go through `blobs` first, then ask for the images.

    Attributes:
        concurrent: whether a blob may be asked for before the ones handed out were read to their ends.
        vouched: whether whoever keeps the images promises the bytes of each digest, so that others mean that the right
            ones went unread; what lies on disk is what it is.
    """

    concurrent: bool
    vouched: bool

    @property
    def size(self) -> int:
        """Bytes that `blobs` will hand out as stored, for progress; 0 where unknown."""

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every blob that is, or may be, a layer, with its name; who gets a stream closes it."""

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images of the target, and what of it could not be read; complete once `blobs` is exhausted."""

    def again(self, name: str) -> BinaryIO | None:
        """A blob that `blobs` gave, anew; None if it has gone by for good. Who gets a stream closes it."""


class Selected:
    """Some images of a source."""

    def __init__(self, source: Source, choose: Choice) -> None:
        """Takes the source, and what says which of its images are wanted."""
        self._source = source
        self._choose = choose
        self.concurrent = source.concurrent
        self.vouched = source.vouched

    @property
    def size(self) -> int:
        """The source's."""
        return self._source.size

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """The source's, all of them: which are wanted may only be known when they have gone by."""
        return self._source.blobs()

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images that are wanted, and what of the source could not be read."""
        images, skips = self._source.images()
        return self._choose(images), skips

    def again(self, name: str) -> BinaryIO | None:
        """The source's."""
        return self._source.again(name)


def by_name(target: str, named: str) -> Choice:
    """Chooses the images that go by a name; a tag alone is enough.

    Args:
        target: for the error.
        named: the name or the tag.
    """

    def choose(images: list[Image]) -> list[Image]:
        chosen = [image for image in images if any(_goes_by(name, named) for name in image.references)]
        if not chosen:
            names = sorted({name for image in images for name in image.references})
            raise TargetError(f"{target}: no image goes by {named}; there is {', '.join(names) or 'no name'}")
        return chosen

    return choose


def _goes_by(reference: str, named: str) -> bool:
    # skopeo writes docker.io/library/alpine:3 where it was asked for alpine:3.
    return reference == named or reference.endswith((f":{named}", f"/{named}"))


def by_platform(target: str, platform: str) -> Choice:
    """Chooses the images that are for a platform, or for none.

    Args:
        target: for the error.
        platform: ``os/architecture[/variant]``; without a variant, all variants are meant.
    """

    def choose(images: list[Image]) -> list[Image]:
        chosen = [image for image in images if not image.platform or f"{image.platform}/".startswith(f"{platform}/")]
        if images and not any(image.platform for image in chosen):
            names = sorted({image.platform for image in images if image.platform})
            if names:
                raise TargetError(f"{target}: no image for {platform}; there is {', '.join(names)}")
        return chosen

    return choose
