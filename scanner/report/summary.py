"""Counts what a report holds, once for every format."""

from dataclasses import dataclass

from scanner.detect.signature import Severity
from scanner.finding import Finding, ImageReport, Occurrence, ScanReport


@dataclass(frozen=True)
class Summary:
    """A report in numbers. Findings that were downgraded count only as such.

    Attributes:
        images: that were read.
        leaking: of those, with at least one finding.
        findings: one for each secret of each image.
        secrets: different ones among them.
        downgraded: findings that do not count.
        recoverable: findings that a container of the image does not show and the image still gives away.
        severities: number of findings of each severity, gravest first.
        failures: targets that could not be read.
        complete: whether everything that was asked for was read.
    """

    images: int
    leaking: int
    findings: int
    secrets: int
    downgraded: int
    recoverable: int
    severities: tuple[tuple[Severity, int], ...]
    failures: int
    complete: bool


def summarize(report: ScanReport) -> Summary:
    """Counts a report.

    Args:
        report: what a scan said.
    """
    counted = [(image, finding) for image in report.images for finding in image.findings if not finding.downgraded]
    return Summary(
        images=len(report.images),
        leaking=sum(any(not finding.downgraded for finding in image.findings) for image in report.images),
        findings=len(counted),
        secrets=len({finding.fingerprint for _, finding in counted}),
        downgraded=sum(len(image.findings) for image in report.images) - len(counted),
        recoverable=sum(is_recoverable(image, finding) for image, finding in counted),
        severities=tuple(
            (severity, sum(finding.severity is severity for _, finding in counted))
            for severity in sorted(Severity, reverse=True)
        ),
        failures=len(report.failures),
        complete=not report.failures and all(image.coverage.complete for image in report.images),
    )


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
