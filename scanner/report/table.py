"""The report for people: each image, what leaked in it, through which instruction, and what to do about it."""

from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Text

from scanner.finding import Coverage, Excerpt, Finding, Ignored, ImageReport, Mark, Occurrence, Rule, ScanReport
from scanner.report import Options
from scanner.report.page import Page, print_to, severity_text, text
from scanner.report.summary import Summary, summarize
from scanner.report.text import plural, safe, size
from scanner.report.words import SHORT, Words

PLACES = 8
"""Places of a secret that are listed; a key in every layer of a large image has hundreds."""

IGNORED = 16
"""Ignored findings that are listed; a checkout with the tests of a scanner in it has hundreds."""

_NOUNS = {
    "image": "image",
    "build-cache": "build cache",
    "artifact": "artifact",
    "filesystem": "file system",
    "unreferenced": "leftover",
}


def write(report: ScanReport, stream: TextIO, options: Options) -> None:
    """Writes a report for people.

    Args:
        report: what to write.
        stream: where to.
        options: whether to show secrets, how wide the page is, and whether it has colours.
    """
    print_to(stream, options, lambda console: print_table(report, console, show_secrets=options.show_secrets))


def print_table(report: ScanReport, console: Console, *, show_secrets: bool) -> None:
    """Prints a report for people.

    Args:
        report: what to print.
        console: where to; no line is wider than it.
        show_secrets: print the secrets in the place of their previews.
    """
    page, words = Page(console), Words(report, show_secrets=show_secrets)
    for image in report.images:
        heading(page, words, image)
        _image(page, words, image)
        page.blank()
    for target, reason in report.failures:
        page.line(text(("could not be read", "bold red"), f"  {words.say(target)}: {words.say(reason)}"), hang=2)
    if report.failures:
        page.blank()
    page.line(text((_sentence(report, summarize(report)), "bold")))


def heading(page: Page, words: Words, image: ImageReport) -> None:
    """Prints what an image is called, and what tells it from others.

    Args:
        page: where to.
        words: of the report.
        image: the image.
    """
    facts = [
        words.say(image.platform),
        words.digest(image.digest or image.image_id),
        _NOUNS.get(image.kind, image.kind),
    ]
    page.line(text((words.say(image.name), "bold"), "  ", ("  ".join(filter(None, facts)), "dim")), hang=2)
    for reference in image.references[1:]:
        page.line(text(("also ", "dim"), words.say(reference)), indent=2, hang=4)


def _image(page: Page, words: Words, image: ImageReport) -> None:
    counted = image.counted
    joined: dict[str | None, Finding] = {finding.fingerprint: finding for finding in image.joined}
    downgraded = [finding for finding in image.findings if finding.downgraded]
    for finding in sorted(counted, key=lambda finding: -finding.severity):
        page.blank()
        _finding(page, words, finding, joined)
    if downgraded:
        page.blank()
        page.line(Text("downgraded, and not counted"), indent=2)
        for finding in downgraded:
            _downgraded(page, words, finding)
    if image.ignored:
        page.blank()
        page.line(Text("ignored, and not counted"), indent=2)
        for ignored in image.ignored[:IGNORED]:
            _ignored(page, words, ignored)
        if (more := len(image.ignored) - IGNORED) > 0:
            page.line(Text(f"and {more:,} more; --format json lists them all"), indent=4)
    if image.findings or image.ignored:
        page.blank()
    _coverage(page, words, image.coverage, clean=not counted and not image.ignored)


def _finding(page: Page, words: Words, finding: Finding, joined: Mapping[str | None, Finding]) -> None:
    signature = finding.signature
    title = text(severity_text(finding.severity), "  ", (signature.name, "bold"), "  ", words.secret(finding))
    page.line(title, indent=2, hang=4)
    proof = f", {words.say(finding.proof)}" if finding.proof else ""
    page.row("confidence", Text(f"{finding.confidence}{proof}"))
    _partners(page, words, finding, joined)
    page.row("leaked by", Text(words.instruction(finding.introduced_by)))
    if finding.excerpt:
        _excerpt(page, words, finding.excerpt)
    _places(page, words, finding)
    if signature.opens:
        page.row("opens", Text(" ".join(signature.opens.split())))
    if signature.remediation:
        page.row("what to do", Text(" ".join(signature.remediation.split())))
    label = "instead"
    for line in finding.advice:
        page.row(label, Text(words.say(line)))
        label = ""
    page.row("fingerprint", Text(finding.fingerprint))


def _partners(page: Page, words: Words, finding: Finding, joined: Mapping[str | None, Finding]) -> None:
    label = "belongs to"
    for partner in finding.partners:
        page.row(label, Text(words.partner(partner)))
        label = ""
        if told := _elsewhere(finding, joined.get(partner.fingerprint)):
            page.row("", Text(told), deeper=2)


def _places(page: Page, words: Words, finding: Finding) -> None:
    label = "found in"
    for occurrence in finding.occurrences[:PLACES]:
        page.row(label, Text(words.place(occurrence)))
        label = ""
        if occurrence.instruction not in (None, finding.introduced_by):
            page.row("", Text(f"through {words.instruction(occurrence.instruction, SHORT)}"), deeper=2)
        if commit := words.commit(occurrence):
            page.row("", Text(commit), deeper=2)
        if fate := words.fate(occurrence):
            page.row("", text((fate, "" if occurrence.state == "present" else "yellow")), deeper=2)
        if persisted := words.persisted(occurrence):
            page.row("", text((persisted, "yellow")), deeper=2)
    if (more := len(finding.occurrences) - PLACES) > 0:
        page.row("", Text(f"and {plural(more, 'more place')}; --format json lists them all"))


def _elsewhere(finding: Finding, own: Finding | None) -> str:
    """In how many files and fields the other half of a pair lies without the secret; empty for none."""
    beside = {_container(occurrence) for occurrence in finding.occurrences}
    alone = {_container(occurrence) for occurrence in own.occurrences} - beside if own else set()
    return f"which is also in {plural(len(alone), 'place')} without the secret" if alone else ""


def _container(occurrence: Occurrence) -> tuple[str, int | None, str | None, tuple[str, ...], str]:
    """What two halves have in common that lie together: the file, or the kind of field."""
    field = (occurrence.field or "").rpartition("/")[0]
    return (
        occurrence.kind,
        occurrence.layer,
        occurrence.path,
        occurrence.inner,
        "" if occurrence.kind == "history" else field,
    )


def _excerpt(page: Page, words: Words, excerpt: Excerpt) -> None:
    last = excerpt.start_line + len(excerpt.lines)
    for number, leaks, line in words.excerpt(excerpt):
        lead = text((f"{'>' if leaks else ' '} {number:>{len(str(last))}} | ", "bold red" if leaks else "dim"))
        page.row("", Text(line, "" if leaks else "dim"), lead=lead)


def _downgraded(page: Page, words: Words, finding: Finding) -> None:
    reason = words.say(finding.downgraded or "")
    where = words.place(finding.occurrences[0])
    more = len(finding.occurrences) - 1
    also = f" and {plural(more, 'more place')}" if more else ""
    told = f"  {finding.signature.name}  {words.secret(finding)}  {reason}; {where}{also}"
    page.line(text((str(finding.severity), "dim"), told), indent=4, hang=6)


def _ignored(page: Page, words: Words, ignored: Ignored) -> None:
    finding = ignored.finding
    # Each cause once: a rule that covers a folder may be that of a hundred places.
    reasons = "; ".join(_cause(words, cause) for cause in dict.fromkeys(ignored.causes))
    more = len(finding.occurrences) - 1
    also = f" and {plural(more, 'more place')}" if more else ""
    told = (
        f"  {finding.signature.name}  {words.secret(finding)}  {reasons}; "
        f"{'only ' if ignored.partial else ''}{words.place(finding.occurrences[0])}{also}"
    )
    page.line(text((str(finding.severity), "dim"), told), indent=4, hang=6)


def _cause(words: Words, cause: Rule | Mark) -> str:
    if isinstance(cause, Mark):
        return f"a mark in the image, {words.say(cause.text)}"
    return f"{words.say(cause.source)}, rule {cause.number}: {words.say(cause.reason)}"


def _coverage(page: Page, words: Words, coverage: Coverage, *, clean: bool) -> None:
    amount = f"{plural(coverage.layers, 'layer')}, {plural(coverage.files, 'file')}, {size(coverage.bytes)}"
    if coverage.complete:
        page.line(text(("no secrets found, ", "green") if clean else "", f"everything was read: {amount}"), indent=2)
    else:
        found = "no secrets found in what was read, but " if clean else ""
        page.line(text((f"{found}not everything was read", "bold yellow"), f": {amount}, and not"), indent=2, hang=4)
    for skip in sorted(coverage.skipped, key=lambda skip: skip.complete):
        missed = f" ({size(skip.bytes)})" if skip.bytes > 0 else ""
        told = f"{words.say(skip.where)}: {words.say(skip.reason)}{missed}"
        page.line(text(("note: ", "yellow") if skip.complete else "", told), indent=4, hang=6)


def _sentence(report: ScanReport, summary: Summary) -> str:
    """The whole report in one line."""
    if not summary.images:
        return "nothing was read"
    kinds = {image.kind for image in report.images}
    noun = _NOUNS.get(kinds.pop(), "image") if len(kinds) == 1 else "image"
    images = plural(summary.images, noun)
    if summary.leaking != summary.images and summary.findings:
        images = f"{summary.leaking:,} of {images}"
    notes = []
    if summary.joined:
        notes.append(
            "1 id joined to its secret" if summary.joined == 1 else f"{summary.joined:,} ids joined to their secrets"
        )
    if not summary.findings:
        told = f"no secrets {'that count ' if summary.ignored else ''}in {images}"
    else:
        graded = ", ".join(f"{count:,} {severity}" for severity, count in summary.severities if count)
        if summary.secrets == summary.findings:
            told = f"{plural(summary.secrets, 'secret')} in {images}: {graded}"
        else:
            told = (
                f"{plural(summary.findings, 'finding')} in {images}, of {plural(summary.secrets, 'secret')}: {graded}"
            )
    if summary.recoverable:
        of = "" if summary.recoverable == summary.findings == 1 else f"{summary.recoverable:,} of them "
        notes.append(f"{of}not visible in the container but recoverable")
    if summary.downgraded:
        notes.append(f"{summary.downgraded:,} downgraded")
    if told_of := _ignored_in_numbers(summary):
        notes.append(told_of)
    if any(not image.coverage.complete for image in report.images):
        notes.append("not everything was read")
    if summary.failures:
        notes.append(f"{plural(summary.failures, 'target')} could not be read")
    return "; ".join((told, *notes))


def _ignored_in_numbers(summary: Summary) -> str:
    """How many findings are ignored and by what; empty for none."""
    notes = []
    if summary.ignored:
        by = ", ".join(
            f"{count:,} by {'marks in the image' if source is None else safe(source)}"
            for source, count in summary.ignored_by
        )
        notes.append(f"{summary.ignored:,} ignored ({by})")
    if summary.ignored_in_part:
        notes.append(f"{summary.ignored_in_part:,} ignored in part")
    return ", ".join(notes)
