"""Which images of a target are for the platform that the user asked for."""

from collections.abc import Iterator
from typing import BinaryIO

from scanner.errors import TargetError
from scanner.image.oci import Image, Skip
from scanner.image.source.archive import Source


class OnePlatform:
    """The images of a source that are for one platform."""

    def __init__(self, source: Source, target: str, platform: str) -> None:
        """Takes the source, what to call it in an error, and the platform."""
        self._source = source
        self._target = target
        self._platform = platform
        self.concurrent = source.concurrent
        self.vouched = source.vouched

    @property
    def size(self) -> int:
        """The source's."""
        return self._source.size

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """The source's, all of them: which are the platform's may only be known when they have gone by."""
        return self._source.blobs()

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The platform's images, and what has none."""
        images, skips = self._source.images()
        return of_platform(images, self._platform, self._target), skips

    def again(self, name: str) -> BinaryIO | None:
        """The source's."""
        return self._source.again(name)


def of_platform(images: list[Image], platform: str, target: str) -> list[Image]:
    """Those images that are for a platform, or for none.

    Args:
        images: of a target.
        platform: ``os/architecture[/variant]``; without a variant, all variants are meant.
        target: for the error.

    Raises:
        TargetError: there are images, and none is for the platform.
    """
    chosen = [image for image in images if not image.platform or f"{image.platform}/".startswith(f"{platform}/")]
    if images and not any(image.platform for image in chosen):
        names = sorted({image.platform for image in images if image.platform})
        if names:
            raise TargetError(f"{target}: no image for {platform}; there is {', '.join(names)}")
    return chosen
