"""Kingfisher's YAML: ``rules:`` with patterns of Rust, demands on the secret, and ways to check it.

Facts: the chapter on custom rules of the project's documentation.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from scanner.detect.rulefiles.fields import number, rules, text, texts, unknown
from scanner.detect.rulefiles.noseyparker import shared
from scanner.detect.rulefiles.notes import MalformedError, Unhonoured
from scanner.detect.rulefiles.rule import build
from scanner.detect.signature import Condition, Confidence, Signature

NAME = "Kingfisher"

_MARKS = {
    "min_entropy", "confidence", "visible", "depends_on_rule", "pattern_requirements", "validation", "revocation",
    "prevalidated", "tls_mode",
}  # fmt: skip
"""Fields that tell a file of Kingfisher's from one of Nosey Parker's."""

_RULE = _MARKS | {"id", "name", "pattern", "examples", "negative_examples", "references", "categories", "description"}
_NOT_DONE = {
    "validation": "no secret is checked with its provider",
    "revocation": "no secret is revoked",
    "depends_on_rule": "other rules' values are only used to check a secret, which is not done",
}
_COUNTED = {
    "min_digits": "0-9",
    "min_uppercase": "A-Z",
    "min_lowercase": "a-z",
    "min_special_chars": None,
}
_SPECIAL = "!@#$%^&*()_+-=[]{}|;:'\",.<>?/\\`~"


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether a YAML document has rules with fields of Kingfisher's own."""
    found = document.get("rules")
    return isinstance(found, list) and any(isinstance(rule, Mapping) and _MARKS & rule.keys() for rule in found)


def read(document: Mapping[str, Any]) -> Iterator[Signature | Unhonoured]:
    """The rules of a file, and what of them is not honoured.

    Args:
        document: what its YAML holds.

    Raises:
        MalformedError: a field is missing or of the wrong kind.
    """
    yield from unknown(document, {"rules"}, "")
    for table, name, where in rules(document, "id"):
        yield from _rule(table, name, where)


def _rule(table: Mapping[str, Any], name: str, where: str) -> Iterator[Signature | Unhonoured]:
    yield from unknown(table, _RULE, name)
    if table.get("visible") is False:
        yield Unhonoured(name, "rule", "left out, visible: false says that its values are not to be told")
        return
    for field, why in _NOT_DONE.items():
        if table.get(field):
            yield Unhonoured(name, field, why)
    confidence = text(table, "confidence", where, "medium").upper()
    if confidence not in Confidence.__members__:
        raise MalformedError(f"{where}: confidence: expected low, medium or high, found {confidence.lower()!r}")
    demands = table.get("pattern_requirements") or {}
    if not isinstance(demands, Mapping):
        raise MalformedError(f"{where}: pattern_requirements: expected a table, found {demands!r}")
    yield from unknown(demands, {*_COUNTED, "special_chars", "ignore_if_contains", "checksum"}, name)
    if demands.get("checksum"):
        yield Unhonoured(name, "pattern_requirements.checksum", "not computed")
    yield from build(
        replace(
            shared(table, name, where, NAME),
            groups=_named(text(table, "pattern", where)),
            entropy=number(table, "min_entropy", where),
            excluded=tuple(_excluded(demands, where)),
            confidence=Confidence[confidence],
        )
    )


def _named(pattern: str) -> tuple[int, ...] | None:
    """The group called TOKEN, if there is one, by its number; else the first that holds something."""
    opened = re.compile(r"\\.|\[(?:\\.|\[:\^?\w+:\]|[^\]\\])+\]|\((?!\?)|\(\?P?<(?![=!])(\w*)", re.DOTALL)
    groups = [match[1] for match in opened.finditer(pattern) if match[0].startswith("(")]
    return (groups.index("TOKEN") + 1,) if "TOKEN" in groups else None


def _excluded(demands: Mapping[str, Any], where: str) -> Iterator[tuple[Condition, ...]]:
    special = text(demands, "special_chars", where, _SPECIAL)
    for field, chars in _COUNTED.items():
        if least := int(number(demands, field, where)):
            one = chars or "".join(f"\\x{ord(char):02x}" for char in special if char.isascii())
            yield (Condition("secret", (rf"\A(?:[^{one}]*[{one}]){{{least}}}",), negated=True),)
    if words := texts(demands, "ignore_if_contains", where):
        yield (Condition("secret", words=words, any_case=True),)
