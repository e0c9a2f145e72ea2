"""Fields of documents that somebody else wrote: each is what it should be, or an error says where it is not."""

from collections.abc import Iterator, Mapping
from typing import Any

from scanner.detect.rulefiles.notes import MalformedError, Unhonoured


def text(table: Mapping[str, Any], name: str, where: str, default: str = "") -> str:
    """A field that holds text.

    Raises:
        MalformedError: it holds something else.
    """
    value = table.get(name, default)
    if not isinstance(value, str):
        raise MalformedError(f"{where}: {name}: expected text, found {value!r}")
    return value


def texts(table: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A field that holds a list of texts, or one.

    Raises:
        MalformedError: it holds something else.
    """
    value = table.get(name) or ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise MalformedError(f"{where}: {name}: expected a list of texts, found {value!r}")
    return tuple(value)


def number(table: Mapping[str, Any], name: str, where: str) -> float:
    """A field that holds a number, 0 if it is not there.

    Raises:
        MalformedError: it holds something else.
    """
    value = table.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError(f"{where}: {name}: expected a number, found {value!r}")
    return float(value)


def tables(table: Mapping[str, Any], name: str, where: str) -> tuple[Mapping[str, Any], ...]:
    """A field that holds a list of tables, or one.

    Raises:
        MalformedError: it holds something else.
    """
    value = table.get(name) or ()
    if isinstance(value, Mapping):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        raise MalformedError(f"{where}: {name}: expected a list of tables, found {value!r}")
    return tuple(value)


def rules(document: Mapping[str, Any], *ids: str) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """The rules of a document that lists them under ``rules``, each with an id and a ``pattern``.

    Args:
        document: what the file holds.
        ids: fields that may hold a rule's id, the first that does counts.

    Yields:
        A rule's table, its id, and what to call it in errors.

    Raises:
        MalformedError: a rule has no id or no pattern.
    """
    for index, table in enumerate(tables(document, "rules", "the file")):
        where = f"rule {index + 1}"
        name = next(filter(None, (text(table, field, where) for field in ids)), "")
        if not name or not text(table, "pattern", where):
            raise MalformedError(f"{where}: expected an id and a pattern")
        yield table, name, f"rule {name!r}"


def unknown(table: Mapping[str, Any], known: set[str], rule: str) -> Iterator[Unhonoured]:
    """A note for each field that this version of layerleak has never heard of."""
    return (Unhonoured(rule, str(name), "unknown here, so without effect") for name in table if name not in known)
