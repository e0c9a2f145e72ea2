r"""Turns a regular expression of Go or Rust into one of Python's, on bytes.

What Python writes differently is rewritten: flags that start in the middle, ``\z``, ``[[:alnum:]]``, ``\p{L}``,
``\x{..}``, comments. What it has not is refused by name. Look-arounds, back-references and atomic groups, which Go and
Rust have not, are let through, since the pattern is confirmed by Python.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace

GO, RUST = "Go", "Rust"

_ASCII = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "ascii": "".join(map(chr, range(128))),
    "blank": " \t",
    "cntrl": "".join(map(chr, range(32))) + "\x7f",
    "digit": string.digits,
    "graph": "".join(map(chr, range(33, 127))),
    "lower": string.ascii_lowercase,
    "print": "".join(map(chr, range(32, 127))),
    "punct": string.punctuation,
    "space": " \t\n\r\f\v",
    "upper": string.ascii_uppercase,
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
}
_PROPERTIES = {
    **dict.fromkeys(("L", "Letter", "Alphabetic", "Latin"), "alpha"),
    **dict.fromkeys(("Lu", "Uppercase_Letter", "Uppercase"), "upper"),
    **dict.fromkeys(("Ll", "Lowercase_Letter", "Lowercase"), "lower"),
    **dict.fromkeys(("N", "Nd", "Number", "Decimal_Number"), "digit"),
    **dict.fromkeys(("P", "S", "Punctuation", "Symbol"), "punct"),
    **dict.fromkeys(("Z", "Zs", "Separator", "Space_Separator", "White_Space", "whitespace"), "space"),
}
_SAME = set("dDwWsSfnrtv") | set("0123456789")
"""Letters and digits that mean the same behind a backslash, in a class and outside of one (there: back-references)."""

_START = r"(?<![^\n\x00])"
_WORD_ENDS = {
    "start": r"\b(?=\w)",
    "end": r"\b(?<=\w)",
    "start-half": r"(?<!\w)",
    "end-half": r"(?!\w)",
}


class UnsupportedError(ValueError):
    """A part of an expression that cannot be had in Python."""


@dataclass(frozen=True)
class Translated:
    """An expression in Python's syntax.

    Attributes:
        pattern: to be compiled in bytes; its groups have the numbers they had.
        differs: where it does not match quite the same, in words.
    """

    pattern: str
    differs: tuple[str, ...]


def translate(text: str, dialect: str) -> Translated:
    """Rewrites an expression.

    Args:
        text: the expression, as it stands in the rule.
        dialect: `GO` or `RUST`, which differ in braces and in what a bracket inside a class means.

    Raises:
        UnsupportedError: it holds something that Python has not, or does not compile.
    """
    return _Translation(text, dialect).run()


@dataclass(frozen=True)
class _Flags:
    caseless: bool = False
    lines: bool = False
    dotall: bool = False
    verbose: bool = False


@dataclass
class _Scope:
    """A group that is open, and the flags that were set inside of it."""

    flags: _Flags
    reopen: list[str] = field(default_factory=list)


class _Translation:
    def __init__(self, text: str, dialect: str) -> None:
        self._text = text
        self._dialect = dialect
        self._at = 0
        self._out: list[str] = []
        self._scopes = [_Scope(_Flags())]
        self._differs: dict[str, None] = {}

    def run(self) -> Translated:
        handlers: dict[str, Callable[[], None]] = {
            "\\": self._escape,
            "[": self._class,
            "(": self._open,
            ")": self._close,
            "|": self._either,
            ".": lambda: self._put(r"[\x00-\xff]" if self._flags.dotall else "."),
            "^": self._start,
            "$": lambda: self._put(r"(?![^\n])" if self._flags.lines else r"\Z"),
            "{": self._brace,
        }
        while self._at < len(self._text):
            char = self._text[self._at]
            if self._flags.verbose and (char.isspace() or char == "#"):
                self._skip(char)
                continue
            self._at += 1
            if char in handlers:
                handlers[char]()
            else:
                self._put(char if char.isascii() else f"(?:{char})")
        if len(self._scopes) > 1:
            raise UnsupportedError("a group that is not closed")
        self._put(")" * len(self._scopes[-1].reopen))
        pattern = "".join(self._out)
        try:
            re.compile(pattern.encode())
        except (re.error, OverflowError, RecursionError) as error:
            raise UnsupportedError(f"does not compile: {error}") from error
        return Translated(pattern, tuple(self._differs))

    @property
    def _flags(self) -> _Flags:
        return self._scopes[-1].flags

    def _put(self, text: str) -> None:
        self._out.append(text)

    def _take(self, pattern: str) -> str | None:
        found = re.compile(pattern).match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[1] if found.re.groups else found[0]

    def _skip(self, char: str) -> None:
        self._at += 1
        if char == "#":
            self._take(r"[^\n]*")

    def _start(self) -> None:
        if not self._flags.lines:
            self._differs["^ also matches at the start of a line"] = None
        self._put(_START)

    def _open(self) -> None:
        scope = _Scope(self._flags)
        if self._take(r"\?P?<(?![=!])") is not None:
            name = self._take(r"([^>]*)>") or ""
            self._put(f"(?P<{name}>" if name.isidentifier() and name.isascii() else "(")
        elif (same := self._take(r"\?P=(\w+)\)")) is not None:
            self._put(f"(?P={same})")
            return
        elif (kept := self._take(r"\?(?:<?[=!]|[:>|])")) is not None:
            if kept == "?|":
                raise UnsupportedError("a group of alternatives that share numbers, (?|...)")
            self._put("(" + kept)
        elif self._take(r"\?#[^)]*\)") is not None:
            return
        elif self._text.startswith("?", self._at):
            self._flagged(scope)
            return
        else:
            self._put("(")
        self._scopes.append(scope)

    def _flagged(self, scope: _Scope) -> None:
        """``(?i)``, which holds to the end of its group, and ``(?i:...)``."""
        found = re.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])").match(self._text, self._at)
        if found is None:
            raise UnsupportedError(f"{self._text[self._at - 1 : self._at + 8]!r}")
        self._at = found.end()
        for char in found[1] + (found[2] or ""):
            if char not in "imsxu":
                raise UnsupportedError(f"the flag {char!r} ({'swaps greed' if char == 'U' else 'unknown here'})")
        flags = _with(_with(scope.flags, found[1], True), found[2] or "", False)
        change = "(?i:" if flags.caseless else "(?-i:"
        if found[3] == ":":
            self._put(change if flags.caseless != scope.flags.caseless else "(?:")
            self._scopes.append(_Scope(flags))
            return
        here = self._scopes[-1]
        if flags.caseless != here.flags.caseless:
            here.reopen.append(change)
            self._put(change)
        here.flags = flags

    def _close(self) -> None:
        if len(self._scopes) == 1:
            raise UnsupportedError("a bracket that closes nothing")
        self._put(")" * (len(self._scopes.pop().reopen) + 1))

    def _either(self) -> None:
        """Flags that were set hold in the next alternative too, but must not make a group of both."""
        reopen = self._scopes[-1].reopen
        self._put(")" * len(reopen) + "|" + "".join(reopen))

    def _brace(self) -> None:
        count = self._take(r"\s*\d+\s*(?:,\s*\d*\s*)?\}")
        if count is None and self._dialect == RUST:
            count = self._take(r",\d+\}")
        self._put("\\{" if count is None else "{" + re.sub(r"\s", "", count))

    def _escape(self) -> None:
        char = self._next()
        if char in _SAME or char in "bB":
            ends = self._take(r"\{([a-z-]+)\}") if char == "b" else None
            if ends is not None and ends not in _WORD_ENDS:
                raise UnsupportedError(rf"\b{{{ends}}}")
            self._put(_WORD_ENDS[ends] if ends else "\\" + char)
        elif char == "A":
            self._differs[r"\A also matches at the start of a line"] = None
            self._put(_START)
        elif char in "zZ":
            self._put(r"\Z")
        elif char in "<>":
            self._put(_WORD_ENDS["start" if char == "<" else "end"])
        elif char == "Q":
            end = self._text.find("\\E", self._at)
            self._put(re.escape(self._text[self._at : end if end >= 0 else None]))
            self._at = len(self._text) if end < 0 else end + 2
        elif char == "k":
            name = self._take(r"[<{'](\w+)[>}']")
            if name is None:
                raise UnsupportedError(r"\k without a name")
            self._put(f"(?P={name})")
        elif char in "pP":
            self._put(_ranges(self._property(char == "P")))
        elif char == "C":
            self._put(r"[\x00-\xff]")
        else:
            self._put(_literal(self._character(char)))

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise UnsupportedError("a backslash at the end")
        self._at += 1
        return self._text[self._at - 1]

    def _character(self, char: str) -> str:
        """The character that an escape stands for."""
        if char in "xuU":
            digits = self._take(r"\{([0-9A-Fa-f]+)\}") or self._take(
                {"x": "[0-9A-Fa-f]{2}", "u": "[0-9A-Fa-f]{4}", "U": "[0-9A-Fa-f]{8}"}[char]
            )
            if digits is None or int(digits, 16) > 0x10FFFF:
                raise UnsupportedError(f"\\{char} without digits")
            return chr(int(digits, 16))
        if char == "a":
            return "\a"
        if char == "e":
            return "\x1b"
        if char.isalnum():
            raise UnsupportedError(f"\\{char}")
        return char

    def _property(self, negated: bool) -> set[int]:
        written = self._take(r"\{([^}]*)\}") or self._next()
        name = written.removeprefix("^").rpartition("=")[2]
        if name not in _PROPERTIES:
            raise UnsupportedError(rf"\p{{{written}}}")
        self._differs[rf"\p{{{name}}} is that of ASCII"] = None
        chars = {ord(char) for char in _ASCII[_PROPERTIES[name]]}
        return set(range(256)) - chars if negated != written.startswith("^") else chars

    def _class(self) -> None:
        negated = self._take(r"\^") is not None
        items: list[str] = []
        while True:
            if self._at >= len(self._text):
                raise UnsupportedError("a class that is not closed")
            char = self._text[self._at]
            if char == "]" and items:
                self._at += 1
                break
            self._at += 1
            items.append(self._item(char))
        self._put(f"[{'^' if negated else ''}{''.join(items)}]")

    def _item(self, char: str) -> str:
        if char.isspace() and self._flags.verbose and self._dialect == RUST:
            return ""
        if char == "[":
            if (named := self._take(r":(\^?\w+):\]")) is not None:
                if (name := named.removeprefix("^")) not in _ASCII:
                    raise UnsupportedError(f"[:{named}:]")
                chars = {ord(char) for char in _ASCII[name]}
                return _ranges(set(range(256)) - chars if named != name else chars)[1:-1]
            if self._dialect == RUST:
                raise UnsupportedError("a class inside of a class")
            return r"\["
        if char == "\\":
            return self._item_escape()
        if self._dialect == RUST and char in "&~-" and self._text.startswith(char, self._at):
            raise UnsupportedError(f"the class operator {char * 2}")
        if not char.isascii():
            raise UnsupportedError(f"{char!r} in a class, which is of bytes here")
        return char if char.isalnum() or char in "-_ \n\t\r" else "\\" + char

    def _item_escape(self) -> str:
        char = self._next()
        if char in "pP":
            return _ranges(self._property(char == "P"))[1:-1]
        if char == "b":
            return r"\x08"
        if char in _SAME and not char.isdigit():
            return "\\" + char
        code = int((char + (self._take(r"[0-7]{0,2}") or "")), 8) if char in "01234567" else ord(self._character(char))
        if code > 255:
            raise UnsupportedError(f"{chr(code)!r} in a class, which is of bytes here")
        return f"\\x{code:02x}"


def _with(flags: _Flags, names: str, value: bool) -> _Flags:
    words = {"i": "caseless", "m": "lines", "s": "dotall", "x": "verbose"}
    return replace(flags, **{words[name]: value for name in names if name in words})


def _literal(char: str) -> str:
    if char.isascii():
        return re.escape(char) if char.isprintable() else f"\\x{ord(char):02x}"
    return f"(?:{char})"


def _ranges(chars: set[int]) -> str:
    """A class of these bytes."""
    found: list[list[int]] = []
    for char in sorted(chars):
        if found and char == found[-1][1] + 1:
            found[-1][1] = char
        else:
            found.append([char, char])
    return "[" + "".join(f"\\x{first:02x}-\\x{last:02x}" for first, last in found) + "]"
