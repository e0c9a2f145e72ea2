"""Histories as builders write them, for a Dockerfile, and what is told of an image that has both."""

from scanner.finding import Finding
from scanner.hits import FieldHit, LayerScan
from scanner.image.dockerfile import parse_dockerfile
from scanner.image.oci import Image
from scanner.trace.attribution import Attribution
from scanner.trace.findings import findings
from scanner.trace.given import Given
from tests.trace.images import scanned


def given(text: str, target: str = "", **args: str) -> Given:
    """A Dockerfile as the user gives it."""
    return Given(parse_dockerfile(text), target, args)


def notes(of: Image, what: Given) -> list[str]:
    """What is said about a Dockerfile for an image."""
    return [skip.reason for skip in Attribution(of, what).notes]


def found(of: Image, what: Given | None, *layers: LayerScan, fields: tuple[FieldHit, ...] = ()) -> Finding:
    """The only finding of an image, by a Dockerfile."""
    (finding,) = findings(scanned(of, *layers, fields=fields), Attribution(of, what), b"k")
    return finding


def blamed(finding: Finding) -> list[tuple[str, int, int, str] | None]:
    """Keyword, lines and basis of what let a secret in, then of what carried it to each place."""
    told = [finding.introduced_by, *(place.instruction for place in finding.occurrences)]
    return [
        (i.keyword, i.dockerfile.start_line, i.dockerfile.end_line, i.basis) if i and i.dockerfile else None
        for i in told
    ]
