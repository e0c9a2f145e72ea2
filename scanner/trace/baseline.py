"""Reads baselines of detect-secrets: which values are known to be in which files, and what an audit said of each.

A baseline holds the SHA-1 of each value; it is only compared with here. A value is known by it and by its file,
whatever kind of secret it is said to be, since here one value is one finding.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scanner.errors import IgnoreError
from scanner.finding import Known, Rule

_SHOWN = "an audit says that it is no secret"
_LISTED = "it is known, and was not audited"


def load_known(path: Path) -> tuple[Known, ...]:
    """Reads a baseline.

    Args:
        path: of the file, as `detect-secrets scan` or layerleak wrote it.

    Returns:
        Its entries, in order.

    Raises:
        IgnoreError: the file cannot be read, or is no baseline.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise IgnoreError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise IgnoreError(f"{path}: expected a baseline of detect-secrets, in JSON: {error}") from error
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict):
        raise IgnoreError(f"{path}: expected a baseline of detect-secrets, with a table of results")
    return tuple(_entries(str(path), results))


def _entries(source: str, results: dict[str, Any]) -> Iterator[Known]:
    number = 0
    for file, entries in results.items():
        if not isinstance(entries, list):
            raise IgnoreError(f"{source}: results of {file!r}: expected a list, found {entries!r}")
        for entry in entries:
            number += 1
            where = f"{source}: result {number}, of {file!r}"
            if not isinstance(entry, dict) or not isinstance(entry.get("hashed_secret"), str):
                raise IgnoreError(f"{where}: expected a table with a hashed_secret")
            label = entry.get("is_secret")
            if label is not None and not isinstance(label, bool):
                raise IgnoreError(f"{where}: is_secret: expected true or false, found {label!r}")
            yield Known(source, number, file, entry["hashed_secret"].lower(), label)


class Baseline:
    """Finds entries by value and file."""

    def __init__(self, entries: Iterable[Known] = ()) -> None:
        """Takes the entries of all baselines."""
        self._by_value: dict[str, list[Known]] = {}
        for entry in entries:
            self._by_value.setdefault(entry.sha1, []).append(entry)

    def entry(self, values: Iterable[str], file: str) -> Known | None:
        """The entry that speaks for a place.

        An image has the files of a repository under another folder, and perhaps not its upper ones; so a file is the
        same if the path of one is the end of the other's.

        Args:
            values: SHA-1 of the secret, in all spellings.
            file: the name of the place.

        Returns:
            One that says it is a secret, if any does; else one that says it is none; else any; None if none is there.
        """
        found = [entry for value in values for entry in self._by_value.get(value, ()) if _same(entry.file, file)]
        return min(found, key=lambda entry: (entry.secret is not True, entry.secret is None), default=None)

    def rule(self, values: Iterable[str], file: str) -> Rule | None:
        """What a place is ignored by: an entry, unless an audit says that it is a secret."""
        entry = self.entry(values, file)
        if entry is None or entry.secret:
            return None
        return Rule(entry.source, entry.number, _LISTED if entry.secret is None else _SHOWN)


def _same(one: str, other: str) -> bool:
    one, other = one.removeprefix("./"), other.removeprefix("./")
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
