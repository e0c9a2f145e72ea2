"""Trufflehog's custom detectors: YAML with ``detectors:``, each a map of regexes of Go.

Facts: the chapter on custom detectors of the project's documentation.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scanner.detect.rulefiles.fields import number, tables, text, texts, unknown
from scanner.detect.rulefiles.notes import MalformedError, Unhonoured
from scanner.detect.rulefiles.rule import Rule, build, exclusion
from scanner.detect.rulefiles.syntax import GO, UnsupportedError
from scanner.detect.signature import Condition, Signature

NAME = "Trufflehog"

_DETECTOR = {
    "name", "keywords", "regex", "primary_regex_name", "entropy", "exclude_words", "exclude_regexes_capture",
    "exclude_regexes_match", "validations", "verify", "description",
}  # fmt: skip
_HOLDS = {
    "contains_digit": r"[0-9]",
    "contains_lowercase": r"[a-z]",
    "contains_uppercase": r"[A-Z]",
    "contains_special_char": r"[!@#$%^&*()_+\-=\[\]{}|;:,.<>?]",
}


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether a YAML document has custom detectors."""
    return "detectors" in document


def read(document: Mapping[str, Any]) -> Iterator[Signature | Unhonoured]:
    """The detectors of a file, and what of them is not honoured.

    Args:
        document: what its YAML holds.

    Raises:
        MalformedError: a field is missing or of the wrong kind.
    """
    yield from unknown(document, {"detectors"}, "")
    for index, table in enumerate(tables(document, "detectors", "the file")):
        where = f"detector {index + 1}"
        name, regexes = text(table, "name", where), table.get("regex")
        if not name or not isinstance(regexes, Mapping) or not regexes:
            raise MalformedError(f"{where}: expected a name and a map of regexes")
        yield from _detector(table, name, regexes, f"detector {name!r}")


def _detector(
    table: Mapping[str, Any], name: str, regexes: Mapping[str, Any], where: str
) -> Iterator[Signature | Unhonoured]:
    yield from unknown(table, _DETECTOR, name)
    if table.get("verify"):
        yield Unhonoured(name, "verify", "no secret is checked with its provider")
    excluded: list[tuple[Condition, ...]] = []
    if words := texts(table, "exclude_words", where):
        excluded.append((Condition("secret", words=words, any_case=True),))
    for field, target in (("exclude_regexes_capture", "secret"), ("exclude_regexes_match", "match")):
        try:
            if expressions := texts(table, field, where):
                excluded.append((exclusion(target, expressions, GO),))
        except UnsupportedError as error:
            yield Unhonoured(name, field, f"not applied, it has {error}")
    validations = table.get("validations") or {}
    if not isinstance(validations, Mapping):
        raise MalformedError(f"{where}: validations: expected a table, found {validations!r}")
    if len(regexes) > 1:
        yield Unhonoured(name, "regex", "its regexes are looked for one by one, not asked for together")
    for key in regexes:
        rule = name if len(regexes) == 1 else f"{name}.{key}"
        asked = validations.get(key) or {}
        yield from unknown(asked, set(_HOLDS), rule)
        demands = [(Condition("secret", (_HOLDS[each],), negated=True),) for each in _HOLDS if asked.get(each)]
        yield from build(
            Rule(
                id=rule,
                name=text(table, "description", where) or (name if len(regexes) == 1 else f"{name} {key}"),
                regex=text(regexes, key, where),
                dialect=GO,
                origin=NAME,
                keywords=texts(table, "keywords", where),
                entropy=number(table, "entropy", where),
                excluded=(*excluded, *demands),
            )
        )
