"""Secrets in files that lie in files of a layer, through the whole scan."""

import base64
import gzip
import hashlib
import json
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.finding import ImageReport, Occurrence
from scanner.profile import Profile
from scanner.scan import Scanner
from tests.conftest import SAMPLES
from tests.detect.unpack.test_archives import tarred, zipped
from tests.detect.unpack.test_git import Git
from tests.detect.unpack.test_limits import encrypted
from tests.image.archives import Layout, tar_of_files, write_folder, write_tar

TOKEN = json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"].encode()
LINE = b"# settings\n\ntoken=" + TOKEN + b"\n"
NOISE = random.Random(1)


def scan(path: Path, ruleset: Ruleset, jobs: int = 2) -> ImageReport:
    (image,) = Scanner(ruleset, b"k", jobs=jobs).scan(str(path))
    return image


def places(image: ImageReport) -> list[Occurrence]:
    return [occurrence for finding in image.findings for occurrence in finding.occurrences]


def told(image: ImageReport) -> list[str]:
    return [skip.reason for skip in image.coverage.skipped]


def test_a_secret_in_an_archive_is_told_by_the_paths_of_both(ruleset: Ruleset, tmp_path: Path) -> None:
    files = {"srv/app.jar": zipped({"META-INF/MANIFEST.MF": b"", "conf/.npmrc": LINE}), "srv/app.txt": b"nothing"}
    (place,) = places(scan(write_tar(tmp_path / "image.tar", files), ruleset))

    assert (place.path, place.inner, place.line, place.offset) == ("srv/app.jar", ("conf/.npmrc",), 3, 18)


def test_a_secret_that_an_archive_only_stores_is_told_once(ruleset: Ruleset, tmp_path: Path) -> None:
    files = {"a.zip": zipped({"in/a": LINE}, zipfile.ZIP_STORED), "b.tar": tarred({"in/b": LINE})}
    image = scan(write_tar(tmp_path / "image.tar", files), ruleset)

    assert [(place.path, place.inner) for place in places(image)] == [("a.zip", ("in/a",)), ("b.tar", ("in/b",))]


@pytest.mark.parametrize("jobs", [1, 3])
def test_archives_that_blocks_cut_are_opened_wherever_they_lie(jobs: int, ruleset: Ruleset, tmp_path: Path) -> None:
    files = {}
    for number in range(12):
        padding = NOISE.randbytes(NOISE.randrange(700_000))
        files[f"{number}.zip"] = zipped({"padding": padding, f"{number}/key": LINE})
    files["large.zip"] = zipped({"padding": NOISE.randbytes(5 << 20), "large/key": LINE})
    image = scan(write_tar(tmp_path / "image.tar", files), ruleset, jobs)

    wanted = {(name, (f"{name.removesuffix('.zip')}/key",)) for name in files}
    assert {(place.path, place.inner) for place in places(image)} == wanted
    assert image.coverage.complete


def test_an_archive_too_large_to_be_held_is_read_again(
    ruleset: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.pipeline.HELD", 1 << 20)
    padding = NOISE.randbytes(3 << 20)
    files = {
        "a.zip": zipped({"padding": padding, "in/a": LINE}),
        "b.txt": LINE,
        "c.tar.gz": gzip.compress(tarred({"padding": padding, "in/c": LINE})),
    }
    image = scan(write_tar(tmp_path / "image.tar", files), ruleset)

    found = [(place.path, place.inner) for place in places(image)]
    assert found == [("a.zip", ("in/a",)), ("b.txt", ()), ("c.tar.gz", ("c.tar", "in/c"))]
    assert image.coverage.complete


def test_what_became_of_the_outer_file_is_told(ruleset: Ruleset, tmp_path: Path) -> None:
    layout = Layout()
    layers = [tar_of_files({"opt/a.war": zipped({"key": LINE})}), tar_of_files({"opt/.wh.a.war": b""})]
    (place,) = places(scan(write_folder(tmp_path / "layout", layout.done(layout.image(*layers))), ruleset))

    assert (place.inner, place.layer, place.state, place.removed_in) == (("key",), 0, "deleted", 1)


def test_what_a_package_brought_is_public_also_inside(ruleset: Ruleset, tmp_path: Path) -> None:
    doc = gzip.compress(LINE, mtime=0)
    sums = f"{hashlib.md5(doc).hexdigest()}  usr/share/doc/tool/README.gz\n".encode()
    files = {"usr/share/doc/tool/README.gz": doc, "var/lib/dpkg/info/tool.md5sums": sums}
    (finding,) = scan(write_tar(tmp_path / "image.tar", files), ruleset).findings

    assert finding.downgraded == "in an unchanged file of Debian package tool"


def test_filters_see_the_paths_of_both(ruleset: Ruleset, tmp_path: Path) -> None:
    key = b"password = 'kx93Pq!vR2mz7'\n"
    files = {"usr/share/doc/tool/examples/setup.gz": gzip.compress(key), "srv/setup.gz": gzip.compress(key)}
    manual, own = (
        scan(write_tar(tmp_path / f"{number}.tar", {name: data}), ruleset).findings
        for number, (name, data) in enumerate(files.items())
    )

    assert [finding.downgraded for finding in manual] == [
        "in the tests, examples or documentation of an installed package"
    ]
    assert [finding.downgraded for finding in own] == [None]


def test_what_could_not_be_opened_is_in_the_coverage(ruleset: Ruleset, tmp_path: Path) -> None:
    files = {"opt/locked.zip": encrypted({"a": b"x" * 30, "b": b"y" * 12})}
    image = scan(write_tar(tmp_path / "image.tar", files), ruleset)

    assert told(image) == ["opt/locked.zip!a: encrypted (and 1 more members)"]
    assert [skip.bytes for skip in image.coverage.skipped] == [42]
    assert not image.coverage.complete


def test_a_hundred_broken_files_are_told_and_the_others_counted(ruleset: Ruleset, tmp_path: Path) -> None:
    broken = gzip.compress(LINE)[:20]
    image = scan(write_tar(tmp_path / "image.tar", {f"{n}.gz": broken for n in range(150)}), ruleset)

    assert len(told(image)) == 101
    assert told(image)[-1].startswith("50 more files or members could not be opened")


def test_the_time_it_takes_is_a_stage_of_the_profile(ruleset: Ruleset, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "image.tar", {"a.gz": gzip.compress(b"a line of text\n" * 100_000)})
    profile = Profile()
    Scanner(ruleset, b"k", profile=profile).scan(str(path))

    assert profile.bytes["unpack"] == 1_500_000
    assert profile.seconds["unpack"] > 0


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("packed", [False, True])
def test_a_secret_in_a_deleted_commit_is_told_with_the_commit(packed: bool, ruleset: Ruleset, tmp_path: Path) -> None:
    made = Git(tmp_path / "made")
    leaked = made.commit("conf/.npmrc", LINE)
    made.commit("conf/.npmrc", b"# settings\n")
    if packed:
        made("repack", "-adfq")
    files = {
        f"app/{path.relative_to(made.folder)}": path.read_bytes()
        for path in (made.folder / ".git").rglob("*")
        if path.is_file()
    }
    (place,) = places(scan(write_tar(tmp_path / "image.tar", files), ruleset))

    assert place.commit is not None
    assert (place.commit.id, place.commit.path) == (leaked, "conf/.npmrc")
    assert place.line == 3


def test_a_secret_in_base64_is_told_in_files_and_in_fields(ruleset: Ruleset, tmp_path: Path) -> None:
    packed = base64.b64encode(b'{"auth": "' + LINE + b'"}').decode()
    layout = Layout()
    made = layout.image(
        tar_of_files({"a.yaml": f"data:\n  key: {packed}\n".encode(), "b.zip": zipped({"c": packed.encode()})}),
        config={"Env": ["PATH=/bin", f"SETTINGS={packed}"]},
    )
    image = scan(write_folder(tmp_path / "layout", layout.done(made)), ruleset)

    assert {(place.path or place.field, place.inner, place.offset) for place in places(image)} == {
        ("a.yaml", ("base64 at byte 13",), 28),
        ("b.zip", ("c", "base64 at byte 0"), 28),
        ("/config/Env/1", ("base64 at byte 9",), 9),
    }
