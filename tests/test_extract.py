"""Audits by the real detect-secrets of what layerleak found, and what is written for them."""

import json
import os
import pty
import random
import re
import stat
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scanner import scan_image
from scanner.errors import SettingError
from scanner.extract import BASELINE, MAX_COPIED, extract, prepare
from scanner.finding import ScanReport
from tests.conftest import SAMPLES
from tests.image.archives import file_entry, tar_of
from tests.test_cli import run

DRAW = random.Random(21)
_QUESTION = re.compile(rb"(committed to the repository\?|would you like to do\?)[^:]*: ")


def aws() -> bytes:
    """The form of an AWS key id."""
    return b"AKIA" + "".join(DRAW.choices(string.ascii_uppercase + "234567", k=16)).encode()


def written(target: Path, folder: Path, **options: Any) -> tuple[ScanReport, dict[str, Any]]:
    """A scan, and the baseline that was written of it."""
    report = scan_image(target, jobs=1, **options)
    prepare(folder)
    count = extract(report, folder)
    baseline = json.loads((folder / BASELINE).read_text())
    assert count == sum(map(len, baseline["results"].values()))
    return report, baseline


def tar(path: Path, *files: tuple[str, bytes]) -> Path:
    path.write_bytes(tar_of(file_entry(name, data) for name, data in files))
    return path


def audit(folder: Path, answers: str) -> tuple[int, int]:
    """Answers `detect-secrets audit` at a terminal.

    Returns:
        How often it asked for a label, and how often it did not find the secret.
    """
    command = [sys.executable, "-m", "detect_secrets", "audit", BASELINE]
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "dumb"}
    with subprocess.Popen(command, cwd=folder, stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        said, seen, asked, missed = b"", 0, 0, 0
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            said += more
            while found := _QUESTION.search(said, seen):
                seen = found.end()
                known = b"committed" in found[1]
                os.write(ours, (answers[asked % len(answers)] if known else "s").encode() + b"\n")
                asked, missed = asked + known, missed + (not known)
    os.close(ours)
    assert process.returncode == 0, said.decode(errors="replace")
    return asked, missed


def labels(folder: Path) -> list[bool | None]:
    results = json.loads((folder / BASELINE).read_text())["results"]
    return [entry.get("is_secret") for entries in results.values() for entry in entries]


@pytest.mark.parametrize("lesson", ["copy", "env", "multi-stage", "deleted"])
def test_an_audit_labels_every_finding_and_the_next_scan_goes_by_it(lesson: str, tmp_path: Path) -> None:
    expected = json.loads((SAMPLES / lesson / "expected.json").read_text())
    target, folder = SAMPLES / lesson / expected["image"], tmp_path / "audit"
    report, baseline = written(target, folder)
    entries = sum(map(len, baseline["results"].values()))
    assert entries >= sum(not finding.downgraded for finding in report.images[0].findings)

    assert audit(folder, "y") == (entries, 0)

    assert labels(folder) == [False] * entries
    again = scan_image(target, baselines=(folder / BASELINE,)).images[0]
    assert [finding for finding in again.findings if not finding.downgraded] == []
    assert {cause.reason for one in again.ignored for cause in one.causes if hasattr(cause, "reason")} == {
        "an audit says that it is no secret"
    }


def test_what_an_audit_says_is_a_secret_still_counts_and_keeps_its_label(tmp_path: Path) -> None:
    target = tar(tmp_path / "t", *((f"etc/{name}", b"k=" + aws() + b"\n") for name in "abcd"))
    written(target, tmp_path / "first")
    assert audit(tmp_path / "first", "yn") == (4, 0)

    report, _ = written(target, tmp_path / "second", baselines=(tmp_path / "first" / BASELINE,))

    assert (len(report.images[0].findings), len(report.images[0].ignored)) == (2, 2)
    assert labels(tmp_path / "second") == labels(tmp_path / "first") == [False, True, False, True]


def test_reports_and_statistics_of_detect_secrets_have_every_entry(tmp_path: Path) -> None:
    target, folder = SAMPLES / "copy" / "image.tar", tmp_path / "audit"
    _, baseline = written(target, folder)
    entries = sum(map(len, baseline["results"].values()))

    def said(mode: str) -> Any:
        command = [sys.executable, "-m", "detect_secrets", "audit", mode, "--json", BASELINE]
        return json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)

    assert len(said("--report")["results"]) == entries
    assert sum(each["stats"]["raw"]["unknown"] for each in said("--stats").values()) == entries


def test_files_are_copied_as_they_are_and_only_for_the_user(tmp_path: Path) -> None:
    content = b"one\nkey = '" + aws() + b"'\n"
    _, baseline = written(
        tar(tmp_path / "t", ("etc/app.conf", content), ("etc/none", b"x")), tmp_path / "new" / "audit"
    )

    (name,) = baseline["results"]
    assert re.fullmatch(r"[0-9a-f]{12}/etc/app\.conf", name)
    assert (tmp_path / "new" / "audit" / name).read_bytes() == content
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "audit").rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "audit").rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\0\0key=" + aws() + b"\0\xff\xfe",
        b"old\rmac " + aws() + b"\rlines",
        b"line\n" * (MAX_COPIED // 5) + b"k=" + aws() + b"\n" + b"line\n" * 9,
        b"x" * 9000 + b" " + aws() + b" " + b"y" * 9000,
        b"nothing around it: " + aws() + b"\n",
    ],
)
def test_of_what_is_no_text_or_too_large_there_is_an_excerpt(content: bytes, tmp_path: Path) -> None:
    _, baseline = written(tar(tmp_path / "t", ("usr/bin/app", content)), tmp_path / "audit")

    (name,) = baseline["results"]
    assert (tmp_path / "audit" / name).stat().st_size < 2500
    assert audit(tmp_path / "audit", "n") == (1, 0)


def test_names_lead_nowhere_and_are_kept_apart(tmp_path: Path) -> None:
    names = [
        "../../up",
        "/abs",
        "a/../../b",
        "back\\slash",
        "new\nline",
        "x" * 300,
        "twice",
        "twice",
        "f",
        "f/g",
        "é\udcff",
    ]
    target = tar(tmp_path / "t", *((name, b"k=" + aws() + b"\n") for name in names))

    _, baseline = written(target, tmp_path / "audit")

    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != BASELINE and path != target]
    assert len(files) == len(baseline["results"]) == len(names)
    assert all(path.is_relative_to(tmp_path / "audit") for path in files)
    assert audit(tmp_path / "audit", "n") == (len(names), 0)


def test_nothing_is_written_into_a_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")

    with pytest.raises(SettingError, match="expected an empty folder"):
        prepare(tmp_path)
    done = run("scan", str(SAMPLES / "copy" / "image.tar"), "--detect-secrets-audit", str(tmp_path))
    assert (done.returncode, [path.name for path in tmp_path.iterdir()]) == (2, ["mine"])


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    done = run("scan", str(SAMPLES / "copy" / "image.tar"), "--detect-secrets-audit", str(folder))

    assert f"entries to audit, with their secrets: cd {folder} && detect-secrets audit {BASELINE}" in done.stderr


def test_a_baseline_alone_names_the_files_of_the_image_and_holds_no_secret() -> None:
    done = run("scan", str(SAMPLES / "copy" / "image.tar"), "--format", "baseline")

    baseline = json.loads(done.stdout)
    assert set(baseline) == {"version", "plugins_used", "filters_used", "results", "generated_at"}
    assert all(re.fullmatch(r"[^/].*", name) for name in baseline["results"])
    expected = json.loads((SAMPLES / "copy" / "expected.json").read_text())
    assert not [each for each in expected["findings"] if each["secret"].strip() in done.stdout]
