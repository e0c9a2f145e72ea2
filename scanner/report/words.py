"""The words in which people are told of places, instructions and fates; the same in every format for people.

All that is returned is redacted and safe to print. Knows nothing of layout or colour.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from scanner.finding import Excerpt, Finding, Instruction, Occurrence, Partner, Redactor, ScanReport, redact
from scanner.image.fields import escape
from scanner.report.text import is_digest, safe, shorten

INSTRUCTION = 160
"""Characters of an instruction that are shown; a RUN can be a thousand lines."""

LINES = 9
"""Lines of a Dockerfile that are shown for one finding."""

SHORT = 60
"""The same where the instruction is an aside."""

_BLANKS = re.compile(r"[ \t\r\n]+")
_HISTORY = re.compile(r"/history/(\d+)/(\w+)")
_CONFIG = re.compile(r"/(?:container_)?config/([^/]+).*", re.DOTALL)
_REMOVED = {"deleted": "deleted by", "overwritten": "overwritten by", "hidden": "hidden by"}
_LEFT = {"overwritten": "the old content is still recoverable"}


def redactor_of(report: ScanReport, *, show_secrets: bool) -> Redactor:
    """A redactor that knows every secret of a report, in each spelling that paths and pointers give it.

    Args:
        report: where the secrets are.
        show_secrets: hide nothing.
    """
    found = [finding for image in report.images for finding in image.findings]
    # Not to count is not to be shown: what is ignored is a secret all the same.
    found += [ignored.finding for image in report.images for ignored in image.ignored]
    secrets = {spelling for finding in found for spelling in (finding.secret, *finding.spellings)}
    secrets |= report.unreported
    spelled = set(secrets)
    for secret in secrets:
        # As `path` and `field` of an occurrence would have it.
        text = secret.decode("utf-8", "backslashreplace")
        spelled |= {text.encode(), escape(text).encode()}
    return Redactor(spelled, show=show_secrets)


def secret_text(secret: bytes) -> str:
    """A secret as text: what is no UTF-8 is escaped."""
    return secret.decode("utf-8", "backslashreplace")


def partner_text(partner: Partner, hide: Callable[[str], str], *, show_secrets: bool) -> str:
    """The other half of a pair as text: as it is, or as a preview where it is a secret or a finding by itself.

    What is a finding is a preview everywhere; an access key id that is whole in one place and not in the next would
    leave people to guess which of the two was meant.

    Args:
        partner: what to tell.
        hide: redacts; a value without a signature of its own could be, or hold, what is known to be a secret.
        show_secrets: tell secrets too.
    """
    if show_secrets:
        return secret_text(partner.value)
    return hide(secret_text(partner.value)) if partner.public and not partner.fingerprint else redact(partner.value)


class Words:
    """Says things about one report."""

    def __init__(self, report: ScanReport, *, show_secrets: bool) -> None:
        """Takes the report whose secrets must not be said.

        Args:
            report: what is told.
            show_secrets: say them all the same.
        """
        self._show = show_secrets
        # The same instruction is told once an occurrence, and each telling looks for every secret in it.
        self._redact = lru_cache(maxsize=4096)(redactor_of(report, show_secrets=show_secrets))

    def say(self, text: str) -> str:
        """Any text that came out of an image, redacted and safe."""
        return safe(self._redact(text))

    def secret(self, finding: Finding) -> str:
        """The preview of a secret, or the secret where the user asked to see it."""
        return safe(secret_text(finding.secret) if self._show else finding.redacted)

    def partner(self, partner: Partner) -> str:
        """What a secret belongs to, with what was proven of it."""
        value = partner_text(partner, self._redact, show_secrets=self._show)
        proof = f" ({self.say(partner.proof)})" if partner.proof else ""
        return f"{safe(f'{partner.name} {value}')}{proof}"

    def digest(self, digest: str) -> str:
        """A digest short enough for a heading and long enough to tell images apart."""
        algorithm, _, encoded = digest.partition(":")
        return f"{algorithm}:{encoded[:12]}" if is_digest(digest) else self.say(digest)

    def instruction(self, instruction: Instruction | None, limit: int = INSTRUCTION) -> str:
        """An instruction with its lines of the Dockerfile, and whether it is only a guess.

        Args:
            instruction: what to tell.
            limit: characters of its text.
        """
        if instruction is None:
            return "an instruction that is not known"
        # Redacted first: a secret that was cut in two, or whose line ends were changed, would not be recognised.
        text = safe(_BLANKS.sub(" ", self._redact(instruction.text)).strip())
        if instruction.keyword and not text.upper().startswith(instruction.keyword):
            text = f"{instruction.keyword} {text}".rstrip()
        told = shorten(text or "an entry without text", limit)
        return told + self._where(instruction)

    def _where(self, instruction: Instruction) -> str:
        notes = []
        if lines := instruction.dockerfile:
            last = f"-{lines.end_line}" if lines.end_line != lines.start_line else ""
            notes.append(f"{self.say(lines.path)}:{lines.start_line}{last}")
        if instruction.stage is not None:
            notes.append(f"stage {self.say(str(instruction.stage))}")
        if instruction.others:
            notes.append(f"one of {instruction.others + 1:,}; nothing tells which")
        elif instruction.basis == "guess":
            notes.append("a guess")
        return f" ({', '.join(notes)})" if notes else ""

    def place(self, occurrence: Occurrence) -> str:
        """Where a secret lies, in a few words that lead there."""
        if occurrence.kind in ("file", "build-cache"):
            return self._file(occurrence)
        field = occurrence.field or ""
        if (match := _HISTORY.fullmatch(field)) and occurrence.kind == "history":
            told = f"history[{match[1]}] {match[2]}"
        elif (match := _CONFIG.fullmatch(field)) and occurrence.kind == "config":
            told = f"config {self.say(match[1])}  {self.say(field)}"
        else:
            told = f"{occurrence.kind} {self.say(field)}".rstrip()
        if occurrence.inner:
            told += f", {', '.join(self.say(part) for part in occurrence.inner)}"
        if occurrence.line:
            told += f", line {occurrence.line}"
        if occurrence.path:
            told += f"  in {self.say(occurrence.path)}"
        return told

    def _file(self, occurrence: Occurrence) -> str:
        path = "!".join(self.say(part) for part in (occurrence.path or "", *occurrence.inner))
        if occurrence.line:
            path += f":{occurrence.line}"
        elif occurrence.offset is not None:
            path += f" at byte {occurrence.offset}"
        layer = "" if occurrence.layer is None else f"layer {occurrence.layer}  "
        if occurrence.kind == "build-cache":
            return f"build cache {layer}{path}"
        return f"{layer}{path}"

    def commit(self, occurrence: Occurrence) -> str:
        """Which commit of git brought a file; empty where none is known."""
        commit = occurrence.commit
        if commit is None:
            return ""
        path = f"{self.say(commit.path)} in " if commit.path else ""
        author = f" by {self.say(commit.author)}" if commit.author else ""
        return f"{path}commit {commit.id[:12]}{author}{f', {commit.date}' if commit.date else ''}"

    def persisted(self, occurrence: Occurrence) -> str:
        """What build secret a file was made from; empty for none."""
        if not occurrence.secret_mounts:
            return ""
        names = " or ".join(self.say(name) for name in occurrence.secret_mounts)
        return f"the build secret {names} was mounted safely, and then written into this layer"

    def excerpt(self, excerpt: Excerpt) -> Iterator[tuple[int, bool, str]]:
        """Lines of a Dockerfile: number, whether the line leaks, and text.

        Args:
            excerpt: the lines; at most `LINES` of them are told, around the first that leaks.
        """
        # Redacted in one piece: a secret of several lines would not be recognised in one of them.
        lines = self._redact("\n".join(excerpt.lines)).split("\n")
        if len(lines) != len(excerpt.lines):
            # Such a secret became one line, and numbers after it would be wrong.
            lines = lines[: next((at for at, line in enumerate(lines) if line != excerpt.lines[at]), 0) + 1]
        first = excerpt.marked[0] - excerpt.start_line if excerpt.marked else 0
        start = max(0, min(first - LINES // 2, len(lines) - LINES))
        for at, line in enumerate(lines[start : start + LINES], start):
            number = excerpt.start_line + at
            yield number, number in excerpt.marked, shorten(safe(line.replace("\t", "    ").rstrip()), INSTRUCTION)

    def fate(self, occurrence: Occurrence) -> str:
        """What became of a file; empty where there is nothing to tell.

        Args:
            occurrence: the place.
        """
        if occurrence.state == "present":
            return "visible in the container"
        removed = self.removal(occurrence)
        if not removed:
            return ""
        left = _LEFT.get(occurrence.state or "", "still recoverable")
        origin = "" if occurrence.layer is None else f" from layer {occurrence.layer}"
        return f"{removed} - {left}{origin}"

    def removal(self, occurrence: Occurrence) -> str:
        """What removed a file and where; empty for one that was not removed."""
        if occurrence.state not in _REMOVED:
            return ""
        verb = _REMOVED[occurrence.state]
        layer = "a later layer" if occurrence.removed_in is None else f"layer {occurrence.removed_in}"
        if occurrence.removed_by is None:
            return f"{verb} {layer}"
        return f"{verb} {self.instruction(occurrence.removed_by, SHORT)} in {layer}"
