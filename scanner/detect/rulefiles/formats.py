"""The formats of rule files that are known. To add one, write its file and put it in `FORMATS`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scanner.detect.rulefiles import gitleaks, kingfisher, noseyparker, plugins, trufflehog
from scanner.detect.rulefiles.notes import Unhonoured
from scanner.detect.signature import Signature


@dataclass(frozen=True)
class Format:
    """A format of rule files.

    Attributes:
        name: what to call it.
        recognises: whether a parsed document is of it.
        read: its signatures, and what is not honoured; raises `MalformedError`.
    """

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any]], Iterator[Signature | Unhonoured]]


FORMATS: Mapping[str, tuple[Format, ...]] = {
    "TOML": (Format(gitleaks.NAME, gitleaks.recognises, gitleaks.read),),
    "JSON": (Format(f"a baseline of {plugins.NAME}", plugins.recognises, plugins.of_baseline),),
    # Kingfisher's files are Nosey Parker's with more in them, so they are asked first.
    "YAML": (
        Format(trufflehog.NAME, trufflehog.recognises, trufflehog.read),
        Format(kingfisher.NAME, kingfisher.recognises, kingfisher.read),
        Format(noseyparker.NAME, noseyparker.recognises, noseyparker.read),
    ),
}
"""By the language that they are written in, the formats in the order in which they are asked."""
