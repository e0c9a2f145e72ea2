"""Compares what layerleak and other scanners find where risks are listed, and what they report where there are none.

Two parts: a repository with listed risks, copied onto a layer, and a root file system as a distribution installs it, in
which the server's new host keys are the only secrets. Programs that read no images get the same files, extracted. See
``--help``.
"""

import argparse
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import measure, programs, tally
from tests.bench.archive import save, sha256
from tests.bench.images import extract, link_sample
from tests.bench.programs import Evidence, Program
from tests.bench.trees import ClientError, Skipped, run_client

LIMIT = 1800.0
"""Seconds that a run may take."""
PLACE = "srv/repo/"
"""Where the repository lies in its image."""
META = ".leaky-meta"
"""Folder of the repository that holds the truth; it goes to no scanner."""
DEBIAN = ("bookworm", ("python3", "nodejs", "default-jdk", "git", "openssh-server"))
"""Release and packages of the root file system."""


def _programs() -> Iterator[Program]:
    """The programs of the benchmark as they find the most: no limits, each place told, comments not believed."""
    known = {program.key: program for program in programs.PROGRAMS}
    ours = known["layerleak"]
    yield replace(
        ours, arguments=("scan", "--no-inline-ignore", "--no-ignore-file", *ours.counted[1:]), forms=("plain",)
    )
    kingfisher = known["kingfisher"]
    every = replace(kingfisher, arguments=("scan", "--no-dedup", *kingfisher.arguments[1:]))
    yield every
    low = ("scan", "--confidence", "low", *every.arguments[1:])
    yield replace(every, key="kingfisher-low", title="Kingfisher, low confidence", arguments=low)
    yield from (known[key] for key in ("betterleaks", "gitleaks", "detect-secrets"))


@dataclass(frozen=True)
class Target:
    """The same content in the forms that programs read.

    Attributes:
        archive: an image with it as its only layer.
        tree: its files.
        sample: some of them, or the same folder.
        size: bytes of the files.
        share: the sample's part of them.
    """

    archive: Path
    tree: Path
    sample: Path
    size: int
    share: float


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = _options(arguments)
    work = options.work.resolve()
    runner = Runner(work, options.limit)
    ready = []
    lines = ["# What is found, and what is reported", "", f"{time.strftime('%Y-%m-%d')}"]
    for program in _programs():
        if options.only and program.key not in options.only:
            continue
        got = programs.install(program, work / "programs")
        if isinstance(got, Skipped):
            lines.append(f"- not run: {got.name}: {got.reason}")
        else:
            ready.append(got)
            lines.append(f"- {got.title} {programs.version(got)}")
    with tempfile.TemporaryDirectory(prefix="accuracy-", dir=work) as scratch:
        if options.repo:
            lines += ["", *_known_risks(options.repo, runner, ready, Path(scratch) / "repo")]
        if not options.only_repo:
            lines += ["", *_clean(options.rootfs, runner, ready, Path(scratch) / "rootfs")]
    text = "\n".join(lines) + "\n"
    (work / "accuracy.md").write_text(text)
    sys.stdout.write(text)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    keys = [program.key for program in _programs()]
    parser = argparse.ArgumentParser(prog="accuracy", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--repo",
        type=Path,
        metavar="FOLDER",
        help=f"repository with known risks, counted by file in its {META}/secrets.csv (Plazmaz/leaky-repo)",
    )
    parser.add_argument(
        "--rootfs", type=Path, metavar="TAR", help="a root file system, uncompressed (made by mmdebstrap if not given)"
    )
    parser.add_argument("--only-repo", action="store_true", help="leave out the root file system")
    work = platformdirs.user_cache_path("layerleak") / "bench"
    parser.add_argument("--work", type=Path, default=work, metavar="DIR", help="folder of the benchmark (%(default)s)")
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help="for a run (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=keys, metavar="PROGRAM", help=f"of: {', '.join(keys)}")
    options = parser.parse_args(arguments)
    if options.repo and not (options.repo / META / "secrets.csv").is_file():
        parser.error(f"--repo: {options.repo / META / 'secrets.csv'} is missing")
    if options.rootfs and not (options.rootfs.is_file() and tarfile.is_tarfile(options.rootfs)):
        parser.error(f"--rootfs: {options.rootfs} is no tar")
    if options.only_repo and not options.repo:
        parser.error("--only-repo needs --repo")
    return options


class Runner:
    """Runs programs once each and reads their reports.

    Args:
        work: for their reports, and their home.
        limit: seconds a run may take.
    """

    def __init__(self, work: Path, limit: float) -> None:
        self.work = work
        self._home, self._out, self._limit = work / "home", work / "reports", limit
        for path in (self._home, self._out):
            path.mkdir(parents=True, exist_ok=True)

    def run(self, program: Program, target: Target, part: str) -> list[Evidence] | str:
        """What a program reports of a target, or why there is nothing to tell."""
        source = {"tree": target.tree, "sample": target.sample}.get(program.reads, target.archive)
        out = self._out / f"accuracy-{part}-{program.key}.json"
        log = out.with_suffix(".out")
        out.unlink(missing_ok=True)
        run = measure.run(program.command(source, out), self._home, log, self._limit)
        if "{out}" not in program.arguments:
            log.replace(out)
        _say(f"{part}: {program.title}: {run.wall:.0f} s ({run.code})")
        if run.timed_out:
            return f"not done in {self._limit:.0f} s"
        evidence = programs.read(program, out)
        if run.code not in program.codes or evidence is None:
            return f"exit code {run.code}, {'no' if evidence is None else 'a'} report"
        return evidence


def _known_risks(repo: Path, runner: Runner, ready: list[Program], scratch: Path) -> Iterator[str]:
    truth = tally.read_truth((repo / META / "secrets.csv").read_text())
    target = _target(_packed(repo, scratch), scratch, sampled=False)
    yield f"## Known risks: {repo.name}, {len(truth)} files"
    yield ""
    tallies = []
    for program in ready:
        got = runner.run(program, target, "repo")
        if isinstance(got, str):
            yield f"- {program.title}: {got}"
        else:
            tallies.append(tally.tally(program.title, truth, tally.lines_by_file(got, PLACE)))
    yield from tally.truth_report(truth, tallies)


def _clean(rootfs: Path | None, runner: Runner, ready: list[Program], scratch: Path) -> Iterator[str]:
    release, packages = DEBIAN
    yield "## A fresh root file system"
    yield ""
    try:
        tar = rootfs or _debian(runner.work / "trees" / f"{release}.tar", release, packages)
    except ClientError as error:
        yield f"not measured: {error}"
        return
    target = _target(tar, scratch, sampled=True)
    name = rootfs.name if rootfs else f"{release} with {', '.join(packages)}"
    yield (
        f"{name}: {target.size / tally.GB:.2f} GB of files. detect-secrets read {target.share:.1%} of them, taken"
        " evenly from those below 2 MiB, and is extrapolated by bytes."
    )
    yield ""
    told = []
    for program in ready:
        got = runner.run(program, target, "rootfs")
        share = target.share if program.reads == "sample" else 1.0
        under = f"{scratch.name}/{'sample' if program.reads == 'sample' else 'tree'}/"
        if isinstance(got, str):
            yield f"- {program.title}: {got}"
        else:
            told.append(tally.noise(program.title, got, under, share))
    yield from tally.noise_report(target.size, told, "layerleak")


def _packed(repo: Path, scratch: Path) -> Path:
    """A layer with the repository's files."""
    scratch.mkdir(parents=True)
    path = scratch / "layer.tar"
    with tarfile.open(path, "w") as tar:
        for file in _files(repo):
            tar.add(file, PLACE + str(file.relative_to(repo)), recursive=False)
    return path


def _files(repo: Path) -> Iterable[Path]:
    own = {META, ".git"}
    return sorted(file for file in repo.rglob("*") if file.is_file() and own.isdisjoint(file.relative_to(repo).parts))


def _target(layer: Path, scratch: Path, *, sampled: bool) -> Target:
    scratch.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]},
        "history": [{"created_by": "COPY . / # buildkit"}],
    }
    archive, tree, sample = scratch / "image.tar", scratch / "tree", scratch / "sample"
    save(archive, "plain", json.dumps(config).encode(), [layer])
    size, _ = extract(layer, tree)
    if not sampled:
        return Target(archive, tree, tree, size, 1.0)
    total, population = link_sample(tree, sample)
    return Target(archive, tree, sample, size, total / population)


def _debian(path: Path, release: str, packages: tuple[str, ...]) -> Path:
    """The tar of a fresh installation, made where it is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f"{path.stem}.{os.getpid()}.tar")
        try:
            run_client("mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", release, str(making))
            making.rename(path)
        finally:
            making.unlink(missing_ok=True)
    return path


def _say(text: str) -> None:
    sys.stderr.write(f"accuracy: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
