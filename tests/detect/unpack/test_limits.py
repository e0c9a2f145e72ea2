"""Hostile archives: each ends, says what was not read, and costs no more than a limit allows."""

import bz2
import gzip
import lzma
import random
import struct
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.unpack.limits import Limits
from scanner.detect.unpack.member import Trouble
from tests.detect.unpack.opening import opened
from tests.detect.unpack.test_archives import COMPRESSORS, SMALL, TEXT, tarred, zipped
from tests.detect.unpack.test_formats import database

TIGHT = Limits(grace=1 << 20, ratio=10)


def reasons(troubles: list[Trouble]) -> list[str]:
    return [trouble.reason for trouble in troubles]


@pytest.mark.parametrize("pack", [*COMPRESSORS.values(), lambda data: zipped({"zeros": data})])
def test_a_bomb_ends_at_its_ratio(pack: object) -> None:
    bomb = pack(bytes(30 << 20))  # type: ignore[operator] # the functions above
    files, troubles = opened(bomb, limits=TIGHT)
    assert sum(map(len, files.values())) <= (1 << 20) + 10 * len(bomb) + (1 << 20)
    assert len(troubles) == 1
    assert troubles[0].reason.startswith("expands to more than ")


def test_a_bomb_of_bombs_ends_at_the_ratio_of_the_outermost() -> None:
    bomb = zipped({f"{number}": zipped({"zeros": bytes(1 << 20)}) for number in range(50)})
    files, troubles = opened(bomb, limits=TIGHT)
    assert len(files) < 50
    assert troubles[0].reason.startswith("expands to more than ")


def test_the_files_of_a_layer_share_what_they_may_expand_to() -> None:
    _, troubles = opened(gzip.compress(TEXT), limits=Limits(expanded=1000))
    assert reasons(troubles) == ["the files of this layer expand to more than 1000 bytes"]


def test_a_file_that_takes_too_long_is_given_up() -> None:
    _, troubles = opened(gzip.compress(TEXT), limits=Limits(seconds=-1))
    assert reasons(troubles) == ["takes longer than -1 seconds"]


def test_there_are_so_many_members_and_no_more() -> None:
    files, troubles = opened(tarred({f"{number}": SMALL for number in range(20)}), limits=Limits(members=10))
    assert len(files) == 10
    assert reasons(troubles) == ["has more than 10 members"]


def test_what_is_nested_too_deeply_is_handed_on_unopened() -> None:
    data = SMALL
    for _ in range(10):
        data = tarred({"inside": data})
    files, troubles = opened(data)
    ((inner, content),) = files.items()
    assert len(inner) == 8
    assert SMALL in content
    assert reasons(troubles) == ["tar in more than 8 others, not opened"]


def test_an_archive_that_holds_itself_ends() -> None:
    """A gzip quine is the fixed point of decompression; a chain that never gets smaller is the same for a scan."""
    head = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0xFFFFFFF0, 0xFFFFFFF0, 1, 0) + b"q"
    files, troubles = opened(head * 30)
    assert max(map(len, files)) == 8
    assert "zip in more than 8 others, not opened" in reasons(troubles)


def test_overlapping_entries_are_read_once() -> None:
    """The bombs of Fifield: a directory of many entries that share one member."""
    kernel = zipped({"kernel": bytes(1 << 20)})
    start = kernel.index(b"PK\x01\x02")
    directory = kernel[start : kernel.index(b"PK\x05\x06")]
    overlapping = kernel[:start] + directory * 1000 + kernel[start + len(directory) :]
    assert opened(overlapping) == ({("kernel",): bytes(1 << 20)}, [])


def test_the_seeds_below_are_sound() -> None:
    files, troubles = opened(PACK)
    assert sorted(files.values()) == [b"hello", b"hello!"]
    assert len(troubles) == 1


def encrypted(files: dict[str, bytes]) -> bytes:
    """A zip whose members claim to be encrypted."""
    data = bytearray(zipped(files, zipfile.ZIP_STORED))
    at = -1
    while (at := data.find(b"PK\x03\x04", at + 1)) >= 0:
        data[at + 6] |= 1
    return bytes(data)


def test_encrypted_members_are_told_once_a_file_with_their_count() -> None:
    _, troubles = opened(encrypted({"a": b"x" * 100, "b": b"y" * 50}))
    assert troubles == [Trouble(("a",), "encrypted", 150, more=1)]


def test_a_stored_member_without_a_size_is_told() -> None:
    data = bytearray(zipped({"a": SMALL}, zipfile.ZIP_STORED))
    data[6] |= 8
    data[18:26] = bytes(8)
    _, troubles = opened(bytes(data))
    assert reasons(troubles) == ["stored without its size, which only the archive's directory has"]


def test_a_compression_that_nobody_knows_is_told() -> None:
    data = bytearray(zipped({"a": TEXT}))
    data[8:10] = struct.pack("<H", 9)
    _, troubles = opened(bytes(data))
    assert reasons(troubles) == ["compressed by method 9, which is not supported"]
    assert troubles[0].lost > 0


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: bz2.compress(data, 1), lzma.compress])
def test_a_stream_that_was_cut_short_gives_all_it_has_and_is_told(pack: object) -> None:
    noise = random.Random(0).randbytes(200_000).hex().encode()
    packed = pack(noise)  # type: ignore[operator] # the functions above
    files, troubles = opened(packed[: len(packed) // 2], "a.gz")
    ((_, content),) = files.items()
    assert noise.startswith(content)
    assert len(content) > 100_000
    assert len(troubles) == 1
    assert troubles[0].reason.startswith("cannot be read to its end")


def test_a_damaged_member_of_a_zip_does_not_hide_the_next() -> None:
    data = bytearray(zipped({"bad": TEXT, "good": SMALL}))
    data[200:260] = b"\xff" * 60
    files, troubles = opened(bytes(data))
    assert files[("good",)] == SMALL
    assert troubles[0].inner == ("bad",)


def test_a_dictionary_that_would_take_all_memory_is_refused() -> None:
    data = bytearray(zipped({"a": TEXT}, zipfile.ZIP_LZMA))
    at = data.index(b"\x5d", 30)
    data[at + 1 : at + 5] = b"\xff\xff\xff\xff"
    _, troubles = opened(bytes(data))
    assert "LZMA dictionary of 4294967295 bytes" in troubles[0].reason


DATABASE = database("CREATE TABLE t (a)", values=(("INSERT INTO t VALUES (?)", ("some value" * 700,)),))
PACK = (
    b"PACK\0\0\0\2\0\0\0\3"
    + (b"\x35" + zlib.compress(b"hello"))
    + (b"\x69\x0e" + zlib.compress(b"\5\6\x90\5\1!"))
    + (b"\x79" + bytes(20) + zlib.compress(b"\5\6\x90\5\1!"))
)
SEEDS = [
    zipped({"a": TEXT, "b": SMALL}),
    zipped({"a": SMALL}, zipfile.ZIP_LZMA),
    zipped({"a": SMALL}, zipfile.ZIP_BZIP2, streamed=True),
    gzip.compress(tarred({"a": SMALL}, tarfile.GNU_FORMAT)),
    zlib.compress(b"blob 5\0hello"),
    b"%PDF-1.7\n<< /Filter /FlateDecode >>\nstream\n" + zlib.compress(b"[(a) 1 (b)] TJ") + b"\nendstream",
    b'{"cells": [{"source": ["a"], "outputs": [{"data": {"text/plain": "b"}}]}], "nbformat": 4}',
    b"!<arch>\n" + b"debian-binary".ljust(48) + b"4         `\n2.0\n" + b"data.tar".ljust(48) + b"512       `\n",
    b"070701" + b"".join(b"%08X" % field for field in (0, 0o100644, 0, 0, 1, 0, 5, 0, 0, 0, 0, 2, 0)) + b"a\0hello",
    b"070707" + b"0" * 42 + b"%011o%06o%011o" % (0, 2, 5) + b"a\0hello",
    b"\xed\xab\xee\xdb" + bytes(92) + (b"\x8e\xad\xe8\x01" + bytes(12)) * 2 + gzip.compress(SMALL),
    DATABASE,
    PACK,
    "\ufeffwide text".encode("utf-16-le"),
    *(pack(SMALL) for pack in COMPRESSORS.values()),
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0), st.binary(max_size=8), st.integers(0))
def test_whatever_is_broken_no_error_comes_through(seed: bytes, at: int, patch: bytes, cut: int) -> None:
    at %= len(seed)
    broken = (seed[:at] + patch + seed[at + len(patch) :])[: 1 + cut % len(seed)]
    files, troubles = opened(broken, limits=TIGHT)
    assert isinstance(files, dict)
    assert all(trouble.reason for trouble in troubles)
