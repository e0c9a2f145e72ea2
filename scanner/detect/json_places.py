"""Says where in a JSON text its strings stand, which parsers keep to themselves."""

import re
from collections.abc import Iterator

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\],:]', re.DOTALL)

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value, from the outermost."""


def strings(data: bytes) -> Iterator[tuple[Path, int, int]]:
    """The strings that are values, in the order of the text.

    Args:
        data: JSON that some parser has accepted.

    Yields:
        Path, offset of the first byte between the quotes, offset behind the last.
    """
    path: list[str | int] = []
    is_key: list[bool] = []  # for each open object or list, whether the next string is a key
    for match in _TOKEN.finditer(data):
        token = data[match.start()]
        if token == 0x22:
            if is_key and is_key[-1]:
                path[-1] = data[match.start() + 1 : match.end() - 1].decode("utf-8", "replace")
            else:
                yield tuple(path), match.start() + 1, match.end() - 1
        elif token in b"{[":
            is_key.append(token == 0x7B)
            path.append("" if token == 0x7B else 0)
        elif token in b"}]":
            if is_key:
                is_key.pop()
                path.pop()
        elif token == 0x3A:
            if is_key:
                is_key[-1] = False
        elif is_key:
            last = path[-1]
            if isinstance(last, int):
                path[-1] = last + 1
            else:
                is_key[-1] = True
