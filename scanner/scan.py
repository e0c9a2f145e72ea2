"""The path of one target: source, layers, documents, hits, findings, report."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from scanner.contents import complete
from scanner.cut_files import read_cut_files
from scanner.detect.encoded import search
from scanner.detect.matcher import Matcher, Whole
from scanner.detect.pairing import paired
from scanner.detect.ruleset import Ruleset, load_ruleset
from scanner.errors import TargetError
from scanner.finding import Coverage, HistoryLine, ImageReport, LayerReport, ScanReport
from scanner.hits import FieldHit, ImageScan, LayerScan
from scanner.image.fields import lay_out
from scanner.image.layer import NOT_A_TAR
from scanner.image.oci import Document, Image, LayerRef, Skip
from scanner.image.source import Places, open_source
from scanner.key import fingerprint_key
from scanner.nested import look_again
from scanner.pipeline import Pipeline, Progress
from scanner.profile import Profile
from scanner.trace.attribution import Attribution
from scanner.trace.baseline import load_known
from scanner.trace.findings import findings, untold_links
from scanner.trace.given import Given
from scanner.trace.ignore import Ignoring
from scanner.trace.ignore_file import load_rules
from scanner.trace.keypairs import unread
from scanner.trace.sibling import Sibling, siblings


def _quiet(_read: int, _total: int) -> None:
    pass


def _wait(_names: Sequence[str]) -> None:
    pass


def default_jobs() -> int:
    """Threads to use unless told otherwise: as many as this process may run at once."""
    if hasattr(os, "sched_getaffinity"):  # where a container or taskset leaves fewer cores than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Scanner:
    """What scans have in common.

    Attributes:
        ruleset: the signatures.
        key: that fingerprints are made with.
        progress: is told of bytes read.
        jobs: how many threads.
        profile: adds up where the time goes, if anybody wants to know.
        check_diff_ids: whether to check also the diff_ids of layers whose digest is checked.
        ignoring: which findings do not count.
        places: where images may be, and for which platform they are wanted.
        given: the Dockerfile that the images were built from, where the user has it.
        early: is told what documents hold, before any layer is read: a name for each secret, in their order. Not of
            what goes by once, whose documents may come last.
    """

    ruleset: Ruleset
    key: bytes
    progress: Progress = _quiet
    jobs: int = field(default_factory=default_jobs)
    profile: Profile | None = None
    check_diff_ids: bool = False
    ignoring: Ignoring = field(default_factory=Ignoring)
    places: Places = field(default_factory=Places)
    given: Given | None = None
    early: Callable[[Sequence[str]], None] = _wait

    def scan(self, target: str) -> tuple[ImageReport, ...]:
        """Scans every image of a target.

        Args:
            target: as `open_source` has it.

        Raises:
            TargetError: the target cannot be read, or holds no image.
        """
        return self.report(self.read(target))

    def read(self, target: str) -> "Reading":
        """Reads a target without saying what it means, for which other targets may be needed.

        Args:
            target: as `open_source` has it.

        Raises:
            TargetError: the target cannot be read.
        """
        matcher = Matcher(self.ruleset, self.profile)
        known: dict[Document, tuple[FieldHit, ...]] = {}
        with open_source(target, self.places) as source:
            if source.concurrent:
                self._documents(source.images()[0], matcher, known)
                self.early(_names(known.values()))
            pipeline = Pipeline(
                self.ruleset, self.jobs, self.progress, self.profile, check_diff_ids=self.check_diff_ids
            )
            scans = pipeline.run(source)
            images, skips = source.images()
            again = look_again(source, read_cut_files(source, scans, matcher), matcher, self.profile)
            scans = complete(source, again)
        self._documents(images, matcher, known)
        return Reading(target, tuple(images), scans, tuple(skips), known, source.vouched)

    def report(self, reading: "Reading", known_builds: Sequence[Sibling] = ()) -> tuple[ImageReport, ...]:
        """Says what was found in a target.

        Args:
            reading: the target.
            known_builds: of other targets; a build cache in this one may be of one of them.

        Raises:
            TargetError: the target holds no image.
        """
        target, skips = reading.target, reading.skips
        builds = (*reading.builds, *known_builds) if reading.has_cache else ()
        with self.profile.stage("trace") if self.profile else nullcontext():
            reports = [self._image(reading, image, builds) for image in reading.images]
        # Blobs that nobody names are of no interest to anybody, unless there is something in them.
        told = tuple(
            self.ignoring.apply(report)
            for report in reports
            if report.kind != "unreferenced" or report.findings or not report.coverage.complete
        )
        if not told:
            raise TargetError(f"{target}: holds no image: " + ("; ".join(s.reason for s in skips) or "nothing to read"))
        return told

    def _documents(
        self, images: Iterable[Image], matcher: Matcher, known: dict[Document, tuple[FieldHit, ...]]
    ) -> None:
        """Fills in the hits of documents; an index belongs to every image it names, and is matched once."""
        for document in (document for image in images for document in _documents(image)):
            if document not in known:
                known[document] = tuple(_field_hits(document, matcher, self.ruleset))

    def _image(
        self,
        reading: "Reading",
        image: Image,
        builds: Sequence[Sibling],
    ) -> ImageReport:
        scans = reading.scans
        layers = tuple(scans.get(ref.blob) for ref in image.layers)
        fields = tuple(hit for document in _documents(image) for hit in reading.fields[document])
        scan = ImageScan(reading.target, image, layers, fields)
        attribution = Attribution(image, self.given, builds)
        skipped = (
            *reading.skips,
            *image.skips,
            *attribution.notes,
            *untold_links(scan),
            *unread(scan),
            *(skip for ref in image.layers for skip in _problems(ref, scans.get(ref.blob), vouched=reading.vouched)),
        )
        read = [layer for layer in layers if layer is not None]
        return ImageReport(
            target=reading.target,
            kind=image.kind,
            references=image.references,
            digest=image.digest,
            image_id=image.image_id,
            platform=image.platform,
            layers=tuple(_layer_report(image, ref, scans.get(ref.blob), attribution) for ref in image.layers),
            history=tuple(_history(image, attribution)),
            findings=findings(scan, attribution, self.key),
            coverage=Coverage(
                layers=len(read),
                files=sum(layer.members for layer in read),
                bytes=sum(layer.bytes for layer in read),
                skipped=tuple(dict.fromkeys(skipped)),
            ),
        )


@dataclass(frozen=True)
class Reading:
    """A target that was read.

    Attributes:
        target: what the user named.
        images: that it holds.
        scans: of its layers, by their blobs.
        skips: what of the target was not read.
        fields: hits in its documents.
        vouched: whether whoever gave the blobs promises that they are their digests'.
    """

    target: str
    images: tuple[Image, ...]
    scans: Mapping[str, LayerScan]
    skips: tuple[Skip, ...]
    fields: Mapping[Document, tuple[FieldHit, ...]]
    vouched: bool

    @property
    def has_cache(self) -> bool:
        """Whether it holds a build cache, of which the images of other targets may say what made its layers."""
        return any(image.kind == "build-cache" for image in self.images)

    @cached_property
    def builds(self) -> tuple[Sibling, ...]:
        """The builds that its images tell of."""
        return tuple(sibling for image in self.images for sibling in siblings(image))


def _documents(image: Image) -> tuple[Document, ...]:
    return (image.config, *image.documents) if image.config else image.documents


def _names(fields: Iterable[tuple[FieldHit, ...]]) -> list[str]:
    """What kinds of secrets there are, one for each value."""
    kinds = {
        found.hit.canonical: found.hit.signature.name for hits in fields for found in hits if not found.hit.downgraded
    }
    return list(kinds.values())


def _field_hits(document: Document, matcher: Matcher, ruleset: Ruleset) -> Iterator[FieldHit]:
    text = lay_out(document)
    counted = line = 0  # of a decoded field: as far as its lines were counted, from hit to hit
    ends = matcher.find(text.data)
    hits = matcher.confirm(text.data, text.regions, ends, 0, None)
    for hit in paired(ruleset, hits, text.data, text.regions, text.scopes):
        place = text.place(hit.start)
        if place.decoded:
            start = hit.start - place.offset
            if counted < start:
                counted, line = start, 1
            line += text.data.count(b"\n", counted, hit.start)
            counted = hit.start
        yield FieldHit(hit, document, place, line if place.decoded else 0)
    for found in search(matcher, text.data, text.regions, matcher.forms(ends), 0, len(text.data)):
        place = text.place(found.start)
        yield FieldHit(found.hit, document, place, inner=found.inner(place.offset - found.start))


def _problems(ref: LayerRef, scan: LayerScan | None, *, vouched: bool) -> Iterator[Skip]:
    where = f"layer {ref.index} ({ref.digest or ref.diff_id or ref.blob})"
    if scan is None:
        yield Skip(where, "blob is missing from the target", max(0, ref.size))
        return
    for problem in scan.problems:
        if ref.title and scan.is_file and problem.reason.startswith(NOT_A_TAR):
            continue  # as the manifest says
        yield Skip(where, problem.reason, problem.lost, problem.complete)
    if ref.digest.startswith("sha256:") and ref.digest != scan.digest:
        yield Skip(where, f"digest does not match: the blob's is {scan.digest}", 0, complete=not vouched)
    if scan.diff_id and ref.diff_id.startswith("sha256:") and ref.diff_id != scan.diff_id:
        yield Skip(where, f"diff_id does not match: expected {ref.diff_id}, found {scan.diff_id}", 0, complete=True)


def _layer_report(image: Image, ref: LayerRef, scan: LayerScan | None, attribution: Attribution) -> LayerReport:
    return LayerReport(
        index=ref.index,
        digest=ref.digest,
        diff_id=ref.diff_id or (scan.diff_id if scan else ""),
        size=scan.stored if scan else ref.size,
        instruction=attribution.layer(ref.index),
        origin="cache" if image.kind == "build-cache" else "base" if attribution.base(ref.index) else "build",
    )


def _history(image: Image, attribution: Attribution) -> Iterator[HistoryLine]:
    made = {m.candidates[0].index: (at, m.sure) for at, m in enumerate(attribution.made) if len(m.candidates) == 1}
    for step in attribution.steps:
        layer, sure = made.get(step.index, (None, step.empty))
        size = max(0, image.layers[layer].size) if layer is not None else 0
        yield HistoryLine(attribution.step(step), step.created, layer, size, sure)


def scan_image(
    target: str | os.PathLike[str],
    *,
    signatures: tuple[Path, ...] = (),
    key: bytes | None = None,
    progress: Progress = _quiet,
    jobs: int | None = None,
    check_diff_ids: bool = False,
    ignore_files: tuple[Path, ...] = (),
    baselines: tuple[Path, ...] = (),
    inline_ignore: bool = True,
    given: Given | None = None,
) -> ScanReport:
    """Scans a saved image and says what leaked, which instruction leaked it, and whether it is still there.

    Args:
        target: path of a docker or OCI archive, an OCI layout, an exported build cache, or a tar of a file system;
            archives may be compressed as a whole.
        signatures: files and folders of signatures or of other scanners' rules, to use in place of the built-in ones.
        key: for the fingerprints; the user's own if None, and one for this call only where there is none.
        progress: is called with bytes read since its last call, and bytes there are in all (0 where unknown).
        jobs: how many threads to use; as many as there are cores if None.
        check_diff_ids: whether to check also the diff_ids of compressed layers whose digest is checked.
        ignore_files: with rules for what does not count.
        baselines: of detect-secrets; what they list does not count, unless an audit says that it is a secret.
        inline_ignore: whether what a comment in the image marks as no secret does not count either.
        given: the Dockerfile that the image was built from, so that its lines can be told.

    Returns:
        A report with one entry for each image in the target. What is ignored is in it, in a place of its own.

    Raises:
        TargetError: the target cannot be read, or holds no image.
        SignatureError: a signature file is malformed.
        SettingError: the user's key is none.
        IgnoreError: an ignore file or a baseline cannot be read, or a rule in it is malformed.
    """
    rules = tuple(rule for path in ignore_files for rule in load_rules(path, date.today()))
    known = tuple(entry for path in baselines for entry in load_known(path))
    ruleset = load_ruleset(*signatures)
    key = key or fingerprint_key() or secrets.token_bytes(32)
    scanner = Scanner(
        ruleset,
        key,
        progress,
        jobs or default_jobs(),
        check_diff_ids=check_diff_ids,
        ignoring=Ignoring(rules, marks=inline_ignore, known=known),
        given=given,
    )
    images = scanner.scan(os.fspath(target))
    return ScanReport(
        _version(), ruleset.digest, images, rules=rules, known=known, unreported=secrets_given(ruleset, given)
    )


def secrets_given(ruleset: Ruleset, given: Given | None) -> frozenset[bytes]:
    """What a Dockerfile that the user gives holds of secrets: its lines are shown, and need not be in any image.

    Args:
        ruleset: the signatures.
        given: the Dockerfile, with the build's arguments, any of which may be one; None for none.
    """
    if given is None:
        return frozenset()
    text = "\n".join(given.dockerfile.lines).encode()
    hits = Matcher(ruleset).scan(text, [Whole(len(text), given.dockerfile.path)])
    return frozenset(hit.secret for hit in hits) | {value.encode() for value in given.args.values()}


def _version() -> str:
    from scanner import __version__

    return __version__
