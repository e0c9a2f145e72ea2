"""An image told as the instructions it came from, with what leaked through each of them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from scanner.finding import (
    Finding,
    HistoryLine,
    ImageReport,
    Instruction,
    LayerReport,
    Occurrence,
    ScanReport,
)
from scanner.report import Options
from scanner.report.page import Page, print_to, severity_text, text
from scanner.report.table import heading
from scanner.report.text import plural, size
from scanner.report.words import Words

COLUMNS = 80
"""Width from which an instruction stands beside its number, date, size and layer; else below them."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T|$)")

_Leak = tuple[Finding, Sequence[Occurrence]]


def write(report: ScanReport, stream: TextIO, options: Options) -> None:
    """Writes the history of each image for people.

    Args:
        report: what to write.
        stream: where to.
        options: whether to show secrets, how wide the page is, and whether it has colours.
    """
    print_to(stream, options, lambda console: print_history(report, console, show_secrets=options.show_secrets))


def print_history(report: ScanReport, console: Console, *, show_secrets: bool) -> None:
    """Prints each image as its instructions; under each, the secrets that it leaked.

    Args:
        report: what to print.
        console: where to; no line is wider than it.
        show_secrets: print the secrets in the place of their previews.
    """
    page, words = Page(console), Words(report, show_secrets=show_secrets)
    for number, image in enumerate(report.images):
        if number:
            page.blank()
        heading(page, words, image)
        _Story(page, words, image, beside=console.width >= COLUMNS).tell()
    for target, reason in report.failures:
        page.line(text(("could not be read", "bold red"), f"  {words.say(target)}: {words.say(reason)}"), hang=2)


class _Story:
    """Tells one image."""

    def __init__(self, page: Page, words: Words, image: ImageReport, *, beside: bool) -> None:
        self.page, self.words, self.image, self.beside = page, words, image, beside
        self.base = {layer.index for layer in image.layers if layer.origin == "base"}
        self.joined = {finding.fingerprint for finding in image.joined}
        self.told: set[int] = set()  # positions of the findings that were put under some line

    def tell(self) -> None:
        made = {line.layer for line in self.image.history}
        for line in self.image.history:
            self._line(line)
        for layer in self.image.layers:
            if layer.index not in made:
                self._layer(layer)
        left = [finding for at, finding in enumerate(self.image.findings) if at not in self.told]
        if left:
            self.page.line(Text("tied to no instruction"), indent=1)
            self._findings((finding, finding.occurrences) for finding in left)

    def _line(self, line: HistoryLine) -> None:
        index = line.instruction.history_index
        told = self.words.instruction(line.instruction)
        if not line.sure and line.instruction.basis != "guess":
            told += " (its layer is a guess)"
        if line.layer in self.base:
            told += " [base image]"
        layer = "" if line.layer is None else f"layer {line.layer}"
        self._columns("" if index is None else str(index), line.created, line.size if layer else None, layer, told)
        self._findings(self._blamed(line.instruction))

    def _layer(self, layer: LayerReport) -> None:
        told = "no entry in the history"
        if layer.instruction:
            told = f"no entry of its own; {self.words.instruction(layer.instruction)}"
        self._columns("", "", layer.size, f"layer {layer.index}", told)
        self._findings(self._within(layer.index))

    def _columns(self, number: str, created: str, stored: int | None, layer: str, told: str) -> None:
        match = _DATE.match(created)
        date = match[0] if match else "-" if not created else "?"
        amount = "-" if stored is None else size(stored)
        facts = f"{number or '-':>3}  {date:<10}  {amount:>10}  {layer:<9}"
        if self.beside:
            self.page.beside(Text(f"{facts}  ", "dim"), Text(told))
        else:
            self.page.line(text((facts.rstrip(), "dim")), hang=5)
            self.page.line(Text(told), indent=5)

    def _blamed(self, instruction: Instruction) -> Iterator[_Leak]:
        """The findings that entered or lie where an instruction put them, each with a place to name."""
        index = instruction.history_index
        if index is None:
            return
        for at, finding in enumerate(self.image.findings):
            here = [place for place in finding.occurrences if _index(place.instruction) == index]
            if here or _index(finding.introduced_by) == index:
                self.told.add(at)
                yield finding, here

    def _within(self, layer: int) -> Iterator[_Leak]:
        for at, finding in enumerate(self.image.findings):
            here = [
                place for place in finding.occurrences if place.layer == layer and _index(place.instruction) is None
            ]
            if here:
                self.told.add(at)
                yield finding, here

    def _findings(self, leaks: Iterable[_Leak]) -> None:
        leaks = tuple(leaks)
        here = {finding.fingerprint for finding, _ in leaks}
        for finding, places in leaks:
            if finding.fingerprint in self.joined and not here.isdisjoint(finding.part_of):
                continue  # told with its secret
            where = ""
            if places:
                removal = self.words.removal(places[0])
                where = f"  in {self.words.place(places[0])}" + (f" ({removal})" if removal else "")
            if len(places) > 1:
                where += f" and {plural(len(places) - 1, 'more place')}"
            reason = f"  downgraded: {self.words.say(finding.downgraded)}" if finding.downgraded else ""
            pair = "".join(f", belongs to {self.words.partner(partner)}" for partner in finding.partners)
            told = f"  {finding.signature.name}  {self.words.secret(finding)}{pair}{where}{reason}"
            self.page.line(text(severity_text(finding.severity), told), indent=5, hang=7)


def _index(instruction: Instruction | None) -> int | None:
    return instruction.history_index if instruction else None
