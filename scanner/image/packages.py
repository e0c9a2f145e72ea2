"""Reads what package managers note about the files they installed: path, package and digest.

Only the image's own databases are asked, so this says that a file is as its package brought it, and nothing of who
made the package. Sources: dpkg-query(1) and deb-md5sums(5), apk's installed database (apk-tools, doc/apk-package.5),
PEP 376 and PEP 610, and the header format of rpm's manual ("Header", "RPM tags").
"""

import base64
import binascii
import csv
import hashlib
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass

MAX_RECORD = 64 << 20
"""Largest database that is kept while its layer goes by, in bytes; Debian's come to 3 MB, rpm's to 30."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A file as its package brought it.

    Attributes:
        path: in the image, without a leading slash.
        package: its name, with the kind of package before it.
        algorithm: of the digest, as `hashlib` calls it.
        digest: of the content, in hex.
    """

    path: bytes
    package: str
    algorithm: str
    digest: str


_ENDS = (b".md5sums", b"/RECORD", b"/direct_url.json", b"db/installed", b"/rpmdb.sqlite", b"lib/dpkg/status")


def is_record(path: bytes) -> bool:
    """Whether a file may be a database that `owned` reads, by its path."""
    return path.endswith(_ENDS) or b"lib/dpkg/status.d/" in path


def owned(records: Mapping[bytes, bytes], wanted: Set[bytes]) -> Iterator[Owned]:
    """What databases say about some files.

    Args:
        records: content of databases, by path; what cannot be parsed says nothing.
        wanted: paths of the files asked about.
    """
    for path, content in records.items():
        for ends, read in _READERS:
            if path.endswith(ends) or (ends == b"status.d/" and ends in path):
                yield from (found for found in read(path, content, records) if found.path in wanted)
                break


def _md5sums(path: bytes, content: bytes, _: Mapping[bytes, bytes]) -> Iterator[Owned]:
    name = path.rpartition(b"/")[2].removesuffix(b".md5sums").partition(b":")[0]
    package = f"Debian package {_text(name)}"
    for line in content.splitlines():
        digest, _blanks, file = line.partition(b"  ")
        if len(digest) == 32:
            # Since /bin and /lib became links into /usr, a file lies there whatever its package says.
            for place in (file, b"usr/" + file):
                yield Owned(place, package, "md5", _text(digest))


def _status(_path: bytes, content: bytes, _: Mapping[bytes, bytes]) -> Iterator[Owned]:
    """Files of settings, which the lists of sums leave out."""
    package = ""
    for line in content.splitlines():
        if line.startswith(b"Package: "):
            package = f"Debian package {_text(line[9:])}"
        elif line.startswith(b" /"):
            file, _blank, rest = line[2:].partition(b" ")
            digest = rest.partition(b" ")[0]
            if len(digest) == 32:
                yield Owned(file, package, "md5", _text(digest))


def _apk(_path: bytes, content: bytes, _: Mapping[bytes, bytes]) -> Iterator[Owned]:
    package, folder, file = "", b"", b""
    for line in content.splitlines():
        tag, value = line[:2], line[2:]
        if tag == b"P:":
            package = f"Alpine package {_text(value)}"
        elif tag == b"F:":
            folder = value
        elif tag == b"R:":
            file = folder + b"/" + value if folder else value
        elif tag == b"Z:" and value.startswith(b"Q1"):
            yield Owned(file, package, "sha1", _unbase64(value[2:]))


def _wheel(path: bytes, content: bytes, records: Mapping[bytes, bytes]) -> Iterator[Owned]:
    info = path.removesuffix(b"/RECORD")
    if not info.endswith(b".dist-info") or info + b"/direct_url.json" in records:
        return  # installed from a folder or a repository: somebody's own code, which no index has
    site, _, name = info.rpartition(b"/")
    package = f"Python package {_text(name.removesuffix(b'.dist-info').partition(b'-')[0])}"
    try:
        for row in csv.reader(content.decode("utf-8", "surrogateescape").splitlines()):
            algorithm, equals, value = row[1].partition("=") if len(row) > 1 else ("", "", "")
            if equals and algorithm in ("sha256", "sha512"):
                place = site + b"/" + row[0].encode("utf-8", "surrogateescape")
                yield Owned(place, package, algorithm, _unbase64(value.encode().translate(_URLSAFE)))
    except (csv.Error, ValueError):
        return


_PATIENCE = 500
"""Million steps of SQLite's machine that reading rpm's database may take."""
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_NAME, _DIR_INDEXES, _BASE_NAMES, _DIR_NAMES, _DIGESTS, _ALGORITHM = 1000, 1116, 1117, 1118, 1035, 5011
_INT32, _STRINGS = 4, (6, 8, 9)
_MD5 = 1
_ALGORITHMS = {_MD5: "md5", 2: "sha1", 8: "sha256", 10: "sha512"}
"""Of file digests, by OpenPGP's numbers (RFC 4880, 9.4)."""


def _rpm(_path: bytes, content: bytes, _: Mapping[bytes, bytes]) -> Iterator[Owned]:
    connection = sqlite3.connect(":memory:")
    # The file comes from the image: a view that never ends must not either.
    steps = iter(range(_PATIENCE))
    connection.set_progress_handler(lambda: next(steps, None) is None, 1_000_000)
    try:
        # rpm leaves the file in write-ahead mode, which a database in memory cannot be in (file format, 1.3.3).
        connection.deserialize(content[:18] + b"\1\1" + content[20:])
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            try:
                yield from _rpm_header(bytes(blob))
            except (struct.error, LookupError, ValueError):
                continue
    except sqlite3.Error:
        return
    finally:
        connection.close()


def _rpm_header(blob: bytes) -> Iterator[Owned]:
    entries, _size = struct.unpack_from(">II", blob)
    store = blob[8 + 16 * entries :]
    strings: dict[int, list[bytes]] = {}
    numbers: dict[int, tuple[int, ...]] = {}
    for entry in range(entries):
        tag, kind, offset, count = struct.unpack_from(">IIII", blob, 8 + 16 * entry)
        if tag in (_NAME, _BASE_NAMES, _DIR_NAMES, _DIGESTS) and kind in _STRINGS:
            strings[tag] = store[offset:].split(b"\0", count)[:count]
        elif tag in (_DIR_INDEXES, _ALGORITHM) and kind == _INT32:
            numbers[tag] = struct.unpack_from(f">{count}I", store, offset)
    package = f"RPM package {_text(strings[_NAME][0])}"
    algorithm = _ALGORITHMS.get(numbers.get(_ALGORITHM, (_MD5,))[0], "")
    folders = strings[_DIR_NAMES]
    for base, folder, digest in zip(strings[_BASE_NAMES], numbers[_DIR_INDEXES], strings[_DIGESTS], strict=True):
        if digest and algorithm:
            yield Owned((folders[folder] + base).lstrip(b"/"), package, algorithm, _text(digest))


_READERS: tuple[tuple[bytes, Callable[[bytes, bytes, Mapping[bytes, bytes]], Iterator[Owned]]], ...] = (
    (b".md5sums", _md5sums),
    (b"lib/dpkg/status", _status),
    (b"status.d/", _status),
    (b"db/installed", _apk),
    (b"/RECORD", _wheel),
    (b"/rpmdb.sqlite", _rpm),
)
"""A reader for each kind of database, by how its path ends (or, for the last of dpkg's, what is in it)."""


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace").strip()


def _unbase64(text: bytes) -> str:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4)).hex()
    except binascii.Error:
        return ""


@dataclass(frozen=True, slots=True)
class Content:
    """Digests of a file's content, in those algorithms that package databases use.

    Attributes:
        digests: in hex, by algorithm.
    """

    digests: Mapping[str, str]

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> "Content":
        """Of some bytes."""
        # No protection is asked of them: they are compared with what somebody else chose.
        made = ((name, hashlib.new(name, data, usedforsecurity=False)) for name in ("md5", "sha1", "sha256", "sha512"))
        return cls({name: digest.hexdigest() for name, digest in made})
