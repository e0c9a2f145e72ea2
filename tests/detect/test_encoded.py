"""Secrets written in base64, hex and UTF-16, at every alignment, wrapped, nested, and at the ends of blocks."""

import base64
import random
from pathlib import Path

import pytest

from scanner.detect.encoded import EncodedHit, forms, search
from scanner.detect.matcher import Matcher, Whole
from scanner.detect.signature import Example, Signature
from tests.detect.engine import matcher, signature

TOKEN = b"acme_live_key0123456789"


def acme_signature(beginning: str) -> Signature:
    """A signature of tokens with such a beginning and ten digits."""
    token = f"{beginning}0123456789"
    return signature(
        prefilter=(beginning + "[0-9]{4}",),
        pattern=f"(?<![a-z0-9]){beginning}[0-9]{{10}}(?![a-z0-9])",
        examples=(Example(f"key {token}", token),),
    )


ACME = acme_signature("acme_live_key")


@pytest.fixture
def acme(tmp_path: Path) -> Matcher:
    return matcher(tmp_path, ACME)


def found(acme: Matcher, data: bytes) -> list[EncodedHit]:
    return list(search(acme, data, [Whole(len(data))], acme.forms(acme.find(data)), 0, len(data)))


def places(hits: list[EncodedHit]) -> list[tuple[tuple[str, ...], int, int]]:
    return [(hit.inner(0), hit.offset, hit.line) for hit in hits]


@pytest.mark.parametrize("before", range(9))
@pytest.mark.parametrize("after", range(4))
def test_base64_is_found_at_every_alignment(before: int, after: int, acme: Matcher) -> None:
    text = b"\n" * before + TOKEN + b" " * after
    data = b'auth: "' + base64.b64encode(text) + b'"'

    assert places(found(acme, data)) == [(("base64 at byte 7",), before, before + 1)]


@pytest.mark.parametrize("before", range(3))
def test_base64_for_addresses_and_without_padding_is_found(before: int, acme: Matcher) -> None:
    text = b"\xff\xfe\xfb" * before + b"\n" + TOKEN + b"\xff\xfe>?>?"
    data = b"?state=" + base64.urlsafe_b64encode(text).rstrip(b"=") + b"&x=1"

    assert [hit.hit.secret for hit in found(acme, data)] == [TOKEN]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_wrapped_base64_is_found(end: bytes, acme: Matcher) -> None:
    text = b"some words before\n" * 20 + TOKEN + b"\nand after" * 20
    packed = base64.b64encode(text)
    data = end.join(packed[start : start + 76] for start in range(0, len(packed), 76))

    assert places(found(acme, data)) == [(("base64 at byte 0",), 360, 21)]


@pytest.mark.parametrize("form", [lambda text: text.hex(), lambda text: text.hex().upper()])
def test_hex_is_found(form: object, acme: Matcher) -> None:
    data = b"x'" + form(b"a\n" + TOKEN + b"\n").encode() + b"'"  # type: ignore[operator] # the functions above

    assert places(found(acme, data)) == [(("hex at byte 2",), 2, 2)]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("shift", [0, 1])
def test_utf_16_is_found(order: str, shift: int, acme: Matcher) -> None:
    data = b"\x90" * shift + b"\x01\x02\x03\x04" + f"key = {TOKEN.decode()}\r\n".encode(order) + b"\x05\x06\x07\x08"
    ((inner, offset, line),) = places(found(acme, data))

    assert (inner[0].partition(" ")[0], offset, line) == ("UTF-16", 6, 1)


@pytest.mark.parametrize("inner", range(3))
@pytest.mark.parametrize("outer", range(3))
def test_encodings_in_one_another_are_undone(outer: int, inner: int, acme: Matcher) -> None:
    data = TOKEN
    for before in (outer, inner):
        data = base64.b64encode(b"words" * before + b" " + data)
    (hit,) = found(acme, data)

    assert hit.hit.secret == TOKEN
    assert hit.inner(100) == ("base64 at byte 100", f"base64 at byte {5 * inner + 1}")


def test_an_encoded_command_of_powershell_is_undone(acme: Matcher) -> None:
    data = b"powershell -enc " + base64.b64encode(f"$key = '{TOKEN.decode()}'".encode("utf-16-le"))
    (hit,) = found(acme, data)

    assert hit.hit.secret == TOKEN
    assert hit.inner(0) == ("base64 at byte 16", "UTF-16 at byte 0")


def test_what_is_encoded_once_is_told_once_with_all_secrets_in_it(acme: Matcher) -> None:
    data = base64.b64encode(b"\n".join(b"acme_live_key%010d" % number for number in range(50)))

    assert [hit.hit.secret for hit in found(acme, data)] == [b"acme_live_key%010d" % number for number in range(50)]


def test_what_is_too_long_to_be_decoded_at_once_is_told_once(acme: Matcher) -> None:
    tokens = [b"acme_live_key%010d" % number for number in range(40)]
    data = base64.b64encode(b"\n".join(b"word " * 700 + token for token in tokens))

    assert [hit.hit.secret for hit in found(acme, data)] == tokens


def test_noise_and_half_forms_do_no_harm(acme: Matcher) -> None:
    noise = random.Random(0)
    for _ in range(200):
        form = noise.choice(forms([ACME]))
        text = form.expression.replace(rb"\x00", b"\0").replace(b"\\", b"")
        data = noise.randbytes(noise.randrange(9)) + text + noise.randbytes(noise.randrange(9))
        assert found(acme, data) == []


def test_only_what_is_found_between_the_bounds_counts(acme: Matcher) -> None:
    data = b"\n".join(base64.b64encode(b"key " + TOKEN) for _ in range(2))
    data = data.replace(b"\n", b" ")
    places_of = acme.forms(acme.find(data))
    hits = [list(search(acme, data, [Whole(len(data))], places_of, low, high)) for low, high in [(0, 25), (25, 60)]]

    assert [len(some) for some in hits] == [1, 1]


def test_a_beginning_without_an_example_is_not_looked_for() -> None:
    assert forms([signature()]) == ()
    assert forms([signature(examples=ACME.examples, generic=True)]) == ()


@pytest.mark.parametrize("before", range(12))
@pytest.mark.parametrize("opener", ["=", '"'])
def test_a_beginning_of_four_is_found_after_what_comes_before_a_value(opener: str, before: int, tmp_path: Path) -> None:
    short = acme_signature("acm_")
    data = base64.b64encode(b"w" * before + opener.encode() + b"acm_0123456789")

    assert [hit.offset for hit in found(matcher(tmp_path, short), data)] == [before + len(opener)]


def test_both_alphabets_of_base64_are_known(tmp_path: Path) -> None:
    odd = acme_signature("a?>?>_")
    odd_pattern = signature(prefilter=(r"a\?>\?>_[0-9]{4}",), pattern=r"a\?>\?>_[0-9]{10}", examples=odd.examples)
    engine = matcher(tmp_path, odd_pattern)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert [hit.offset for hit in found(engine, encode(b"xa?>?>_0123456789"))] == [1]
