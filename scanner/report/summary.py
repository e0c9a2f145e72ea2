"""Counts what a report holds, once for every format."""

from collections import Counter
from dataclasses import dataclass

from scanner.detect.signature import Severity
from scanner.finding import Finding, Ignored, ImageReport, Mark, Occurrence, Rule, ScanReport


@dataclass(frozen=True)
class Summary:
    """A report in numbers. Findings that were joined, downgraded or ignored count only as such.

    Attributes:
        images: that were read.
        leaking: of those, with at least one finding.
        findings: one for each secret of each image.
        secrets: different ones among them.
        joined: findings that only name the credential of another, and count with it.
        downgraded: findings that are known to be public.
        ignored: findings that are ignored in all their places.
        ignored_by: of those, how many by the rules of each ignore file, and last, under None, by marks in the image;
            one that is ignored by both counts as the latter.
        ignored_in_part: findings that are ignored in some of their places, and count for the others.
        recoverable: findings that a container of the image does not show and the image still gives away.
        severities: number of findings of each severity, gravest first.
        failures: targets that could not be read.
        complete: whether everything that was asked for was read.
    """

    images: int
    leaking: int
    findings: int
    secrets: int
    joined: int
    downgraded: int
    ignored: int
    ignored_by: tuple[tuple[str | None, int], ...]
    ignored_in_part: int
    recoverable: int
    severities: tuple[tuple[Severity, int], ...]
    failures: int
    complete: bool


def summarize(report: ScanReport) -> Summary:
    """Counts a report.

    Args:
        report: what a scan said.
    """
    counted = [finding for image in report.images for finding in image.counted]
    ignored = [one for image in report.images for one in image.ignored]
    by = Counter(_source(one) for one in ignored if not one.partial)
    return Summary(
        images=len(report.images),
        leaking=sum(bool(image.counted) for image in report.images),
        findings=len(counted),
        secrets=len({finding.fingerprint for finding in counted}),
        joined=sum(len(image.joined) for image in report.images),
        downgraded=sum(bool(finding.downgraded) for image in report.images for finding in image.findings),
        ignored=by.total(),
        ignored_by=tuple(sorted(by.items(), key=lambda item: (item[0] is None, item[0] or ""))),
        ignored_in_part=sum(one.partial for one in ignored),
        recoverable=sum(_recoverable(image) for image in report.images),
        severities=tuple(
            (severity, sum(finding.severity is severity for finding in counted))
            for severity in sorted(Severity, reverse=True)
        ),
        failures=len(report.failures),
        complete=not report.failures and all(image.coverage.complete for image in report.images),
    )


def _source(ignored: Ignored) -> str | None:
    """The ignore file that is to blame; None for the image, since a mark in it is what nobody who scans it wrote."""
    files = [cause.source for cause in ignored.causes if isinstance(cause, Rule)]
    return None if any(isinstance(cause, Mark) for cause in ignored.causes) else files[0]


def _recoverable(image: ImageReport) -> int:
    """How many counted findings only the image gives away; a place that is ignored shows a secret all the same."""
    shown = {one.finding.fingerprint for one in image.ignored if any(map(_visible, one.finding.occurrences))}
    return sum(is_recoverable(image, finding) and finding.fingerprint not in shown for finding in image.counted)


def is_recoverable(image: ImageReport, finding: Finding) -> bool:
    """Whether the image gives a secret away that neither its final file system nor its config shows.

    Args:
        image: what the finding is in.
        finding: the secret.
    """
    return image.kind == "image" and not any(_visible(occurrence) for occurrence in finding.occurrences)


def _visible(occurrence: Occurrence) -> bool:
    if occurrence.kind == "file":
        return occurrence.state in (None, "present")
    # The configs of ancestors that old archives carry along are no longer what a container starts with.
    return occurrence.kind == "config" and occurrence.document in (None, "config")
