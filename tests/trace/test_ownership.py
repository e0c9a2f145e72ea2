"""Secrets in files that a package brought: told, with the package's name, and not counted."""

import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.finding import Finding
from scanner.image import packages
from scanner.scan import Scanner
from tests.image.archives import docker_archive, tar_of_files, write_tar

KEY = b"aws_secret_access_key = q0dJf8mVx3bWnZ7Rk2sTyLh5Gc9PaEu4iXoM1vBd\n"
SUMS = f"{hashlib.md5(KEY).hexdigest()}  usr/share/acme/key.ini\n".encode()
DATABASE = "var/lib/dpkg/info/acme.md5sums"


def found(tmp_path: Path, ruleset: Ruleset, *layers: dict[str, bytes]) -> Finding:
    files = docker_archive((["a:1"], [tar_of_files(layer) for layer in layers]))
    (image,) = Scanner(ruleset, b"k").scan(str(write_tar(tmp_path / "image.tar", files)))
    (finding,) = image.findings
    return finding


REASON = "in an unchanged file of Debian package acme"


def test_a_secret_in_an_unchanged_file_of_a_package_is_downgraded(tmp_path: Path, ruleset: Ruleset) -> None:
    assert found(tmp_path, ruleset, {"usr/share/acme/key.ini": KEY, DATABASE: SUMS}).downgraded == REASON


def test_the_database_may_lie_in_a_later_layer(tmp_path: Path, ruleset: Ruleset) -> None:
    assert found(tmp_path, ruleset, {"usr/share/acme/key.ini": KEY}, {DATABASE: SUMS}).downgraded == REASON


def test_the_database_may_have_been_replaced_since(tmp_path: Path, ruleset: Ruleset) -> None:
    assert (
        found(tmp_path, ruleset, {"usr/share/acme/key.ini": KEY, DATABASE: SUMS}, {DATABASE: b""}).downgraded == REASON
    )


def test_a_changed_file_of_a_package_counts(tmp_path: Path, ruleset: Ruleset) -> None:
    assert found(tmp_path, ruleset, {"usr/share/acme/key.ini": b"# ours\n" + KEY, DATABASE: SUMS}).downgraded is None


def test_the_same_secret_in_a_file_of_nobody_counts(tmp_path: Path, ruleset: Ruleset) -> None:
    finding = found(tmp_path, ruleset, {"usr/share/acme/key.ini": KEY, DATABASE: SUMS, "srv/key.ini": KEY})

    assert finding.downgraded is None
    assert [place.path for place in finding.occurrences] == ["usr/share/acme/key.ini", "srv/key.ini"]


SOURCE = b"aws_secret_access_key = 'q0dJf8mVx3bWnZ7Rk2sTyLh5Gc9PaEu4iXoM1vBd'\n"


@pytest.mark.parametrize(
    ("source", "compiled", "reason"),
    [
        ("usr/share/acme/key.py", "usr/share/acme/__pycache__/key.cpython-311.pyc", REASON),
        ("usr/share/acme/key.py", "usr/share/acme/__pycache__/key.cpython-311.opt-1.pyc", REASON),
        ("usr/share/acme/key.py", "usr/share/acme/__pycache__/other.cpython-311.pyc", None),
        ("srv/key.py", "srv/__pycache__/key.cpython-311.pyc", None),
    ],
)
def test_what_is_compiled_from_an_unchanged_file_of_a_package_is_as_public(
    tmp_path: Path, ruleset: Ruleset, source: str, compiled: str, reason: str | None
) -> None:
    sums = f"{hashlib.md5(SOURCE).hexdigest()}  usr/share/acme/key.py\n".encode()
    # As marshal has the two: strings of which the length stands before them.
    code = b"\xa7\r\r\n" + b"\0" * 12 + b"\xfa\x1eaws_secret_access_key = secret\n\xfa" + bytes([len(SOURCE)]) + SOURCE

    assert found(tmp_path, ruleset, {source: SOURCE, DATABASE: sums}, {compiled: code}).downgraded == reason


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("changed", [b"", b"# ours\n"])
def test_a_file_larger_than_a_block_is_read_again(
    tmp_path: Path, ruleset: Ruleset, compress: Callable[[bytes], bytes], changed: bytes
) -> None:
    big = b"# settings of acme\n" * 200_000 + KEY + b"# end\n" * 100_000
    sums = f"{hashlib.md5(big).hexdigest()}  usr/share/acme/key.ini\n".encode()
    path = tmp_path / "rootfs.tar"
    path.write_bytes(compress(tar_of_files({"usr/share/acme/key.ini": big + changed, DATABASE: sums, "z": b"x"})))

    (image,) = Scanner(ruleset, b"k").scan(str(path))

    assert [finding.downgraded for finding in image.findings] == [None if changed else REASON]


def test_a_database_is_read_once_for_all_images_that_share_its_layer(
    tmp_path: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = b"# settings of acme\n" * 200_000 + KEY + b"# end\n" * 100_000
    sums = f"{hashlib.md5(big).hexdigest()}  usr/share/acme/key.ini\n".encode()
    shared = tar_of_files({"usr/share/acme/key.ini": big, DATABASE: sums})
    files = docker_archive((["a:1"], [shared]), (["b:1"], [shared, tar_of_files({"z": b"x"})]))
    read: list[bytes] = []

    def reading(path: bytes, content: bytes, records: Mapping[bytes, bytes]) -> Iterator[packages.Owned]:
        read.append(path)
        return packages._md5sums(path, content, records)

    monkeypatch.setattr(packages, "_READERS", ((b".md5sums", reading),))

    images = Scanner(ruleset, b"k").scan(str(write_tar(tmp_path / "image.tar", files)))

    assert [finding.downgraded for image in images for finding in image.findings] == [REASON, REASON]
    assert read == [DATABASE.encode()]
