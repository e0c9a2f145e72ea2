"""The command as a user runs it: what it prints, where, and how it exits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES
from tests.image.archives import write_tar

DELETED = str(SAMPLES / "deleted" / "image.tar.gz")
CLEAN = str(SAMPLES / "secret-mount" / "image.tar.gz")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from scanner.cli import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "100", **environment}
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("scan", CLEAN), 0),
        (("scan", DELETED), 1),
        (("scan", "--no-fail", DELETED), 0),
        (("scan", "--fail-on", "critical", DELETED), 1),
        (("scan", "--fail-on", "critical", str(SAMPLES / "multi-stage" / "image.tar.gz")), 0),
        (("scan",), 2),
        (("scan", "--fail-on", "enormous", DELETED), 2),
        (("scan", "--format", "stone", DELETED), 2),
        (("scan", "/nowhere/image.tar"), 3),
        (("scan", "--no-fail", "/nowhere/image.tar", CLEAN), 3),
        (("scan", "/nowhere/image.tar", DELETED), 1),
        (("history", DELETED), 0),
        (("history", "/nowhere/image.tar"), 3),
        (("signatures", "test"), 0),
        (("signatures", "list"), 0),
        (("signatures", "show", "npm-access-token"), 0),
        (("signatures", "show", "no-such-thing"), 2),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments).returncode == code


def test_an_archive_cut_short_is_read_as_far_as_it_goes_and_exits_4(tmp_path: Path) -> None:
    whole = (SAMPLES / "copy" / "image.tar").read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[:-1536])

    done = run("scan", "--no-fail", "--format", "json", str(cut))

    (image,) = json.loads(done.stdout)["images"]
    assert (done.returncode, image["coverage"]["complete"], len(image["findings"])) == (4, False, 3)


def test_a_target_that_fails_is_one_line_and_the_others_are_still_reported() -> None:
    done = run("scan", "--format", "json", "/nowhere/image.tar", DELETED)

    assert done.stderr == "layerleak: /nowhere/image.tar: No such file or directory\n"
    assert [i["target"] for i in json.loads(done.stdout)["images"]] == [DELETED]


def test_nothing_but_the_report_is_on_stdout_and_nothing_on_stderr() -> None:
    done = run("scan", "--format", "json", DELETED)

    assert json.loads(done.stdout)["schema"] == "layerleak/report/1"
    assert done.stderr == ""


def test_progress_goes_to_stderr_when_asked_for() -> None:
    done = run("scan", "--format", "json", "--progress", DELETED)

    assert "image.tar.gz" in done.stderr
    assert json.loads(done.stdout)["images"]


def test_the_secret_is_shown_only_when_asked_for() -> None:
    secret = json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"]
    image = str(SAMPLES / "arg" / "image.tar.gz")
    for form in ("table", "json"):
        assert secret not in run("scan", "--format", form, image).stdout
        assert secret in run("scan", "--format", form, "--show-secrets", image).stdout
    assert secret not in run("history", image).stdout


def test_a_report_written_to_a_file_is_the_users_own(tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    done = run("scan", "--format", "json", "-o", str(report), DELETED)

    assert (done.stdout, json.loads(report.read_text())["images"][0]["target"]) == ("", DELETED)
    assert report.stat().st_mode & 0o077 == 0


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = run("scan", "-o", str(tmp_path / "no" / "report"), DELETED)

    assert (done.returncode, done.stderr) == (2, f"layerleak: {tmp_path}/no/report: No such file or directory\n")


def test_no_colour_is_printed_to_a_pipe_unless_asked_for() -> None:
    assert "\x1b[" not in run("scan", DELETED).stdout
    assert "\x1b[" in run("scan", "--color", DELETED).stdout


def test_own_signatures_take_the_place_of_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(
        '[provider]\nid = "acme"\nname = "Acme"\n[[signature]]\nid = "acme-key"\nname = "Acme key"\n'
        'severity = "low"\nconfidence = "low"\nprefilter = "BEGIN OPENSSH"\npattern = "BEGIN OPENSSH"\n'
        'examples = ["-----«BEGIN OPENSSH»-----"]\n'
    )

    done = run("scan", "--format", "json", "--signatures", str(tmp_path), DELETED)

    assert [f["signature"]["id"] for f in json.loads(done.stdout)["images"][0]["findings"]] == ["acme-key"]


def test_a_malformed_signature_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text("[[")

    done = run("scan", "--signatures", str(tmp_path), DELETED)

    assert done.returncode == 2
    assert done.stderr.startswith(f"layerleak: {tmp_path}/acme.toml: ")
    assert done.stderr.count("\n") == 1


def test_a_failing_example_is_told_and_makes_the_test_command_fail(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(
        '[provider]\nid = "acme"\nname = "Acme"\n[[signature]]\nid = "acme-key"\nname = "Acme key"\n'
        'severity = "low"\nconfidence = "low"\nprefilter = "acme_[a-z]{4}"\npattern = "acme_[a-z]{8}"\n'
        'examples = ["«acme_abc»"]\n'
    )

    done = run("signatures", "test", "--signatures", str(tmp_path))

    assert done.returncode == 1
    assert "acme-key: expected 'acme_abc'" in done.stderr


def test_the_scan_works_without_a_home(tmp_path: Path) -> None:
    gone = str(tmp_path / "none" / "such")
    (tmp_path / "none").write_text("a file where a folder should be")

    done = run("scan", DELETED, HOME=gone, XDG_CACHE_HOME=gone, XDG_DATA_HOME=gone, LAYERLEAK_KEY="")

    told = "layerleak: there is no place to keep a key, so the fingerprints of this report match no other report's\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_a_key_that_can_be_guessed_is_refused() -> None:
    done = run("scan", DELETED, LAYERLEAK_KEY="abc")

    assert (done.returncode, done.stderr) == (
        2,
        "layerleak: LAYERLEAK_KEY: expected a key of 16 bytes or more, found 3\n",
    )


@pytest.mark.parametrize("arguments", [("scan",), ("scan", "--format", "json"), ("history",)])
def test_a_full_disk_is_one_line_and_no_finding(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from scanner.cli import main; main()", *arguments, CLEAN]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "layerleak: stdout: No space left on device\n")


def test_a_closed_stdout_is_one_line() -> None:
    command = f"{sys.executable} -c 'from scanner.cli import main; main()' scan {CLEAN} >&-"

    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "layerleak: stdout: is closed\n")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -c 'from scanner.cli import main; main()' signatures list | head -n 1"

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_an_interrupt_is_told_apart_from_a_finding(tmp_path: Path, make_filesystem: Callable[..., Path]) -> None:
    image = make_filesystem(tmp_path / "large.tar", megabytes=320)
    command = [sys.executable, "-c", "from scanner.cli import main; main()", "scan", "--progress", str(image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.read(1)  # the progress bar: the scan has begun
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, "")
    assert "layerleak: interrupted; nothing was reported" in stderr
    assert "Traceback" not in stderr


def test_a_report_is_never_written_over_its_target(tmp_path: Path) -> None:
    image = tmp_path / "image.tar.gz"
    image.write_bytes(Path(DELETED).read_bytes())

    done = run("scan", "-o", str(image), str(image))

    assert (done.returncode, image.read_bytes()) == (2, Path(DELETED).read_bytes())
    assert "must not be written over" in done.stderr


def test_an_old_report_is_replaced_by_one_that_is_the_users_own(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("old")
    report.chmod(0o644)

    run("scan", "-o", str(report), DELETED)

    assert (report.stat().st_mode & 0o077, "OpenSSH" in report.read_text()) == (0, True)
    assert list(tmp_path.iterdir()) == [report]


def test_a_name_cannot_steer_the_terminal() -> None:
    told = run("scan", "no\x1b[31mpe").stderr

    assert "\x1b" not in told
    assert "\\x1b[31m" in told


def test_help_does_not_load_the_engine() -> None:
    code = "import sys; from scanner.cli import main; main(['--help'])\n"
    code += "print(sorted({'hyperscan', 'rich', 'docker', 'detect_secrets'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


RULES = ROOT / "tests" / "detect" / "rules"
ZENTARA = "zen_9t8ccb2tjibkpyx2gbdtldsw"


def _found(done: subprocess.CompletedProcess[str]) -> list[str]:
    return sorted(f["signature"]["id"] for f in json.loads(done.stdout)["images"][0]["findings"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--signatures", str(RULES / "gitleaks.toml")), ["zentara-token"]),
        (("--signatures", str(RULES)), ["zentara-token"]),
        (("--signatures", str(RULES), "--with-builtin"), ["openssh-private-key", "zentara-token"]),
        (("--with-builtin",), ["generic-token", "openssh-private-key"]),
    ],
)
def test_rules_of_other_scanners_are_used_alone_or_with_the_built_in_ones(
    options: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    key = json.loads((SAMPLES / "deleted" / "expected.json").read_text())["findings"][0]["secret"]
    target = str(
        write_tar(tmp_path / "fs.tar", {"etc/settings.env": f"TOKEN={ZENTARA}\n{key}\n".encode(), "usr/none": b""})
    )

    assert _found(run("scan", "--format", "json", *options, target)) == expected


def test_what_cannot_be_honoured_is_one_line_a_rule_on_stderr() -> None:
    done = run("signatures", "list", "--signatures", str(RULES / "kingfisher.yml"))

    file = RULES / "kingfisher.yml"
    assert done.stderr.splitlines() == [
        f"layerleak: {file}: rule 'custom.ostrava.1': validation: no secret is checked with its provider; revocation: "
        "no secret is revoked; depends_on_rule: other rules' values are only used to check a secret, which is not "
        "done; pattern_requirements.checksum: not computed",
        f"layerleak: {file}: rule 'custom.ostrava.2': left out, visible: false says that its values are not to be told",
    ]
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["custom.ostrava.1", "custom.ostrava.3"]


def test_a_rule_of_another_scanner_is_shown_with_where_it_is_from() -> None:
    done = run("signatures", "show", "--signatures", str(RULES / "trufflehog.yml"), "VelmaToken")

    assert done.stdout.splitlines() == [
        "VelmaToken: VelmaToken (Trufflehog rule)",
        "  severity    high",
        "  confidence  medium",
        "  prefilter   [Vv][Ee][Ll][Mm][Aa]",
        "  near        starts within 1024 bytes of it",
        r"  pattern     \b([a-f0-9]{32})\b",
        "  entropy     3.0",
        "  from        a Trufflehog rule",
    ]


def test_the_examples_of_other_scanners_rules_are_run() -> None:
    done = run("signatures", "test", "--signatures", str(RULES))

    assert (done.returncode, done.stdout) == (0, "12 signatures, 5 examples, 3 counter-examples: 0 failures\n")


def test_a_malformed_rule_file_is_one_line_with_what_was_expected(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("rules:\n- name: a\n  pattern:\n    - x\n")

    done = run("scan", "--signatures", str(file), DELETED)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"layerleak: {file}: Nosey Parker: rule 1: pattern: expected text, found ['x']\n"
