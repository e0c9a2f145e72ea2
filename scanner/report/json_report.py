"""The report as JSON, schema ``layerleak/report/1``: what programs read, and the one form that holds everything.

It is a type of its own, described by ``report-1.schema.json`` beside this file; fields may be added to it, never
renamed or removed.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TextIO

from scanner.detect.unpack.git_history import Commit
from scanner.finding import (
    Coverage,
    Event,
    Excerpt,
    Finding,
    Ignored,
    ImageReport,
    Instruction,
    LayerReport,
    Mark,
    Occurrence,
    Partner,
    Rule,
    ScanReport,
)
from scanner.report import Options
from scanner.report.summary import Summary, summarize
from scanner.report.text import is_digest
from scanner.report.words import partner_text, redactor_of, secret_text

SCHEMA = "layerleak/report/1"
"""The value of ``schema``."""


def write(report: ScanReport, stream: TextIO, options: Options) -> None:
    """Writes a report as one JSON document, in ASCII, so that nothing in it can steer a terminal.

    Args:
        report: what to write.
        stream: where to.
        options: only ``show_secrets`` matters.
    """
    json.dump(to_json(report, show_secrets=options.show_secrets), stream, indent=2)
    stream.write("\n")


def to_json(report: ScanReport, *, show_secrets: bool) -> dict[str, Any]:
    """A report as the JSON value that ``report-1.schema.json`` describes.

    Args:
        report: what to tell.
        show_secrets: add each secret and its SHA-256, and hide it nowhere else.
    """
    form = _Form(report, show_secrets)
    return {
        "schema": SCHEMA,
        "tool": {"version": report.version, "ruleset": report.ruleset},
        "images": [form.image(image) for image in report.images],
        "failures": [{"target": target, "reason": form.hide(reason)} for target, reason in report.failures],
        "ignore_rules": [form.rule(rule) for rule in report.rules],
        "summary": _summary(summarize(report)),
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "images": summary.images,
        "leaking": summary.leaking,
        "findings": summary.findings,
        "secrets": summary.secrets,
        "joined": summary.joined,
        "downgraded": summary.downgraded,
        "ignored": summary.ignored,
        "ignored_by": {
            "rules": sum(count for source, count in summary.ignored_by if source is not None),
            "marks": sum(count for source, count in summary.ignored_by if source is None),
        },
        "ignored_in_part": summary.ignored_in_part,
        "recoverable": summary.recoverable,
        "severity": {str(severity): count for severity, count in summary.severities},
        "failures": summary.failures,
        "complete": summary.complete,
    }


_TEXT = 4096
"""Characters of an instruction that are told with each place; the history has it whole. Otherwise a RUN of a thousand
secrets would be there a thousand times."""


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}… ({len(text)} characters)"


class _Form:
    """Fills in the form. One method a JSON object, in the order of the schema."""

    def __init__(self, report: ScanReport, show_secrets: bool) -> None:
        self.show = show_secrets
        self.hide: Callable[[str], str] = lru_cache(maxsize=4096)(redactor_of(report, show_secrets=show_secrets))

    def _text(self, text: str | None) -> str | None:
        """A text of the image, redacted; null where there is none."""
        return self.hide(text) if text else None

    def _digest(self, text: str | None) -> str | None:
        """A digest as it is; what only claims to be one is text like any other."""
        return text if text and is_digest(text) else self._text(text)

    def image(self, image: ImageReport) -> dict[str, Any]:
        references = self._all(image.references)
        return {
            "target": image.target,
            "kind": image.kind,
            "reference": references[0] if references else None,
            "references": references,
            "digest": self._digest(image.digest),
            "image_id": self._digest(image.image_id),
            "platform": self._text(image.platform),
            "layers": [self._layer(layer) for layer in image.layers],
            "findings": [self._finding(finding) for finding in image.findings],
            "ignored": [self._ignored(ignored) for ignored in image.ignored],
            "coverage": self._coverage(image.coverage),
        }

    def _layer(self, layer: LayerReport) -> dict[str, Any]:
        return {
            "index": layer.index,
            "digest": self._digest(layer.digest),
            "diff_id": self._digest(layer.diff_id),
            "size": layer.size if layer.size >= 0 else None,
            "instruction": self._instruction(layer.instruction),
            "origin": layer.origin,
        }

    def _instruction(self, instruction: Instruction | None) -> dict[str, Any] | None:
        if instruction is None:
            return None
        stage, lines = instruction.stage, instruction.dockerfile
        return {
            "keyword": self._text(instruction.keyword),
            "text": _cut(self.hide(instruction.text)),
            "history_index": instruction.history_index,
            "stage": self.hide(stage) if isinstance(stage, str) else stage,
            "dockerfile": lines
            and {"path": self.hide(lines.path), "start_line": lines.start_line, "end_line": lines.end_line},
            "basis": instruction.basis,
            "others": instruction.others,
        }

    def _excerpt(self, excerpt: Excerpt | None) -> dict[str, Any] | None:
        if excerpt is None:
            return None
        return {
            "path": self.hide(excerpt.path),
            "start_line": excerpt.start_line,
            "lines": [_cut(line) for line in self.hide("\n".join(excerpt.lines)).split("\n")],
            "marked": list(excerpt.marked),
        }

    def _event(self, event: Event) -> dict[str, Any]:
        return {
            "kind": event.kind,
            "layer": event.layer,
            "path": self.hide(event.path),
            "instruction": self._instruction(event.instruction),
        }

    def _finding(self, finding: Finding) -> dict[str, Any]:
        signature = finding.signature
        shown = {"sha256": hashlib.sha256(finding.secret).hexdigest(), "secret": secret_text(finding.secret)}
        return {
            "fingerprint": finding.fingerprint,
            **(shown if self.show else {}),
            "redacted": finding.redacted,
            "signature": {"id": signature.id, "name": signature.name, "provider": signature.provider.id},
            "severity": str(finding.severity),
            "confidence": str(finding.confidence),
            "proof": self._text(finding.proof),
            "downgraded": self._text(finding.downgraded),
            "remediation": signature.remediation,
            "partners": [self._partner(partner) for partner in finding.partners],
            "part_of": list(finding.part_of),
            "introduced_by": self._instruction(finding.introduced_by),
            "excerpt": self._excerpt(finding.excerpt),
            "advice": self._all(finding.advice),
            "life": [self._event(event) for event in finding.life],
            "occurrences": [self._occurrence(occurrence) for occurrence in finding.occurrences],
        }

    def _partner(self, partner: Partner) -> dict[str, Any]:
        return {
            "name": partner.name,
            "value": partner_text(partner, self.hide, show_secrets=self.show),
            "proof": self._text(partner.proof),
            "fingerprint": partner.fingerprint,
        }

    def _ignored(self, ignored: Ignored) -> dict[str, Any]:
        return {
            "finding": self._finding(ignored.finding),
            "by": [self._cause(cause) for cause in ignored.causes],
            "partial": ignored.partial,
        }

    def _cause(self, cause: Rule | Mark) -> dict[str, Any]:
        if isinstance(cause, Mark):
            return {"kind": "mark", "source": None, "rule": None, "reason": self.hide(cause.text)}
        return {
            "kind": "rule",
            "source": self.hide(cause.source),
            "rule": cause.number,
            "reason": self.hide(cause.reason),
        }

    def rule(self, rule: Rule) -> dict[str, Any]:
        return {
            "source": self.hide(rule.source),
            "rule": rule.number,
            "reason": self.hide(rule.reason),
            "fingerprint": rule.fingerprint,
            "signature": self._text(rule.signature),
            "path": self._text(rule.path),
            "layer": rule.layer,
            "image": self._digest(rule.image),
            "expires": rule.expires.isoformat() if rule.expires else None,
            "expired": rule.expired,
        }

    def _occurrence(self, occurrence: Occurrence) -> dict[str, Any]:
        return {
            "kind": occurrence.kind,
            "document": occurrence.document,
            "layer": occurrence.layer,
            "layer_digest": self._digest(occurrence.layer_digest),
            "path": self._text(occurrence.path),
            "inner": self._all(occurrence.inner),
            "line": occurrence.line,
            "offset": occurrence.offset,
            "field": self._text(occurrence.field),
            "state": occurrence.state,
            "removed_by": self._instruction(occurrence.removed_by),
            "removed_in": occurrence.removed_in,
            "instruction": self._instruction(occurrence.instruction),
            "via": self._text(occurrence.via),
            "mark": self._text(occurrence.mark),
            "commit": self._commit(occurrence.commit),
            "secret_mounts": self._all(occurrence.secret_mounts),
        }

    def _commit(self, commit: Commit | None) -> dict[str, Any] | None:
        if commit is None:
            return None
        return {
            "id": commit.id,
            "author": self.hide(commit.author),
            "date": commit.date or None,
            "path": self._text(commit.path),
        }

    def _all(self, texts: Sequence[str]) -> list[str]:
        return [self.hide(text) for text in texts]

    def _coverage(self, coverage: Coverage) -> dict[str, Any]:
        return {
            "complete": coverage.complete,
            "layers": coverage.layers,
            "files": coverage.files,
            "bytes": coverage.bytes,
            "skipped": [
                {
                    "where": self.hide(skip.where),
                    "reason": self.hide(skip.reason),
                    "bytes": skip.bytes,
                    "complete": skip.complete,
                }
                for skip in coverage.skipped
            ],
        }
