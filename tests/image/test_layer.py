import gzip
import io
import random
import shutil
import subprocess
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scanner.image.layer import STEP, Layer
from tests.image.archives import (
    COMPRESSORS,
    END,
    SMALL_DOCKER_ARCHIVE,
    SMALL_OCI_ARCHIVE,
    Entry,
    SmallBlocks,
    Trickle,
    chunks,
    entries_by_tarfile,
    file_entry,
    header,
    lines_by_counting,
    octal,
    padded,
    reassemble,
    sha256,
    tar_of,
    tar_of_files,
)

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
KINDS = [
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.CONTTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
]
NAMES = st.tuples(
    st.sampled_from(["", "./", "/", "../", ".//"]),
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300),
        st.text("ab/.", min_size=1, max_size=300),
        st.binary(min_size=1, max_size=90).map(lambda b: b.replace(b"\0", b"0").decode("utf-8", "surrogateescape")),
        st.sampled_from(["same", "etc/passwd"]),
    ),
    st.sampled_from(["", "", "/"]),
).map("".join)
SIZES = st.one_of(st.sampled_from([0, 1, 511, 512, 513, 4095, 4096, 4097]), st.integers(0, 20_000))
MEMBERS = st.lists(st.tuples(NAMES, st.sampled_from(KINDS), SIZES, NAMES, st.integers(0, 255)), max_size=8)


def content(size: int, seed: int) -> bytes:
    """Text of many lines, or bytes that are none."""
    if seed % 4:
        return (b"line of some length %d\n" % seed * (size // 20 + 1))[:size]
    return random.Random(seed).randbytes(size)


def drawn_tar(members: list[Any], tar_format: int) -> bytes:
    entries = []
    for name, kind, size, link, seed in members:
        fields: dict[str, Any] = {"type": kind, "linkname": link if kind in b"12" else ""}
        data = content(size, seed) if kind in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) else b""
        if tar_format == tarfile.USTAR_FORMAT:
            name, fields["linkname"] = name[:60], fields["linkname"][:60]
            if len(name.encode("utf-8", "surrogateescape")) > 100:
                name = name[:20]
            if len(fields["linkname"].encode("utf-8", "surrogateescape")) > 100:
                fields["linkname"] = "x"
        if kind == tarfile.AREGTYPE and name.endswith("/"):
            data = b""
        entries.append(file_entry(name, data, **fields))
    return tar_of(entries, tar_format)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    MEMBERS,
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from([512, 1024, 4096, 10240]),
    st.sampled_from([(0, 0), (512, 512), (100, 5000), (9000, 1), (2048, 65536)]),
    st.integers(1, 10_000),
)
@example([("a/", tarfile.AREGTYPE, 5, "", 1), ("b", tarfile.REGTYPE, 9, "", 1)], "gnu", 512, (0, 0), 1)
@example([("a/..", tarfile.REGTYPE, 5, "", 1), ("b//", tarfile.DIRTYPE, 0, "", 1)], "pax", 512, (512, 512), 9)
def test_a_layer_holds_what_tarfile_sees_in_it(
    members: list[Any], tar_format: str, step: int, around: tuple[int, int], most: int
) -> None:
    data = drawn_tar(members, FORMATS[tar_format])
    with SmallBlocks(step):
        result = reassemble(cast(BinaryIO, Trickle(data, most=most)), data, *around)
    assert entries_by_tarfile(data) == result.entries
    assert result.reasons == []
    assert sha256(data) == result.layer.digest == result.layer.diff_id


@pytest.mark.parametrize("around", [(0, 0), (512, 512), (100_000, 300_000), (3 << 20, 2 << 20)])
@pytest.mark.parametrize("most", [700, 1 << 20])
def test_members_larger_than_a_block_are_seen_whole_and_once(around: tuple[int, int], most: int) -> None:
    text = b"".join(b"line %d\n" % number for number in range(350_000))
    data = tar_of_files({"a": b"x\n", "long.txt": text, "one-line": b"y" * (STEP + 513), "after": b"\nz\n"})
    assert len(text) > 3 * STEP
    result = reassemble(cast(BinaryIO, Trickle(data, most=most)), data, *around)
    assert entries_by_tarfile(data) == result.entries
    assert lines_by_counting(data, result) == result.lines
    assert result.blocks >= 2 or sum(around) > len(data) - STEP


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab\n", max_size=4000), max_size=6), st.sampled_from([512, 1024, 2048]), st.integers(0, 3000))
def test_a_block_knows_the_line_of_any_offset(texts: list[str], step: int, around: int) -> None:
    data = tar_of_files({f"f{number}": text.encode() for number, text in enumerate(texts)})
    with SmallBlocks(step):
        result = reassemble(data, data, around, around)
    assert lines_by_counting(data, result) == result.lines


def test_a_file_with_a_nul_has_no_lines() -> None:
    data = tar_of_files({"binary": b"\x7fELF\0\n\n" + b"\n" * 5000})
    with SmallBlocks(1024):
        result = reassemble(data, data)
    assert {0} == {line for _, line in result.lines[0]}


@pytest.mark.parametrize("multiple", [1, 2, 3])
def test_a_tar_that_ends_with_a_block_is_read_to_its_end(multiple: int) -> None:
    size = multiple * STEP - 512
    data = header(b"f", octal(size)) + b"\n" * size
    result = reassemble(data, data, 0, 4096)
    assert [Entry("f", b"0", size, b"\n" * size)] == result.entries
    assert result.reasons == []


def test_an_empty_stream_is_an_empty_layer() -> None:
    result = reassemble(b"", b"")
    assert ([], [], sha256(b"")) == (result.entries, result.reasons, result.layer.digest)


def test_concatenated_tars_are_read_to_the_last() -> None:
    first, second = tar_of_files({"a": b"1"}), tar_of_files({"b": b"2", "a": b"3"})
    data = first + second
    result = reassemble(data, data)
    assert [entry.path for entry in result.entries] == ["a", "b", "a"]
    assert entries_by_tarfile(data, ignore_zeros=True) == result.entries
    assert result.reasons == []


def test_a_tar_without_an_end_mark_is_whole() -> None:
    data = header(b"f", octal(3)) + padded(b"abc")
    assert ([Entry("f", b"0", 3, b"abc")], []) == ((result := reassemble(data, data)).entries, result.reasons)


# --- GNU tar --------------------------------------------------------------------------------------------------------

SPARSE = {
    "old GNU": ["--format=gnu"],
    "PAX 0.0": ["--format=pax", "--sparse-version=0.0"],
    "PAX 0.1": ["--format=pax", "--sparse-version=0.1"],
    "PAX 1.0": ["--format=pax", "--sparse-version=1.0"],
}


def gnu_tar(folder: Path, *options: str) -> bytes:
    if shutil.which("tar") is None or b"GNU" not in subprocess.run(["tar", "--version"], capture_output=True).stdout:
        pytest.skip("no GNU tar here")
    return subprocess.run(["tar", "-C", str(folder), "-cf", "-", *options], capture_output=True, check=True).stdout


@pytest.fixture
def sparse_files(tmp_path: Path) -> Path:
    """A file of few holes and one of many, whose map takes more than its header, and a plain one behind them."""
    for name, pieces in {"few": 3, "many": 60}.items():
        with (tmp_path / name).open("wb") as file:
            for number in range(pieces):
                file.seek(number * 65536)
                file.write(b"%s piece %d\n" % (name.encode(), number) * 300)
            file.truncate(pieces * 65536 + 1)
    (tmp_path / "plain").write_bytes(b"after them\n")
    return tmp_path


@pytest.mark.parametrize("form", SPARSE)
def test_the_stored_data_of_a_sparse_file_is_read(sparse_files: Path, form: str) -> None:
    data = gnu_tar(sparse_files, "--sparse", *SPARSE[form], "few", "many", "plain")
    if len(data) > 2_000_000:
        pytest.skip("the file system here keeps no holes")
    result = reassemble(data, data)
    expected = entries_by_tarfile(data)
    assert ["few", "many", "plain"] == [entry.path for entry in result.entries] == [entry.path for entry in expected]
    assert result.reasons == []
    for one, other in zip(expected, result.entries, strict=True):
        # PAX 1.0 keeps the map of the holes before the data, where it is read too.
        assert other.content.endswith(one.content)
        assert form == "PAX 1.0" or one == other
        assert len(other.content) - len(one.content) < 4096


@pytest.mark.parametrize("options", [["--format=v7"], ["--format=oldgnu"], ["--format=ustar"], ["--format=posix"]])
def test_gnu_tars_formats_are_read(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_bytes(b"root:x\n")
    (tmp_path / "link").symlink_to("etc/passwd")
    (tmp_path / "hard").hardlink_to(tmp_path / "etc" / "passwd")
    data = gnu_tar(tmp_path, *options, ".")
    result = reassemble(data, data)
    assert entries_by_tarfile(data) == result.entries
    assert {"", "etc", "etc/passwd", "link", "hard"} == {entry.path for entry in result.entries}


def test_what_tar_concatenate_writes_is_read(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode() * 700)
        (tmp_path / f"{name}.tar").write_bytes(gnu_tar(tmp_path, name))
    subprocess.run(["tar", "--concatenate", "-f", "a.tar", "b.tar"], check=True, cwd=tmp_path)
    data = (tmp_path / "a.tar").read_bytes()
    result = reassemble(data, data)
    assert [entry.path for entry in result.entries] == ["a", "b"]
    assert entries_by_tarfile(data) == result.entries


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"not a header\n" * 200, b"\xff" * 512, b"short"])
def test_what_follows_a_broken_header_is_read_as_raw_bytes(junk: bytes) -> None:
    data = header(b"f", octal(3)) + padded(b"abc") + junk
    result = reassemble(data, data)
    assert [(0, b"abc"), (1, junk)] == [(number, entry.content) for number, entry in enumerate(result.entries)]
    assert len(result.reasons) == 1
    assert "not a tar from there on, scanned as raw bytes: offset 1024: expected a tar header" in result.reasons[0]


@pytest.mark.parametrize(
    ("size", "reason"), [(b"-0000000001\0", "a size that is no number"), (b"\xff" * 12, "a negative size")]
)
def test_a_negative_size_ends_the_tar_and_not_the_reading(size: bytes, reason: str) -> None:
    data = header(b"f", size) + padded(b"secret")
    result = reassemble(data, data)
    assert [data] == [entry.content for entry in result.entries]
    assert reason in result.reasons[0]


def test_a_blob_that_is_no_tar_is_read_as_raw_bytes() -> None:
    result = reassemble(b"just a token", b"just a token")
    assert [entry.content for entry in result.entries] == [b"just a token"]


@pytest.mark.parametrize("kept", [100, 512, 600, 1024 + 3, 1540, 2000])
def test_a_plain_tar_that_is_cut_gives_what_is_there_and_says_so(kept: int) -> None:
    data = tar_of_files({"a": b"a" * 600, "b": b"b" * 600})[:kept]
    result = reassemble(data, data)
    assert len(result.reasons) == 1
    assert result.reasons[0].startswith(("ends", "not a tar from there on"))
    assert sha256(data) == result.layer.digest
    if kept == 1024 + 3:
        assert [b"a" * (kept - 512)] == [entry.content for entry in result.entries]
        assert [1536 - kept] == [problem.lost for problem in result.layer.problems]


def test_a_member_of_absurd_size_is_read_as_far_as_it_goes() -> None:
    data = header(b"huge", b"\x80" + (1 << 80).to_bytes(11, "big")) + b"token\n" * 100
    result = reassemble(data, data)
    assert [entry.content for entry in result.entries] == [b"token\n" * 100]
    assert result.reasons[0].startswith("ends ")


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_a_compressed_layer_has_the_digest_of_the_blob_and_the_diff_id_of_the_tar(codec: str) -> None:
    plain = tar_of_files({"a": b"text\n" * 9000, "b": b"more\n"})
    blob = COMPRESSORS[codec](plain)
    result = reassemble(cast(BinaryIO, Trickle(blob, most=333)), plain)
    assert entries_by_tarfile(plain) == result.entries
    assert (codec, sha256(blob), sha256(plain)) == (
        result.layer.compression,
        result.layer.digest,
        result.layer.diff_id,
    )
    assert (len(blob), len(plain), []) == (result.layer.stored, result.layer.bytes, result.reasons)


@pytest.mark.parametrize("codec", COMPRESSORS)
@pytest.mark.parametrize("kept", [0.3, 0.9, -1])
def test_a_compressed_layer_that_is_cut_gives_a_problem_and_what_was_read(codec: str, kept: float) -> None:
    plain = tar_of_files({"a": random.Random(1).randbytes(1 << 19)})
    blob = COMPRESSORS[codec](plain)
    cut = blob[: int(len(blob) * kept) if kept > 0 else -1]
    result = reassemble(cut, plain)
    assert f"{codec} stream is damaged after {result.layer.bytes} bytes" in result.reasons[0]
    assert "ends inside" in result.reasons[0]
    assert sha256(cut) == result.layer.digest
    # Of zstd and bzip2 a block that is not all there gives nothing; theirs are of 128 KiB and of 900 KB.
    lost = {"zstd": 1 << 17, "bzip2": 1 << 20}.get(codec, 1 << 14)
    assert result.layer.bytes >= len(plain) * len(cut) / len(blob) - lost


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_a_small_layer_is_read_before_its_damage_is_told(codec: str) -> None:
    plain = tar_of_files({".env": b"TOKEN=abc\n"})
    damaged = COMPRESSORS[codec](plain) + b"appended by a proxy"
    result = reassemble(damaged, plain)
    assert [entry.content for entry in result.entries] == [b"TOKEN=abc\n"]
    assert "stream is damaged" in result.reasons[0]
    assert (sha256(damaged), sha256(plain)) == (result.layer.digest, result.layer.diff_id)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(COMPRESSORS)), st.data())
def test_the_digest_covers_the_whole_blob_however_damaged(codec: str, data: st.DataObject) -> None:
    plain = tar_of_files({"a": b"text\n" * 3000, "b": bytes(5000)})
    blob = bytearray(COMPRESSORS[codec](plain))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    layer = Layer(io.BytesIO(blob), 512, 512)
    read = b""
    for block in layer.blocks():
        read += block.data[block.low : block.high]
    assert sha256(bytes(blob)) == layer.digest
    assert layer.compression == "none" or sha256(read) == layer.diff_id
    assert read == plain or layer.problems


class _Failing(io.RawIOBase):
    """A disk that fails after some bytes, with the error a compressed archive around the blob would give."""

    def __init__(self, data: bytes, error: Exception) -> None:
        self._data = io.BytesIO(data)
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if count := self._data.readinto(buffer):
            return count
        raise self._error


@pytest.mark.parametrize("error", [OSError("I/O error"), EOFError("cut"), ValueError("x")])
@pytest.mark.parametrize("codec", ["none", "gzip", "zstd"])
def test_a_blob_that_cannot_be_read_on_is_a_problem_and_no_crash(error: Exception, codec: str) -> None:
    plain = tar_of_files({"a": b"token\n" * 1000})
    blob = COMPRESSORS[codec](plain) if codec != "none" else plain
    result = reassemble(cast(BinaryIO, _Failing(blob, error)), plain)
    assert entries_by_tarfile(plain) == result.entries
    assert any("cannot be read" in reason or "damaged" in reason for reason in result.reasons)


@pytest.mark.parametrize("archive", [SMALL_OCI_ARCHIVE, SMALL_DOCKER_ARCHIVE], ids=["buildah", "docker"])
def test_archives_of_real_builders_are_read_as_tarfile_does(archive: Path) -> None:
    data = archive.read_bytes()
    assert entries_by_tarfile(data) == reassemble(data, data).entries


# --- memory ---------------------------------------------------------------------------------------------------------


class _Synthetic(io.RawIOBase):
    """A tar of files of 8 MiB, made as it is read."""

    def __init__(self, files: int) -> None:
        line = b"all work and no play makes jack a dull boy 0123456789 abcdefghij\n"
        self._chunk = (line * 16384)[: 1 << 20]
        self._pieces = self._make(files)
        self._piece = memoryview(b"")

    def _make(self, files: int) -> Any:
        for number in range(files):
            yield header(b"srv/%d" % number, octal(8 << 20))
            for _ in range(8):
                yield self._chunk
        yield END

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count


def test_a_layer_of_300_mb_takes_a_few_mb_of_memory() -> None:
    tracemalloc.start()
    try:
        layer = Layer(cast(BinaryIO, _Synthetic(38)), 65536, 65536)
        for _ in layer.blocks():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (layer.members, layer.problems) == (38, [])
    assert layer.bytes > 300_000_000
    assert peak < 5_000_000


@pytest.mark.parametrize("codec", ["gzip", "zstd", "xz", "bzip2"])
def test_a_decompression_bomb_takes_a_few_mb_of_memory(codec: str) -> None:
    bomb = COMPRESSORS[codec](bytes(64 << 20))
    tracemalloc.start()
    try:
        layer = Layer(io.BytesIO(bomb), 65536, 65536)
        for _ in layer.blocks():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert layer.bytes == 64 << 20
    assert peak < 6_000_000


def test_a_layer_of_thousands_of_gzip_members_is_one() -> None:
    # An eStargz layer: each file, and each header, a gzip member of its own.
    plain = tar_of_files({f"f{number}": b"text %d\n" % number for number in range(500)})
    blob = b"".join(gzip.compress(piece) for piece in chunks(plain, 512))
    result = reassemble(blob, plain)
    assert (entries_by_tarfile(plain), []) == (result.entries, result.reasons)


def test_what_gives_nothing_when_decompressed_is_hashed_and_not_kept() -> None:
    plain = tar_of_files({"a": b"text\n"})
    blob = gzip.compress(b"") * 600_000 + gzip.compress(plain)  # 12 MB that are nothing

    tracemalloc.start()
    result = reassemble(blob, plain)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (sha256(blob), sha256(plain)) == (result.layer.digest, result.layer.diff_id)
    assert peak < 12_000_000


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_layer_that_is_damaged_far_inside_gives_all_before_the_damage(codec: str) -> None:
    words = random.Random(2).choices([b"%d " % number for number in range(5000)], k=1_500_000)
    blob = bytearray(COMPRESSORS[codec](tar_of_files({"a": b"".join(words)})))
    size = sum(map(len, words))
    damage = len(blob) * 6 // 10
    blob[damage : damage + 64] = bytes(64)
    layer = Layer(io.BytesIO(blob), 512, 512)

    assert sum(block.high - block.low for block in layer.blocks()) == layer.bytes > 0.5 * size
    assert "stream is damaged" in layer.problems[0].reason
    assert sha256(bytes(blob)) == layer.digest


def test_a_layer_without_diff_id_is_hashed_as_stored_only() -> None:
    blob = gzip.compress(tar_of_files({"a": b"text\n"}))
    layer = Layer(io.BytesIO(blob), 512, 512, with_diff_id=False)

    assert [member.name for block in layer.blocks() for member in block.members] == [b"a"]
    assert (sha256(blob), "") == (layer.digest, layer.diff_id)
