"""Runs layers over the cores: while one thread fills the next block of a layer, others match those before it.

Filling a block - reading, decompressing, walking its headers - goes in the order of the layer, one thread at a time;
matching and hashing what was filled does not wait for it. Each thread has one buffer, one matcher and whatever block
it filled last, so memory is a matter of threads and not of layers. The heavy parts (decompression, the database,
SHA-256) run outside the interpreter lock.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from scanner.detect.encoded import search
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND, Matcher
from scanner.detect.ruleset import Ruleset
from scanner.detect.unpack.formats import is_nested
from scanner.detect.unpack.git_history import Repository
from scanner.detect.unpack.limits import HELD, Budget
from scanner.hits import FileHit, LayerScan
from scanner.image.keeping import Keeper
from scanner.image.layer import Block, Layer, Lines, Problem, StoppedError, Stretch
from scanner.image.oci import is_digest
from scanner.image.packages import Content
from scanner.image.source import Source
from scanner.nested import look_into, once, told, with_commits
from scanner.profile import Profile

Progress = Callable[[int, int], None]
"""Is told bytes read since the last call, and bytes there are in all (0 where unknown); by one thread at a time."""


@dataclass
class _Work:
    """A layer on its way through the pipeline."""

    name: str
    stream: BinaryIO
    layer: Layer
    hits: dict[int, list[FileHit]] = field(default_factory=dict)
    problems: dict[int, list[Problem]] = field(default_factory=dict)
    unopened: set[int] = field(default_factory=set)
    budget: Budget = field(default_factory=Budget)
    repository: Repository = field(default_factory=Repository)
    taken: bool = False  # a thread is advancing it
    filled: bool = False  # its last block has been filled
    blocks: int = 0
    through: int = 0  # blocks that all has been done to
    told: int = 0

    @property
    def done(self) -> bool:
        return self.filled and self.through == self.blocks


class Pipeline:
    """Scans the blobs of one source with some threads. Used once."""

    def __init__(
        self,
        ruleset: Ruleset,
        jobs: int,
        progress: Progress,
        profile: Profile | None = None,
        *,
        check_diff_ids: bool = False,
    ) -> None:
        """Takes what all threads share.

        Args:
            ruleset: the signatures.
            jobs: how many threads.
            progress: is told of bytes read.
            profile: adds up where the time goes, if anybody wants to know.
            check_diff_ids: whether to hash the tar also of a compressed layer that is known by its digest, which
                vouches for the same bytes and costs a third as much.
        """
        self._check_diff_ids = check_diff_ids
        self._ruleset = ruleset
        self._jobs = jobs
        self._progress = progress
        self._profile = profile
        self._changed = threading.Condition()
        self._active: list[_Work] = []
        self._scans: dict[str, LayerScan] = {}
        self._feed: Iterator[tuple[str, BinaryIO]] = iter(())
        self._feeding = False  # a thread is asking for one more blob
        self._opening = 0  # blobs that were asked for and are not active yet
        self._fed = False  # there is nothing more to feed
        self._concurrent = False
        self._total = 0
        self._error: BaseException | None = None

    def run(self, source: Source) -> dict[str, LayerScan]:
        """Scans every blob of a source.

        Returns:
            The scans, by the names of the blobs.

        Raises:
            Whatever a thread met that nobody expected.
        """
        self._feed, self._concurrent, self._total = source.blobs(), source.concurrent, source.size
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(self._jobs - 1)]
        for thread in threads:
            thread.start()
        try:
            self._serve()
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._error is not None:
            raise self._error
        return self._scans

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
            for work in self._active:
                work.layer.stop()

    def _serve(self) -> None:
        """What each thread does until there is nothing left: fill a block of some layer, then work on it."""
        try:
            matcher = Matcher(self._ruleset, self._profile)
            buffer = bytearray()
            while (work := self._next()) is not None:
                buffer = buffer or bytearray(work.layer.block_size)
                stretch = work.layer.fill(buffer)
                self._release(work, stretch)
                if stretch is not None:
                    self._match(work, stretch.number, work.layer.walk(stretch), matcher)
                    work.layer.hash(stretch)
                self._finish(work, stretch)
        except StoppedError:
            return  # another thread met an error, and has told it
        except Exception as error:
            self._fail(error)

    def _next(self) -> _Work | None:
        """A layer to advance, which is the caller's until released; None when all is done, or failed."""
        with self._changed:
            while self._error is None:
                for work in self._active:
                    if not work.taken and not work.filled:
                        work.taken = True
                        return work
                waiting = self._opening + sum(not work.filled for work in self._active)
                if not self._fed and not self._feeding and waiting < (self._jobs if self._concurrent else 1):
                    self._feed_one()
                elif self._fed and not waiting:
                    return None
                else:
                    self._changed.wait()
            return None

    def _feed_one(self) -> None:
        """Asks the source for one more blob, and opens it; without the lock, since both may read and wait."""
        self._feeding = True
        self._opening += 1
        self._changed.release()
        try:
            item = next(self._feed, None)
            with self._changed:
                self._feeding = False
                self._fed = item is None
                self._changed.notify_all()
            work = None if item is None else self._open(*item)
        finally:
            self._changed.acquire()
            self._opening -= 1
        if work is not None:
            self._active.append(work)
        self._changed.notify_all()

    def _open(self, name: str, stream: BinaryIO) -> _Work:
        with_diff_id = self._check_diff_ids or not is_digest(name)
        keeper = Keeper(is_nested, HELD)
        return _Work(name, stream, Layer(stream, LOOKBEHIND, LOOKAHEAD, with_diff_id=with_diff_id, keeper=keeper))

    def _release(self, work: _Work, stretch: Stretch | None) -> None:
        """Gives a layer back after it was advanced."""
        with self._changed:
            work.taken = False
            if stretch is None:
                work.filled = True
            else:
                work.blocks += 1
            read = work.layer.stored - work.told
            work.told += read
            if read:
                self._progress(read, self._total)
            self._changed.notify_all()

    def _match(self, work: _Work, number: int, block: Block, matcher: Matcher) -> None:
        hits, problems = list(_file_hits(block, matcher)), list[Problem]()
        if block.kept:
            inside, problems = look_into(block.kept, work.budget, work.repository, matcher, self._profile)
            hits += inside
        if hits or block.kept:
            with self._changed:
                work.hits[number] = hits
                work.problems[number] = problems
                work.unopened.update(kept.member.ordinal for kept in block.kept if kept.data is None)

    def _finish(self, work: _Work, stretch: Stretch | None) -> None:
        """Turns a layer into its scan when the last of its blocks is through; harmless before and after."""
        with self._changed:
            work.through += stretch is not None
            if not work.done or work not in self._active:
                return
            self._active.remove(work)
            self._changed.notify_all()
        work.stream.close()
        scan = _scan(work)
        if self._profile is not None:
            _tell(self._profile, work.layer)
        with self._changed:
            self._scans[work.name] = scan


def _scan(work: _Work) -> LayerScan:
    layer = work.layer
    hits = [hit for number in sorted(work.hits) for hit in work.hits[number]]
    return LayerScan(
        digest=layer.digest,
        diff_id=layer.diff_id,
        stored=layer.stored,
        bytes=layer.bytes,
        members=layer.members,
        hits=tuple(with_commits(once(hits), work.repository)),
        footprint=layer.footprint,
        problems=(*layer.problems, *told(p for number in sorted(work.problems) for p in work.problems[number])),
        records={path: bytes(content) for path, content in layer.records.items()},
        unopened=frozenset(work.unopened),
    )


def _tell(profile: Profile, layer: Layer) -> None:
    profile.add("read", layer.seconds["read"], layer.stored)
    profile.add("digest", layer.seconds["digest"] + layer.seconds["hash"], layer.stored + layer.bytes)
    profile.add("decompress", layer.seconds["decompress"], layer.stored)
    profile.add("walk", layer.seconds["walk"], layer.bytes)


def _file_hits(block: Block, matcher: Matcher) -> Iterator[FileHit]:
    ends = matcher.find(block.data)
    if not ends:
        return
    lines, spans = Lines(block), block.spans
    contents: dict[int, Content] = {}
    for hit in matcher.confirm(block.data, spans, ends, block.low, block.high):
        span = spans[hit.region]
        offset = block.offset + hit.start - span.member.offset
        member = span.member
        whole = span.end - span.start == member.size
        if whole and member.ordinal not in contents:
            contents[member.ordinal] = Content.of(memoryview(block.data)[span.start : span.end])
        line = lines.at(span, hit.start)
        yield FileHit(hit, member.name, member.ordinal, offset, line, contents.get(member.ordinal))
    for found in search(matcher, block.data, spans, matcher.forms(ends), block.low, block.high):
        span = spans[found.region]
        member = span.member
        content = None
        if span.end - span.start == member.size:
            content = contents.get(member.ordinal) or Content.of(memoryview(block.data)[span.start : span.end])
        inner = found.inner(block.offset - member.offset)
        yield FileHit(found.hit, member.name, member.ordinal, found.offset, found.line, content, inner=inner)
