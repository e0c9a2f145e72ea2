"""The benchmark's own parts, offline and in seconds: what it plants, composes, counts and prints. Times nothing."""

import base64
import binascii
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import floor, images, measure, plant, programs, table, trees
from tests.bench.archive import FORMS
from tests.bench.images import Images, Planted
from tests.bench.measure import Measured, Run
from tests.bench.plant import PLACES, Maker, Plant
from tests.bench.programs import Evidence, Program
from tests.bench.table import Results, Row
from tests.bench.trees import ClientError, Skipped, Tree

LAYERLEAK = next(program for program in programs.PROGRAMS if program.key == "layerleak")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """An image of a tree with two big files and a link, and of a tree with two small ones."""
    work = tmp_path_factory.mktemp("bench")
    huge, node = work / "huge", work / "node"
    (huge / "lib").mkdir(parents=True)
    for number in range(2):
        (huge / "lib" / f"{number}.so").write_bytes(bytes(range(256)) * 4000 * (2 - number))
    (huge / "lib" / "link.so").symlink_to("0.so")
    (node / "node_modules" / "left").mkdir(parents=True)
    for name in ("index.js", "package.json"):
        (node / "node_modules" / "left" / name).write_text("{}\n")
    made = [Tree("huge", huge, "opt"), Tree("node", node, "srv/web")]
    return images.compose(work / "images", made, plant.plants(), lambda _: None)


def scanned(archive: Path, report: Path) -> Path:
    arguments = [word.format(target=archive) for word in LAYERLEAK.counted]
    with report.open("wb") as file:
        words = [sys.executable, "-c", "from scanner.cli import main; main()", *arguments]
        subprocess.run(words, stdout=file, check=True)
    return report


@pytest.mark.parametrize("form", FORMS)
def test_layerleak_finds_every_planted_secret(tiny: Images, form: str, tmp_path: Path) -> None:
    report = scanned(tiny.archive(form), tmp_path / "report.json")
    found = programs.found(LAYERLEAK, report, tiny.planted)
    assert found is not None
    missed = [each.plant for number, each in enumerate(tiny.planted) if number not in found]
    assert [(each.kind, each.place, each.path) for each in missed] == []


def test_the_report_tells_where_the_hidden_ones_are(tiny: Images, tmp_path: Path) -> None:
    report = json.loads(scanned(tiny.archive("gzip"), tmp_path / "report.json").read_text())
    states = {o["path"]: o["state"] for f in report["images"][0]["findings"] for o in f["occurrences"] if o["path"]}
    assert states["tmp/gcp.json"] == "deleted"
    assert states["srv/app/.git-credentials"] == "overwritten"


def test_planted_secrets_lie_where_the_list_says(tiny: Images) -> None:
    folders = {path.name.partition("-")[2]: path for path in tiny.tree.iterdir()}
    for each in tiny.planted:
        if each.plant.layer:
            text = (folders[each.plant.layer] / each.plant.path).read_bytes().split(b"\n")
            assert each.plant.value.split("\n")[0].encode() in text[each.line - 1]


def test_every_kind_of_place_is_planted(tiny: Images) -> None:
    assert {each.plant.place for each in tiny.planted} == set(PLACES)
    assert 30 <= len(tiny.planted) <= 40


def test_plants_for_missing_trees_go_to_the_application(tiny: Images) -> None:
    shopify = next(each.plant for each in tiny.planted if each.plant.kind == "Shopify token")
    assert shopify.layer == "app"


def test_composing_again_takes_what_is_there(tiny: Images) -> None:
    assert images.compose(tiny.folder, [], [], pytest.fail) == tiny


def test_all_forms_decompress_to_the_same_layers(tiny: Images, capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for form in ("gzip", "zstd"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["floor.py", str(tiny.archive(form)), "2"])
            floor.main()
        counts.append(json.loads(capsys.readouterr().out)["bytes"])
    assert counts[0] == pytest.approx(counts[1], abs=100)  # the manifests name their media types
    assert counts[0] > tiny.stored["plain"]


def test_the_same_seed_makes_the_same_plants() -> None:
    once, again = ([p for p in plant.plants(7) if p.kind != "OpenSSH key"] for _ in range(2))
    assert once == again
    assert once != [p for p in plant.plants(8) if p.kind != "OpenSSH key"]


@pytest.mark.parametrize("prefix", ["ghp_", "npm_"])
def test_tokens_have_their_checksum(prefix: str) -> None:
    token = Maker(1).checked(prefix)
    body, checksum = token.removeprefix(prefix)[:30], token[-6:]
    assert checksum == plant.base62(binascii.crc32(body.encode()), 6)


def test_web_tokens_decode() -> None:
    header, claims, signature = Maker(1).jwt().split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "HS256"
    assert "sub" in json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32


@pytest.mark.parametrize("form", ["rsa", "rsa_pkcs8", "ed25519"])
def test_private_keys_load(form: str) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    serialization.load_pem_private_key(getattr(Maker(1), form)().encode(), None)


def planted(place: str = "text file", line: int = 2, *, layer: str = "app") -> Planted:
    return Planted(Plant("npm token", place, layer, "srv/.npmrc", "npm_0a1b2c", "x=npm_0a1b2c", ("npm_0a1b2c",)), line)


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (Evidence((), "/tree/srv/.npmrc", (2, 2)), True),
        (Evidence((), "/tree/srv/.npmrc", (3, 3)), False),
        (Evidence((), "other.npmrc", (2, 2)), False),
        (Evidence((), "elsewhere", (1, 1), programs._sha1("npm_0a1b2c")), True),
        (Evidence((), "elsewhere", (1, 1), programs._sha1("npm_0a1b2d")), False),
    ],
)
def test_programs_that_hide_secrets_are_judged_by_place(evidence: Evidence, *, told: bool) -> None:
    assert programs._tells(evidence, planted(), by_place=True) is told


def test_other_programs_are_judged_by_the_secret() -> None:
    assert programs._tells(Evidence(("x=npm_0a1b2c",)), planted(), by_place=False)
    assert not programs._tells(Evidence(("x=npm_",), "/tree/srv/.npmrc", (2, 2)), planted(), by_place=False)


def test_what_is_no_report_finds_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert programs.found(LAYERLEAK, report, (planted(),)) is None
    report.write_text("usage: scan [OPTIONS]")
    assert programs.found(LAYERLEAK, report, (planted(),)) is None


def test_a_program_that_cannot_be_installed_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: str) -> None:
        raise ClientError("pip install failed (1): no such package")

    monkeypatch.setattr(programs, "run_client", refuse)
    monkeypatch.setattr("venv.create", lambda *_, **__: None)
    missing = Program("nowhere", "Nowhere", "nowhere==1", "nowhere", ())
    reason = "nowhere==1 cannot be installed: pip install failed (1): no such package"
    assert programs.install(missing, tmp_path) == Skipped("Nowhere", reason)


def test_a_command_that_is_missing_is_reported(tmp_path: Path) -> None:
    missing = replace(LAYERLEAK, executable=str(tmp_path / "layerleak"))
    assert programs.install(missing, tmp_path) == Skipped("layerleak", "layerleak is not installed beside this Python")


def test_a_missing_client_skips_its_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    reasons = {tree.name: tree.reason for tree in trees.build("small", tmp_path) if isinstance(tree, Skipped)}
    assert reasons == {
        "rootfs": "dpkg-deb is not installed",
        "python": "python is not installed",
        "node": "npm is not installed",
        "huge": "python is not installed",
    }
    assert list((tmp_path / "trees").iterdir()) == []


def test_a_run_is_measured_and_its_limit_kept(tmp_path: Path) -> None:
    done = measure.run([sys.executable, "-c", "print('done')"], tmp_path, tmp_path / "a.out", 60)
    assert (done.code, done.timed_out) == (0, False)
    assert (tmp_path / "a.out").read_text() == "done\n"
    assert done.peak > 1 << 20
    late = measure.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, tmp_path / "b.out", 0.2)
    assert (late.code, late.timed_out) == (-9, True)
    absent = measure.run([os.fspath(tmp_path / "absent")], tmp_path, tmp_path / "c.out", 60)
    assert absent.code == 127


def row(key: str, source: str, wall: float, *, found: frozenset[int] | None = None, share: float = 1.0) -> Row:
    measured = Measured((Run(wall, 2 * wall, 30_000_000, 0, False),))
    return Row(key, key, "1.0", source, measured, share, found, frozenset({0, 1}), "")


def results() -> Results:
    failed = replace(row("broken", "gzip", 1), measured=Measured((), "exit code 2"))
    late = replace(row("late", "gzip", 1), measured=Measured((Run(900, 1, 2_000_000, -9, True),)))
    rows = (
        row("floor", "gzip", 1),
        row("floor", "plain", 0.25),
        row("layerleak", "gzip", 2, found=frozenset({0, 1})),
        row("peer", "files", 5, found=frozenset({0})),
        row("slow", "sample", 1, share=0.01),
        failed,
        late,
    )
    skipped = (Skipped("Nowhere", "cannot be installed"),)
    return Results(("2 cores",), rows, (planted(), planted("ENV", layer="")), skipped, 900)


def test_the_table_renders() -> None:
    lines = table.markdown(results()).splitlines()
    assert lines[4:13] == [
        "| program | reads | found | wall / floor | CPU / floor | wall / layerleak | CPU / layerleak | peak MB "
        "| wall s | CPU s | runs |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| floor | gzip | - | 1.00 | 1.00 | 0.50 | 0.50 | 30 | 1.00 | 2.00 | 1 |",
        "| floor | plain | - | 1.00 | 1.00 | - | - | 30 | 0.25 | 0.50 | 1 |",
        "| layerleak | gzip | 2/2 | 2.00 | 2.00 | 1.00 | 1.00 | 30 | 2.00 | 4.00 | 1 |",
        "| peer | files | 1/2 | 5.00 / 20.00 | 5.00 / 20.00 | 2.50 | 2.50 | 30 | 5.00 | 10.00 | 1 |",
        "| slow | sample | - | ~100.00 / ~400.00 | ~100.00 / ~400.00 | ~50.00 | ~50.00 | 30 | ~100.00 | ~200.00 | 1 |",
        "| broken | gzip | - | failed: exit code 2 | - | - | - | - | - | - | - |",
        "| late | gzip | - | - | - | - | - | 2 | > 900 | - | 1 |",
    ]
    assert "- **peer**, files: ENV 1 of 1 (npm token)" in lines
    assert "- **layerleak**, gzip: nothing" in lines
    assert "- Nowhere: cannot be installed" in lines


def test_the_json_tells_the_same_without_secrets() -> None:
    text = table.as_json(results())
    peer = json.loads(text)["rows"][3]
    assert peer["relative_to_layerleak"] == {"gzip": {"wall": 2.5, "cpu": 2.5}}
    assert peer["missed"] == [{"kind": "npm token", "place": "ENV", "path": "srv/.npmrc"}]
    assert "npm_0a1b2c" not in text
