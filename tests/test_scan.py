"""The whole path, on images that real builders made."""

import gzip
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scanner import TargetError, scan_image
from scanner.detect.ruleset import Ruleset
from scanner.finding import Finding, ImageReport, Occurrence, Rule
from scanner.image.dockerfile import parse_dockerfile
from scanner.scan import Scanner
from scanner.trace.given import Given
from scanner.trace.ignore import Ignoring
from tests.conftest import ROOT, SAMPLES
from tests.image.archives import Layout, docker_archive, tar_of_files, write_folder, write_tar

LESSONS = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))


def expected(lesson: str) -> Any:
    return json.loads((SAMPLES / lesson / "expected.json").read_text())


def scanned(lesson: str, ruleset: Ruleset) -> ImageReport:
    (image,) = Scanner(ruleset, b"k").scan(str(SAMPLES / lesson / expected(lesson)["image"]))
    return image


def secrets(image: ImageReport) -> dict[str, Finding]:
    return {finding.secret.decode().strip(): finding for finding in image.findings}


def place(occurrence: Occurrence) -> tuple[str | None, ...]:
    blamed, remover = occurrence.instruction, occurrence.removed_by
    return (
        occurrence.kind,
        occurrence.path if occurrence.kind == "file" else occurrence.field,
        occurrence.state,
        blamed.keyword if blamed else None,
        remover.keyword if remover else None,
    )


def test_there_is_a_sample_for_every_lesson() -> None:
    assert {"arg", "copy", "deleted", "env", "multi-stage", "overwritten", "secret-mount"} == set(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_sample_gives_the_secrets_it_teaches_and_no_others(lesson: str, ruleset: Ruleset) -> None:
    wanted = {
        finding["secret"].strip(): (finding["signature"], finding["introduced_by"])
        for finding in expected(lesson)["findings"]
    }

    found = {
        secret: (finding.signature.id, finding.introduced_by.keyword if finding.introduced_by else None)
        for secret, finding in secrets(scanned(lesson, ruleset)).items()
    }

    assert found == wanted


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_sample_tells_every_place_its_state_and_who_is_to_blame(lesson: str, ruleset: Ruleset) -> None:
    found = secrets(scanned(lesson, ruleset))
    for finding in expected(lesson)["findings"]:
        wanted = {
            (o["kind"], o.get("path", o.get("field")), o.get("state"), o["keyword"], o.get("removed_by"))
            for o in finding["occurrences"]
        }
        copies = set(finding.get("copies", ()))
        places = [o for o in found[finding["secret"].strip()].occurrences if o.document != "v1"]

        assert {place(o) for o in places if o.field not in copies} == wanted


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_sample_is_read_whole(lesson: str, ruleset: Ruleset) -> None:
    assert scanned(lesson, ruleset).coverage.skipped == ()


def test_the_samples_cover_all_states_and_carriers(ruleset: Ruleset) -> None:
    places = [o for lesson in LESSONS for f in scanned(lesson, ruleset).findings for o in f.occurrences]

    assert {o.state for o in places} == {None, "present", "deleted", "overwritten", "hidden"}
    assert {o.instruction.keyword for o in places if o.instruction} == {"ARG", "ENV", "COPY"}


def test_provenance_is_scanned_and_gives_dockerfile_lines(ruleset: Ruleset) -> None:
    (image,) = Scanner(ruleset, b"k").scan(str(ROOT / "tests/data/npm-arg/buildkit-max-v1.tar"))
    attested = [o for f in image.findings for o in f.occurrences if o.kind == "attestation"]

    blamed = Counter(o.instruction.keyword for o in attested if o.instruction)
    lines = {
        (o.instruction.dockerfile.start_line, o.instruction.dockerfile.end_line)
        for o in attested
        if o.instruction and o.instruction.dockerfile
    }

    assert blamed == {"ARG": 7, "RUN": 7}
    assert lines == {(8, 8), (10, 12), (13, 13), (14, 14), (15, 15), (16, 16), (17, 19), (20, 20)}


def test_every_secret_of_an_image_with_provenance_has_its_lines(ruleset: Ruleset) -> None:
    (image,) = Scanner(ruleset, b"k").scan(str(ROOT / "tests/data/npm-arg/buildkit-max-v1.tar"))
    counted = [finding for finding in image.findings if not finding.downgraded]
    told = [finding.introduced_by for finding in counted]

    assert all(o.instruction and o.instruction.dockerfile for finding in counted for o in finding.occurrences)
    assert {(i.keyword, i.dockerfile.start_line) for i in told if i and i.dockerfile} == {
        ("ARG", 8),
        ("ARG", 14),
        ("ARG", 16),
        ("ARG", 20),
    }
    assert [layer.instruction and layer.instruction.basis for layer in image.layers] == ["provenance"] * 7
    assert all(finding.excerpt and finding.advice for finding in counted)


CACHED = """\
FROM scratch AS base
ADD base.tar /
FROM base AS builder
ARG TOKEN
COPY build.key /src/deploy.key
COPY main.c /src/
RUN echo "password ${TOKEN}" > /root/.netrc
RUN echo "token" > /out/app.yml
RUN echo "key" > /tmp/key
RUN rm /tmp/key
FROM base
COPY --from=builder /out/ /opt/app/
COPY --from=builder /root/.netrc /etc/app/netrc
RUN rm -f /etc/app/netrc
"""


def test_layers_of_a_build_cache_are_tied_to_the_lines_of_a_dockerfile(ruleset: Ruleset) -> None:
    given = Given(parse_dockerfile(CACHED))
    (cache,) = Scanner(ruleset, b"k", given=given).scan(str(ROOT / "tests/data/multi-stage/buildkit-cache"))
    lines = [layer.instruction and layer.instruction.dockerfile for layer in cache.layers]

    assert [at and at.start_line for at in lines] == [12, 9, 10, 6, 7, 5, 14, 13, 2, 8]


def test_the_api_takes_a_path_and_gives_a_report() -> None:
    report = scan_image(SAMPLES / "deleted" / "image.tar.gz")

    (image,) = report.images
    assert [(f.signature.id, f.occurrences[0].state) for f in image.findings] == [("openssh-private-key", "deleted")]


def test_a_missing_target_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="No such file") as caught:
        scan_image(tmp_path / "none.tar")

    assert "\n" not in str(caught.value)


_MEASURE = """
import re, resource, sys
from pathlib import Path
from scanner import scan_image
(image,) = scan_image(sys.argv[1]).images
status = Path("/proc/self/status")
# On Linux ru_maxrss also counts what the parent had when it forked; VmHWM begins with the program itself.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0
peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(image.coverage.bytes, peak, [f.signature.id for f in image.findings])
"""


def _peak(path: Path) -> tuple[int, int, str]:
    """Bytes scanned, peak memory in KiB, and ids of what was found."""
    done = subprocess.run([sys.executable, "-c", _MEASURE, path], capture_output=True, text=True, check=True)
    size, peak, found = done.stdout.strip().split(" ", 2)
    return int(size), int(peak), found


def test_memory_does_not_grow_with_the_image(tmp_path: Path, make_filesystem: Any) -> None:
    small = _peak(make_filesystem(tmp_path / "small.tar", megabytes=16))
    large = _peak(make_filesystem(tmp_path / "large.tar", megabytes=400))

    assert small[2] == large[2] == "['npm-access-token']"
    assert large[0] > 20 * small[0]
    assert large[1] < 200 * 1024
    assert large[1] - small[1] < 20 * 1024


def test_a_blob_that_no_manifest_names_is_told_if_something_is_in_it(tmp_path: Path, ruleset: Ruleset) -> None:
    layout = tmp_path / "layout"
    shutil.copytree(ROOT / "tests/data/multi-stage/buildkit-cache", layout)
    index = json.loads((layout / "index.json").read_text())
    (layout / "index.json").write_text(json.dumps({**index, "manifests": []}))

    (left,) = Scanner(ruleset, b"k").scan(str(layout))

    assert (left.kind, len(left.layers)) == ("unreferenced", 10)
    assert {f.signature.provider.id for f in left.findings} >= {"gitlab", "docker", "newrelic"}


def _mismatches(path: Path, ruleset: Ruleset, *, check_diff_ids: bool = False) -> list[str]:
    (image,) = Scanner(ruleset, b"k", check_diff_ids=check_diff_ids).scan(str(path))
    return [skip.reason.partition(":")[0] for skip in image.coverage.skipped]


def test_the_diff_id_of_a_layer_that_its_digest_vouches_for_is_checked_when_asked(
    tmp_path: Path, ruleset: Ruleset
) -> None:
    layout = Layout()
    blob = layout.blob(gzip.compress(tar_of_files({"a": b"1"})), "application/vnd.oci.image.layer.v1.tar+gzip")
    made = layout.image(tar_of_files({"a": b"another"}), layers=[blob])
    path = write_folder(tmp_path / "layout", layout.done(made))

    assert _mismatches(path, ruleset) == []
    assert _mismatches(path, ruleset, check_diff_ids=True) == ["diff_id does not match"]


def test_a_layer_whose_diff_id_nobody_names_has_one_in_the_report_when_that_is_asked_for(
    tmp_path: Path, ruleset: Ruleset
) -> None:
    layout = tmp_path / "layout"
    shutil.copytree(ROOT / "tests/data/multi-stage/buildkit-cache", layout)
    index = json.loads((layout / "index.json").read_text())
    (layout / "index.json").write_text(json.dumps({**index, "manifests": []}))

    def diff_ids(*, check_diff_ids: bool) -> set[str]:
        (left,) = Scanner(ruleset, b"k", check_diff_ids=check_diff_ids).scan(str(layout))
        return {layer.diff_id.partition(":")[0] for layer in left.layers}

    assert diff_ids(check_diff_ids=False) == {""}
    assert diff_ids(check_diff_ids=True) == {"sha256"}


def test_the_diff_id_of_a_layer_without_a_digest_is_always_checked(tmp_path: Path, ruleset: Ruleset) -> None:
    files = docker_archive((["a:1"], [tar_of_files({"a": b"1"})]))
    name = next(name for name in files if name.endswith("layer.tar"))
    files[name] = gzip.compress(tar_of_files({"a": b"another"}))

    assert _mismatches(write_tar(tmp_path / "image.tar", files), ruleset) == ["diff_id does not match"]


def _kept_and_ignored(path: Path, ruleset: Ruleset, **options: Any) -> tuple[list[tuple[str | None, ...]], ...]:
    """Fields and paths of the places that count, and of those that are ignored."""
    (image,) = Scanner(ruleset, b"k", **options).scan(str(path))
    return (
        [(o.field, o.path) for f in image.findings for o in f.occurrences],
        [(o.field, o.path) for i in image.ignored for o in i.finding.occurrences],
    )


def test_marks_in_files_and_in_the_history_are_honoured_where_they_stand_and_nowhere_else(
    tmp_path: Path, ruleset: Ruleset
) -> None:
    token = expected("arg")["findings"][0]["secret"]
    layout = Layout()
    files = {"a": f"t={token} # gitleaks:allow\n", "b": f"# pragma: allowlist nextline secret\nt={token}\n"}
    made = layout.image(
        tar_of_files({name: text.encode() for name, text in files.items()} | {"c": f"t={token}\n".encode()}),
        history=[{"created_by": f"RUN t={token} npm ci # trufflehog:ignore"}],
        config={"Env": [f"T={token}"]},
    )
    path = write_folder(tmp_path / "layout", layout.done(made))
    env, run = ("/config/Env/0", None), ("/history/0/created_by", None)

    assert _kept_and_ignored(path, ruleset) == ([(None, "c"), env], [(None, "a"), (None, "b"), run])
    assert _kept_and_ignored(path, ruleset, ignoring=Ignoring(marks=False)) == (
        [(None, "a"), (None, "b"), (None, "c"), run, env],
        [],
    )


def test_the_api_takes_ignore_files_and_marks_as_the_command_does(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[ignore]]\nsignature = "openssh-*"\nreason = "opens nothing"\n')

    report = scan_image(SAMPLES / "deleted" / "image.tar.gz", ignore_files=(rules,), inline_ignore=False)

    assert [(len(image.findings), len(image.ignored)) for image in report.images] == [(0, 1)]
    assert report.rules == (Rule(str(rules), 1, "opens nothing", signature="openssh-*"),)


def test_a_secret_known_by_a_word_near_it_is_found_once_wherever_blocks_end(tmp_path: Path) -> None:
    content = bytearray(b"nothing to see here\n" * (120 * 1024))
    tokens = []
    chosen = random.Random(5)
    for number, start in enumerate(range(2**20 - 20_000, 2**20 + 40_000, 1500)):
        token, gap = b"%032x" % chosen.getrandbits(128), b"." * chosen.randrange(900)
        text = b"velma " + gap + b" " + token + b" " if number % 2 else b" " + token + b" " + gap + b" velma "
        content[start : start + len(text)] = text
        tokens.append(token)
    target = write_tar(tmp_path / "fs.tar", {"etc/big": bytes(content), "usr/none": b""})
    rules = Path(__file__).parent / "detect" / "rules" / "trufflehog.yml"

    (image,) = scan_image(target, signatures=(rules,)).images

    assert sorted(finding.secret for finding in image.findings) == sorted(tokens)
    assert {len(finding.occurrences) for finding in image.findings} == {1}


def test_what_documents_hold_is_told_before_any_layer_is_read(ruleset: Ruleset) -> None:
    told: list[object] = []
    scanner = Scanner(
        ruleset,
        b"key",
        progress=lambda read, _: told.append(read),
        jobs=2,
        early=lambda names: told.append(list(names)),
    )
    scanner.scan(str(ROOT / "tests" / "data" / "npm-arg" / "buildkit-max-v1.tar"))

    assert told[0] == [
        "npm access token",
        "GitHub personal access token (classic)",
        "password assigned by name",
        "Sentry organization token",
    ]
    assert len(told) > 1
