"""Which files with secrets are as a package brought them: what is in them, everybody can read.

The database may lie in another layer than the file, above it or, where a later layer replaced it, below.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from scanner.hits import FileHit, LayerScan
from scanner.image.packages import Owned


class Ownership:
    """Knows the packages of an image, as far as the files with hits are concerned."""

    def __init__(self, layers: Sequence[LayerScan | None]) -> None:
        """Takes what the databases of all layers say.

        Args:
            layers: of the image; None where a layer could not be read.
        """
        self._owners: Mapping[bytes, list[Owned]] = _by_path(
            item for layer in layers if layer is not None for item in layer.owned
        )

    def reason(self, found: FileHit) -> str | None:
        """Why the file of a hit is public knowledge; None if it is not, or was changed."""
        for item in self._owners.get(found.name, ()) if found.content else ():
            if found.content and found.content.digests.get(item.algorithm) == item.digest:
                return f"in an unchanged file of {item.package}"
        return None


def _by_path(items: Iterable[Owned]) -> Mapping[bytes, list[Owned]]:
    found: defaultdict[bytes, list[Owned]] = defaultdict(list)
    for item in items:
        found[item.path].append(item)
    return found
