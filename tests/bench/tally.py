"""Counts what programs report of a repository with known risks, and of a file system as a distribution ships it.

Knows nothing of how they are run. The truth is a list with two counts a file: lines that are a risk, and lines that are
merely informative. It does not say which lines, so a program is credited with as many as it reports in that file, up to
the count: risks first, then informative ones. What is above both counts, and what is in other files, is outside of it.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.bench.programs import Evidence

GB = 1_000_000_000
REAL = re.compile(r"(?:^|/)etc/ssh/ssh_host_\w+_key$")
"""Files of a fresh installation that do hold a secret of its own: keys made when the server was installed."""


@dataclass(frozen=True)
class Expected:
    """How many lines of a file are a risk, and how many merely tell something."""

    risk: int
    informative: int


@dataclass(frozen=True)
class Tally:
    """What one program found of the truth.

    Attributes:
        title: of the program.
        found: risk lines found, by file; only files that have any.
        informative: informative lines found, of all files.
        outside: lines reported beyond the truth, by file.
    """

    title: str
    found: Mapping[str, int]
    informative: int
    outside: Mapping[str, int]


@dataclass(frozen=True)
class Noise:
    """What one program reports of a fresh installation.

    Attributes:
        title: of the program.
        rules: places reported that hold no secret, by rule; none that the program itself does not count.
        real: places reported that do hold one.
        excused: places it does not count, by the reason it gives.
        places: rule, file and line of each that counts, real ones too.
        share: the part of the files that it read, by their bytes.
    """

    title: str
    rules: Mapping[str, int]
    real: int
    excused: Mapping[str, int]
    places: tuple[tuple[str, str, int], ...]
    share: float = 1.0

    @property
    def false(self) -> float:
        """Places without a secret in all of the files; extrapolated by bytes where it read a part."""
        return sum(self.rules.values()) / self.share


def read_truth(text: str) -> dict[str, Expected]:
    """The truth, of a CSV file with a path, risk lines and informative lines a row; ``#`` starts a comment line.

    Raises:
        ValueError: a row is not of that form.
    """
    rows = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name.strip(): Expected(int(risk), int(informative)) for name, risk, informative in csv.reader(rows)}


def lines_by_file(evidence: Iterable[Evidence], under: str) -> dict[str, set[int]]:
    """Lines that are reported, by file: of each match the first, so that a key of thirty lines is one.

    Args:
        evidence: what a program found.
        under: folder that all the paths have in common, ending in a slash; paths without it are left as they are.
    """
    found: dict[str, set[int]] = {}
    for each in evidence:
        if not each.excused:
            _, folder, rest = each.path.partition(under)
            found.setdefault(rest if folder else each.path, set()).add(each.lines[0])
    return found


def tally(title: str, truth: Mapping[str, Expected], lines: Mapping[str, set[int]]) -> Tally:
    """Holds what a program reported against the truth."""
    found, informative, outside = {}, 0, {}
    for name, expected in truth.items():
        reported = len(lines.get(name, ()))
        if expected.risk:
            found[name] = min(reported, expected.risk)
        informative += min(max(0, reported - expected.risk), expected.informative)
        beyond = reported - expected.risk - expected.informative
        if beyond > 0:
            outside[name] = beyond
    outside |= {name: len(own) for name, own in lines.items() if name not in truth}
    return Tally(title, found, informative, outside)


def noise(title: str, evidence: Iterable[Evidence], under: str, share: float = 1.0) -> Noise:
    """Counts places by rule; what is told twice of one secret in one place by one rule counts once."""
    rules: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    places = []
    real = 0
    for each in sorted(set(evidence), key=lambda item: (item.path, item.lines, item.rule)):
        if each.excused:
            excused[each.excused] += 1
            continue
        path = each.path.partition(under)[2] or each.path
        if REAL.search(path):
            real += 1
        else:
            rules[each.rule] += 1
        places.append((each.rule, path, each.lines[0]))
    return Noise(title, rules, real, excused, tuple(places), share)


def truth_report(truth: Mapping[str, Expected], tallies: list[Tally]) -> Iterator[str]:
    """Markdown lines: a table of all programs, then file by file what was missed."""
    risk = sum(each.risk for each in truth.values())
    told = sum(each.informative for each in truth.values())
    risky = [name for name, each in truth.items() if each.risk]
    yield "| program | risk lines | informative lines | risk files with all lines | with any | outside of the truth |"
    yield "|---|---:|---:|---:|---:|---:|"
    for each in tallies:
        whole = sum(each.found[name] == truth[name].risk for name in risky)
        some = sum(each.found[name] > 0 for name in risky)
        outside = f"{sum(each.outside.values())} in {len(each.outside)} files" if each.outside else "0"
        yield (
            f"| {each.title} | {sum(each.found.values())}/{risk} | {each.informative}/{told} | {whole}/{len(risky)}"
            f" | {some}/{len(risky)} | {outside} |"
        )
    yield ""
    yield "Risk lines found, in files of which any program missed some:"
    yield ""
    yield "| file | of | " + " | ".join(each.title for each in tallies) + " |"
    yield "|---|---:|" + "---:|" * len(tallies)
    for name in risky:
        counts = [each.found[name] for each in tallies]
        if min(counts) < truth[name].risk:
            yield f"| `{name}` | {truth[name].risk} | " + " | ".join(map(str, counts)) + " |"
    for each in tallies:
        if each.outside:
            yield ""
            beyond = ", ".join(f"`{name}` {count}" for name, count in sorted(each.outside.items()))
            yield f"- **{each.title}**, outside of the truth: {beyond}"


def noise_report(size: int, told: list[Noise], listed: str) -> Iterator[str]:
    """Markdown lines: a table of all programs, then the places of one of them.

    Args:
        size: bytes of the files.
        told: what each program reports.
        listed: title of the program whose places are listed one by one.
    """
    yield "| program | false | false per GB | host keys | not counted, with a reason | rules of the false ones |"
    yield "|---|---:|---:|---:|---:|---|"
    for each in told:
        about = "~" if each.share < 1 else ""
        rules = ", ".join(f"{rule} {count}" for rule, count in Counter(each.rules).most_common(4)) or "-"
        excused = sum(each.excused.values())
        per_gb = f"{about}{each.false / size * GB:.1f}"
        yield f"| {each.title} | {about}{each.false:.0f} | {per_gb} | {each.real} | {excused or '-'} | {rules} |"
    for each in told:
        if each.title == listed:
            yield ""
            yield f"What {listed} reports, and what it does not count:"
            yield ""
            yield from (f"- {rule}: `{path}`, line {line}" for rule, path, line in each.places)
            yield from (f"- not counted, {reason}: {count}" for reason, count in each.excused.items())
