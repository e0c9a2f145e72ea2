import gzip
import io
import lzma
import zlib
from random import Random
from typing import Any, BinaryIO, cast

import pytest
import zstandard

from scanner.codec.compression import DECOMPRESSION_ERRORS, HEAD, Peeked, decompressed, read_into, read_up_to, sniff
from scanner.errors import FormatError
from tests.image.archives import COMPRESSORS, Trickle

PLAIN = b"".join(b"line %d of a file\n" % number for number in range(20_000))
SKIPPABLE = b"\x5a\x2a\x4d\x18" + (700).to_bytes(4, "little") + b"s" * 700


def read(blob: bytes, kind: str, size: int = 4096) -> tuple[bytes, BaseException | None]:
    """What a compressed stream holds, piece by piece, and the error that ends it; the same error if it is read anew."""
    once = read_through(decompressed(cast(BinaryIO, Trickle(blob, most=777)), kind), size)
    file = io.BytesIO(blob)
    anew = read_through(decompressed(file, kind, lambda: (file.seek(0), file)[1]), size)
    # How much comes before the damage depends on how much is read at a time.
    assert once[0].startswith(anew[0]) or anew[0].startswith(once[0])
    assert once == anew or (once[1] is not None and repr(once[1]) == repr(anew[1]))
    return anew


def read_through(stream: BinaryIO, size: int) -> tuple[bytes, BaseException | None]:
    buffer = bytearray(size)
    held = bytearray()
    try:
        while count := read_into(stream, buffer):
            held += buffer[:count]
    except DECOMPRESSION_ERRORS as error:
        return bytes(held), error
    return bytes(held), None


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_stream_is_known_by_its_first_bytes(kind: str) -> None:
    assert kind == sniff(COMPRESSORS[kind](PLAIN)[:HEAD])


@pytest.mark.parametrize("head", [b"", b"\x1f\x8b", b"BZh is a word", b"PK\x03\x04", b"\x50\x2a\x4d", bytes(512)])
def test_everything_else_is_taken_as_it_is(head: bytes) -> None:
    assert sniff(head) == "none"
    assert (head, None) == read(head, "none")


@pytest.mark.parametrize("low", range(16))
def test_a_stream_that_starts_with_a_skippable_frame_is_zstd(low: int) -> None:
    assert sniff(bytes([0x50 + low]) + SKIPPABLE[1:]) == "zstd"


@pytest.mark.parametrize("kind", COMPRESSORS)
@pytest.mark.parametrize("size", [1, 512, 1 << 20])
def test_a_stream_gives_what_was_compressed(kind: str, size: int) -> None:
    plain = PLAIN[:5000] if size == 1 else PLAIN
    assert (plain, None) == read(COMPRESSORS[kind](plain), kind, size)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_streams_that_follow_one_another_are_one(kind: str) -> None:
    blob = b"".join(COMPRESSORS[kind](piece) for piece in (PLAIN, b"", b"more", b"", b"end"))
    assert read(blob, kind) == (PLAIN + b"moreend", None)


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2"])
def test_zeros_between_and_behind_streams_are_padding(kind: str) -> None:
    blob = COMPRESSORS[kind](b"one") + bytes(40) + COMPRESSORS[kind](b"two") + bytes(200_000)
    assert read(blob, kind) == (b"onetwo", None)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_other_bytes_behind_a_stream_are_an_error_and_take_nothing_away(kind: str) -> None:
    held, error = read(COMPRESSORS[kind](b"TOKEN=abc\n") + b"garbage!", kind)
    assert held == b"TOKEN=abc\n"
    assert error is not None


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_stream_that_is_cut_anywhere_says_so(kind: str) -> None:
    blob = COMPRESSORS[kind](b"TOKEN=abc\n" * 20)
    for kept in range(1, len(blob)):
        held, error = read(blob[:kept], kind)
        assert (b"TOKEN=abc\n" * 20).startswith(held)
        assert isinstance(error, EOFError), kept


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_wrong_checksum_is_an_error(kind: str) -> None:
    blob = bytearray(COMPRESSORS[kind](PLAIN))
    blob[-5] ^= 1
    held, error = read(bytes(blob), kind)
    assert error is not None
    assert PLAIN.startswith(held)


def test_zstd_frames_of_every_shape_are_read() -> None:
    frames = b""
    for known_size in (True, False):
        for checksum in (True, False):
            for plain in (b"", b"x", PLAIN, bytes(300_000)):
                codec = zstandard.ZstdCompressor(write_content_size=known_size, write_checksum=checksum)
                frames += SKIPPABLE + codec.compress(plain) + b"\x50\x2a\x4d\x18" + bytes(4)
    assert ((b"x" + PLAIN + bytes(300_000)) * 4, None) == read(frames, "zstd")


def test_zstd_of_the_largest_window_that_the_tool_writes_is_read() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    assert read(zstandard.ZstdCompressor(compression_params=parameters).compress(PLAIN), "zstd") == (PLAIN, None)


def test_a_larger_zstd_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    blob = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    held, error = read(blob.compress(PLAIN) + blob.flush(), "zstd")
    assert held == b""
    assert "memory" in str(error)


def test_xz_that_wants_much_memory_is_refused() -> None:
    filters: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    compressor = lzma.LZMACompressor(filters=filters)
    # The dictionary's size is one byte of the block header; writing it costs nothing, so it is set by hand.
    blob = compressor.compress(b"x") + compressor.flush()
    held, error = read(blob, "xz")
    assert held == b""
    assert "limit" in str(error)


def test_what_follows_a_zstd_frame_and_is_none_is_named() -> None:
    _, error = read(COMPRESSORS["zstd"](b"x") + b"what?", "zstd")
    assert isinstance(error, FormatError)
    assert str(error) == "other bytes follow the last frame"


def test_a_peeked_stream_gives_its_head_out_again() -> None:
    peeked = Peeked(cast(BinaryIO, Trickle(PLAIN, most=100)))
    assert PLAIN[:HEAD] == peeked.head
    assert read_up_to(cast(BinaryIO, peeked), 1 << 30) == PLAIN


def test_reading_up_to_a_count_goes_on_after_a_short_read() -> None:
    assert PLAIN[:9999] == read_up_to(cast(BinaryIO, Trickle(PLAIN, most=10)), 9999)
    assert read_up_to(io.BytesIO(b"ab"), 5) == b"ab"


def gzip_member(plain: bytes, flags: int = 0, long: int = 0) -> bytes:
    """A member with the header's optional fields that are asked for, made by RFC 1952 and not by a library."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff"
    if flags & FEXTRA:
        extra = b"AB\x04\0some" + b"CD" + long.to_bytes(2, "little") + b"\0" * long
        head += len(extra).to_bytes(2, "little") + extra
    if flags & FNAME:
        head += b"layer" + b"x" * long + b".tar\0"
    if flags & FCOMMENT:
        head += b"made by hand" + b"." * long + b"\0"
    if flags & FHCRC:
        head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(plain) + deflate.flush()
    return head + body + zlib.crc32(plain).to_bytes(4, "little") + (len(plain) & 0xFFFFFFFF).to_bytes(4, "little")


FHCRC, FEXTRA, FNAME, FCOMMENT = 2, 4, 8, 16


@pytest.mark.parametrize("long", [0, 60_000], ids=["short", "long"])
@pytest.mark.parametrize("flags", range(0, 32, 2))
def test_a_gzip_header_may_have_any_of_its_optional_fields(flags: int, long: int) -> None:
    blob = gzip_member(PLAIN, flags, long)
    assert read(blob, "gzip") == (PLAIN, None)
    assert read(blob + gzip_member(b"and more", flags, long), "gzip") == (PLAIN + b"and more", None)


@pytest.mark.parametrize("plain", [b"TOKEN=abc\n", PLAIN, bytes(3_000_000) + b"TOKEN=abc\n"], ids=len)
@pytest.mark.parametrize("at", range(-8, 0))
def test_a_gzip_trailer_that_is_wrong_or_cut_takes_nothing_away(plain: bytes, at: int) -> None:
    blob = gzip_member(plain, FNAME | FEXTRA)
    wrong = bytearray(blob)
    wrong[at] ^= 1

    for damaged, says in ((bytes(wrong), "incorrect"), (blob[:at], "ends inside")):
        held, error = read(damaged, "gzip", 1 << 20)
        assert held == plain
        assert says in str(error)


def exactly(blob: bytes) -> bytes:
    """What zlib makes of a raw deflate stream that ends in a fault, a byte in and a byte out at a time."""
    inflate, held = zlib.decompressobj(-15), bytearray()
    for at in range(len(blob)):
        tail = blob[at : at + 1]
        try:
            while (given := inflate.decompress(tail, 1)) or inflate.unconsumed_tail:
                held += given
                tail = inflate.unconsumed_tail
        except zlib.error:
            return bytes(held)
    raise AssertionError("there is no fault in it")


@pytest.mark.parametrize("seed", range(4))
def test_a_fault_within_gzip_takes_nothing_away_that_comes_before_it(seed: int) -> None:
    blob = gzip_member(PLAIN, FNAME)
    body = len(b"layer.tar\0") + 10
    cut = 10_000 + 3000 * seed
    damaged = blob[:cut] + Random(seed).randbytes(60_000)

    held, error = read(damaged, "gzip")

    assert held == exactly(damaged[body:])
    assert len(held) > 10_000
    assert isinstance(error, zlib.error)


@pytest.mark.parametrize("size", [100, 1 << 16, 1 << 20])
@pytest.mark.parametrize("step", [7, 1000, 1 << 20])
def test_gzip_of_several_members_is_read_in_pieces_of_any_size(step: int, size: int) -> None:
    text = b"".join(b"line %d of a text\n" % number for number in range(20_000))
    packed = gzip.compress(text, 1) + gzip.compress(b"token=x\n", 1) + gzip.compress(text, 9)
    stream = decompressed(cast(BinaryIO, Pieces(packed, step)), "gzip")

    assert b"".join(iter(lambda: stream.read(size), b"")) == text + b"token=x\n" + text


class Pieces(io.RawIOBase):
    """Bytes that come in pieces of one size, once."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = memoryview(data)
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        piece = self._data[: min(len(buffer), self._step)]
        buffer[: len(piece)] = piece
        self._data = self._data[len(piece) :]
        return len(piece)
