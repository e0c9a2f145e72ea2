"""Files that are read as a whole, and larger than a block."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner import cut_files
from scanner.detect.ruleset import Ruleset
from scanner.finding import ImageReport
from scanner.scan import Scanner
from tests.image.archives import docker_archive, tar_of_files, write_tar

VALUE = "nuL8Vq3zTgWx5Rk2"


def state(size: int) -> bytes:
    """A state that is so large, with the secret at its end."""
    filler = [
        {"mode": "managed", "type": "null_resource", "name": "n", "instances": [{"attributes": {"x": "y" * size}}]}
    ]
    attributes = {"password": VALUE, "private_note": "none"}
    last = {"mode": "managed", "type": "aws_db_instance", "name": "main", "instances": [{"attributes": attributes}]}
    return json.dumps({"version": 4, "terraform_version": "1.5.7", "resources": [*filler, last]}, indent=1).encode()


def scanned(tmp_path: Path, ruleset: Ruleset, layer: bytes) -> ImageReport:
    (image,) = Scanner(ruleset, b"k").scan(str(write_tar(tmp_path / "image.tar", docker_archive((["a:1"], [layer])))))
    return image


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("size", [1000, 1_100_000, 3_000_000])
def test_a_state_is_read_whether_a_block_holds_it_or_not(
    tmp_path: Path, ruleset: Ruleset, compress: Callable[[bytes], bytes], size: int
) -> None:
    data = state(size)
    image = scanned(tmp_path, ruleset, compress(tar_of_files({"a/first": b"x" * 5000, "srv/infra.json": data})))

    (finding,) = image.findings
    (place,) = finding.occurrences
    assert (finding.signature.id, finding.proof) == (
        "terraform-state-secret",
        "attribute password of aws_db_instance.main",
    )
    assert (place.path, place.offset) == ("srv/infra.json", data.index(VALUE.encode()))
    assert place.line == data.count(b"\n", 0, place.offset) + 1
    assert not [skip for skip in image.coverage.skipped if "srv/" in skip.reason]


def test_one_that_is_too_large_is_told(tmp_path: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_files, "MAX_FILE", 2_000_000)
    image = scanned(tmp_path, ruleset, tar_of_files({"srv/infra.json": state(3_000_000)}))

    (skip,) = image.coverage.skipped
    assert skip.reason == (
        "srv/infra.json: is larger than 2000000 bytes, so that it was scanned as text and not parsed"
    )
    assert image.coverage.complete


def test_a_provider_s_token_keeps_its_own_proof_and_is_told_where_it_stands(tmp_path: Path, ruleset: Ruleset) -> None:
    key = "AKIA" + "Q3EGRWXYZ2K4TBMH"  # no pair goes with it
    data = state(10).replace(VALUE.encode(), key.encode())

    (finding,) = scanned(tmp_path, ruleset, tar_of_files({"infra.json": data})).findings

    assert finding.signature.id == "aws-access-key-id"
    assert (finding.proof or "").endswith(", attribute password of aws_db_instance.main")
