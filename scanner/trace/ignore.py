"""Parts what counts from what somebody asked not to be told of: by a rule or a baseline, or by a mark in the image.

Nothing is dropped here: what is ignored comes back beside the rest, each place with what it is ignored by.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property

from scanner.finding import Finding, Ignored, ImageReport, Known, Mark, Occurrence, Rule
from scanner.trace.baseline import Baseline


@dataclass(frozen=True)
class Ignoring:
    """What is to be ignored.

    Attributes:
        rules: of the user's; those that have expired do nothing.
        marks: whether to honour marks in the image.
        known: entries of baselines.
    """

    rules: tuple[Rule, ...] = ()
    marks: bool = True
    known: tuple[Known, ...] = ()

    @cached_property
    def _baseline(self) -> Baseline:
        return Baseline(self.known)

    def apply(self, image: ImageReport) -> ImageReport:
        """Moves what is to be ignored out of the findings of an image.

        Args:
            image: with all its findings.

        Returns:
            The image with the findings that count, without their ignored places, and with what is ignored; both in
            the order they had.
        """
        rules = [rule for rule in self.rules if not rule.expired and _names(rule, image)]
        kept: list[Finding] = []
        ignored: list[Ignored] = []
        for finding in image.findings:
            values = finding.sha1 if self.known else ()
            judged = [(place, self._cause(finding, place, rules, image, values)) for place in finding.occurrences]
            left = tuple(place for place, cause in judged if cause is None)
            gone = [(place, cause) for place, cause in judged if cause is not None]
            if left:
                kept.append(replace(finding, occurrences=left))
            if gone:
                places, causes = tuple(place for place, _ in gone), tuple(cause for _, cause in gone)
                ignored.append(Ignored(replace(finding, occurrences=places), causes, partial=bool(left)))
        return replace(image, findings=tuple(kept), ignored=tuple(ignored))

    def _cause(
        self,
        finding: Finding,
        place: Occurrence,
        rules: Iterable[Rule],
        image: ImageReport,
        values: tuple[str, ...],
    ) -> Rule | Mark | None:
        # The user's own word comes first: what it covers needs no trust in the image.
        for rule in rules:
            if _applies(rule, finding, place, image):
                return rule
        if values and (entry := self._baseline.rule(values, place.name)):
            return entry
        return Mark(place.mark) if self.marks and place.mark else None


def _names(rule: Rule, image: ImageReport) -> bool:
    if rule.image is None or rule.image in (image.digest, image.image_id):
        return True
    return any(fnmatchcase(reference, rule.image) for reference in image.references)


def _applies(rule: Rule, finding: Finding, place: Occurrence, image: ImageReport) -> bool:
    return (
        rule.fingerprint in (None, finding.fingerprint)
        and (rule.signature is None or fnmatchcase(finding.signature.id, rule.signature))
        and (rule.layer is None or _lies_in(rule.layer, place, image))
        and (rule.path is None or _lies_at(rule.path, place))
    )


def _lies_in(digest: str, place: Occurrence, image: ImageReport) -> bool:
    layers = (layer for layer in image.layers if layer.index == place.layer)
    return digest == place.layer_digest or any(digest in (layer.digest, layer.diff_id) for layer in layers)


def _lies_at(glob: str, place: Occurrence) -> bool:
    # The path of a document's place is that of a blob in the archive, which is no file of the image's.
    if place.kind not in ("file", "build-cache") or place.path is None:
        return False
    matches = path_glob(glob).fullmatch
    return any(matches("!".join((place.path, *place.inner[:depth]))) for depth in range(len(place.inner) + 1))


@cache
def path_glob(glob: str) -> re.Pattern[str]:
    """The regular expression of a glob: ``*`` and ``?`` stop at a slash, ``**`` does not, all else is as it stands.

    A slash in front is dropped, since paths in a layer have none.

    Args:
        glob: such as ``usr/share/**/*.pem``.
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("/"))
    return re.compile("".join(_GLOB.get(part) or re.escape(part) for part in parts), re.DOTALL)


_GLOB = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
