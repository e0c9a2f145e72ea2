"""Formats a report can be written in. A format prints what the report holds and decides nothing.

A new format is one module in this package with a function ``write``, and one row of `WRITERS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TextIO, cast

from scanner.finding import ScanReport


@dataclass(frozen=True)
class Options:
    """What the user asked of a format.

    Attributes:
        show_secrets: print the secrets themselves.
        width: columns of the page, for formats that people read; None asks the terminal.
        color: whether the stream shows colours.
    """

    show_secrets: bool = False
    width: int | None = None
    color: bool = False


Writer = Callable[[ScanReport, TextIO, Options], None]
"""Writes a whole report to a text stream, and leaves the stream open."""


def _from_module(name: str) -> Writer:
    """The ``write`` of a module of this package, imported on its first call: rich adds some 30 ms to every start."""

    def write(report: ScanReport, stream: TextIO, options: Options) -> None:
        writer = cast(Writer, import_module(f"{__name__}.{name}").write)
        writer(report, stream, options)

    return write


WRITERS: Mapping[str, Writer] = {
    "table": _from_module("table"),
    "json": _from_module("json_report"),
    "baseline": _from_module("baseline"),
}
"""The formats by the names that ``--format`` takes."""
