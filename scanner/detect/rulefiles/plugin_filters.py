"""The filters of detect-secrets that say of a plugin's finding that it is none, and which of them are honoured here."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from scanner.detect.rulefiles.notes import MalformedError, Unhonoured
from scanner.detect.signature import Condition

_ROOT = "detect_secrets.filters."
_ALWAYS = "heuristic.is_non_text_file"
_HEURISTICS = (
    "is_sequential_string",
    "is_potential_uuid",
    "is_likely_id_string",
    "is_templated_secret",
    "is_prefixed_with_dollar_sign",
    "is_indirect_reference",
    "is_lock_file",
    "is_not_alphanumeric_string",
    "is_swagger_file",
    "is_non_text_file",
)
_DONE_OTHERWISE = {
    "common.is_invalid_file",  # asks the disk; here every file is in a layer
    "allowlist.is_line_allowlisted",  # the marks of all scanners are read, and told, by layerleak itself
}
_PATTERNS = {
    "regex.should_exclude_line": "line",
    "regex.should_exclude_file": "path",
    "regex.should_exclude_secret": "secret",
}
_GIBBERISH_LIMIT = 3.7


@dataclass(frozen=True)
class Chosen:
    """Filters as they are run here.

    Attributes:
        names: of those that are detect-secrets' own functions.
        excluded: as in `Signature`, for those that are expressions.
        ours: names of filters of `scanner.detect.filters` that do the same.
    """

    names: tuple[str, ...]
    excluded: tuple[tuple[Condition, ...], ...] = ()
    ours: tuple[str, ...] = ()


def chosen(used: Any) -> tuple[Chosen, tuple[Unhonoured, ...]]:
    """The filters that a baseline asks for, and what is said of those that are not honoured.

    Args:
        used: what stands under ``filters_used``; None for detect-secrets' defaults.

    Raises:
        MalformedError: it is no list of filters, or an expression in it does not compile.
    """
    if used is None:
        return Chosen(tuple(f"heuristic.{name}" for name in _HEURISTICS)), ()
    if not isinstance(used, list) or not all(isinstance(item, dict) and "path" in item for item in used):
        raise MalformedError("filters_used: expected a list of tables with a path")
    names, ours = [_ALWAYS], []
    excluded: list[tuple[Condition, ...]] = []
    notes: list[Unhonoured] = []
    for item in used:
        name = str(item["path"]).removeprefix(_ROOT)
        if name.removeprefix("heuristic.") in _HEURISTICS:
            names.append(name)
        elif name in _PATTERNS:
            excluded.append((Condition(_PATTERNS[name], _patterns(item, name)),))
        elif name == "common.is_baseline_file":
            excluded.append((Condition("path", (rf"(?:^|/){re.escape(str(item.get('filename', '')))}\Z",)),))
        elif name == "gibberish.should_exclude_secret" and item.get("limit") == _GIBBERISH_LIMIT:
            ours.append("gibberish")
        elif name == "common.is_ignored_due_to_verification_policies":
            notes.append(Unhonoured("", name, "no secret is checked with its provider"))
        elif name not in _DONE_OTHERWISE:
            notes.append(Unhonoured("", name, "is not asked, so more is found"))
    return Chosen(tuple(dict.fromkeys(names)), tuple(excluded), tuple(ours)), tuple(notes)


def _patterns(item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    patterns = item.get("pattern")
    if not isinstance(patterns, list):
        raise MalformedError(f"filters_used: {name}: pattern: expected a list, found {patterns!r}")
    for pattern in patterns:
        try:
            re.compile(str(pattern).encode())
        except re.error as error:
            raise MalformedError(f"filters_used: {name}: {pattern!r} does not compile: {error}") from error
    return tuple(map(str, patterns))


class Judge:
    """Asks filters about one plugin's findings, each as soon as what it asks for is known."""

    def __init__(self, plugin: Any, filters: Chosen) -> None:
        """Imports the filters."""
        self._plugin = plugin
        functions = [
            taking(getattr(import_module(_ROOT + module), name))
            for module, _, name in (each.partition(".") for each in filters.names)
        ]
        self._secret = [each for each in functions if "secret" in each.takes]
        self._line = [each for each in functions if "line" in each.takes and "secret" not in each.takes]
        self._file = [each for each in functions if not each.takes & {"line", "secret"}]

    def of_file(self, path: str) -> bool:
        """Whether a whole file is passed over."""
        return any(each(filename=path) for each in self._file)

    def of_line(self, line: str, path: str) -> bool:
        """Whether a line is passed over."""
        return any(each(filename=path, line=line) for each in self._line)

    def of_secret(self, secret: str, line: str, path: str) -> bool:
        """Whether what was found is none."""
        return any(each(filename=path, line=line, secret=secret, plugin=self._plugin) for each in self._secret)


@dataclass(frozen=True)
class Taking:
    """A function of detect-secrets' or of a plugin's, which gets those arguments that it has names for.

    Attributes:
        function: the function.
        takes: the names.
    """

    function: Callable[..., Any]
    takes: frozenset[str]

    def __call__(self, **known: Any) -> Any:
        """Calls it."""
        return self.function(**{name: value for name, value in known.items() if name in self.takes})


def taking(function: Callable[..., Any]) -> Taking:
    """A function that may leave out what it does not need, as detect-secrets lets filters and plugins do."""
    return Taking(function, frozenset(inspect.signature(function).parameters))
