"""What a signature is, and how the TOML files that hold them are read.

A signature is data: a *prefilter* for the multi-pattern database, a *pattern* that confirms and cuts out the
secret, and the words a person needs to act on it. This module knows the shape of that data, not how it is run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from scanner.detect.pair import Pair, read_pair
from scanner.errors import SignatureError

OPEN, CLOSE = "«", "»"
"""In an example, the secret stands between these two characters."""

MATE_OPEN, MATE_CLOSE = "\u2039", "\u203a"
"""In an example, what belongs to the secret stands between these: single guillemets."""


class Severity(IntEnum):
    """How bad it is when a stranger holds the secret; ordered, so that a threshold is a comparison."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()


class Confidence(IntEnum):
    """How sure it is that the value is a credential at all."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Provider:
    """Who issues the credential and how its holder rotates it.

    Attributes:
        id: short name, the stem of the TOML file.
        name: the provider's own spelling.
        rotate: the steps that make a leaked credential worthless, in order.
        url: where the provider documents them.
    """

    id: str
    name: str
    rotate: str = ""
    url: str = ""


@dataclass(frozen=True)
class Example:
    """A text a signature is tested on.

    Attributes:
        text: the text as it would stand in a file, without markers.
        secret: what must be cut out of it; empty for a counter-example.
        mates: what must be found beside it, as text, each; nothing is asked if there is none.
        path: the path of the file it stands in, for signatures that ask for one.
        encoding: of the text; ``latin-1`` where it stands for bytes that are no text.
    """

    text: str
    secret: str = ""
    path: str = ""
    encoding: str = "utf-8"
    mates: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The text as it would lie in a file."""
        return self.text.encode(self.encoding)


@dataclass(frozen=True)
class Condition:
    """A test of what surrounds a secret, for rules that say what is none.

    Attributes:
        target: what is searched: ``"secret"``, ``"match"`` (of the whole pattern), ``"line"`` or ``"path"``.
        patterns: Python regular expressions, one of which must be found in it.
        words: the same of plain text, of which there may be thousands.
        any_case: whether case does not matter for the words.
        negated: whether it holds where nothing is found.
    """

    target: str
    patterns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    any_case: bool = False
    negated: bool = False

    @cached_property
    def _regexes(self) -> tuple[re.Pattern[bytes], ...]:
        return tuple(re.compile(pattern.encode()) for pattern in self.patterns)

    @cached_property
    def _plain(self) -> tuple[bytes, ...]:
        return tuple((word.lower() if self.any_case else word).encode() for word in self.words)

    def holds(self, text: bytes) -> bool:
        """Whether the condition holds for the text of its target; metadata has no path, so nothing is found in it."""
        plain = text.lower() if self.any_case else text
        found = any(word in plain for word in self._plain) or any(regex.search(text) for regex in self._regexes)
        return found != self.negated


class LineReader(Protocol):
    """Code that finds the secrets of a line, for rules that are no pattern: the plugins of another scanner."""

    @property
    def settings(self) -> str:
        """Which plugin it is and how it is set, as a baseline has it under ``plugins_used``, in JSON."""

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of that scanner's filters that it asks."""

    def __call__(self, line: str, path: str) -> Iterable[str]:
        """The secrets of one line, each as it stands there.

        Args:
            line: without its end.
            path: of the file; empty for metadata.

        Raises:
            LayerleakError: the code failed.
        """


@dataclass(frozen=True)
class Signature:
    """One kind of secret.

    Attributes:
        id: stable name, used in reports and policies.
        name: what to call it in a sentence.
        provider: who issues it.
        severity: of a leak of it.
        confidence: of a match of it.
        prefilter: Hyperscan expressions, at least one of which ends inside every match; anchored by a literal.
        pattern: a Python regular expression; its group ``secret``, or the whole match, is the secret.
        opens: what a holder of the secret can reach.
        rotate: overrides the provider's steps.
        entropy: least Shannon entropy of the secret, bits a byte; 0 asks nothing.
        keywords: one of these, in any case, must stand in the window around the match; none asks nothing.
        before: bytes of context before the end of the prefilter's match that the pattern may look at.
        after: bytes of context after it.
        paths: a regular expression that the file's path must match; metadata has no path.
        filters: names of the filters in ``detect.filters`` that may reject the secret.
        proof: name of the offline proof in ``detect.proof``.
        parser: name of the format in ``detect.parsers`` that the whole file has, which cuts out its secrets; the
            pattern is then what the file is known by.
        form: ``"pem"`` when the same secret may be wrapped or escaped in several ways.
        pairs: what stands beside the secret and belongs to it.
        identifier: whether the value only names a credential: beside the secret it belongs to it is shown, and does
            not count as a finding of its own.
        generic: whether it says nothing of who issued the secret; a hit of a signature that does wins over it.
        origin: the kind of rule file it was read from; empty for layerleak's own, which alone can be checked for all
            that `Signature` asks. What follows is only found in rules of other origin.
        groups: numbers of groups of the pattern; the first that holds something is the secret.
        near: bytes from the end of a prefilter's match within which the pattern's may start, for prefilters that
            stand beside the match and not in it; 0 for those that end inside of it.
        excluded: a match is dropped if all conditions of one of these hold.
        reader: is asked for the secrets of each line that a prefilter matches on, in place of the pattern.
        examples: texts in which the secret must be found, exactly.
        counterexamples: texts in which this signature must find nothing.
    """

    id: str
    name: str
    provider: Provider
    severity: Severity
    confidence: Confidence
    prefilter: tuple[str, ...]
    pattern: str
    opens: str = ""
    rotate: str = ""
    entropy: float = 0.0
    keywords: tuple[str, ...] = ()
    before: int = 70
    after: int = 170
    paths: str = ""
    filters: tuple[str, ...] = ("placeholder",)
    proof: str = ""
    parser: str = ""
    form: str = ""
    pairs: tuple[Pair, ...] = ()
    identifier: bool = False
    generic: bool = False
    origin: str = ""
    groups: tuple[int, ...] = ()
    near: int = 0
    excluded: tuple[tuple[Condition, ...], ...] = ()
    reader: LineReader | None = None
    examples: tuple[Example, ...] = field(default=(), repr=False)
    counterexamples: tuple[Example, ...] = field(default=(), repr=False)

    @cached_property
    def regex(self) -> re.Pattern[bytes]:
        """The compiled pattern; on first use, since most signatures never match anything."""
        return re.compile(self.pattern.encode())

    @cached_property
    def path_regex(self) -> re.Pattern[str]:
        """The compiled ``paths``."""
        return re.compile(self.paths)

    @cached_property
    def keyword_bytes(self) -> tuple[bytes, ...]:
        """The keywords as they are looked for: lower case, in bytes."""
        return tuple(word.lower().encode() for word in self.keywords)

    @property
    def remediation(self) -> str:
        """What to do once it has leaked, with the provider's own page."""
        steps = self.rotate or self.provider.rotate
        return f"{steps} {self.provider.url}".strip()


def read_signatures(path: Path, document: Mapping[str, Any]) -> Iterator[Signature]:
    """The signatures of one file of layerleak's own format.

    Args:
        path: of the file, for errors.
        document: what its TOML holds: one provider, and its signatures.

    Raises:
        SignatureError: a field is missing, unknown or of the wrong kind.
    """
    tables = document.get("signature")
    if not isinstance(document.get("provider"), dict) or not isinstance(tables, list):
        raise SignatureError(f"{path}: expected a [provider] table and [[signature]] tables")
    try:
        provider = Provider(**document["provider"])
    except TypeError as error:
        raise SignatureError(f"{path}: [provider]: {error}") from error
    for table in tables:
        if not isinstance(table, dict):
            raise SignatureError(f"{path}: expected [[signature]] tables, found {table!r}")
        where = f"{path}: signature {table.get('id', '(without id)')!r}"
        try:
            yield _signature(table, provider)
        except (AttributeError, KeyError, TypeError, ValueError, re.error) as error:
            raise SignatureError(f"{where}: {type(error).__name__}: {error}") from error


_LISTS = ("prefilter", "keywords", "filters")
_KNOWN = {item.name for item in fields(Signature)} - {"provider", "origin", "groups", "near", "excluded", "reader"}


def _signature(table: Mapping[str, Any], provider: Provider) -> Signature:
    values = dict(table)
    if unknown := sorted(values.keys() - _KNOWN - {"example_path", "hex_examples", "hex_counterexamples"}):
        raise ValueError(f"unknown fields {', '.join(unknown)}")
    values["severity"] = Severity[values["severity"].upper()]
    values["confidence"] = Confidence[values["confidence"].upper()]
    for name in _LISTS:
        if name in values:
            value = values[name]
            values[name] = (value,) if isinstance(value, str) else tuple(value)
    values["pairs"] = tuple(read_pair(pair) for pair in values.get("pairs", ()))
    path = values.pop("example_path", "")
    values["examples"] = (
        *(_example(text, path) for text in values.get("examples", ())),
        *(_binary(_example(text, path)) for text in values.pop("hex_examples", ())),
    )
    values["counterexamples"] = (
        *(Example(text, "", path) for text in values.get("counterexamples", ())),
        *(_binary(Example(text, "", path)) for text in values.pop("hex_counterexamples", ())),
    )
    return Signature(provider=provider, **values)


_MATE = re.compile(f"{MATE_OPEN}([^{MATE_CLOSE}]+){MATE_CLOSE}")


def _example(marked: str, path: str) -> Example:
    mates = tuple(_MATE.findall(marked))
    before, opened, rest = _MATE.sub(r"\1", marked).partition(OPEN)
    secret, closed, after = rest.partition(CLOSE)
    if not (opened and closed and secret):
        raise ValueError(f"an example must mark its secret as {OPEN}secret{CLOSE}")
    return Example(before + secret + after, secret, path, mates=mates)


def _binary(written: Example) -> Example:
    """An example that is written in hex, since it is no text."""

    def decode(text: str) -> str:
        return bytes.fromhex(text).decode("latin-1")

    return Example(decode(written.text), decode(written.secret), written.path, "latin-1")
