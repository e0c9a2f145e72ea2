"""Which of detect-secrets' own plugins finds a value again, for baselines.

An audit asks the plugin of an entry's type for the value, and `detect-secrets audit` only knows the types that come
with detect-secrets: it settles them before it reads the baseline. So the type of an entry is that of a plugin which
does find the value where it stands, and not the name of our signature.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.detect.rulefiles.plugin_filters import taking
from scanner.detect.rulefiles.plugins import classes

_LONG = 4096
"""Characters of a line beyond which it is not looked at: some plugins take the square of it."""

KEYWORD = "Secret Keyword"
"""The type of what follows a name like ``secret``."""


@dataclass(frozen=True)
class Kind:
    """A type of detect-secrets'.

    Attributes:
        type: its name.
        settings: its plugin as a baseline lists it under ``plugins_used``.
    """

    type: str
    settings: Mapping[str, Any]


class Kinds:
    """detect-secrets' own plugins, those that say most of a value first."""

    def __init__(self) -> None:
        """Imports them, which takes longer than scanning a small image."""
        from detect_secrets.plugins.base import RegexBasedDetector

        made = [plugin() for plugin in classes().values()]
        made.sort(
            key=lambda plugin: (
                not isinstance(plugin, RegexBasedDetector),
                plugin.secret_type != KEYWORD,
                plugin.secret_type,
            )
        )
        self._file: Path | None = None
        self._lines: list[str] = []
        self._plugins = {str(plugin.secret_type): plugin for plugin in made}

    def of(self, file: Path, line: int, sha1: Iterable[str], first: str = "") -> tuple[Kind, str] | None:
        """The kind that an audit finds one of these values as, and which it is.

        Args:
            file: on disk; detect-secrets reads it as an audit does.
            line: that it looks at, from 1.
            sha1: of the values, of which one is enough.
            first: type that is asked first.
        """
        if file != self._file:  # many ask about the same one, one after the other
            self._file, self._lines = file, _lines(file)
        if not 0 < line <= len(self._lines) or len(self._lines[line - 1]) > _LONG:
            return None
        return self._find(str(file), self._lines, line, set(sha1), first)

    def of_value(self, value: str, first: str = "") -> Kind:
        """The kind of a value of which no more is known."""
        line = f'secret = "{value}"'
        found = self._find("", [line], 1, {hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()}, first)
        return found[0] if found else self._kind(KEYWORD)

    def _find(self, name: str, lines: list[str], line: int, wanted: set[str], first: str) -> tuple[Kind, str] | None:
        from detect_secrets.util.code_snippet import get_code_snippet

        for kind in sorted(self._plugins, key=lambda kind: kind != first):
            found = taking(self._plugins[kind].analyze_line)(
                filename=name,
                line=lines[line - 1],
                line_number=line,
                context=get_code_snippet(lines, line),
            )
            for secret in found or ():
                if secret.secret_hash in wanted:
                    return self._kind(kind), secret.secret_hash
        return None

    def _kind(self, kind: str) -> Kind:
        return Kind(kind, self._plugins[kind].json())


def _lines(file: Path) -> list[str]:
    """The lines of a file as an audit first sees them; none if it cannot."""
    from detect_secrets.audit.common import LineGetter

    try:
        return list(LineGetter(str(file)).lines)
    except (OSError, ValueError):
        return []
