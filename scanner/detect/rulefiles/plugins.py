"""detect-secrets' plugins: its own, those of a user's Python file, and those that a baseline lists.

A plugin is asked for the secrets of a line, in its own code, so what it finds is what detect-secrets finds. Where to
ask is derived from its expressions; a plugin that shows none cannot be run over gigabytes, and is said to be left out.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.detect import derive, expression
from scanner.detect.rulefiles.notes import MalformedError, Unhonoured
from scanner.detect.rulefiles.plugin_filters import Chosen, Judge, chosen, taking
from scanner.detect.signature import Confidence, Provider, Severity, Signature
from scanner.errors import SignatureError

NAME = "detect-secrets"

BEFORE, AFTER = 2048, 4096
"""Bytes of a line that a plugin gets to see, before and behind what it is found by. detect-secrets shows it all of the
line, and the expressions of some take the square of its length."""

_FILE = "file://"
_ADDRESS = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
_SETTINGS = re.compile(
    r"(?:^|/)[^/]*\.env[^/]*$|(?:^|/)\.?credentials$|\.(?:ya?ml|eyaml|ini|\w*cfg|cf|cnf|conf|properties|toml)$|^$"
)
_ASSIGNED = re.compile(r"""\s*(?:-\s+)?(?:export\s+)?([\w.-]+)["']?\s*[=:]\s*(\S.*?)\s*""")


@dataclass(frozen=True)
class PluginReader:
    """A plugin, asked about one line after the other.

    Attributes:
        plugin: name of its class.
        settings: how it is set, as a baseline has it under ``plugins_used``, in JSON.
        filters: names of the filters of detect-secrets' that its findings have to pass.
    """

    plugin: str
    settings: str
    filters: tuple[str, ...]
    _analyze: Callable[..., Any] = field(repr=False, compare=False)
    _judge: Judge = field(repr=False, compare=False)
    _denylist: "tuple[re.Pattern[str], ...]" = field(repr=False, compare=False)

    def __call__(self, line: str, path: str) -> Iterable[str]:
        """As `LineReader` has it."""
        try:
            return self._found(line, path)
        except Exception as error:
            # Its message may quote the line.
            raise SignatureError(f"plugin {self.plugin} of detect-secrets failed: {type(error).__name__}") from None

    def _found(self, line: str, path: str) -> tuple[str, ...]:
        if self._judge.of_file(path):
            return ()
        found: dict[str, None] = dict.fromkeys(self._values(line, path))
        # In files of settings detect-secrets quotes every value before it looks, since some plugins ask for quotes.
        assigned = _ASSIGNED.fullmatch(line) if _SETTINGS.search(path) else None
        if assigned:
            value = assigned[2].strip("\"'")
            found |= dict.fromkeys(self._values(f'{assigned[1]} = "{value}"', path))
        return tuple(found)

    def _values(self, line: str, path: str) -> Iterator[str]:
        found = self._analyze(line=line, path=path)
        # Most lines hold nothing, and a filter of theirs takes longer than any plugin.
        if not found or self._judge.of_line(line, path):
            return
        for secret in found:
            value = secret.secret_value
            if value and not self._judge.of_secret(value, line, path):
                yield self._whole(value, line)

    def _whole(self, value: str, line: str) -> str:
        """All of a token of which a plugin tells the prefix: a group at the start, for the plugin to choose between."""
        for regex in self._denylist:
            for match in regex.finditer(line):
                if (
                    regex.groups
                    and match[1] == value
                    and match.span(1) == (match.start(), match.start() + len(value)) != match.span()
                ):
                    return match[0]
        return value


def own() -> Iterator[Signature | Unhonoured]:
    """detect-secrets' own plugins and filters, set as they are by default."""
    filters, notes = chosen(None)
    yield from notes
    for plugin in classes().values():
        yield from _signature(plugin(), {}, filters)


def of_file(path: Path) -> Iterator[Signature | Unhonoured]:
    """The plugins of a Python file, which is executed.

    Raises:
        MalformedError: it fails, or holds no plugin.
    """
    filters, notes = chosen(None)
    yield from notes
    for plugin in _loaded(path):
        yield from _signature(_made(plugin, {}), {"path": f"{_FILE}{path.resolve()}"}, filters)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether a JSON document is a baseline."""
    return "plugins_used" in document


def of_baseline(document: Mapping[str, Any]) -> Iterator[Signature | Unhonoured]:
    """The plugins that a baseline lists, with their limits; the Python files that it names are executed.

    Raises:
        MalformedError: a field is not what it should be, or a plugin is not there.
    """
    filters, notes = chosen(document.get("filters_used", []))
    yield from notes
    known = classes()
    listed = document["plugins_used"]
    if not isinstance(listed, list) or not all(isinstance(item, dict) and "name" in item for item in listed):
        raise MalformedError("plugins_used: expected a list of tables with a name")
    for item in listed:
        settings = dict(item)
        name, path = str(settings.pop("name")), str(settings.pop("path", ""))
        if path:
            known |= {plugin.__name__: plugin for plugin in _loaded(Path(path.removeprefix(_FILE)))}
        if name not in known:
            raise MalformedError(f"plugins_used: detect-secrets has no plugin {name!r}, and no path to it is given")
        yield from _signature(_made(known[name], settings), {"path": path} if path else {}, filters)


def classes() -> dict[str, Any]:
    """detect-secrets' own plugins, by the names of their classes."""
    # Imported here: it takes longer than scanning a small image.
    from detect_secrets import plugins
    from detect_secrets.core.plugins.util import _is_valid_plugin
    from detect_secrets.util.importlib import import_types_from_package

    found: Iterable[Any] = import_types_from_package(plugins, filter=lambda item: not _is_valid_plugin(item))
    return {plugin.__name__: plugin for plugin in found}


def _loaded(path: Path) -> list[Any]:
    from detect_secrets.core.plugins.util import get_plugins_from_file

    try:
        found: list[Any] = list(get_plugins_from_file(str(path)))
    except (Exception, SystemExit) as error:
        raise MalformedError(f"{path} fails: {type(error).__name__}: {error}") from error
    if not found:
        raise MalformedError(f"{path} holds no plugin: no subclass of detect-secrets' BasePlugin with a secret_type")
    return found


def _made(plugin: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return plugin(**settings)
    except Exception as error:
        raise MalformedError(f"plugin {plugin.__name__}: {type(error).__name__}: {error}") from error


def _signature(plugin: Any, place: Mapping[str, str], filters: Chosen) -> Iterator[Signature | Unhonoured]:
    name = type(plugin).__name__
    kind = str(plugin.secret_type)
    settings = {**plugin.json(), **place}
    try:
        prefilter = tuple(dict.fromkeys(_prefilters(plugin)))
    except _NotFoundError as error:
        yield Unhonoured(name, "rule", f"left out, {error}")
        return
    yield from _notes(plugin, name)
    quiet = name in ("KeywordDetector", "IPPublicDetector") or hasattr(plugin, "entropy_limit")
    yield Signature(
        id="detect-secrets-" + re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-"),
        name=kind,
        provider=Provider("detectsecrets", "detect-secrets plugin"),
        severity=Severity.MEDIUM if quiet else Severity.HIGH,
        confidence=Confidence.LOW if quiet else Confidence.MEDIUM,
        prefilter=prefilter,
        pattern="",
        before=BEFORE,
        after=AFTER,
        filters=() if name == "PrivateKeyDetector" else filters.ours,  # its values are words, and there are exempt
        generic=quiet,
        origin=NAME,
        excluded=filters.excluded,
        reader=PluginReader(
            name,
            json.dumps(settings, sort_keys=True),
            filters.names,
            _analyzer(plugin),
            Judge(plugin, filters),
            tuple(getattr(plugin, "denylist", ())),
        ),
    )


def _analyzer(plugin: Any) -> Callable[..., Any]:
    from detect_secrets.util.code_snippet import get_code_snippet

    analyze_line = taking(plugin.analyze_line)

    def analyze(line: str, path: str) -> Any:
        context = get_code_snippet([line], 1)
        return analyze_line(filename=path, line=line, line_number=1, context=context) or ()

    return analyze


class _NotFoundError(Exception):
    """Why it cannot be said where a plugin might find something."""


def _prefilters(plugin: Any) -> Iterator[str]:
    """Hyperscan expressions one of which matches wherever a plugin finds something."""
    name = type(plugin).__name__
    if name == "IPPublicDetector":
        yield _ADDRESS
    elif name == "KeywordDetector":
        from detect_secrets.plugins.keyword import DENYLIST

        for word in DENYLIST:
            # What is not ASCII has another length in another case; what stands before it is enough.
            yield from _derived(re.compile(re.split(r"[^\x00-\x7f]", word)[0], re.IGNORECASE))
    elif hasattr(plugin, "entropy_limit") and hasattr(plugin, "charset"):
        # So many different characters it takes to exceed the limit, which is in bits a character.
        least = min(math.floor(2 ** float(plugin.entropy_limit)) + 1, 64)
        one = "[" + "".join(f"\\x{ord(char):02x}" for char in sorted(set(plugin.charset))) + "]"
        yield rf"[\x22\x27]{one}{{{least}}}"
        yield rf"[:=]{one}{{{least}}}"
        yield rf"[:=] {one}{{{least}}}"
    else:
        expressions = list(getattr(plugin, "denylist", ()))
        if not expressions:
            raise _NotFoundError("it has no denylist, so nothing says on which of all lines to ask it")
        for regex in expressions:
            if not isinstance(regex, re.Pattern) or not isinstance(regex.pattern, str):
                raise _NotFoundError("its denylist holds something else than regular expressions of text")
            yield from _derived(regex)


def _derived(regex: "re.Pattern[str]") -> tuple[str, ...]:
    if not regex.pattern.isascii():
        raise _NotFoundError("its regex holds characters that are not ASCII")
    flags = "".join(char for flag, char in _FLAGS.items() if regex.flags & flag)
    tree = expression.parse((f"(?{flags})" if flags else "").encode() + regex.pattern.encode())
    if expression.can_be_empty(tree):
        raise _NotFoundError("its regex matches nothing at all")
    anchor = derive.anchor(tree)
    if anchor is None or anchor.strength < derive.GOOD:
        anchor = derive.rare(tree) or anchor
    if anchor is None:
        raise _NotFoundError(f"its regex is not sure of {derive.LEAST} characters in a row to look for")
    return anchor.prefilter


_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x"}


def _notes(plugin: Any, name: str) -> Iterator[Unhonoured]:
    """What of a user's plugin is not done as detect-secrets does it; its own are known not to need what is missing."""
    from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

    if type(plugin).__module__.startswith("detect_secrets."):
        return
    kind = type(plugin)
    changed = [
        method
        for method, base in (("analyze_string", RegexBasedDetector), ("analyze_line", BasePlugin))
        if getattr(kind, method) is not getattr(base, method)
    ]
    if changed:
        yield Unhonoured(name, changed[0], "is only asked about lines on which its denylist may match")
    if kind.verify is not BasePlugin.verify:
        yield Unhonoured(name, "verify", "no secret is checked with its provider")
