"""Reads layers again for files whose format only tells its secrets as a whole, where a block did not hold all of one.

They are few: most are small enough to lie in one block.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from scanner.codec.text import is_text
from scanner.detect.hit import resolved
from scanner.detect.matcher import Matcher, Whole
from scanner.detect.parsers import MAX_FILE
from scanner.hits import CutFile, FileHit, LayerScan
from scanner.image.layer import Problem
from scanner.image.packages import Content
from scanner.image.rereading import pieces
from scanner.image.source import Source


def read_cut_files(source: Source, scans: Mapping[str, LayerScan], matcher: Matcher) -> dict[str, LayerScan]:
    """The scans, with the secrets of those files; what could not be read so is told among the problems.

    Args:
        source: that the scans are of, all of whose blobs have gone by.
        scans: by the names of the blobs.
        matcher: of the ruleset that they were scanned with.
    """
    return {name: _read(source, name, scan, matcher) if scan.cut else scan for name, scan in scans.items()}


def _read(source: Source, name: str, scan: LayerScan, matcher: Matcher) -> LayerScan:
    problems = [_told(file, f"is larger than {MAX_FILE} bytes") for file in scan.cut if file.size > MAX_FILE]
    wanted = {file.ordinal: file for file in scan.cut if file.size <= MAX_FILE}
    stream = source.again(name) if wanted else None
    hits = list(scan.hits)
    if stream is not None:
        with stream:
            for member, group in groupby(pieces(stream, frozenset(wanted)), key=attrgetter("member")):
                parts = list(group)
                if parts[-1].last:
                    data = b"".join(part.data for part in parts)
                    hits = _with(hits, wanted.pop(member.ordinal), data, matcher)
    problems += [_told(file, "could not be read again as a whole") for file in wanted.values()]
    return replace(scan, hits=tuple(hits), problems=(*scan.problems, *problems), cut=())


def _told(file: CutFile, reason: str) -> Problem:
    return Problem(f"{file.path}: {reason}, so that it was scanned as text and not parsed", complete=True)


def _with(hits: list[FileHit], file: CutFile, data: bytes, matcher: Matcher) -> list[FileHit]:
    """Hits of a layer, those of one file replaced by what is found in all of it too."""
    own = [
        replace(found.hit, start=found.offset, region=0)
        for found in hits
        if found.ordinal == file.ordinal and not found.inner
    ]
    content = Content.of(data)
    line, at = int(is_text(data, 0, len(data))), 0
    made: list[FileHit] = []
    for hit in resolved((*own, *matcher.read(data, Whole(len(data), file.path)))):
        if line:
            line, at = line + data.count(b"\n", at, hit.start), hit.start
        made.append(FileHit(hit, file.name, file.ordinal, hit.start, line, content))
    before = [
        found for found in hits if found.ordinal < file.ordinal or (found.ordinal == file.ordinal and found.inner)
    ]
    return [*before, *made, *(found for found in hits if found.ordinal > file.ordinal)]
