"""Where raw hits lie, before anybody asks what they mean: in a file of a layer, or in a field of a document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scanner.detect.hit import Hit
from scanner.detect.unpack.git_history import Commit
from scanner.image.fields import Place
from scanner.image.footprint import Footprint
from scanner.image.layer import Problem
from scanner.image.oci import Document, Image
from scanner.image.packages import Content, Owned


@dataclass(frozen=True, slots=True)
class FileHit:
    """A hit in a file.

    Attributes:
        hit: what was found.
        name: the file's path in the layer.
        ordinal: the file's place among the members of the layer.
        offset: of the secret in the file, in bytes.
        line: on which it starts, from 1; 0 in a file that is no text.
        content: of the file, if all of it lay in one block.
        inner: paths of the members that the secret lies in, outermost first; offset and line are the innermost's.
        commit: of git that brought it, if it lies in a repository.
    """

    hit: Hit
    name: bytes
    ordinal: int
    offset: int
    line: int
    content: Content | None = None
    inner: tuple[str, ...] = ()
    commit: Commit | None = None

    @property
    def path(self) -> str:
        """The name as text."""
        return self.name.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class FieldHit:
    """A hit in a field of a document.

    Attributes:
        hit: what was found.
        document: where.
        place: the field, and where in it.
        line: on which it starts in what a base64 field decodes to, from 1; 0 elsewhere.
        inner: encodings that it is written in, outermost first; then the place is where that starts.
    """

    hit: Hit
    document: Document
    place: Place
    line: int = 0
    inner: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CutFile:
    """A file that has to be read as a whole, and lay in several blocks.

    Attributes:
        name: the file's path in the layer.
        ordinal: the file's place among the members of the layer.
        size: in bytes.
    """

    name: bytes
    ordinal: int
    size: int

    @property
    def path(self) -> str:
        """The name as text."""
        return self.name.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class PublicPlace:
    """Where the public half of some key pair is in a layer.

    Attributes:
        kind: what it is in, as `scanner.detect.publickeys.PublicKey` says.
        body: its bytes, as there.
        name: the file's path in the layer.
        ordinal: the file's place among the members of the layer.
    """

    kind: str
    body: bytes = field(repr=False)
    name: bytes
    ordinal: int

    @property
    def path(self) -> str:
        """The name as text."""
        return self.name.decode("utf-8", "backslashreplace")


Records = Mapping[bytes, bytes]
"""Content of databases, by path."""


@dataclass(frozen=True)
class LayerScan:
    """What one pass over a layer's blob gave.

    Attributes:
        digest: of the blob as stored, computed.
        diff_id: of the uncompressed tar, computed; empty if the digest vouches for it.
        stored: bytes of the blob.
        bytes: uncompressed.
        members: entries of the tar.
        hits: in the order of the stream.
        footprint: which paths it writes and removes.
        problems: what could not be read.
        records: content of package managers' databases, by path, until they are read.
        owned: what these say about files with hits, in this layer or any other.
        public: certificates and public keys, in the order of the stream.
        public_left: how many more there were, when those of the whole scan got too many to keep.
        cut: files that have to be read as a whole, which they were not yet.
        unopened: ordinals of members that hold others and were too large to be held.
        is_file: whether it is no tar from its first byte on.
    """

    digest: str
    diff_id: str
    stored: int
    bytes: int
    members: int
    hits: tuple[FileHit, ...]
    footprint: Footprint
    problems: tuple[Problem, ...]
    records: Records = field(default_factory=dict)
    owned: tuple[Owned, ...] = ()
    public: tuple[PublicPlace, ...] = ()
    public_left: int = 0
    cut: tuple[CutFile, ...] = ()
    unopened: frozenset[int] = frozenset()
    is_file: bool = False


@dataclass(frozen=True)
class ImageScan:
    """An image with what was found in each of its parts.

    Attributes:
        target: what the user named.
        image: the image.
        layers: for each of its layers the scan, or None where its blob is missing.
        fields: hits in its documents.
    """

    target: str
    image: Image
    layers: Sequence[LayerScan | None]
    fields: Sequence[FieldHit]


Fates = Mapping[tuple[int, bytes, int], "Fate"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a file after the layer that wrote it.

    Attributes:
        state: ``present``, ``deleted``, ``overwritten`` or ``hidden``.
        layer: the layer that did it; None for a file that is present.
    """

    state: str
    layer: int | None
