"""What the comparison counts, and how it reads each program's report. Runs none of them."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.bench import accuracy, images, programs, tally
from tests.bench.programs import Evidence
from tests.bench.tally import Expected

REPORTS: dict[str, Any] = {
    "layerleak": {
        "images": [
            {
                "findings": [
                    {
                        "secret": "s",
                        "signature": {"id": "a-key"},
                        "downgraded": "in an unchanged file",
                        "occurrences": [{"path": "srv/a", "line": 3}, {"path": None, "line": None}],
                    }
                ]
            }
        ]
    },
    "kingfisher": {"findings": [{"rule": {"id": "k.1"}, "finding": {"snippet": "s", "path": "/t/srv/a", "line": 3}}]},
    "betterleaks": {
        "findings": [
            {
                "rule_id": "b",
                "match": {"full": "x=s", "value": "s"},
                "location": {"path": "/t/srv/a", "start_line": 3, "end_line": 5},
            }
        ]
    },
    "gitleaks": [
        {"RuleID": "g", "Secret": "s", "Match": "x=s", "File": "/t/srv/a", "StartLine": 3, "EndLine": 5},
    ],
    "trivy": {
        "Results": [{"Target": "/srv/a", "Secrets": [{"RuleID": "t", "Match": "x=*", "StartLine": 3, "EndLine": 3}]}]
    },
    "detect-secrets": {"results": {"srv/a": [{"type": "Keyword", "line_number": 3, "hashed_secret": "0a"}]}},
}
READ = {
    "layerleak": [
        Evidence(("s",), "srv/a", (3, 3), rule="a-key", excused="in an unchanged file"),
        Evidence(("s",), "", (0, 0), rule="a-key", excused="in an unchanged file"),
    ],
    "kingfisher": [Evidence(("s",), "/t/srv/a", (3, 3), rule="k.1")],
    "betterleaks": [Evidence(("x=s", "s"), "/t/srv/a", (3, 5), rule="b")],
    "gitleaks": [Evidence(("s", "x=s"), "/t/srv/a", (3, 5), rule="g")],
    "trivy": [Evidence(("x=*",), "/srv/a", (3, 3), rule="t")],
    "detect-secrets": [Evidence((), "srv/a", (3, 3), "0a", "Keyword")],
}


@pytest.mark.parametrize("key", REPORTS)
def test_each_programs_report_is_read(key: str) -> None:
    program = next(program for program in programs.PROGRAMS if program.key == key)
    assert program.parse is not None
    assert list(program.parse(REPORTS[key])) == READ[key]


def at(path: str, line: int, rule: str = "r", **more: Any) -> Evidence:
    return Evidence((f"{path}:{line}",), path, (line, line + 2), rule=rule, **more)


def test_the_truth_is_read_past_its_comments() -> None:
    text = "# name,risk,informative\n\n.env,6,4\nssh/id.pub,0,1\n"
    assert tally.read_truth(text) == {".env": Expected(6, 4), "ssh/id.pub": Expected(0, 1)}
    with pytest.raises(ValueError, match="not enough values"):
        tally.read_truth("only-a-name\n")


def test_lines_are_counted_once_a_file_by_the_first_of_each_match() -> None:
    found = [at("/t/srv/repo/a", 3), at("/t/srv/repo/a", 3, "other"), at("/t/srv/repo/a", 9), at("b", 1)]
    excused = at("/t/srv/repo/a", 20, excused="known")
    assert tally.lines_by_file([*found, excused], "srv/repo/") == {"a": {3, 9}, "b": {1}}


def test_lines_are_credited_as_risks_first_and_what_is_more_is_outside() -> None:
    truth = {"few": Expected(2, 1), "right": Expected(1, 1), "many": Expected(1, 1), "told": Expected(0, 2)}
    lines = {"few": {1}, "right": {1, 2}, "many": {1, 2, 3, 4}, "told": {7}, "else": {1, 2}}
    assert tally.tally("us", truth, lines) == tally.Tally(
        "us", {"few": 1, "right": 1, "many": 1}, 3, {"many": 2, "else": 2}
    )


def test_the_table_of_risks_names_the_files_that_any_missed() -> None:
    truth = {"a": Expected(2, 1), "b": Expected(1, 0)}
    us = tally.tally("us", truth, {"a": {1, 2}, "b": {1}})
    them = tally.tally("them", truth, {"a": {1}, "b": {1, 2}})
    lines = list(tally.truth_report(truth, [us, them]))
    assert lines[2:4] == ["| us | 3/3 | 0/1 | 2/2 | 2/2 | 0 |", "| them | 2/3 | 0/1 | 1/2 | 2/2 | 1 in 1 files |"]
    assert "| `a` | 2 | 2 | 1 |" in lines
    assert not any(line.startswith("| `b`") for line in lines)
    assert lines[-1] == "- **them**, outside of the truth: `b` 1"


def test_false_reports_leave_out_host_keys_and_what_does_not_count() -> None:
    evidence = [
        at("/t/etc/ssh/ssh_host_rsa_key", 1, "private-key"),
        at("/t/usr/lib/a.so", 1, "private-key"),
        at("/t/usr/lib/a.so", 1, "private-key"),
        at("/t/usr/share/doc/b", 4, "generic", excused="documentation"),
    ]
    told = tally.noise("us", evidence, "/t/", share=0.5)
    assert (told.false, told.real, dict(told.excused)) == (2.0, 1, {"documentation": 1})
    lines = list(tally.noise_report(500_000_000, [told], "us"))
    assert lines[2] == "| us | ~2 | ~4.0 | 1 | 1 | private-key 1 |"
    assert lines[-1] == "- not counted, documentation: 1"
    assert "- private-key: `usr/lib/a.so`, line 1" in lines


def test_the_truth_goes_to_no_scanner(tmp_path: Path) -> None:
    for name in ("a/.env", ".leaky-meta/secrets.csv", ".git/config"):
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / name).write_text("x")
    layer = accuracy._packed(tmp_path / "repo", tmp_path / "made")
    with tarfile.open(layer) as tar:
        assert tar.getnames() == ["srv/repo/a/.env"]


def test_a_tar_whose_names_lead_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rootfs.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("/etc/a", "../b"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="leads out of the folder"):
        images.extract(path, tmp_path / "tree")
    assert (tmp_path / "tree" / "etc" / "a").read_text() == "x"
    assert not (tmp_path / "b").exists()
