"""Copies the files that secrets are in out of an image, for people to look at: for `detect-secrets audit`.

The only module that writes secrets to disk, and only where the user asked for it. A file that is text is copied as it
is; of any other, and of large ones, there is an excerpt. Names come from the image, so none of them leads anywhere but
into the folder, which is closed to others.
"""

import base64
import json
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scanner.codec.tar import Member
from scanner.errors import SettingError
from scanner.finding import ImageReport, ScanReport, on_a_line
from scanner.image.layer import Layer
from scanner.image.oci import Image
from scanner.image.source import Places, open_source
from scanner.report.baseline import Copy, Key, Place, document, hiding, places
from scanner.report.kinds import Kinds

BASELINE = ".secrets.baseline"
"""Name of the baseline in the folder."""

MAX_COPIED = 4 << 20
"""Bytes up to which a file is copied whole."""

_AROUND, _LINES = 400, 6  # bytes of context in an excerpt on either side, and lines of them
_SIMPLE = re.compile(r"\w[^\s'\"`\x00-\x1f]*[^\s,'\"`\x00-\x1f]")
_LONGEST = 200  # bytes of one part of a name; file systems take 255


def prepare(folder: Path) -> None:
    """Makes the folder, closed to others.

    Raises:
        SettingError: it cannot be made, or there is something in it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SettingError(f"{folder}: expected an empty folder to copy secrets into, or none")
        folder.chmod(0o700)
    except OSError as error:
        raise SettingError(f"{folder}: {error.strerror or error}") from error


def extract(report: ScanReport, folder: Path, sources: Places | None = None) -> int:
    """Writes a baseline, and the files that it is about, into a folder.

    Args:
        report: of a scan.
        folder: as `prepare` left it.
        sources: where its targets were looked for.

    Returns:
        How many entries the baseline has.

    Raises:
        SettingError: a file cannot be written.
        TargetError: a target cannot be read any more.
    """
    copying = _Copying(folder, report, sources)
    for target in dict.fromkeys(image.target for image in report.images):
        copying.target(target)
    copying.rest()
    baseline = document(report, copying.copies)
    copying.write(BASELINE, json.dumps(baseline, indent=2).encode() + b"\n")
    return sum(map(len, baseline["results"].values()))


class _Copying:
    def __init__(self, folder: Path, report: ScanReport, sources: Places | None) -> None:
        self._folder = folder
        self._sources = sources
        self._report = report
        self._hide = hiding(report)
        self._kinds = Kinds()
        self._names: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[str, int] = {}  # of the folders that names were put into to keep them apart
        self._left: dict[Key, Place] = {place.key: place for place in places(report)}
        self.copies: dict[Key, Copy] = {}

    def target(self, target: str) -> None:
        """Copies what is in one target."""
        with open_source(target, self._sources) as source:
            for _, stream in source.blobs():
                stream.close()
            images, _ = source.images()
        blobs: dict[str, dict[str, list[Place]]] = {}
        for place in self._left.values():
            image = self._report.images[place.image]
            found = next((each for each in images if image.target == target and _same(image, each)), None)
            if found is None:
                continue
            layer = place.occurrence.layer
            ref = next((ref for ref in found.layers if ref.index == layer), None)
            if ref is not None and place.occurrence.field is None and not place.occurrence.inner:
                blobs.setdefault(ref.blob, {}).setdefault(place.occurrence.path or "", []).append(place)
        self._fields(target, images)
        if blobs:
            with open_source(target, self._sources) as source:
                for name, stream in source.blobs():
                    with stream:
                        if name in blobs:
                            self._layer(Layer(stream, 0, 0, with_diff_id=False), blobs[name])

    def _layer(self, layer: Layer, wanted: dict[str, list[Place]]) -> None:
        open_members: dict[int, _Content] = {}
        for block in layer.blocks():
            for span in block.spans:
                member = span.member
                found = wanted.get(member.name.decode("utf-8", "backslashreplace"))
                if found is None:
                    continue
                content = open_members.setdefault(member.ordinal, _Content(member, found))
                begin = max(span.start, block.fresh)
                content.add(block.offset + begin - member.offset, memoryview(block.data)[begin : span.end])
                if block.offset + span.end == member.offset + member.size:
                    del open_members[member.ordinal]
                    self._copy(content.places(), content.pieces, member.size)

    def _fields(self, target: str, images: Iterable[Image]) -> None:
        fields: dict[tuple[int, str | None, str | None, str], list[Place]] = {}
        for place in self._left.values():
            occurrence = place.occurrence
            if self._report.images[place.image].target == target and occurrence.field is not None:
                key = (place.image, occurrence.document, occurrence.path, occurrence.field)
                fields.setdefault(key, []).append(place)
        for (number, kind, where, pointer), wanted in fields.items():
            found = [each for each in images if _same(self._report.images[number], each)]
            documents = [each for image in found for each in (image.config, *image.documents) if each]
            for each_document in documents:
                if each_document.kind == kind and where in (None, each_document.where):
                    for data in _texts(each_document.value, pointer):
                        self._copy(wanted, {0: bytearray(data)}, len(data))

    def rest(self) -> None:
        """What was not met again, such as another name of a file, is shown without what is around it."""
        for place in list(self._left.values()):
            at = place.occurrence.offset or 0
            self._copy([place], {at: bytearray(place.finding.secret)}, -1)

    def _copy(self, wanted: list[Place], pieces: dict[int, bytearray], size: int) -> None:
        """Writes one file with those of the places that are indeed in it."""
        left = [place for place in wanted if place.key in self._left]
        starts = sorted(pieces)
        met = [found for place in left if (found := _met(place, pieces, starts))]
        met.sort(key=lambda each: each.offset)
        whole = pieces.get(0)
        if met and whole is not None and len(whole) == size <= MAX_COPIED and _is_plain(whole):
            name = self._name(met[0].place)
            path = self.write(name, bytes(whole))
            lines = _line_numbers(whole, [each.offset for each in met])
            met = [each for each, line in zip(met, lines, strict=True) if not self._found(each, name, path, line)]
            if len(met) == len(left):  # nothing of it is found again as it stands
                path.unlink()
        if met:
            self._excerpt(met)

    def _excerpt(self, met: "list[_Met]") -> None:
        """Writes what is around secrets, each as a value that detect-secrets sees for one.

        That is how it is written if it can be; if it has quotes, line ends or bytes that are no text, a name for it.
        """
        name = self._name(met[0].place, ".excerpts")
        # No YAML and no INI, so that detect-secrets does not try to read it as that.
        lines = ["layerleak: excerpt: each secret in a line of its own, with what is before and behind it", ""]
        at = []
        for each in met:
            data, start = each.piece, each.offset - each.begin
            end = start + len(each.secret)
            before = _shown(data[max(0, start - _AROUND) : start])[-_LINES:]
            after = _shown(data[end : end + _AROUND])[:_LINES]
            lines += [f"{each.place.finding.signature.name}:", *before]
            at.append(len(lines) + 1)
            value = each.secret.decode("utf-8", "replace")
            simple = value.encode() == each.secret and _SIMPLE.fullmatch(value)
            lines.append(f'secret = "{value if simple else on_a_line(each.secret)}"')
            lines += [] if simple else _shown(each.secret)
            lines += [*after, ""]
        path = self.write(name, "\n".join(lines).encode())
        for each, line in zip(met, at, strict=True):
            if not self._found(each, name, path, line):
                raise SettingError(f"{path}:{line}: detect-secrets does not find what is written there")

    def _found(self, met: "_Met", name: str, path: Path, line: int) -> bool:
        finding = met.place.finding
        found = self._kinds.of(path, line, finding.sha1, finding.signature.name)
        if found is None:
            return False
        self.copies[met.place.key] = Copy(name, line, found[1], found[0])
        del self._left[met.place.key]
        return True

    def _name(self, place: Place, kind: str = "") -> str:
        """A name for a copy that no other has: below the layer or the image, the path in it."""
        image = self._report.images[place.image]
        occurrence = place.occurrence
        digest = occurrence.layer_digest or image.digest or image.image_id or f"image-{place.image}"
        parts = [_part(part) for part in self._hide(occurrence.name).replace("\\", "/").split("/")]
        folder, rest = _part(digest.rpartition(":")[2][:12]) + kind, "/".join(part for part in parts if part)
        first = name = f"{folder}/{rest}"
        number = self._numbers.get(first, 1)
        # A tar may hold a name twice, and a file where another has a folder.
        while name in self._folders or any(above in self._names for above in _upwards(name)):
            number += 1
            name = f"{folder}-{number}/{rest}"
        self._numbers[first] = number
        self._names.add(name)
        self._folders.update(_upwards(name))
        return name

    def write(self, name: str, data: bytes) -> Path:
        """Writes a file that is not there yet, for the user's eyes only; where it is."""
        path = self._folder / name
        try:
            below = self._folder
            for part in name.split("/")[:-1]:
                below /= part
                below.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(data)
        except OSError as error:
            raise SettingError(f"{path}: {error.strerror or error}") from error
        return path


class _Met(NamedTuple):
    """A place whose secret was met again: at which offset, how it is spelled there, and what was kept around it."""

    place: Place
    offset: int
    secret: bytes
    piece: bytearray
    begin: int


class _Content:
    """What is kept of a member that goes by: all of it, or what is around its secrets."""

    def __init__(self, member: Member, wanted: list[Place]) -> None:
        self._wanted = wanted
        self.pieces: dict[int, bytearray] = {}
        self._ranges = [(0, member.size)] if member.size <= MAX_COPIED else _merged(_ranges(wanted))

    def places(self) -> list[Place]:
        """What is looked for in it."""
        return self._wanted

    def add(self, offset: int, data: memoryview) -> None:
        """Takes the next bytes, which lie at an offset of the member."""
        for begin, stop in self._ranges:
            first, last = max(begin, offset), min(stop, offset + len(data))
            if first < last:
                self.pieces.setdefault(begin, bytearray()).extend(data[first - offset : last - offset])


def _ranges(wanted: Iterable[Place]) -> Iterator[tuple[int, int]]:
    for place in wanted:
        at = place.occurrence.offset or 0
        longest = max(map(len, (place.finding.secret, *place.finding.spellings)))
        yield max(0, at - _AROUND), at + longest + _AROUND


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, stop in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((begin, stop))
    return merged


def _met(place: Place, pieces: Mapping[int, bytearray], starts: Sequence[int]) -> _Met | None:
    """Where a place's secret is among pieces of its file; None if it is not where it was."""
    offset = place.occurrence.offset or 0
    at = bisect_right(starts, offset) - 1
    if at < 0:
        return None
    begin = starts[at]
    spellings = sorted((place.finding.secret, *place.finding.spellings), key=len, reverse=True)
    secret = next((each for each in spellings if pieces[begin].startswith(each, offset - begin)), None)
    return None if secret is None else _Met(place, offset, secret, pieces[begin], begin)


def _line_numbers(data: bytearray, offsets: Iterable[int]) -> Iterator[int]:
    """The lines of ascending offsets, from 1."""
    line, at = 1, 0
    for offset in offsets:
        line += data.count(b"\n", at, offset)
        at = offset
        yield line


def _shown(data: bytes | bytearray) -> list[str]:
    """Lines that show bytes, none of which is taken for anything else than text."""
    lines = data.decode("utf-8", "backslashreplace").split("\n") if data else []
    return [
        "| " + "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in line)
        for line in lines
    ]


def _is_plain(data: bytes | bytearray) -> bool:
    """Whether detect-secrets can read it and counts its lines as we do."""
    if b"\0" in data or re.search(rb"\r(?!\n)", data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _texts(value: object, pointer: str) -> Iterator[bytes]:
    """The string at a JSON Pointer, as it is and as what it may be the base64 of."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return
    if isinstance(value, str):
        yield value.encode("utf-8", "backslashreplace")
        try:
            yield base64.b64decode(value, validate=True)
        except ValueError:
            return


def _upwards(name: str) -> Iterator[str]:
    """A path, and all above it."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _part(part: str) -> str:
    """A part of a name that is safe on disk."""
    if part in ("", "."):
        return ""
    kept = "".join(char if char.isprintable() else "_" for char in part).encode()[:_LONGEST]
    return "__" if kept == b".." else kept.decode(errors="ignore")


def _same(report: ImageReport, image: Image) -> bool:
    return (report.kind, report.references, report.digest, report.image_id, report.platform) == (
        image.kind,
        image.references,
        image.digest,
        image.image_id,
        image.platform,
    )
