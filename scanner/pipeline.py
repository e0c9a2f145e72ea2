"""Runs layers over the cores: while one thread fills the next block of a layer, others match those before it.

Filling a block - reading, decompressing, walking its headers - goes in the order of the layer, one thread at a time;
matching and hashing what was filled does not wait for it. Each thread has one buffer, one matcher and whatever block
it filled last, so memory is a matter of threads and not of layers. The heavy parts (decompression, the database,
SHA-256) run outside the interpreter lock.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from scanner.detect.encoded import search
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND, Found, Matcher
from scanner.detect.pairing import paired
from scanner.detect.ruleset import Ruleset
from scanner.detect.unpack.formats import is_nested
from scanner.detect.unpack.git_history import Repository
from scanner.detect.unpack.limits import HELD, Budget
from scanner.hits import CutFile, FileHit, LayerScan, PublicPlace
from scanner.image.keeping import Keeper
from scanner.image.layer import Block, Layer, Lines, Problem, Span, StoppedError, Stretch
from scanner.image.oci import is_digest
from scanner.image.packages import Content
from scanner.image.source import Source
from scanner.nested import look_into, once, told, with_commits
from scanner.profile import Profile

Progress = Callable[[int, int], None]
"""Is told bytes read since the last call, and bytes there are in all (0 where unknown); by one thread at a time."""


MAX_PUBLIC = 1 << 16
"""Certificates and public keys that are kept of one scan; a large image holds some thousands, most of them twice."""

MAX_PUBLIC_BYTES = 1 << 24
"""Bytes of those, each counted once however often it is there."""


class _Keep:
    """Keeps what is public of key pairs for the whole scan, within limits; the same bytes are kept once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: dict[bytes, bytes] = {}
        self._bytes = self._count = 0

    def take(self, body: bytes) -> bytes | None:
        """The bytes to hold on to in place of these; None if there are too many already."""
        with self._lock:
            kept = self._bodies.get(body)
            if self._count == MAX_PUBLIC or (kept is None and self._bytes + len(body) > MAX_PUBLIC_BYTES):
                return None
            self._count += 1
            if kept is None:
                self._bodies[body] = kept = body
                self._bytes += len(body)
            return kept


@dataclass
class _Work:
    """A layer on its way through the pipeline."""

    number: int  # of the blob, in the order in which the source gave them
    name: str
    stream: BinaryIO
    layer: Layer
    hits: dict[int, list[FileHit]] = field(default_factory=dict)
    public: dict[int, list[PublicPlace]] = field(default_factory=dict)
    public_left: int = 0
    cut: set[CutFile] = field(default_factory=set)
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
        self._keep = _Keep()
        self._scans: dict[str, tuple[int, LayerScan]] = {}  # each with the number of its blob
        self._feed: Iterator[tuple[int, tuple[str, BinaryIO]]] = iter(())
        self._feeding = False  # a thread is asking for one more blob
        self._opening = 0  # blobs that were asked for and are not active yet
        self._fed = False  # there is nothing more to feed
        self._concurrent = False
        self._total = 0
        self._error: BaseException | None = None

    def run(self, source: Source) -> dict[str, LayerScan]:
        """Scans every blob of a source.

        Returns:
            The scans, by the names of the blobs; of several of one name that of the last, which unpacking would leave.

        Raises:
            Whatever a thread met that nobody expected.
        """
        self._feed, self._concurrent, self._total = enumerate(source.blobs()), source.concurrent, source.size
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
        return {name: scan for name, (_, scan) in self._scans.items()}

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
            work = None if item is None else self._open(item[0], *item[1])
        finally:
            self._changed.acquire()
            self._opening -= 1
        if work is not None:
            self._active.append(work)
        self._changed.notify_all()

    def _open(self, number: int, name: str, stream: BinaryIO) -> _Work:
        with_diff_id = self._check_diff_ids or not is_digest(name)
        keeper = Keeper(is_nested, HELD)
        layer = Layer(stream, LOOKBEHIND, LOOKAHEAD, with_diff_id=with_diff_id, keeper=keeper)
        return _Work(number, name, stream, layer)

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
        ends = matcher.find(block.data)
        spans = block.spans if ends else ()
        hits = list(_file_hits(block, spans, ends, matcher)) if ends else []
        public, left = _public(block, spans, ends, matcher, self._keep) if ends else ([], 0)
        cut = set(_cut(spans, matcher.whole_files(ends, block.low, block.high)))
        problems: list[Problem] = []
        if block.kept:
            inside, problems = look_into(block.kept, work.budget, work.repository, matcher, self._profile)
            hits += inside
        if not ends and not block.kept:
            return
        with self._changed:
            work.public_left += left
            work.cut |= cut
            work.hits[number] = hits
            work.public[number] = public
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
            # Which of two blobs of one name is through last is a matter of the threads.
            if self._scans.get(work.name, (-1,))[0] < work.number:
                self._scans[work.name] = work.number, scan


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
        public=tuple(place for number in sorted(work.public) for place in work.public[number]),
        public_left=work.public_left,
        cut=tuple(sorted(work.cut, key=lambda file: file.ordinal)),
        unopened=frozenset(work.unopened),
        is_file=layer.is_file,
    )


def _tell(profile: Profile, layer: Layer) -> None:
    profile.add("read", layer.seconds["read"], layer.stored)
    profile.add("digest", layer.seconds["digest"] + layer.seconds["hash"], layer.stored + layer.bytes)
    profile.add("decompress", layer.seconds["decompress"], layer.stored)
    profile.add("walk", layer.seconds["walk"], layer.bytes)


def _public(
    block: Block, spans: tuple[Span, ...], ends: list[Found], matcher: Matcher, keep: _Keep
) -> tuple[list[PublicPlace], int]:
    """What is public of key pairs in a block, and how much of it could not be kept."""
    kept: dict[tuple[int, bytes], PublicPlace] = {}
    left = 0
    for found in matcher.public_keys(block.data, spans, ends, block.low, block.high):
        member = spans[found.region].member
        if (member.ordinal, found.body) in kept:
            continue
        body = keep.take(found.body)
        if body is None:
            left += 1
        else:
            kept[member.ordinal, body] = PublicPlace(found.kind, body, member.name, member.ordinal)
    return list(kept.values()), left


def _cut(spans: tuple[Span, ...], ends: Iterator[int]) -> Iterator[CutFile]:
    """Files that have to be read as a whole, and do not lie in the block as a whole."""
    for end in ends:
        at = bisect_right(spans, end - 1, key=lambda span: span.start) - 1
        if at >= 0 and end <= spans[at].end and not spans[at].whole:
            member = spans[at].member
            yield CutFile(member.name, member.ordinal, member.size)


def _file_hits(block: Block, spans: tuple[Span, ...], ends: list[Found], matcher: Matcher) -> Iterator[FileHit]:
    lines = Lines(block)
    contents: dict[int, Content] = {}

    def content_of(span: Span) -> Content | None:
        ordinal = span.member.ordinal
        if span.whole and ordinal not in contents:
            contents[ordinal] = Content.of(memoryview(block.data)[span.start : span.end])
        return contents.get(ordinal)

    hits = matcher.confirm(block.data, spans, ends, block.low, block.high)
    for hit in paired(matcher.ruleset, hits, block.data, spans):
        span = spans[hit.region]
        offset = block.offset + hit.start - span.member.offset
        member = span.member
        line = lines.at(span, hit.start)
        yield FileHit(hit, member.name, member.ordinal, offset, line, content_of(span))
    for found in search(matcher, block.data, spans, matcher.forms(ends), block.low, block.high):
        span = spans[found.region]
        member = span.member
        inner = found.inner(block.offset - member.offset)
        content = content_of(span)
        yield FileHit(found.hit, member.name, member.ordinal, found.offset, found.line, content, inner=inner)
