"""Zip, tar and compressed streams, made by the tools that make them."""

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import zipapp
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.detect.unpack.opening import Files, opened

TEXT = b"".join(b"line %d of a text that lies somewhere inside\n" % number for number in range(9_000))
SMALL = b"token = something\n"

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, *, streamed: bool = False) -> bytes:
    """A zip of Python's; a streamed one has its sizes behind the members."""
    out = io.BytesIO()
    with zipfile.ZipFile(_Unseekable(out) if streamed else out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


class _Unseekable(io.RawIOBase):
    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._out.write(data)  # type: ignore[arg-type] # bytes, whatever the base class says


def tarred(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def expected(files: dict[str, bytes]) -> tuple[Files, list[object]]:
    return {(name,): content for name, content in files.items()}, []


FILES = {"a/long.txt": TEXT, "b.txt": SMALL, "c/" + "deep/" * 40 + "é.txt": SMALL * 3}


@pytest.mark.parametrize("step", [0, 13, 70_000])
@pytest.mark.parametrize(
    ("method", "streamed"),
    [
        (zipfile.ZIP_STORED, False),
        (zipfile.ZIP_DEFLATED, False),
        (zipfile.ZIP_DEFLATED, True),
        (zipfile.ZIP_BZIP2, False),
        (zipfile.ZIP_BZIP2, True),
        (zipfile.ZIP_LZMA, False),
        (zipfile.ZIP_LZMA, True),
    ],
)
def test_members_of_a_zip_are_read_however_it_was_written(method: int, streamed: bool, step: int) -> None:
    assert opened(zipped(FILES, method, streamed=streamed), step=step) == expected(FILES)


@pytest.mark.parametrize("step", [0, 13, 70_000])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_of_a_tar_are_read(form: int, step: int) -> None:
    assert opened(tarred(FILES, form), step=step) == expected(FILES)


@pytest.mark.parametrize("step", [0, 100_000])
@pytest.mark.parametrize("end", COMPRESSORS)
def test_a_compressed_file_holds_one_that_is_named_after_it(end: str, step: int) -> None:
    packed = COMPRESSORS[end](TEXT) + COMPRESSORS[end](SMALL)
    assert opened(packed, f"var/log/app.log.{end}", step=step) == ({("app.log",): TEXT + SMALL}, [])


def test_a_gzip_that_says_its_name_is_believed(tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_bytes(SMALL)
    subprocess.run(["gzip", "-N", tmp_path / "dump.sql"], check=True)
    assert opened((tmp_path / "dump.sql.gz").read_bytes(), "other.gz") == ({("dump.sql",): SMALL}, [])


@pytest.mark.parametrize("end", COMPRESSORS)
def test_a_tar_in_a_compressed_file_is_opened(end: str) -> None:
    packed = COMPRESSORS[end](tarred(FILES))
    files, troubles = opened(packed, f"backup.tar.{end}")
    assert ({inner[-1]: content for inner, content in files.items()}, troubles) == (FILES, [])
    assert {inner[0] for inner in files} == {"backup.tar"}


def test_archives_in_archives_are_opened_and_named_one_by_one() -> None:
    innermost = zipped({"config/.env": SMALL})
    war = zipped({"WEB-INF/lib/app.jar": innermost, "index.html": TEXT}, zipfile.ZIP_STORED)
    files, troubles = opened(gzip.compress(tarred({"opt/app.war": war})), "release.tgz")
    assert files == {
        ("release.tar", "opt/app.war", "WEB-INF/lib/app.jar", "config/.env"): SMALL,
        ("release.tar", "opt/app.war", "index.html"): TEXT,
    }
    assert troubles == []


def test_a_saved_image_in_an_image_is_opened() -> None:
    layer = tarred({"root/.aws/credentials": SMALL})
    saved = tarred({"blobs/sha256/" + "0" * 64: gzip.compress(layer), "manifest.json": b"[]"})
    files, _ = opened(saved)
    assert SMALL in files.values()
    assert files[("manifest.json",)] == b"[]"


def test_a_member_that_the_directory_leaves_out_is_read() -> None:
    data = zipped({"gone.txt": SMALL, "left.txt": TEXT})
    directory = data.index(b"PK\x01\x02")
    assert opened(data[:directory])[0] == {("gone.txt",): SMALL, ("left.txt",): TEXT}


def test_bytes_between_the_members_of_a_zip_do_no_harm() -> None:
    first, second = zipped({"a": SMALL}), zipped({"b": SMALL})
    assert opened(first + b"PK\x03\x04 and no header" + second)[0] == {("a",): SMALL, ("b",): SMALL}


def test_a_zip_that_python_runs_as_a_program_is_opened(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_bytes(SMALL)
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz", interpreter="/usr/bin/env python3")

    assert opened((tmp_path / "app.pyz").read_bytes()) == ({("__main__.py",): SMALL}, [])


def test_what_follows_a_nested_tar_is_handed_on_as_it_is() -> None:
    broken = tarred({"a": SMALL})[:1024] + b"no header" * 100
    files, troubles = opened(gzip.compress(broken), "x.tar.gz")
    assert files[("x.tar", "a")] == SMALL
    assert [(trouble.inner, trouble.reason.partition(":")[0]) for trouble in troubles] == [(("x.tar",), "damaged tar")]
    assert b"no header" in files[("x.tar",)]


@pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed")
def test_what_xz_writes_in_several_blocks_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(TEXT)
    subprocess.run(["xz", "-T2", "--block-size=65536", tmp_path / "a"], check=True)
    assert opened((tmp_path / "a.xz").read_bytes(), "a.xz") == ({("a",): TEXT}, [])
