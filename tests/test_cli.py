"""The command as a user runs it: what it prints, where, and how it exits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.finding import redact
from tests.conftest import ROOT, SAMPLES
from tests.image.archives import docker_archive, tar_of_files, write_tar

DELETED = str(SAMPLES / "deleted" / "image.tar.gz")
CLEAN = str(SAMPLES / "secret-mount" / "image.tar.gz")


def run(
    *arguments: str, folder: Path | None = None, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command, in another folder if asked to."""
    command = [sys.executable, "-c", "from scanner.cli import main; main()", *arguments]
    known = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, input=stdin, env={**known, **environment}
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
        # All of them are tested by `make check`, and by tests of their own.
        (("signatures", "test", "--signatures", str(ROOT / "signatures" / "npm.toml")), 0),
        (("signatures", "list"), 0),
        (("signatures", "show", "npm-access-token"), 0),
        (("signatures", "show", "no-such-thing"), 2),
        (("signatures", "explain", "nothing"), 0),
        (("signatures", "explain"), 2),
        (("scan", "--no-ignore-file", CLEAN), 0),
        (("scan", "--no-ignore-file", "--ignore-file", "x", CLEAN), 2),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments).returncode == code


def test_a_dockerfile_gives_the_lines_and_what_does_not_match_is_a_note() -> None:
    own = run("scan", "--no-fail", "--dockerfile", "sample_images/deleted/Dockerfile", DELETED, folder=ROOT)
    other = run("scan", "--no-fail", "--dockerfile", "sample_images/arg/Dockerfile", DELETED, folder=ROOT)

    assert "(sample_images/deleted/Dockerfile:3" in own.stdout
    assert "> 3 | COPY deploy_key /.ssh/id_ed25519\n" in own.stdout
    assert "note" not in own.stdout
    assert "is not what this image was built from" in " ".join(other.stdout.split())
    assert (own.returncode, other.returncode, own.stderr, other.stderr) == (0, 0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dockerfile", "no-such-file"),
        ("--dockerfile", "CHANGELOG.md"),
        ("--dockerfile", "."),
        ("--dockerfile", "sample_images/arg/Dockerfile", "--target", "none"),
        ("--dockerfile", "sample_images/arg/Dockerfile", "--build-arg", "X"),
        ("--target", "x"),
    ],
)
def test_a_dockerfile_that_cannot_be_used_is_told_and_exits_2(arguments: tuple[str, ...]) -> None:
    told = run("scan", *arguments, DELETED, folder=ROOT)

    assert (told.returncode, told.stdout) == (2, "")
    assert "Traceback" not in told.stderr


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


TOKEN = str(json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"])
FILES = {
    "app/.npmrc": f"//npm.example/:_authToken={TOKEN} # gitleaks:allow\n",
    "usr/share/doc/a.md": f"//npm.example/:_authToken={TOKEN}\n",
}
RULE = '[[ignore]]\npath = "usr/share/doc/**"\nreason = "an example of ours, long revoked"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with an image, ``shop.tar``, that has one token in two files: marked in one, not in the other."""
    layer = tar_of_files({name: text.encode() for name, text in FILES.items()})
    write_tar(tmp_path / "shop.tar", docker_archive((["shop:1"], [layer])))
    return tmp_path


def last_line(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout.splitlines()[-1], done.stderr


def test_a_rule_of_the_current_folder_and_a_mark_are_honoured_and_counted(shop: Path) -> None:
    (shop / ".layerleakignore").write_text(RULE)

    done = run("scan", "shop.tar", folder=shop, COLUMNS="200")

    ignored = f"""
  ignored, and not counted
    critical  npm access token  {redact(TOKEN.encode())}  a mark in the image, gitleaks:allow; .layerleakignore, \
rule 1: an example of ours, long revoked; layer 0  app/.npmrc:1 and 1 more place

  everything was read: 1 layer, 2 files, 10.0 KiB

no secrets that count in 1 image; 1 ignored (1 by marks in the image)
"""
    assert (done.returncode, done.stdout.partition("image\n")[2], done.stderr) == (0, ignored, "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "1 secret in 1 image: 1 critical; 1 ignored in part"),
        (("--no-inline-ignore",), "1 secret in 1 image: 1 critical"),
        (("--no-inline-ignore", "--ignore-file", "team.toml"), "1 secret in 1 image: 1 critical; 1 ignored in part"),
        (
            ("--no-inline-ignore", "--ignore-file", "team.toml", "--ignore-file", "all.toml"),
            "no secrets that count in 1 image; 1 ignored (1 by all.toml)",
        ),
        (("--no-inline-ignore", "--no-ignore-file"), "1 secret in 1 image: 1 critical"),
    ],
)
def test_who_ignores_is_the_users_choice(arguments: tuple[str, ...], expected: str, shop: Path) -> None:
    (shop / "team.toml").write_text(RULE)
    (shop / "all.toml").write_text(RULE.replace("usr/share/doc/", ""))

    done = run("scan", *arguments, "shop.tar", folder=shop)

    assert last_line(done) == (0 if "no secrets" in expected else 1, expected, "")


def test_the_file_of_the_current_folder_is_not_read_where_others_are_named_or_none_is_wanted(shop: Path) -> None:
    (shop / ".layerleakignore").write_text("malformed")
    (shop / "empty.toml").write_text("")

    for arguments in (("--ignore-file", "empty.toml"), ("--no-ignore-file",)):
        assert last_line(run("scan", *arguments, "shop.tar", folder=shop)) == (
            1,
            "1 secret in 1 image: 1 critical; 1 ignored in part",
            "",
        )


def test_a_rule_that_has_expired_is_told_and_ignores_nothing(shop: Path) -> None:
    (shop / ".layerleakignore").write_text(f"{RULE}expires = 2024-02-29\n")

    assert last_line(run("scan", "shop.tar", folder=shop)) == (
        1,
        "1 secret in 1 image: 1 critical; 1 ignored in part",
        "layerleak: .layerleakignore: rule 1 expired on 2024-02-29 and ignores nothing: "
        "an example of ours, long revoked\n",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[ignore]]\npath = "x"\n', "rule 1: expected a reason, a text that says why"),
        ("app/.npmrc\n", "expected TOML: Expected '=' after a key in a key/value pair (at line 1, column 4)"),
    ],
)
def test_a_malformed_ignore_file_is_one_line(text: str, told: str, shop: Path) -> None:
    (shop / ".layerleakignore").write_text(text)

    done = run("scan", "shop.tar", folder=shop)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"layerleak: .layerleakignore: {told}\n")


def test_an_ignore_file_that_is_not_there_is_one_line(shop: Path) -> None:
    done = run("scan", "--ignore-file", "gone.toml", "shop.tar", folder=shop)

    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "layerleak: gone.toml: No such file or directory\n",
    )


def test_a_fingerprint_from_a_report_ignores_the_secret_wherever_it_is(shop: Path) -> None:
    first = json.loads(run("scan", "--format", "json", "shop.tar", folder=shop).stdout)["images"][0]
    fingerprint = first["findings"][0]["fingerprint"]
    (shop / ".layerleakignore").write_text(f'[[ignore]]\nfingerprint = "{fingerprint}"\nreason = "revoked"\n')

    done = run("scan", "--format", "json", "shop.tar", folder=shop)

    (image,) = json.loads(done.stdout)["images"]
    (ignored,) = image["ignored"]
    by = {"kind": "rule", "source": ".layerleakignore", "rule": 1, "reason": "revoked"}
    assert (done.returncode, image["findings"], ignored["by"], ignored["partial"]) == (0, [], [by, by], False)
    assert [(o["path"], o["mark"]) for o in ignored["finding"]["occurrences"]] == [
        ("app/.npmrc", "gitleaks:allow"),
        ("usr/share/doc/a.md", None),
    ]


def test_the_history_ignores_nothing(shop: Path) -> None:
    (shop / ".layerleakignore").write_text(RULE)

    assert "app/.npmrc:1 and 1 more place" in run("history", "shop.tar", folder=shop).stdout


def test_a_text_is_explained_from_an_argument_or_from_stdin() -> None:
    told = f"""\
npm-access-token: found
  prefilter            yes  matches up to line 1, byte 24
  pattern              yes  matches at line 1, byte 1: {redact(TOKEN.encode())}
  entropy              yes  4.72 bits a byte, 3.50 asked for
  filter placeholder   yes  lets it through
  proof                yes  checksum matches
  claimed              yes  no other signature has a better claim to these bytes

1 secret found; 0 candidates refused
"""
    assert run("signatures", "explain", TOKEN).stdout == told
    assert run("signatures", "explain", "-", stdin=TOKEN).stdout == told


def test_an_explanation_shows_the_secret_when_asked_to() -> None:
    assert f" matches at line 1, byte 1: {TOKEN}\n" in run("signatures", "explain", "--show-secrets", TOKEN).stdout


def test_a_text_is_explained_as_of_a_file() -> None:
    told = run("signatures", "explain", "--path", "usr/share/doc/README.md", "password = qXk4Zr9Tw2Lm").stdout

    assert "  filter shipped_test  -    in the tests, examples or documentation of an installed package; so" in told


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


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_secret_of_the_given_dockerfile_is_hidden_though_no_image_has_it(form: str, tmp_path: Path) -> None:
    # Of the builder stage of `multi-stage`, which did not stay in this image.
    neighbour = json.loads((SAMPLES / "multi-stage" / "expected.json").read_text())["findings"][0]["secret"]
    given = (SAMPLES / "arg" / "Dockerfile").read_text().replace("ARG NPM", f"ENV OTHER_TOKEN={neighbour}\nARG NPM")
    (tmp_path / "Dockerfile").write_text(given)

    done = run(
        *("scan", "--no-fail", "--format", form, "--dockerfile", str(tmp_path / "Dockerfile")),
        str(SAMPLES / "arg" / "image.tar.gz"),
    )

    assert "ENV OTHER_TOKEN=" in done.stdout
    assert neighbour not in done.stdout
