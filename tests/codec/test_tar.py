from contextlib import suppress

import pytest
from hypothesis import given
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
