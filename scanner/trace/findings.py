"""Puts an image's hits together: one finding a secret value, each place it is in an occurrence."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from scanner.detect.hit import Hit
from scanner.finding import Finding, Occurrence, Partner, fingerprint
from scanner.hits import Fate, FieldHit, FileHit, ImageScan
from scanner.image.oci import Skip
from scanner.trace.attribution import Attribution
from scanner.trace.blame import Blame
from scanner.trace.excerpt import excerpt
from scanner.trace.keypairs import KeyPairs, Partners
from scanner.trace.life import life
from scanner.trace.lifecycle import File, fates
from scanner.trace.ownership import Ownership

_HISTORY_FIELD = "/history/"

MAX_LINKS = 16
"""Hard links to a file that are told as places of their own; a file may have any number of names."""


def untold_links(scan: ImageScan) -> Iterator[Skip]:
    """A note for each file with a secret that has more names than are told."""
    for index, layer in enumerate(scan.layers):
        for name in {found.name for found in layer.hits} if layer else ():
            if layer and (more := len(layer.footprint.links.get(name, ())) - MAX_LINKS) > 0:
                where = f"layer {index}: {name.decode('utf-8', 'backslashreplace')}"
                yield Skip(where, f"{more} more names are hard links to it", 0, complete=True)


def findings(scan: ImageScan, attribution: Attribution, key: bytes) -> tuple[Finding, ...]:
    """The findings of an image, gravest first.

    Args:
        scan: the image and its hits.
        attribution: of the same image.
        key: that fingerprints are made with.
    """
    places: dict[bytes, list[_Place]] = defaultdict(list)
    for place in _places(scan, attribution):
        places[place.hit.canonical].append(place)
    pairs = KeyPairs(scan)
    found = [_finding(list(_compiled(same)), key, attribution, pairs) for same in places.values()]
    return tuple(sorted(_linked(found), key=_order))


def _linked(found: Sequence[Finding]) -> list[Finding]:
    """Findings that are halves of one credential, each with the fingerprint of the other."""
    known = {finding.secret: finding for finding in found}
    wholes: dict[str, list[str]] = defaultdict(list)
    for finding in found:
        for partner in finding.partners:
            other = known.get(partner.value)
            # It must not make less of a leak than its half alone would be.
            if other is not None and _names(other) and finding.severity >= other.severity:
                wholes[other.fingerprint].append(finding.fingerprint)
    return [
        replace(
            finding,
            partners=tuple(_known(partner, known.get(partner.value)) for partner in finding.partners),
            part_of=tuple(sorted(wholes[finding.fingerprint])),
        )
        for finding in found
    ]


def _names(finding: Finding) -> bool:
    """Whether a finding that is somebody's partner is no secret: by its signature, or since that knew no better."""
    return finding.signature.identifier or finding.signature.generic


def _known(partner: Partner, finding: Finding | None) -> Partner:
    """A partner with the finding that it is as well, which may know that it is a secret after all."""
    if finding is None:
        return partner
    public = partner.public and _names(finding)
    return replace(partner, public=public, fingerprint=finding.fingerprint)


def _order(finding: Finding) -> tuple[bool, int, int, str, str]:
    place = finding.occurrences[0]
    return (
        finding.downgraded is not None,
        -finding.severity,
        -finding.confidence,
        finding.signature.id,
        f"{place.path}{place.field}",
    )


class _Place(NamedTuple):
    """A hit, where it is, why it is public knowledge there, if it is, and who is to blame."""

    hit: Hit
    occurrence: Occurrence
    public: str | None
    blame: Blame


def _places(scan: ImageScan, attribution: Attribution) -> Iterator[_Place]:
    yield from _files(scan, attribution)
    for field_hit in scan.fields:
        blame = attribution.field(field_hit)
        yield _Place(field_hit.hit, _field(field_hit, blame), field_hit.hit.downgraded, blame)


def _field(found: FieldHit, blame: Blame) -> Occurrence:
    pointer = found.place.pointer
    kind = found.document.kind
    if kind == "config" and pointer.startswith(_HISTORY_FIELD):
        kind = "history"
    elif kind == "v1":
        kind = "config"
    elif kind in ("index", "unreferenced"):
        kind = "manifest"
    blamed = blame.carried
    return Occurrence(
        kind=kind,
        path=found.document.where if kind in ("attestation", "manifest") or found.document.kind == "v1" else None,
        inner=found.inner,
        line=found.line or None,
        offset=max(0, found.place.offset),
        field=pointer,
        document=found.document.kind,
        instruction=blamed,
        via=(blamed.keyword or None) if blamed else None,
        mark=found.hit.mark or None,
    )


def _files(scan: ImageScan, attribution: Attribution) -> Iterator[_Place]:
    places: list[tuple[FileHit, File]] = []
    for index, layer in enumerate(scan.layers):
        for found in layer.hits if layer else ():
            places.append((found, (index, found.name, found.ordinal)))
            # A hard link is the same content under another name, and may outlive the first. Its own ordinal is later
            # than its target's; what counts is whether a later layer does something to it, so it is asked about last.
            links = layer.footprint.links.get(found.name, ())[:MAX_LINKS] if layer else ()
            places += [(found, (index, name, _LAST)) for name in links]
    known = fates(scan.layers, {file for _, file in places}) if scan.image.kind in ("image", "filesystem") else {}
    ownership = Ownership(scan.layers)
    for found, file in places:
        index, name, _ = file
        blame = attribution.file(index, found, name)
        occurrence = _file(scan, attribution, index, found, name, known.get(file), blame)
        yield _Place(found.hit, occurrence, found.hit.downgraded or ownership.reason(found), blame)


_LAST = 1 << 62
"""An ordinal behind that of every member."""


def _file(
    scan: ImageScan,
    attribution: Attribution,
    index: int,
    found: FileHit,
    name: bytes,
    fate: Fate | None,
    blame: Blame,
) -> Occurrence:
    ref, layer = scan.image.layers[index], scan.layers[index]
    computed = layer.digest if layer else ""
    blamed = blame.carried
    return Occurrence(
        kind="build-cache" if scan.image.kind == "build-cache" else "file",
        layer=index,
        layer_digest=ref.digest or ref.diff_id or computed,
        path=ref.title if layer and layer.is_file else name.decode("utf-8", "backslashreplace"),
        inner=found.inner,
        line=found.line or None,
        offset=found.offset,
        state=fate.state if fate else None,
        removed_by=attribution.layer(fate.layer) if fate and fate.layer is not None else None,
        removed_in=fate.layer if fate else None,
        instruction=blamed,
        via=(blamed.keyword or None) if blamed else None,
        mark=found.hit.mark or None,
        commit=found.commit,
        secret_mounts=blame.mounts,
    )


_PYC = re.compile(r"(?:(.*/)|)__pycache__/([^/]+)\.cpython-[0-9]+(?:\.opt-[12])?\.pyc")


def _compiled(places: list[_Place]) -> Iterator[_Place]:
    """The places, those in compiled Python as public as the file it is of, which has the same value in it.

    Packages are compiled when they are installed, and no database knows what comes of it.
    """
    public = {place.occurrence.path: place.public for place in places if place.public}
    for place in places:
        made = _PYC.fullmatch(place.occurrence.path or "") if public and not place.public else None
        yield place._replace(public=public.get(f"{made[1] or ''}{made[2]}.py")) if made else place


def _finding(places: list[_Place], key: bytes, attribution: Attribution, pairs: KeyPairs) -> Finding:
    hits = [place.hit for place in places]
    occurrences = [place.occurrence for place in places]
    best = min(hits, key=lambda hit: hit.rank)
    # What is public in one place and not in another is somebody's secret that looks like it, or a leak.
    public = all(place.public for place in places)
    half = best.public or next((hit.public for hit in hits if hit.public), None)
    partners = pairs.of(half) if half else Partners()
    spellings = {hit.secret for hit in hits}
    known = [(entered, place.blame.advice) for place in places if (entered := place.blame.entered)]
    entered, advice = min(known, key=lambda item: attribution.precedence(item[0]), default=(None, ()))
    return Finding(
        signature=best.signature,
        secret=best.secret,
        fingerprint=fingerprint(best.canonical, key),
        severity=best.signature.severity,
        confidence=best.confidence,
        proof=", ".join(part for part in (best.proof, partners.told) if part) or None,
        # A key that everybody has is no secret, but where it opens this very image it is an open door.
        downgraded=(
            next(place.public for place in places if place.hit is best) if public and not partners.accepted else None
        ),
        introduced_by=entered,
        occurrences=tuple(dict.fromkeys(occurrences)),
        spellings=tuple(sorted(spellings - {best.secret})),
        partners=tuple(_partners(hits)),
        advice=advice,
        excerpt=excerpt(
            attribution.dockerfile, entered, frozenset(secret.decode("utf-8", "replace") for secret in spellings)
        ),
        life=life(occurrences, entered),
    )


def _partners(hits: Iterable[Hit]) -> Iterator[Partner]:
    """What a secret belongs to: of each kind the value that stands beside it most often, the first of equals."""
    beside = Counter(mate for hit in hits for mate in hit.mates)
    told: set[str] = set()
    for mate, _ in beside.most_common():
        if mate.name not in told:
            told.add(mate.name)
            yield Partner(mate.name, mate.value, mate.public, mate.proof)
