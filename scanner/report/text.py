"""Makes text from an image fit to print: what could steer a terminal or deceive its reader is shown escaped.

Knows nothing of findings or formats; everything that came out of an image goes through `safe` before a person
sees it.
"""

import re
import unicodedata

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# Control, format (bidi overrides, zero width), surrogate, private use, unassigned; line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters and marks that nobody sees: combining grapheme joiner, Hangul and Khmer fillers, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,128}")


def safe(text: str) -> str:
    r"""``text`` on one line, with every character escaped that is not plainly visible.

    Control characters, escape sequences, bidirectional overrides, zero-width characters and blanks other than the
    space become ``\x1b`` or ``\u202e``; printable text of any script stays as it is, backslashes included.

    Args:
        text: anything.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _visible(char) else _escape(char) for char in text)


def _visible(char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    category = unicodedata.category(char)
    return category not in _UNSAFE and category != "Zs" and not _INVISIBLE.match(char)


def _escape(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters, with an ellipsis where it was cut. Redact first, then shorten."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def is_digest(text: str) -> bool:
    """Whether ``text`` has the form of a digest (OCI image-spec, descriptor.md), so that it can hold no secret."""
    return _DIGEST.fullmatch(text) is not None


def size(count: int) -> str:
    """A number of bytes for people, in binary units; ``?`` where it is not known, which -1 says.

    Args:
        count: bytes.
    """
    if count < 0:
        return "?"
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1023.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:,.1f} TiB"


def plural(count: int, noun: str) -> str:
    """``count`` and the noun in its number: ``1 layer``, ``2,000 layers``, ``3 build caches``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
