"""Bytes that resemble what layers hold, made from a seed, for measuring signatures without an image at hand.

The words that name credentials stand in it about as often as in the Python, Go and Debian files this was held
against: "key" 200 times a MB, "token" 40, "password" 15. It holds no secret and knows no signature.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import count, cycle, islice

_PART = 1 << 16

_TELLING = tuple(
    b"""key keys api auth token tokens password passwords secret url urls user users username name names http https
    login config value data path file type error return self result index list size count node text string bytes
    keyboard keyword monkey primary_key public_key apiVersion author authenticate credentials filename pathname
    tokenizer secretary urllib old_value field_name build_dir task_list risk_id special association operation
    format encode decode encrypt hash digest check verify sign hex socket stream buffer reader writer host
    port""".split()
)
_SYLLABLES = tuple(
    b"""ab ac al an ar as at be ce ci co con da de di do el en er es ex fo ge gra ha he ic id il im in ing ion is it la
    le li lo ma me mi mo na ne no nt of on op or ou par pe pre pro qu ra re ri ro sa se si so st ta te th ti to tra
    un ur us ve vi _ _ Al Con De En In Map Re Set Sub X 2 8 16""".split()
)
_VERBS = tuple(b"if for while return def func class var let const import from with assert print raise case".split())
_OPERATORS = (
    b" = ",
    b" == ",
    b" != ",
    b" + ",
    b": ",
    b" := ",
    b"(",
    b".",
    b", ",
    b" -> ",
    b"[0].",
    b"=",
    b" => ",
    b"_",
)
_ENDS = (b"\n", b")\n", b";\n", b",\n", b" {\n", b":\n", b"\n\n", b'"\n', b"')\n", b"  # see above\n", b"},\n", b"]\n")


@cache
def sample(size: int = 4 << 20) -> bytes:
    """The first ``size`` bytes of the sample; the same at every call and on every machine."""
    parts = bytearray()
    for number in count():
        if len(parts) >= size:
            break
        parts += _KINDS[number % len(_KINDS)](_Dice(number))
    return bytes(parts[:size])


class _Dice:
    """Numbers that look random: the output of a hash function, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = hashlib.sha256(b"layerleak sample %d" % seed).digest()

    def roll(self, size: int) -> bytes:
        return hashlib.shake_128(self._seed).digest(size)

    def picks(self, *choices: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
        """Tuples of one of each, more than a part can hold."""
        stream = self.roll(4 * _PART)
        numbers = (high << 8 | low for high, low in zip(stream[::2], stream[1::2], strict=True))
        while some := tuple(choice[number % len(choice)] for choice, number in zip(choices, numbers, strict=False)):
            yield some


@cache
def _words() -> tuple[bytes, ...]:
    """A few thousand names, of which some have to do with credentials."""
    made = (a + b + c for a, b, c in _Dice(-1).picks(_SYLLABLES, _SYLLABLES, _SYLLABLES))
    return (*_TELLING, *islice(made, 3000))


def _part(lines: Iterable[bytes]) -> bytes:
    """Of lines as many as make a part."""
    part = bytearray()
    for line in lines:
        part += line
        if len(part) >= _PART:
            break
    return bytes(part[:_PART])


def _source(dice: _Dice) -> bytes:
    words = _words()
    return _part(
        b"    %s %s%s%s%s%s%s" % some for some in dice.picks(_VERBS, words, _OPERATORS, words, _OPERATORS, words, _ENDS)
    )


def _minified(dice: _Dice) -> bytes:
    letters = tuple(bytes((letter,)) for letter in b"abcdefghijklmnopqrstuvwxyz")
    return _part(
        b"function(%s,%s){return %s.%s?%s[%s]:{%s:!0,%s:%s}}," % (a, b, a, p, b, a, q, p, b)
        for a, b, p, q in dice.picks(letters, letters, _words(), _words())
    )


def _settings(dice: _Dice) -> bytes:
    return _part(
        b'%s_%s: %s\n%s.%s=%s\n"%s": "%s-%s",\n2024-05-06T07:08:09Z %s %s:%s http://%s.example.org:8080/%s?%s=%s\n'
        % some
        for some in dice.picks(*(_words(),) * 16)
    )


def _prose(dice: _Dice) -> bytes:
    return _part(b"%s %s %s, %s %s the %s.\n" % some for some in dice.picks(*(_words(),) * 6))


def _checksums(dice: _Dice) -> bytes:
    digests = dice.roll(_PART).hex().encode()
    cuts = zip(count(0, 64), cycle((32, 40, 64)), dice.picks(_words()), strict=False)
    return _part(digests[at : at + length] + b"  usr/share/" + word + b".txt\n" for at, length, (word,) in cuts)


def _base64(dice: _Dice) -> bytes:
    return base64.encodebytes(dice.roll(_PART * 3 // 4))


def _program(dice: _Dice) -> bytes:
    """Tables of small numbers, code of few opcodes, and names that end in zero bytes, as in an ELF file."""
    small = bytes(number if number < 32 else 0 for number in range(256))
    opcodes = b"\x48\x89\x8b\xe8\x0f\x85\x00\x00\xff\x83\xc0\x31\x24\x41\x5d\xc3"
    code = bytes(opcodes[number % 16] if number < 192 else number for number in range(256))
    noise = dice.roll(_PART)
    names = _part(b"_Z%s_%s\0" % some for some in dice.picks(_words(), _words()))
    return noise[: _PART // 4].translate(small) + noise[_PART // 2 :].translate(code) + names[: _PART // 4]


def _compressed(dice: _Dice) -> bytes:
    return dice.roll(_PART)


_KINDS: tuple[Callable[[_Dice], bytes], ...] = (
    *(_source, _minified, _source, _program, _settings, _prose, _program, _source),
    *(_checksums, _source, _base64, _compressed, _prose, _program, _source, _minified),
)
