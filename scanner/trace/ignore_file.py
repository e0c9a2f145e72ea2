"""Reads ignore files: TOML tables ``[[ignore]]``, each a rule with its reason.

Whoever is told nothing of a leak has to be able to find out why, so a rule that cannot be understood stops the scan.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from scanner.errors import IgnoreError
from scanner.finding import Rule

NAME = ".layerleakignore"
"""The file that is read from the current folder."""

_CRITERIA = ("fingerprint", "path", "signature", "layer")
_FIELDS = (*_CRITERIA, "image", "reason", "expires")
_FORMS = {
    "fingerprint": (re.compile(r"[0-9a-f]{32}"), "32 hexadecimal digits, as in a report"),
    "layer": (re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}"), "a digest or diff_id, as in 'sha256:' and 64 digits"),
}


def load_rules(path: Path, today: date) -> tuple[Rule, ...]:
    """Reads an ignore file.

    Args:
        path: of the file.
        today: rules that expired before are marked so.

    Returns:
        Its rules, in order.

    Raises:
        IgnoreError: the file cannot be read, or a rule has no reason, nothing to go by, an unknown field, or a value
            that is not what the field takes.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise IgnoreError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise IgnoreError(f"{path}: expected TOML: {error}") from error
    tables = document.pop("ignore", [])
    if document:
        raise IgnoreError(f"{path}: unknown {next(iter(document))!r}; expected [[ignore]] tables")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise IgnoreError(f"{path}: expected [[ignore]] tables, with two brackets")
    return tuple(_rules(str(path), tables, today))


def _rules(source: str, tables: list[Mapping[str, Any]], today: date) -> Iterator[Rule]:
    for number, table in enumerate(tables, 1):
        if problem := next(_problems(table), None):
            raise IgnoreError(f"{source}: rule {number}: {problem}")
        expires = table.get("expires")
        yield Rule(**{"source": source, "number": number, **table, "expired": expires is not None and expires < today})


def _problems(table: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a rule."""
    for name, value in table.items():
        if name not in _FIELDS:
            yield f"unknown field {name!r}; expected {', '.join(_FIELDS[:-1])} or {_FIELDS[-1]}"
        elif name == "expires":
            if type(value) is not date:  # a time of day is one of a subclass
                found = value if isinstance(value, date) else repr(value)
                yield f"expires: expected a date such as 2026-12-31, without quotes, found {found}"
        elif not isinstance(value, str) or not value.strip():
            yield f"{name}: expected a text, found {value!r}"
    if "reason" not in table:
        yield "expected a reason, a text that says why"
    if not any(name in table for name in _CRITERIA):
        yield f"expected one or more of {', '.join(_CRITERIA)}"
    for name, (form, expected) in _FORMS.items():
        if name in table and not form.fullmatch(table[name]):
            yield f"{name}: expected {expected}, found {table[name]!r}"
