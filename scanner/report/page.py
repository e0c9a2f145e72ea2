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
        self._width = console.width  # looked up once: the console asks the terminal and the environment each time
        self.wide = self._width >= WIDE

    def blank(self) -> None:
        """An empty line."""
        self._write(Text("\n"))

    def line(self, content: Text, *, indent: int = 0, hang: int | None = None) -> None:
        """A paragraph.

        Args:
            content: what to print.
            indent: of its first line.
            hang: of the others; the same if None.
        """
        width = self._width
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
        room = max(1, self._width - max(lead.cell_len, hang))
        if fits := content.cell_len <= self._width - lead.cell_len:
            room = content.cell_len or 1
        # Wrapping what fits would change nothing, and takes longer than all else.
        whole = fits and "\n" not in content.plain and "\t" not in content.plain
        lines = [content.copy()] if whole else content.wrap(self._console, room, overflow="fold") or [Text()]
        page = Text()
        for line in lines:
            line.rstrip()
            page.append_text(lead).append_text(line).append("\n")
            lead = Text(" " * hang)
        self._write(page)

    def _write(self, page: Text) -> None:
        if self._console.color_system is None:  # nothing to render, which takes ten times as long
            self._console.file.write(page.plain)
        else:
            # Wrapped already: the console must neither wrap nor cut it again.
            self._console.print(page, soft_wrap=True, highlight=False, end="")
