"""What a layer does to the file system: which paths it writes and removes, small enough to keep for every layer.

Source: OCI image-spec v1.1, layer.md, "Representing Changes" and "Whiteouts".
"""

from array import array
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from scanner.codec.tar import DIRECTORY, HARD_LINK, Member, normalise

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class Touch:
    """How a layer writes a path.

    Attributes:
        last: ordinal of the last member with that path.
        directory: whether that member is a directory.
    """

    last: int
    directory: bool


# The interpreter's keyed hash: an image cannot choose names that collide, and eight bytes a member are what makes an
# image of ten million files fit.
_key = hash


@dataclass
class Footprint:
    """Collected while a layer is walked, asked afterwards.

    Attributes:
        whiteouts: paths the layer removes.
        opaques: directories whose lower content the layer hides.
        links: for hard links, the target and the other name.
    """

    whiteouts: set[bytes] = field(default_factory=set)
    opaques: set[bytes] = field(default_factory=set)
    links: dict[bytes, list[bytes]] = field(default_factory=dict)
    _keys: "array[int]" = field(default_factory=lambda: array("q"))
    _directories: bytearray = field(default_factory=bytearray)

    def extend(self, members: Sequence[Member]) -> None:
        """Notes members; call for all, in the order of the stream."""
        names = [member.name for member in members]
        kinds = [member.kind for member in members]
        self._keys.extend(map(_key, names))
        self._directories.extend(map(DIRECTORY.__eq__, kinds))
        # One search through all names, since hardly any member is either.
        if WHITEOUT in b"\0".join(names) or HARD_LINK in kinds:
            for member in members:
                if is_whiteout(member.name):
                    self._whiteout(member.name)
                elif member.kind == HARD_LINK:
                    self.links.setdefault(normalise(member.link), []).append(member.name)

    def _whiteout(self, name: bytes) -> None:
        folder, slash, base = name.rpartition(b"/")
        if base == OPAQUE:
            self.opaques.add(folder)
        elif base.startswith(WHITEOUT) and not base.startswith(b".wh..wh."):  # those are aufs' own bookkeeping
            self.whiteouts.add(folder + slash + base[len(WHITEOUT) :])

    def touches(self, paths: Set[bytes]) -> Mapping[bytes, Touch]:
        """Which of ``paths`` the layer writes, and how; one pass over its members, whatever their number."""
        wanted = {_key(path): path for path in paths}
        found = {}
        for ordinal, key in enumerate(self._keys):
            if key in wanted:
                found[wanted[key]] = Touch(ordinal, bool(self._directories[ordinal]))
        return found


def is_whiteout(name: bytes) -> bool:
    """Whether a member stands for a removal and is no file of its own."""
    return WHITEOUT in name and name.rpartition(b"/")[2].startswith(WHITEOUT)
