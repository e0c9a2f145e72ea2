"""The baseline of detect-secrets: every value by its SHA-1, with the file and the line it is in.

What does not count is not in it, save what an earlier baseline lists, which keeps its label.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple, TextIO

from scanner.finding import Finding, Occurrence, Redactor, ScanReport, on_a_line
from scanner.report import Options
from scanner.report.kinds import Kind, Kinds
from scanner.trace.baseline import Baseline

_FILTERS = "detect_secrets.filters."


@dataclass(frozen=True)
class Copy:
    """Where an audit finds the value of a place.

    Attributes:
        file: path of the file, relative to where detect-secrets is run.
        line: that it is on, from 1.
        sha1: of what is found there.
        kind: which plugin finds it.
    """

    file: str
    line: int
    sha1: str
    kind: Kind


class Place(NamedTuple):
    """One place of a finding of a report.

    Attributes:
        image: which image of the report, from 0.
        finding: what is there.
        occurrence: where it is.
    """

    image: int
    finding: Finding
    occurrence: Occurrence

    @property
    def key(self) -> "Key":
        """What names it."""
        return self.image, self.finding.fingerprint, self.occurrence


Key = tuple[int, str, Occurrence]
"""Names a place: image, fingerprint, occurrence."""


def write(report: ScanReport, stream: TextIO, _options: Options) -> None:
    """Writes the baseline of a report, whose files are named as they are in the image."""
    hide, kinds = hiding(report), Kinds()
    known: dict[str, Kind] = {}
    copies = {}
    for place in places(report):
        kind = known.get(place.finding.fingerprint) or _kind(place, kinds)
        known[place.finding.fingerprint] = kind
        name = hide(place.occurrence.name).replace("\\", "/")  # as detect-secrets does when it reads it
        copies[place.key] = Copy(name, place.occurrence.line or 1, place.finding.sha1[0], kind)
    json.dump(document(report, copies), stream, indent=2)
    stream.write("\n")


def places(report: ScanReport) -> Iterator[Place]:
    """The places that belong in a baseline."""
    sources = {entry.source for entry in report.known}
    for number, image in enumerate(report.images):
        for finding in image.findings:
            if not finding.downgraded:
                yield from (Place(number, finding, occurrence) for occurrence in finding.occurrences)
        for ignored in image.ignored:
            for occurrence, cause in zip(ignored.finding.occurrences, ignored.causes, strict=True):
                if getattr(cause, "source", None) in sources:
                    yield Place(number, ignored.finding, occurrence)


def hiding(report: ScanReport) -> Redactor:
    """Hides the report's secrets in names of files."""
    return Redactor(
        secret
        for image in report.images
        for finding in (*image.findings, *(ignored.finding for ignored in image.ignored))
        for secret in (finding.secret, *finding.spellings)
    )


def document(report: ScanReport, copies: Mapping[Key, Copy]) -> dict[str, Any]:
    """A baseline.

    Args:
        report: of the scan.
        copies: where the values of its `places` are found.
    """
    known = Baseline(report.known)
    results: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    used: dict[str, Mapping[str, Any]] = {}
    filters = {"allowlist.is_line_allowlisted"}
    for place in places(report):
        copy = copies[place.key]
        entry = {
            "type": copy.kind.type,
            "filename": copy.file,
            "hashed_secret": copy.sha1,
            "is_verified": False,
            "line_number": copy.line,
        }
        labelled = known.entry(place.finding.sha1, place.occurrence.name)
        if labelled and labelled.secret is not None:
            entry["is_secret"] = labelled.secret
        results.setdefault(copy.file, {}).setdefault((copy.kind.type, copy.sha1), entry)
        used[copy.kind.type] = copy.kind.settings
        if reader := place.finding.signature.reader:
            filters |= set(reader.filters)
    return {
        "version": version("detect-secrets"),
        "plugins_used": sorted(used.values(), key=lambda settings: str(settings["name"]).lower()),
        "filters_used": [{"path": _FILTERS + name} for name in sorted(filters)],
        "results": {
            file: sorted(entries.values(), key=lambda entry: (entry["line_number"], entry["hashed_secret"]))
            for file, entries in sorted(results.items())
        },
        "generated_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _kind(place: Place, kinds: Kinds) -> Kind:
    secret = place.finding.secret
    value = secret.decode("utf-8", "replace")
    return kinds.of_value(value if value.isprintable() else on_a_line(secret), place.finding.signature.name)
