"""Renders what was measured as Markdown and as JSON: ratios first, absolute numbers behind."""

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass, field

from tests.bench.archive import ALONE, FORMS
from tests.bench.images import Planted
from tests.bench.measure import Measured
from tests.bench.plant import PLACES
from tests.bench.trees import Skipped

_MB = 1_000_000


@dataclass(frozen=True)
class Row:
    """A program on an input.

    Attributes:
        key: of the program.
        title: of the program.
        version: of the program.
        source: what it read: "gzip", "zstd", "plain", "one layer" (an archive), "files" or "sample".
        measured: its runs.
        share: the part that it read of the bytes it is to be judged by; times are divided by it.
        found: numbers of the planted secrets it found; None where it looks for none.
        sought: numbers of those in what it read.
        note: for the reader.
    """

    key: str
    title: str
    version: str
    source: str
    measured: Measured
    share: float = 1.0
    found: frozenset[int] | None = None
    sought: frozenset[int] = frozenset()
    note: str = ""

    @property
    def wall(self) -> float:
        """Median wall seconds for all of the files."""
        return self.measured.wall / self.share

    @property
    def cpu(self) -> float:
        """Median processor seconds for all of the files."""
        return self.measured.cpu / self.share


@dataclass(frozen=True)
class Results:
    """A whole benchmark.

    Attributes:
        header: lines that say on what and how it was measured.
        rows: what was measured.
        planted: the secrets.
        skipped: what there is not, and why.
        limit: seconds a run may take.
        stages: for each form, what layerleak's ``--profile`` says of a run with one thread.
    """

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    planted: tuple[Planted, ...]
    skipped: tuple[Skipped, ...] = ()
    limit: float = 900
    stages: tuple[tuple[str, str], ...] = ()
    base: dict[str, Row] = field(init=False, default_factory=dict)
    ours: dict[str, Row] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for key, rows in (("floor", self.base), ("layerleak", self.ours)):
            for row in self.rows:
                if row.key == key and row.measured.runs and not row.measured.timed_out:
                    rows[row.source] = row


_COLUMNS = (
    *("program", "reads", "found", "wall / floor", "CPU / floor", "wall / layerleak", "CPU / layerleak"),
    *("peak MB", "wall s", "CPU s", "runs"),
)


def markdown(results: Results) -> str:
    """The report for people."""
    lines = ["# layerleak benchmark", "", *(f"- {line}" for line in results.header), ""]
    lines += ["| " + " | ".join(_COLUMNS) + " |", "|---|---|" + "---:|" * (len(_COLUMNS) - 2)]
    lines += ["| " + " | ".join(_cells(row, results)) + " |" for row in results.rows]
    lines += [
        "",
        "Floor: the row *only decompress*, one thread. Rows are compared with floor and layerleak on the same form."
        " `files` are the files of all layers, unpacked beforehand: unpacking is not counted, though a scanner of"
        " images has to do it. Such rows are compared twice: with gzip, where layerleak starts from the image as it is"
        " shipped, and with plain, where it has nothing to decompress either. Wall and CPU are medians, peak is the"
        " greatest.",
    ]
    notes = {row.title: row.note for row in results.rows if row.note}
    if notes:
        lines += ["", *(f"- **{title}**: {note}." for title, note in notes.items())]
    missed = list(_missed(results))
    if missed:
        lines += ["", "## What was missed, by place", "", *missed]
    for form, text in results.stages:
        lines += ["", f"## Where layerleak's time goes, one thread, {form}", "", "```", text, "```"]
    if results.skipped:
        lines += ["", "## Not measured", "", *(f"- {skip.name}: {skip.reason}" for skip in results.skipped)]
    return "\n".join(lines) + "\n"


def _cells(row: Row, results: Results) -> list[str]:
    measured = row.measured
    found = f"{len(row.found)}/{len(row.sought)}" if row.found is not None else "-"
    if measured.failure or not measured.runs:
        return [row.title, row.source, "-", f"failed: {measured.failure}", *["-"] * (len(_COLUMNS) - 4)]
    if measured.timed_out:
        over = f"> {results.limit:.0f}"
        return [row.title, row.source, found, *["-"] * 4, _peak(row), over, "-", str(len(measured.runs))]
    ratios = [_ratios(row, base, what) for base in (results.base, results.ours) for what in ("wall", "cpu")]
    about = _about(row)
    seconds = [f"{about}{row.wall:.2f}", f"{about}{row.cpu:.2f}"]
    return [row.title, row.source, found, *ratios, _peak(row), *seconds, str(len(measured.runs))]


def _peak(row: Row) -> str:
    return f"{row.measured.peak / _MB:.0f}"


def _about(row: Row) -> str:
    return "~" if row.share < 1 else ""


def _against(row: Row, base: dict[str, Row]) -> dict[str, Row]:
    """What a row is compared with: its own form; programs that read files with gzip and with plain."""
    forms = (row.source,) if row.source in (*FORMS, ALONE) else ("gzip", "plain")
    return {form: base[form] for form in forms if form in base}


def _ratios(row: Row, base: dict[str, Row], what: str) -> str:
    ratios = [getattr(row, what) / getattr(other, what) for other in _against(row, base).values()]
    return " / ".join(f"{_about(row)}{ratio:.2f}" for ratio in ratios) or "-"


def _missed(results: Results) -> list[str]:
    """A line a program that missed anything; places in their order, kinds of secrets in brackets."""
    lines = []
    for row in results.rows:
        if row.found is None:
            continue
        missed = [results.planted[number].plant for number in sorted(row.sought - row.found)]
        told = []
        for place in PLACES:
            kinds = Counter(plant.kind for plant in missed if plant.place == place)
            names = [f"{kind} x{count}" if count > 1 else kind for kind, count in kinds.items()]
            if names:
                of = sum(results.planted[number].plant.place == place for number in row.sought)
                told.append(f"{place} {kinds.total()} of {of} ({', '.join(names)})")
        lines.append(f"- **{row.title}**, {row.source}: {'; '.join(told) or 'nothing'}")
    return lines


def as_json(results: Results) -> str:
    """The report for programs; it names planted secrets by kind and place, never by value."""
    rows = []
    for row in results.rows:
        runs = [dataclasses.asdict(run) for run in row.measured.runs]
        told: dict[str, object] = {"program": row.key, "title": row.title, "version": row.version}
        told |= {"reads": row.source, "runs": runs}
        told |= {"failure": row.measured.failure, "share": row.share, "note": row.note}
        if row.found is not None:
            missed = [results.planted[number].plant for number in sorted(row.sought - row.found)]
            told |= {"found": len(row.found), "sought": len(row.sought)}
            told |= {"missed": [{"kind": plant.kind, "place": plant.place, "path": plant.path} for plant in missed]}
        if row.measured.runs and not row.measured.timed_out:
            told |= {"wall": row.wall, "cpu": row.cpu, "peak": row.measured.peak}
            for name, base in (("floor", results.base), ("layerleak", results.ours)):
                told[f"relative_to_{name}"] = {
                    form: {"wall": row.wall / other.wall, "cpu": row.cpu / other.cpu}
                    for form, other in _against(row, base).items()
                }
        rows.append(told)
    skipped = [dataclasses.asdict(skip) for skip in results.skipped]
    return json.dumps({"header": results.header, "limit": results.limit, "rows": rows, "skipped": skipped}, indent=1)
