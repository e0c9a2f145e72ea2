"""Places that hold named blobs: a folder, a tar that can be sought in, and one that can only be read through."""

import io
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from scanner.codec.compression import DECOMPRESSION_ERRORS, Peeked, read_into, read_up_to
from scanner.codec.tar import (
    BLOCK,
    DIRECTORY,
    HARD_LINK,
    SYMLINK,
    Member,
    TarWalker,
    checksum_matches,
    normalise,
)
from scanner.errors import FormatError, TargetError
from scanner.image.oci import MAX_DOCUMENT, Skip

MAX_DOCUMENTS = 256 << 20
"""Bytes of small blobs that are kept of an archive which cannot be sought in."""


class Container(Protocol):
    """Named blobs, however they are stored."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    def names(self) -> Collection[str]:
        """Every blob's name, normalised."""

    def size(self, name: str) -> int:
        """Bytes of a blob as stored; -1 if there is none of that name."""

    def read(self, name: str) -> bytes:
        """A small blob, whole.

        Raises:
            FormatError: there is none, it cannot be read, or it is larger than `MAX_DOCUMENT`.
        """

    def resolve(self, name: str) -> str:
        """The name of the blob that ``name``, perhaps a link's, stands for."""


class SeekableContainer(Container, Protocol):
    """A container whose blobs can be opened in any order, any number of times."""

    def open(self, name: str) -> BinaryIO:
        """A blob as a stream; raises FormatError if there is none."""


class Folder:
    """A directory tree; blobs are its regular files, links inside of it included."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.skips: list[Skip] = []
        self._root = path.resolve()

    def names(self) -> Collection[str]:
        """Relative paths of all files."""
        found = []
        self.skips.clear()
        for folder, _, files in os.walk(self._root, onerror=self._unreadable):
            found += [os.path.relpath(os.path.join(folder, file), self._root) for file in files]
        return found

    def _unreadable(self, error: OSError) -> None:
        self.skips.append(Skip(f"{self.name}: {os.path.relpath(str(error.filename), self._root)}", str(error.strerror)))

    def resolve(self, name: str) -> str:
        """The name itself: the file system follows its links."""
        return name

    def _path(self, name: str) -> Path:
        try:
            path = (self._root / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL in the name
            raise FormatError(f"{self.name}: {name!a}: {error}") from None
        # A layout that somebody else made may hold links to anywhere; what lies outside is not the target.
        if not path.is_relative_to(self._root):
            raise FormatError(f"{self.name}: {name} points outside of the folder")
        try:
            regular = stat.S_ISREG(path.stat().st_mode)
        except OSError as error:
            raise FormatError(f"{self.name}: {name}: {error.strerror}") from None
        if not regular:
            raise FormatError(f"{self.name}: {name} is no regular file")
        return path

    def size(self, name: str) -> int:
        """Bytes of a file; -1 if there is none."""
        try:
            return self._path(name).stat().st_size
        except (FormatError, OSError):
            return -1

    def read(self, name: str) -> bytes:
        """A small file, whole."""
        with self.open(name) as stream:
            return _read_small(stream, self.name, name)

    def open(self, name: str) -> BinaryIO:
        """A file as a stream."""
        try:
            return self._path(name).open("rb", buffering=0)
        except OSError as error:
            raise FormatError(f"{self.name}: {name}: {error.strerror}") from None


def _read_small(stream: BinaryIO, container: str, name: str) -> bytes:
    data = read_up_to(stream, MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise FormatError(f"{container}: {name} is larger than a document may be, {MAX_DOCUMENT} bytes")
    return data


def _twice(container: str, name: str, size: int) -> Skip:
    return Skip(f"{container}: {name}", "is in the archive more than once; only the last was read", size)


class _Slice(io.RawIOBase):
    """Some bytes of a file, read where they lie; several may be open on one file, each with its own place."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._start = self._at = start
        self._end = start + size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = max(self._start, base + offset)
        return self._at - self._start

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        wanted = memoryview(buffer)[: max(0, self._end - self._at)]
        count = os.preadv(self._descriptor, [wanted], self._at) if wanted else 0
        self._at += count
        return count


def _follow(links: Mapping[str, str], name: str) -> str:
    for _ in range(40):  # as many as Linux follows
        if name not in links:
            return name
        name = links[name]
    raise FormatError(f"{name}: links go round in a circle")


def _link(member: Member) -> str:
    """Name that a link inside an archive points to."""
    target = member.link
    if member.kind == SYMLINK and not target.startswith(b"/"):
        target = member.name.rpartition(b"/")[0] + b"/" + target
    return normalise(target).decode("utf-8", "surrogateescape")


BLOB_NAME = re.compile(
    r"""[0-9a-f]{32} | \.(?:json|tar|tgz|gz|zst|xz|bz2)$
      | (?:^|/)(?:layer|layers|blobs|oci-layout|repositories|version)(?:/|$)""",
    re.IGNORECASE | re.VERBOSE,
)
"""Names that members of image archives have: digests, layers, documents."""

_TOP = re.compile(r"(?:manifest|index)\.json|repositories|oci-layout|blobs/.*|[0-9a-f]{32,}.*")
"""Names that lie at the top of an image archive."""

_MANY = 10_000
"""Members after which a tar that shows no sign of an image is taken for a file system."""


class SeekableTar:
    """A plain tar file; blobs are read in place."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.name = str(path)
        self.skips: list[Skip] = []
        self._file = file
        self._members: dict[str, Member] = {}
        self._links: dict[str, str] = {}
        self._index(os.fstat(file.fileno()).st_size)

    def _index(self, size: int) -> None:
        walker = TarWalker()
        while walker.next_header + BLOCK <= size:
            header = os.pread(self._file.fileno(), BLOCK, walker.next_header)
            try:
                member = walker.feed(header, 0)
            except FormatError as error:
                self.skips.append(Skip(self.name, f"archive is damaged: {error}", size - walker.next_header))
                return
            if member is not None:
                if walker.count == _MANY and not any(map(_TOP.fullmatch, self._members)):
                    # A file system: nobody asks for its members by name, and there may be millions.
                    self._members.clear()
                    self._links.clear()
                    return
                name = member.name.decode("utf-8", "surrogateescape")
                if member.kind in (SYMLINK, HARD_LINK):
                    self._links[name] = _link(member)
                elif member.kind != DIRECTORY:
                    if name in self._members:
                        self.skips.append(_twice(self.name, name, self._members[name].size))
                    self._members[name] = member
                    self._links.pop(name, None)
            elif not header[0]:
                self._pass_zeros(walker)
        if walker.next_header > size:
            self.skips.append(Skip(self.name, "archive ends early", walker.next_header - size))
        elif os.pread(self._file.fileno(), BLOCK, walker.next_header).strip(b"\0"):
            self.skips.append(Skip(self.name, "archive ends inside a header", size - walker.next_header))

    def _pass_zeros(self, walker: TarWalker) -> None:
        """Goes past the padding behind an archive in growing steps, which are cheap where there is none."""
        step = 4096
        while ahead := os.pread(self._file.fileno(), step, walker.next_header):
            before = walker.next_header
            walker.pass_zeros(ahead, 0, len(ahead))
            if walker.next_header - before < step:
                return
            step = min(step * 2, 1 << 20)

    def names(self) -> Collection[str]:
        """Names of all regular files and links."""
        return [*self._members, *self._links]

    def resolve(self, name: str) -> str:
        """The member that a name, perhaps a link's, stands for."""
        return _follow(self._links, name)

    def _find(self, name: str) -> Member:
        member = self._members.get(self.resolve(name))
        if member is None:
            raise FormatError(f"{self.name}: {name} is not in the archive")
        return member

    def size(self, name: str) -> int:
        """Bytes of a member; -1 if there is none."""
        try:
            return self._find(name).size
        except FormatError:
            return -1

    def read(self, name: str) -> bytes:
        """A small member, whole."""
        with self.open(name) as stream:
            return _read_small(stream, self.name, name)

    def open(self, name: str) -> BinaryIO:
        """A member as a stream."""
        member = self._find(name)
        return cast(BinaryIO, _Slice(self._file.fileno(), member.offset, member.size))


class _Counted(io.RawIOBase):
    """A stream that knows how far it has been read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        count = read_into(self._stream, buffer)
        self.at += count
        return count


class _Limited(io.RawIOBase):
    """The next bytes of a stream, up to a count."""

    def __init__(self, stream: _Counted, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        wanted = memoryview(buffer)[: self._left]
        count = self._stream.readinto(wanted) if wanted else 0
        self._left -= count
        return count


def _starts_document(head: bytes) -> bool:
    # A layer may start with a file of such a name: `[id].js`, `{{cookiecutter.name}}/`.
    is_tar = len(head) >= BLOCK and checksum_matches(head)
    return head.lstrip()[:1] in (b"{", b"[") and not is_tar


class StreamedTar:
    """A tar that can only be read through, once: compressed as a whole, or coming down a pipe.

    Small blobs are kept while `blobs` goes by, so that manifests can be read after the layers they name.
    """

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name = name
        self.skips: list[Skip] = []
        self._stream = _Counted(stream)
        self._kept: dict[str, bytes] = {}
        self._sizes: dict[str, int] = {}
        self._links: dict[str, str] = {}
        self._left = MAX_DOCUMENTS

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yields every member that is no document, in the order of the archive; documents can be `read` later.

        What is left of a yielded stream when the next one is asked for is passed over.
        """
        walker = TarWalker()
        while self._move_to(walker.next_header) and (header := self._take(BLOCK)):
            if len(header) < BLOCK:
                if header.strip(b"\0"):
                    self.skips.append(Skip(self.name, "archive ends inside a header", len(header)))
                return
            try:
                member = walker.feed(header, 0)
            except FormatError as error:
                self.skips.append(Skip(self.name, f"archive is damaged: {error}"))
                return
            if member is not None:
                yield from self._member(member)

    def _member(self, member: Member) -> Iterator[tuple[str, BinaryIO]]:
        name = member.name.decode("utf-8", "surrogateescape")
        if member.kind in (SYMLINK, HARD_LINK):
            self._links[name] = _link(member)
        elif member.kind != DIRECTORY:
            self._links.pop(name, None)
            if name in self._sizes:
                self.skips.append(_twice(self.name, name, self._sizes[name]))
            self._sizes[name] = member.size
            self._kept.pop(name, None)
            try:
                peeked = cast(BinaryIO, Peeked(cast(BinaryIO, _Limited(self._stream, member.size))))
                if member.size <= MAX_DOCUMENT and _starts_document(peeked.head):  # type: ignore[attr-defined]
                    self._keep(name, read_up_to(peeked, member.size))
                    return
            except DECOMPRESSION_ERRORS as error:
                self._damaged(error)
                return
            yield name, peeked

    def _keep(self, name: str, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.skips.append(Skip(f"{self.name}: {name}", "more documents than are kept of a stream", len(data)))
        else:
            self._kept[name] = data

    def _damaged(self, error: BaseException) -> None:
        said = " ".join(str(error).split()) or type(error).__name__
        self.skips.append(Skip(self.name, f"archive is damaged after {self._stream.at} bytes: {said}"))

    def _take(self, count: int) -> bytes:
        try:
            return read_up_to(cast(BinaryIO, self._stream), count)
        except DECOMPRESSION_ERRORS as error:
            self._damaged(error)
            return b""

    def _move_to(self, offset: int) -> bool:
        """Reads on to ``offset``; False, with a skip, if the stream ends before."""
        while (left := offset - self._stream.at) > 0:
            if not self._take(min(left, 1 << 20)):
                self.skips.append(Skip(self.name, "archive ends early", left))
                return False
        return True

    def names(self) -> Collection[str]:
        """Names of all members that have gone by."""
        return [*self._sizes, *self._links]

    def resolve(self, name: str) -> str:
        """The member that a name, perhaps a link's, stands for."""
        return _follow(self._links, name)

    def size(self, name: str) -> int:
        """Bytes of a member that has gone by; -1 if there is none."""
        try:
            return self._sizes.get(self.resolve(name), -1)
        except FormatError:
            return -1

    def read(self, name: str) -> bytes:
        """A document that has gone by."""
        data = self._kept.get(self.resolve(name))
        if data is None:
            raise FormatError(f"{self.name}: {name} is not in the archive, or no document")
        return data


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens a file, unbuffered.

    Raises:
        TargetError: it cannot be opened.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise TargetError(f"{str(path)!a}: {error}") from None
    with file:
        yield cast(BinaryIO, file)
