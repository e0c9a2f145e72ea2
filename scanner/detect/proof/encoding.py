"""Numbers and bytes as tokens spell them."""

import base64

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Base 62 as GitHub and Microsoft count in it."""

_TO_COMMON = bytes.maketrans(b"-_", b"+/")


def in_base(number: int, digits: str) -> str:
    """A number that is not negative, written with these digits; nothing for zero.

    Args:
        number: the number.
        digits: one character for each value; their number is the base.
    """
    text = ""
    while number:
        number, rest = divmod(number, len(digits))
        text = digits[rest] + text
    return text


def unbase64(text: bytes) -> bytes:
    """Decodes base64 of the common or the URL's alphabet, padded or not; of what was cut off, as far as it goes.

    Args:
        text: the base64.

    Raises:
        ValueError: there are other characters in it.
    """
    text = text.rstrip(b"=").translate(_TO_COMMON)
    if len(text) % 4 == 1:
        text = text[:-1]
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
