from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.codec.tar import (
    DIRECTORY,
    MAX_EXTENDED,
    REGULAR,
    Member,
    TarWalker,
    checksum_matches,
    normalise,
    parse_pax,
    zero_blocks,
)
from scanner.errors import FormatError
from tests.image.archives import END, header, octal, padded, simplified


def walk(data: bytes) -> list[Member]:
    """All members of a tar, read the way a source with random access does."""
    walker = TarWalker()
    found = []
    while walker.next_header + 512 <= len(data):
        member = walker.feed(data, walker.next_header)
        if member is not None:
            found.append(member)
    return found


def walk_fast(data: bytes) -> list[Member]:
    """The same, read the way a layer does: in runs, which `feed` goes on from."""
    walker = TarWalker()
    found = []
    while True:
        found += walker.run(data, 0)
        if walker.next_header + 512 > len(data):
            return found
        member = walker.feed(data, walker.next_header)
        if member is not None:
            found.append(member)


def read_by(way: Callable[[bytes], list[Member]], data: bytes) -> list[Member] | str:
    """Members, or what is wrong."""
    try:
        return way(data)
    except FormatError as error:
        return str(error)


NUMBER_ENDS = st.text(alphabet="\0 \x01\t\n\x1f01789_-x\x85", max_size=2).map(lambda text: text.encode("latin-1"))


@st.composite
def mutated_headers(draw: st.DrawFn) -> bytes:
    """A header whose sum is right, and whose numbers are written in one of many ways, most of them wrong."""

    def written(number: int, width: int) -> bytes:
        start = draw(st.sampled_from([b"", b"", b"", b" ", b"\0", b"\t", b"+", b"-", b"0o", b"\x80"]))
        end = draw(NUMBER_ENDS)
        digits = b"%0*o" % (draw(st.integers(0, width)), number)
        return (start + digits[-(width - len(start) - len(end)) :] + end).ljust(width, draw(st.sampled_from(PADS)))

    block = bytearray(header(draw(st.sampled_from([b"a", b"a/", b"./a\0b", b"caf\xe9"]))))
    block[124:136] = written(draw(st.sampled_from([0, 3, 512, 0o777])), 12)
    block[156:157] = draw(st.sampled_from([b"0", b"0", b"0", b"5", b"\0", b"1", b"7", b"Q"]))
    if draw(st.booleans()):
        block[345:347] = b"p\0"
        block[508:512] = draw(st.sampled_from([bytes(4), b"tar\0"]))
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    usual = draw(st.booleans())
    block[148:156] = b"%06o\0 " % total if usual else written(total, 8)
    return bytes(block)


PADS = [b"\0", b" ", b"\x01", b"5"]


@settings(max_examples=600)
@given(st.lists(mutated_headers(), min_size=1, max_size=2))
def test_a_run_reads_a_header_as_a_single_step_does_or_leaves_it(headers: list[bytes]) -> None:
    data = b"".join(block + bytes(1024) for block in headers)
    assert read_by(walk, data) == read_by(walk_fast, data)


@pytest.mark.parametrize("end", [b"\x01", b"\t", b"\x1f", b"x"])
def test_a_number_ends_in_a_nul_or_a_blank_and_in_nothing_else(end: bytes) -> None:
    sized = header(b"f", b"00000000003" + end) + padded(b"abc")
    summed = bytearray(header(b"f"))
    summed[154:156] = end + b" "

    assert read_by(walk_fast, sized) == read_by(walk, sized)
    assert read_by(walk_fast, sized) == "offset 0: tar header with a size that is no number"
    assert read_by(walk_fast, bytes(summed)) == "offset 0: expected a tar header, found other bytes"


@pytest.mark.parametrize("end", [b"\0 ", b" \0", b"  ", b"\0\0", b"\0x"])
def test_what_follows_the_end_of_a_checksum_does_not_matter(end: bytes) -> None:
    data = bytearray(header(b"f"))
    data[154:156] = end
    assert [member.path for member in walk(bytes(data))] == [member.path for member in walk_fast(bytes(data))] == ["f"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a/b", b"a/b"),
        (b"./a/b/", b"a/b"),
        (b"/a/b", b"a/b"),
        (b"a//b", b"a/b"),
        (b"a//", b"a"),
        (b"a/./b", b"a/b"),
        (b"a/.", b"a"),
        (b"a/..", b""),
        (b"a/b/../c", b"a/c"),
        (b"../../etc/passwd", b"etc/passwd"),
        (b"././a", b"a"),
        (b".//a", b"a"),
        (b".", b""),
        (b"./", b""),
        (b"/", b""),
        (b"", b""),
        (b".env", b".env"),
        (b"..env", b"..env"),
        (b"a./b", b"a./b"),
        (b"...", b"..."),
    ],
)
def test_a_path_has_one_spelling(name: bytes, expected: bytes) -> None:
    assert expected == normalise(name)


@given(st.lists(st.sampled_from([b"a", b"b.", b".c", b"..d", b".", b"..", b"", b"./", b"//"]), max_size=8))
def test_the_fast_way_to_a_path_equals_the_plain_one(parts: list[bytes]) -> None:
    name = b"/".join(parts)
    assert simplified(name) == normalise(name)


def test_a_name_that_is_no_utf8_is_shown_by_its_bytes() -> None:
    assert walk(header(b"caf\xe9"))[0].path == r"caf\xe9"


@pytest.mark.parametrize(
    ("field", "size"),
    [
        (b"00000000012\0", 10),
        (b"          12", 10),
        (b"12 \0", 10),
        (b"12\0junk", 10),
        (b"\0" * 12, 0),
        (b"\x80" + (10).to_bytes(11, "big"), 10),
        (b"\x80" + (1 << 40).to_bytes(11, "big"), 1 << 40),
    ],
)
def test_a_size_is_octal_or_base_256(field: bytes, size: int) -> None:
    assert size == walk(header(b"f", field))[0].size


@pytest.mark.parametrize("field", [b"-0000000001\0", b"\xff" * 12, b"9", b"ten"])
def test_a_size_that_is_negative_or_no_number_is_refused(field: bytes) -> None:
    with pytest.raises(FormatError, match="offset 0: tar header with a"):
        walk(header(b"f", field))


def test_a_checksum_of_signed_bytes_counts_too() -> None:
    assert walk(header(b"caf\xe9", signed=True))[0].path == "caf\\xe9"


@given(st.binary(min_size=512, max_size=512))
def test_random_bytes_are_no_header(data: bytes) -> None:
    total = sum(data[:148]) + 8 * 32 + sum(data[156:])
    digits = data[148:156].strip(b" \0")
    assert (digits.isdigit() and int(digits) == total) <= checksum_matches(data)
    assert not checksum_matches(b"PK\x03\x04" + bytes(508))


@pytest.mark.parametrize("magic", [b"", b"ustar\x0000", b"ustar  \0"])
def test_headers_with_and_without_a_magic_are_read(magic: bytes) -> None:
    data = header(b"f", octal(3), magic=magic) + padded(b"abc") + header(b"g", magic=magic) + END
    assert [(m.path, m.size, m.offset) for m in walk(data)] == [("f", 3, 512), ("g", 0, 1536)]


def test_a_prefix_counts_only_where_the_magic_is_posix() -> None:
    # Where GNU tar's headers have times of access and change, ustar's have the start of the name.
    posix = header(b"name", prefix=b"some/folder")
    gnu = header(b"name", magic=b"ustar  \0", prefix=b"14350000000")
    assert [member.path for member in walk(posix + gnu)] == ["some/folder/name", "name"]


def test_a_star_prefix_ends_before_the_times() -> None:
    star = bytearray(header(b"name", prefix=b"p" * 131 + b"14350000000\0"))
    star[508:512] = b"tar\0"
    star[148:156] = b" " * 8
    star[148:156] = b"%06o\0 " % sum(star)
    assert [member.path for member in walk(bytes(star))] == ["p" * 131 + "/name"]


def test_an_old_name_that_ends_in_a_slash_is_a_directory_without_data() -> None:
    data = header(b"etc/", octal(600), kind=b"\0", magic=b"") + header(b"etc/f", kind=b"\0", magic=b"")
    assert [(m.path, m.kind, m.size) for m in walk(data)] == [("etc", DIRECTORY, 0), ("etc/f", REGULAR, 0)]


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_what_has_no_data_has_none_whatever_size_it_claims(kind: bytes) -> None:
    data = header(b"first", octal(512), kind=kind) + header(b"second")
    assert [member.path for member in walk(data)] == ["first", "second"]


def test_the_data_of_an_unknown_kind_is_kept() -> None:
    data = header(b"what", octal(3), kind=b"Q") + padded(b"abc") + header(b"next")
    assert [(m.path, m.kind, m.size) for m in walk(data)] == [("what", b"Q", 3), ("next", b"0", 0)]


def test_a_long_name_ends_at_its_first_nul() -> None:
    data = header(b"././@LongLink", octal(9), kind=b"L") + padded(b"long\0junk") + header(b"short")
    assert [member.path for member in walk(data)] == ["long"]


def test_a_global_pax_header_holds_until_the_end() -> None:
    record = b"12 path=all\n"
    data = header(b"g", octal(len(record)), kind=b"g") + padded(record) + header(b"a") + header(b"b")
    assert [member.path for member in walk(data)] == ["all", "all"]


def test_an_empty_pax_value_takes_a_record_back() -> None:
    record = b"8 size=\n8 path=\n"
    data = header(b"x", octal(len(record)), kind=b"x") + padded(record) + header(b"f", octal(3)) + padded(b"abc")
    assert [(member.path, member.size) for member in walk(data)] == [("f", 3)]


@pytest.mark.parametrize("value", [b"-5", b"ten"])
def test_a_pax_size_that_is_none_is_refused(value: bytes) -> None:
    record = b"%d size=%s\n" % (len(value) + 9 - (len(value) < 2), value)
    record = b"%d size=%s\n" % (len(record), value)
    data = header(b"x", octal(len(record)), kind=b"x") + padded(record) + header(b"f")
    with pytest.raises(FormatError, match="pax size"):
        walk(data)


def test_an_extended_header_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(FormatError, match=f"limit {MAX_EXTENDED}"):
        walk(header(b"x", octal(MAX_EXTENDED + 1), kind=b"x"))


@given(st.dictionaries(st.binary(min_size=1, max_size=9).filter(lambda k: b"=" not in k), st.binary(max_size=300)))
def test_pax_records_are_read_back(records: dict[bytes, bytes]) -> None:
    body = b""
    for key, value in records.items():
        rest = b" %s=%s\n" % (key, value)
        length = len(rest)
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        body += str(length).encode() + rest
    assert records == parse_pax(body)


@pytest.mark.parametrize("body", [b"9 a=b\n", b"2 a=b\n", b"x a=b\n", b"6 ab\n", b"99999999999999999999 a=b\n", b"5"])
def test_a_pax_record_whose_length_does_not_fit_is_refused(body: bytes) -> None:
    with pytest.raises(FormatError, match="pax record at byte 0"):
        parse_pax(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_pax_records_or_refused(body: bytes) -> None:
    with suppress(FormatError):
        assert sum(len(key) + len(value) for key, value in parse_pax(body).items()) <= len(body)


@pytest.mark.parametrize("zeros", [0, 1, 511, 512, 513, 1024, 5000, 70_000, 3 << 20])
@pytest.mark.parametrize("behind", [b"", b"x"])
def test_blocks_of_zeros_are_counted_up_to_what_is_none(zeros: int, behind: bytes) -> None:
    data = bytes(zeros) + behind
    assert zero_blocks(data, 0, len(data)) == zeros // 512


def test_padding_costs_no_step_a_block() -> None:
    padded = bytearray(b"\1" * 512 + bytes(64 << 20))
    walker = TarWalker(next_header=512)
    walker.pass_zeros(padded, 512, len(padded))
    assert walker.next_header == len(padded)
