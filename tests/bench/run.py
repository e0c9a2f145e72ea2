"""Measures layerleak against the least it has to do, and against other scanners, on images with planted secrets.

Builds the images, installs the other programs, runs all of them in turns, and prints a table. Everything is kept in one
folder and taken from there the next time: delete that after changes to what the images hold. See ``--help``.
"""

import argparse
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import platformdirs

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import images, measure, plant, programs, table, trees
from tests.bench.archive import ALONE, FORMS
from tests.bench.images import Images, Planted
from tests.bench.measure import Measured, Run
from tests.bench.programs import Program
from tests.bench.table import Results, Row
from tests.bench.trees import Skipped, Tree

LIMIT = 900.0
"""Seconds that a run may take."""
SLOW = 100.0
"""Seconds of a first run after which a program is not run again."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = _options(arguments)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    _say(f"work folder: {work}")
    built = trees.build(options.size, work)
    have = [tree for tree in built if isinstance(tree, Tree)]
    skipped = [tree for tree in built if isinstance(tree, Skipped)]
    for skip in skipped:
        _say(f"skipped: {skip.name}: {skip.reason}")
    # Another choice of trees is another image.
    name = "-".join(["image", options.size, *(f"without-{skip.name}" for skip in skipped)])
    made = images.compose(work / name, have, plant.plants(), _say)
    ready: list[Program] = []
    for program in programs.PROGRAMS:
        if options.only and program.key not in options.only:
            continue
        got = programs.install(program, work / "programs")
        if isinstance(got, Skipped):
            _say(f"skipped: {got.name}: {got.reason}")
            skipped.append(got)
        else:
            ready.append(got)
    bench = Bench(made, work, options.runs, options.limit)
    rows = bench.run(ready)
    header = _header(made, options.size, ready)
    results = Results(header, rows, made.planted, tuple(skipped), options.limit, tuple(bench.stages(ready)))
    text = table.markdown(results)
    (work / f"{options.size}.md").write_text(text)
    (work / f"{options.size}.json").write_text(table.as_json(results))
    sys.stdout.write(text)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    keys = [program.key for program in programs.PROGRAMS]
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of the images: 0.2 or 2 GB")
    work = platformdirs.user_cache_path("layerleak") / "bench"
    parser.add_argument(
        "--work", type=Path, default=work, metavar="DIR", help="folder for all of it, kept (%(default)s)"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of each program (%(default)s)")
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help="for a run (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=keys, metavar="PROGRAM", help=f"of: {', '.join(keys)}")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs has to be 1 at least")
    return options


class Bench:
    """Runs programs in turns.

    Args:
        made: the images.
        work: for reports of the programs, and their home.
        runs: of each.
        limit: seconds a run may take.
    """

    def __init__(self, made: Images, work: Path, runs: int, limit: float) -> None:
        self._made, self._work, self._runs, self._limit = made, work, runs, limit
        self._home, self._out = work / "home", work / "reports"
        for path in (self._home, self._out):
            path.mkdir(parents=True, exist_ok=True)

    def run(self, ready: list[Program]) -> tuple[Row, ...]:
        """Measures each program on each of its inputs, and reads what it found."""
        pairs = [(program, source) for program in ready for source in _sources(program)]
        taken: dict[tuple[str, str], list[Run]] = {(program.key, source): [] for program, source in pairs}
        for program in ready:
            self._prepare(program)
        for turn in range(self._runs):
            for program, source in pairs:
                runs = taken[program.key, source]
                if runs and (source == "sample" or runs[0].wall > SLOW or runs[0].code not in program.codes):
                    continue
                target = self._target(source)
                measure.warm(target)
                out = self._report(program, source)
                out.unlink(missing_ok=True)
                log = out.with_suffix(".out")
                run = measure.run(program.command(target, out), self._home, log, self._limit)
                if "{out}" not in program.arguments and log.exists():
                    log.replace(out)
                runs.append(run)
                _say(f"run {turn + 1}: {program.title}, {source}: {run.wall:.2f} s, {run.cpu:.2f} s CPU ({run.code})")
        return tuple(self._row(program, source, taken[program.key, source]) for program, source in pairs)

    def stages(self, ready: list[Program]) -> Iterator[tuple[str, str]]:
        """Where layerleak spends its time, by form, if it is among the programs."""
        for program in ready:
            for form in FORMS if program.key == "layerleak" else ():
                out = self._out / f"stages-{form}.out"
                command = (*program.command(self._target(form), out), "--profile", "--jobs", "1")
                measure.run(command, self._home, out, self._limit)
                yield form, out.with_suffix(".log").read_text().rstrip()

    def _target(self, source: str) -> Path:
        special = {"files": self._made.tree, "sample": self._made.sampled}
        return special.get(source) or self._made.archive(source)

    def _holds(self, source: str, each: Planted) -> bool:
        if source == "sample":
            return each.sampled
        return source != ALONE or each.plant.layer == self._made.alone

    def _report(self, program: Program, source: str) -> Path:
        return self._out / f"{program.key}-{source}.json"

    def _prepare(self, program: Program) -> None:
        """Lets a program fill its caches of compiled rules: it scans one small file, which is not measured."""
        if program.parse is None or program.reads == "sample":
            return
        small = self._home / "small"
        small.mkdir(exist_ok=True)
        archive = small / "image.tar"
        if not archive.exists():
            images.compose(self._home / "tiny", (), plant.plants()[:1], lambda _: None).archive("gzip").rename(archive)
        target = small if program.reads == "tree" else archive
        measure.run(program.command(target, self._out / "none.json"), self._home, self._out / "none.out", self._limit)

    def _row(self, program: Program, source: str, runs: list[Run]) -> Row:
        report = self._report(program, source)
        sought = {n for n, each in enumerate(self._made.planted) if self._holds(source, each)}
        if program.counted:
            out = report.with_name(f"{program.key}-{source}-counted.json")
            command = program.command(self._target(source), out, program.counted)
            measure.run(command, self._home, out, self._limit)
            report = out
        found = programs.found(program, report, self._made.planted)
        failure = ""
        codes = {run.code for run in runs if not run.timed_out}
        if not codes <= set(program.codes):
            failure = f"exit code {max(codes - set(program.codes))}{_last_words(self._report(program, source))}"
        elif codes and program.parse and found is None:
            failure = f"no report{_last_words(self._report(program, source))}"
        return Row(
            key=program.key,
            title=program.title,
            version=programs.version(program),
            source=source,
            measured=Measured(tuple(runs), failure),
            share=self._made.sample / self._made.population if source == "sample" else 1.0,
            found=None if found is None else frozenset(found & sought),
            sought=frozenset(sought),
            note=program.note,
        )


def _sources(program: Program) -> tuple[str, ...]:
    return {"tree": ("files",), "sample": ("sample",)}.get(program.reads, program.forms)


def _last_words(report: Path) -> str:
    log = report.with_suffix(".log")
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    last = re.sub(r"\x1b\[[0-9;]*m|[|\n]", " ", lines[-1])[:160] if lines else ""
    return f": {last}" if last else ""


def _header(made: Images, size: str, ready: list[Program]) -> tuple[str, ...]:
    stored = ", ".join(f"{form} {count / 1e6:.0f} MB" for form, count in made.stored.items())
    versions = {re.split(r",| --", program.title)[0]: programs.version(program) for program in ready}
    cut_off = "no network (unshare)" if measure.isolation() else "proxies that lead nowhere"
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {_processor()}, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}",
        f"image `{size}`: {made.content / 1e6:.0f} MB in {made.files} files, {len(made.layers)} layers"
        f" ({', '.join(made.layers)}), as {stored}; {len(made.planted)} planted secrets",
        "versions: " + ", ".join(f"{title} ({version})" for title, version in versions.items()),
        f"runs in turns, page cache warmed before each, caches of compiled rules warm, {cut_off}; a program whose first"
        f" run takes more than {SLOW:.0f} s is run once",
        "peak: the largest process (ru_maxrss), or all processes together (PSS, sampled) where that is more",
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text())
        if found:
            return found.group(1)
    return platform.processor() or platform.machine()


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
