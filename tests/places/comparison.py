"""What two scans of one image must agree on, wherever it was read from."""

from collections.abc import Iterable

from scanner.finding import ImageReport, Occurrence


def _kept(place: Occurrence) -> bool:
    return place.document != "v1" and not (place.field or "").startswith("/container_config/")


def told(reports: Iterable[ImageReport], *, digests: bool = True) -> list[tuple[object, ...]]:
    """Every secret with the places it is in, in a fixed order.

    Args:
        reports: of one target.
        digests: whether the layers' digests count, and what the config says of the container that it was made in:
            who loads an image anew compresses and writes anew, and leaves that out.
    """
    return sorted(
        (
            finding.secret,
            finding.signature.id,
            place.kind,
            place.layer_digest or "" if digests else "",
            place.path or "" if place.kind == "file" else "",
            place.field or "",
            place.state or "",
            place.instruction.text if place.instruction else "",
        )
        for report in reports
        for finding in report.findings
        for place in finding.occurrences
        if digests or (place.kind in ("file", "config", "history") and _kept(place))
    )
