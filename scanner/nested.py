"""Looks into the files of a layer that hold others, and gives what it finds there the names of both."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from time import perf_counter

from scanner.codec.tar import Member
from scanner.detect.flow import Flow
from scanner.detect.matcher import Matcher
from scanner.detect.unpack.git_history import Repository
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.limits import HELD, TOLD, Budget
from scanner.detect.unpack.member import Trouble
from scanner.detect.unpack.walk import unpack
from scanner.hits import FileHit, LayerScan
from scanner.image.keeping import Kept
from scanner.image.layer import Problem
from scanner.image.packages import Content
from scanner.image.rereading import Piece, pieces
from scanner.image.source import Source
from scanner.profile import Profile


def look_into(
    kept: Iterable[Kept], budget: Budget, repository: Repository, matcher: Matcher, profile: Profile | None = None
) -> tuple[list[FileHit], list[Problem]]:
    """Finds secrets in what lies in some files.

    Args:
        kept: the files, with their content.
        budget: of their layer.
        repository: of their layer, which takes note of commits.
        matcher: of this thread.
        profile: is told of the time spent, if anybody wants to know.

    Returns:
        The hits, and what could not be read.
    """
    looking = _Looking(budget, repository, matcher, profile)
    files = {file.member.ordinal: file.data for file in kept if file.data is not None}
    for file in kept:
        if file.data is not None:
            looking.at(file.member, Input(file.data))
    contents: dict[int, Content] = {}
    hits = []
    for found in looking.hits():
        if found.ordinal not in contents:
            contents[found.ordinal] = Content.of(files[found.ordinal])
        hits.append(replace(found, content=contents[found.ordinal]))
    return hits, looking.problems


class _Looking:
    """Looks into one file after another.

    Attributes:
        problems: what could not be read so far.
    """

    def __init__(self, budget: Budget, repository: Repository, matcher: Matcher, profile: Profile | None) -> None:
        self._budget = budget
        self._repository = repository
        self._flow = Flow(matcher)
        self._profile = profile
        self._members: dict[int, Member] = {}
        self._seconds = 0.0
        self.problems: list[Problem] = []

    def at(self, member: Member, data: Input) -> None:
        started, searching = perf_counter(), self._flow.seconds
        self._members[member.ordinal] = member
        self._flow.owner, self._flow.path = member.ordinal, member.path
        troubles = unpack(member.path, data, member.size, self._budget, self._flow, self._repository)
        self.problems += [_problem(member, trouble) for trouble in troubles]
        self._seconds += perf_counter() - started - (self._flow.seconds - searching)

    def hits(self) -> Iterator[FileHit]:
        for found in self._flow.hits():
            member = self._members[found.owner]
            yield FileHit(found.hit, member.name, member.ordinal, found.offset, found.line, inner=found.inner)
        if self._profile is not None:
            self._profile.add("unpack", self._seconds, self._flow.bytes)


def look_again(
    source: Source, scans: Mapping[str, LayerScan], matcher: Matcher, profile: Profile | None = None
) -> dict[str, LayerScan]:
    """The scans, with what lies in files that were too large to be held: they are read once more, piece by piece.

    Args:
        source: that the scans are of, all of whose blobs have gone by.
        scans: by the names of the blobs.
        matcher: as for `look_into`.
        profile: as for `look_into`.
    """
    return {
        name: _look_again(source, name, scan, matcher, profile) if scan.unopened else scan
        for name, scan in scans.items()
    }


def _look_again(source: Source, name: str, scan: LayerScan, matcher: Matcher, profile: Profile | None) -> LayerScan:
    stream = source.again(name)
    if stream is None:
        why = f"{len(scan.unopened)} nested files larger than {HELD} bytes, and the layer can be read only once"
        return replace(scan, problems=(*scan.problems, Problem(why)))
    repository = Repository()
    looking = _Looking(Budget(), repository, matcher, profile)
    with stream:
        for member, group in groupby(pieces(stream, scan.unopened), key=attrgetter("member")):
            looking.at(member, Input(more=_reader(group)))
    hits = sorted((*scan.hits, *with_commits(looking.hits(), repository)), key=lambda found: found.ordinal)
    return replace(scan, hits=tuple(once(hits)), problems=(*scan.problems, *told(looking.problems)))


def _reader(group: Iterator[Piece]) -> Callable[[int], bytes]:
    return lambda _: next((piece.data for piece in group), b"")


def _problem(member: Member, trouble: Trouble) -> Problem:
    more = f" (and {trouble.more} more members)" if trouble.more else ""
    return Problem(f"{'!'.join((member.path, *trouble.inner))}: {trouble.reason}{more}", trouble.lost)


def told(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Some of the problems of a layer, and how many more there are: each of a hundred thousand files may be broken."""
    more = Problem("", 0)
    count = 0
    for number, problem in enumerate(problems):
        if number < TOLD:
            yield problem
        else:
            count += 1
            more = replace(more, lost=more.lost + problem.lost)
    if count:
        yield replace(more, reason=f"{count} more files or members could not be opened, for reasons as those above")


def with_commits(hits: Iterable[FileHit], repository: Repository) -> Iterator[FileHit]:
    """Hits, those in objects of git with the commits that these belong to."""
    for found in hits:
        commit = repository.commit_of(found.inner[-1]) if found.inner else None
        yield replace(found, commit=commit) if commit else found


def once(hits: list[FileHit]) -> Iterator[FileHit]:
    """Hits, without those in a file's bytes as they are that were found in a member of the file as well."""
    inside = {(found.ordinal, found.hit.canonical) for found in hits if found.inner}
    return (found for found in hits if found.inner or (found.ordinal, found.hit.canonical) not in inside)
