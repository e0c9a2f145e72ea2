"""Gitleaks' and Betterleaks' TOML: ``[[rules]]`` with regexes of Go, keywords and allowlists.

Both read the same files; what Betterleaks added is said at its place. Facts: the configuration chapters of the two
projects' documentation.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scanner.detect.rulefiles.fields import number, tables, text, texts, unknown
from scanner.detect.rulefiles.notes import MalformedError, Unhonoured
from scanner.detect.rulefiles.rule import Rule, build, exclusion
from scanner.detect.rulefiles.syntax import GO, UnsupportedError
from scanner.detect.signature import Condition, Signature

NAME = "Gitleaks"

_TOP = {"title", "description", "minVersion", "betterleaksMinVersion", "extend", "rules", "allowlist", "allowlists"} | {
    "prefilter",
    "filter",
}
_RULE = {
    "id", "description", "regex", "secretGroup", "entropy", "path", "keywords", "tags", "allowlist", "allowlists",
    "required", "skipReport", "tokenEfficiency", "filter", "prefilter", "validate",
}  # fmt: skip
_ALLOW = {
    "id", "description", "condition", "commits", "paths", "regexTarget", "regexes", "stopwords", "targetRules",
}  # fmt: skip
_NOT_DONE = {
    "required": "other rules that must match nearby are not asked for",
    "tokenEfficiency": "not measured",
    "prefilter": "not evaluated",
    "validate": "no secret is checked with its provider",
}

Exclusion = tuple[Condition, ...]


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether a TOML document is a configuration of Gitleaks or Betterleaks."""
    return "rules" in document or "extend" in document or "allowlist" in document or "allowlists" in document


def read(document: Mapping[str, Any]) -> Iterator[Signature | Unhonoured]:
    """The rules of a configuration, and what of it is not honoured.

    Args:
        document: what its TOML holds.

    Raises:
        MalformedError: a field is missing or of the wrong kind.
    """
    yield from unknown(document, _TOP, "")
    yield from _extended(document)
    if "prefilter" in document:
        yield Unhonoured("", "prefilter", _NOT_DONE["prefilter"])
    shared: list[tuple[tuple[str, ...], Exclusion]] = []
    allowed, where = "[[allowlists]]", "the file"
    for table in (*tables(document, "allowlists", where), *tables(document, "allowlist", where)):
        yield from unknown(table, _ALLOW, "")
        targets = texts(table, "targetRules", allowed)
        for item in _allowlist(table, "", allowed):
            if isinstance(item, Unhonoured):
                yield item
            else:
                shared.append((targets, item))
    for found in _filter(document, "", where):
        if isinstance(found, Unhonoured):
            yield found
        else:
            shared += [((), each) for each in found[0]]
    for index, table in enumerate(tables(document, "rules", where)):
        yield from _rule(table, f"rule {index + 1}", shared)


def _extended(document: Mapping[str, Any]) -> Iterator[Unhonoured]:
    extend = document.get("extend") or {}
    if not isinstance(extend, Mapping):
        raise MalformedError(f"[extend]: expected a table, found {extend!r}")
    if extend.get("useDefault"):
        yield Unhonoured("", "extend.useDefault", "that project's own rules are not part of layerleak; name their file")
    for name in ("path", "url"):
        if extend.get(name):
            yield Unhonoured("", f"extend.{name}", f"{extend[name]} is not followed; name that file too")
    if extend.get("disabledRules"):
        yield Unhonoured("", "extend.disabledRules", "nothing is extended, so nothing is disabled")


def _rule(
    table: Mapping[str, Any], where: str, shared: list[tuple[tuple[str, ...], Exclusion]]
) -> Iterator[Signature | Unhonoured]:
    name = text(table, "id", where)
    if not name:
        raise MalformedError(f"{where}: expected an id")
    where = f"rule {name!r}"
    yield from unknown(table, _RULE, name)
    regex = text(table, "regex", where)
    if not regex:
        yield Unhonoured(name, "rule", "left out, it has no regex: file names alone are no secrets")
        return
    if table.get("skipReport"):
        yield Unhonoured(name, "rule", "left out, skipReport says that it only serves other rules")
        return
    for field, why in _NOT_DONE.items():
        if table.get(field):
            yield Unhonoured(name, field, why)
    excluded = [item for targets, item in shared if not targets or name in targets]
    entropy = number(table, "entropy", where)
    for allowlist in (*tables(table, "allowlists", where), *tables(table, "allowlist", where)):
        yield from unknown(allowlist, _ALLOW, name)
        for item in _allowlist(allowlist, name, where):
            if isinstance(item, Unhonoured):
                yield item
            else:
                excluded.append(item)
    for found in _filter(table, name, where):
        if isinstance(found, Unhonoured):
            yield found
        else:
            excluded += found[0]
            entropy = max(entropy, found[1])
    group = int(number(table, "secretGroup", where))
    yield from build(
        Rule(
            id=name,
            name=text(table, "description", where),
            regex=regex,
            dialect=GO,
            origin=NAME,
            groups=(group,) if group else None,
            keywords=texts(table, "keywords", where),
            entropy=entropy,
            paths=text(table, "path", where),
            excluded=tuple(excluded),
            generic=name.startswith("generic"),
        )
    )


def _allowlist(table: Mapping[str, Any], rule: str, where: str) -> Iterator[Exclusion | Unhonoured]:
    """What an allowlist excludes: by any of its lists, or where all of them agree."""
    target = {"": "secret"}.get(text(table, "regexTarget", where), text(table, "regexTarget", where))
    if target not in ("secret", "match", "line"):
        raise MalformedError(f"{where}: regexTarget: expected secret, match or line, found {target!r}")
    condition = text(table, "condition", where, "OR").upper()
    if condition not in ("OR", "AND", "||", "&&"):
        raise MalformedError(f"{where}: condition: expected OR or AND, found {condition!r}")
    together = condition in ("AND", "&&")
    if table.get("commits"):
        yield Unhonoured(rule, "allowlist.commits", "an image has no commits, so none is allowed")
        if together:
            return
    conditions = []
    try:
        if regexes := texts(table, "regexes", where):
            conditions.append(exclusion(target, regexes, GO))
        if paths := texts(table, "paths", where):
            conditions.append(exclusion("path", paths, GO))
    except UnsupportedError as error:
        yield Unhonoured(rule, "allowlist", f"not applied, it has {error}")
        return
    if stopwords := texts(table, "stopwords", where):
        conditions.append(Condition("secret", words=stopwords, any_case=True))
    if together and conditions:
        yield tuple(conditions)
    elif not together:
        yield from ((each,) for each in conditions)


_PATH = r"""attributes\[\s*\??\s*["']path["']\s*\](?:\.orValue\(\s*["']{2}\s*\))?"""
_TARGET = rf"""(?:finding\[\s*["'](?P<part>secret|match|line)["']\s*\]|{_PATH})"""
_ENTROPY = re.compile(rf"filter\.entropy\(\s*{_TARGET}\s*\)\s*<=?\s*(?P<least>\d+(?:\.\d+)?)")
_ANY = re.compile(
    rf"filter\.(?P<kind>matchesAny|containsAny)\(\s*{_TARGET}\s*,\s*(?P<list>\[.*\])\s*,?\s*\)", re.DOTALL
)


def _filter(table: Mapping[str, Any], rule: str, where: str) -> Iterator[tuple[list[Exclusion], float] | Unhonoured]:
    """Betterleaks' filter expressions: those that ask one thing, and any number of those with ``||`` between them."""
    for term in _alternatives(text(table, "filter", where)):
        entropy, lists = _ENTROPY.fullmatch(term), _ANY.fullmatch(term)
        if entropy and entropy["part"] == "secret" and rule:
            yield [], float(entropy["least"])
            continue
        try:
            if lists is None:
                raise UnsupportedError("such terms")
            words = ast.literal_eval(lists["list"])
            if not all(isinstance(word, str) for word in words):
                raise UnsupportedError("a list of something else")
            target = lists["part"] or "path"
            matches = lists["kind"] == "matchesAny"
            yield [(exclusion(target, words, GO) if matches else Condition(target, words=tuple(words)),)], 0.0
        except (UnsupportedError, SyntaxError, ValueError):
            short = " ".join(term.split())
            yield Unhonoured(rule, "filter", f"not evaluated: {short if len(short) < 60 else short[:57] + '...'}")


def _alternatives(expression: str) -> Iterator[str]:
    """The terms of an expression that stand between ``||``, outside of brackets and strings."""
    depth = start = 0
    for token in re.finditer(
        r'''r?"""[\s\S]*?"""|r?\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[(\[{]|[)\]}]|\|\|''',
        expression,
    ):
        if token[0] in ("(", "[", "{"):
            depth += 1
        elif token[0] in (")", "]", "}"):
            depth -= 1
        elif token[0] == "||" and depth == 0:
            yield expression[start : token.start()].strip()
            start = token.end()
    if last := expression[start:].strip():
        yield last
