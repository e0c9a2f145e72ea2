"""A page of text of a given width: labelled rows that wrap, fold and never run past the edge.

Lines are folded, not cut, and carry no blanks at their ends, so that what is copied from them is whole.
"""

from collections.abc import Callable
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.text import Text

from scanner.detect.signature import Severity
from scanner.report import Options

WIDE = 60
"""Columns from which labels stand beside what they label."""

_LABEL = 13
_COLORS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
}


def print_to(stream: TextIO, options: Options, printer: Callable[[Console], None]) -> None:
    """Prints through a `Console` onto a stream that may be a file, a pipe or a terminal of any encoding.

    Args:
        stream: where to.
        options: width and colour.
        printer: prints everything to the console it is given.
    """
    buffer = StringIO()
    console = Console(
        file=buffer,
        width=options.width,
        force_terminal=options.color,
        force_jupyter=False,
        color_system="standard" if options.color else None,
        no_color=not options.color,
        legacy_windows=False,
    )
    printer(console)
    encoding = stream.encoding or "utf-8"
    stream.write(buffer.getvalue().encode(encoding, "backslashreplace").decode(encoding))


def severity_text(severity: Severity) -> Text:
    """A severity in capitals and its colour."""
    return Text(str(severity).upper(), _COLORS[severity])


def text(*parts: str | Text | tuple[str, str]) -> Text:
    """One text of several parts: plain, styled as ``(text, style)``, or texts. Nothing is read as markup."""
    return Text.assemble(*parts)


class Page:
    """Prints to a console, line by line."""

    def __init__(self, console: Console) -> None:
        """Takes the console whose width counts.

        Args:
            console: where to print.
        """
        self._console = console
        self.wide = console.width >= WIDE

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def line(self, content: Text, *, indent: int = 0, hang: int | None = None) -> None:
        """A paragraph.

        Args:
            content: what to print.
            indent: of its first line.
            hang: of the others; the same if None.
        """
        width = self._console.width
        # What is indented by more than half a narrow page leaves no room for the text.
        first, rest = (min(blanks, width // 2) for blanks in (indent, indent if hang is None else hang))
        self._print(Text(" " * first), content, rest)

    def beside(self, lead: Text, content: Text) -> None:
        """A paragraph to the right of what leads it.

        Args:
            lead: what stands left of its first line, blanks at its end included; much narrower than the page.
            content: what to print.
        """
        self._print(lead, content, lead.cell_len)

    def row(self, label: str, content: Text, *, indent: int = 4, deeper: int = 0, lead: Text | None = None) -> None:
        """A labelled paragraph; on a narrow page the label is its first words.

        Args:
            label: what it is; empty where the row goes on from the one above.
            content: what to print.
            indent: of the label.
            deeper: by how much the content is indented further.
            lead: what stands left of the content's first line only.
        """
        lead = lead or Text()
        if self.wide:
            self.beside(text((" " * indent + label.ljust(_LABEL) + " " * deeper, "dim"), lead), content)
        elif label:
            self.line(text((f"{label}  ", "dim"), lead, content), indent=indent, hang=indent + 2)
        else:
            self.line(text(lead, content), indent=indent + 2 + deeper)

    def _print(self, lead: Text, content: Text, hang: int) -> None:
        room = max(1, self._console.width - max(lead.cell_len, hang))
        if content.cell_len <= self._console.width - lead.cell_len:
            room = content.cell_len or 1
        for line in content.wrap(self._console, room, overflow="fold") or [Text()]:
            line.rstrip()
            # Wrapped already: the console must neither wrap nor cut it again.
            self._console.print(text(lead, line), soft_wrap=True, highlight=False)
            lead = Text(" " * hang)
