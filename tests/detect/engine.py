"""Small signatures and regions for tests of the engine."""

from dataclasses import dataclass
from pathlib import Path

from scanner.detect.hit import Hit
from scanner.detect.matcher import Matcher
from scanner.detect.ruleset import compile_ruleset
from scanner.detect.signature import Confidence, Provider, Severity, Signature

PROVIDER = Provider("acme", "Acme", "Roll it.")


@dataclass(frozen=True)
class Part:
    """A region of a block."""

    start: int
    end: int
    path: str = ""


def signature(**changes: object) -> Signature:
    """A signature of Acme's tokens, ``acme_`` and ten characters, with changes."""
    values: dict[str, object] = {
        "id": "acme-token",
        "name": "Acme token",
        "provider": PROVIDER,
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "prefilter": ("acme_[a-z0-9]{4}",),
        "pattern": "(?<![a-z0-9])acme_[a-z0-9]{10}(?![a-z0-9])",
        "filters": (),
    }
    return Signature(**{**values, **changes})  # type: ignore[arg-type] # values are as the fields ask


def matcher(cache: Path, *signatures: Signature) -> Matcher:
    """A matcher of these signatures and no others."""
    return Matcher(compile_ruleset(signatures, cache))


def found(hits: list[Hit]) -> list[tuple[str, bytes]]:
    """Ids and secrets of hits."""
    return [(hit.signature.id, hit.secret) for hit in hits]
