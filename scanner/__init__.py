"""layerleak: finds secrets in container images, the instruction that leaked each, and where it can be recovered.

The Python API is small::

    from scanner import scan_image

    report = scan_image("image.tar")
    for image in report.images:
        for finding in image.findings:
            print(finding.signature.name, finding.redacted, finding.occurrences)

What `scan_image` returns is described in ``scanner.finding``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanner.errors import LayerleakError, SignatureError, TargetError
    from scanner.finding import Finding, ImageReport, Instruction, Occurrence, ScanReport
    from scanner.scan import scan_image

__version__ = "0.1.0"

_HOMES = {
    "Finding": "scanner.finding",
    "ImageReport": "scanner.finding",
    "Instruction": "scanner.finding",
    "LayerleakError": "scanner.errors",
    "Occurrence": "scanner.finding",
    "ScanReport": "scanner.finding",
    "SignatureError": "scanner.errors",
    "TargetError": "scanner.errors",
    "scan_image": "scanner.scan",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `layerleak --help` should not wait for a matching engine to load.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Finding",
    "ImageReport",
    "Instruction",
    "LayerleakError",
    "Occurrence",
    "ScanReport",
    "SignatureError",
    "TargetError",
    "__version__",
    "scan_image",
]
