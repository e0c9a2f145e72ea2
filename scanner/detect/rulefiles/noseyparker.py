"""Nosey Parker's YAML: ``rules:`` with patterns of Rust, examples and categories.

Facts: the project's documentation of its rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from scanner.detect.rulefiles.fields import rules, tables, text, texts, unknown
from scanner.detect.rulefiles.notes import Unhonoured
from scanner.detect.rulefiles.rule import Rule, build
from scanner.detect.rulefiles.syntax import RUST
from scanner.detect.signature import Confidence, Severity, Signature

NAME = "Nosey Parker"

_TOP = {"rules", "rulesets"}
_RULE = {"id", "name", "pattern", "description", "references", "categories", "examples", "negative_examples"}


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether a YAML document has rules or rulesets; fields that only Kingfisher has are for the other to see."""
    return "rules" in document or "rulesets" in document


def read(document: Mapping[str, Any]) -> Iterator[Signature | Unhonoured]:
    """The rules of a file, and what of them is not honoured.

    Args:
        document: what its YAML holds.

    Raises:
        MalformedError: a field is missing or of the wrong kind.
    """
    yield from unknown(document, _TOP, "")
    for ruleset in tables(document, "rulesets", "the file"):
        yield Unhonoured(
            "", "rulesets", f"{ruleset.get('id', 'one')!s} chooses no rules here, all that are given are used"
        )
    for table, name, where in rules(document, "id", "name"):
        yield from unknown(table, _RULE, name)
        categories = set(texts(table, "categories", where))
        yield from build(
            replace(
                shared(table, name, where, NAME),
                last=True,  # each group is a finding there; the secret stands behind the name or the user it is for
                # An identifier or a hash lets nobody in by itself; a fuzzy rule is told by its own authors to err.
                severity=Severity.LOW if categories & {"identifier", "hashed"} else Severity.HIGH,
                confidence=Confidence.LOW if "fuzzy" in categories else Confidence.MEDIUM,
                generic=bool(categories & {"fuzzy", "generic"}),
            )
        )


def shared(table: Mapping[str, Any], name: str, where: str, origin: str) -> Rule:
    """What a rule says in the fields that Kingfisher's, which descend from these, have kept.

    Args:
        table: the rule.
        name: its id.
        where: it stands, for errors.
        origin: the name of the format.

    Raises:
        MalformedError: a field is of the wrong kind.
    """
    return Rule(
        id=name,
        name=text(table, "name", where),
        regex=text(table, "pattern", where),
        dialect=RUST,
        origin=origin,
        url=next(iter(texts(table, "references", where)), ""),
        positives=texts(table, "examples", where),
        negatives=texts(table, "negative_examples", where),
    )
