"""Where the strings of a JSON text stand, held against what the standard parser makes of it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.json_places import Path, strings

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def walked(value: Any, path: Path = ()) -> list[tuple[Path, str]]:
    if isinstance(value, str):
        return [(path, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in walked(item, (*path, key))]


@given(VALUES, st.sampled_from([None, 2]))
def test_strings_are_found_where_the_standard_parser_has_them(value: Any, indent: int | None) -> None:
    # Keys are told as they are written, so that escapes in them are left out of this.
    data = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    found = [(len(path), json.loads(data[start - 1 : end + 1])) for path, start, end in strings(data)]

    assert found == [(len(path), text) for path, text in walked(value)]


def test_paths_lead_through_keys_and_indices() -> None:
    data = b'{"a": [{"b": "x"}, "y", 1, "z"], "c": {"d": null, "e": "w"}}'

    assert [(path, data[start:end]) for path, start, end in strings(data)] == [
        (("a", 0, "b"), b"x"),
        (("a", 1), b"y"),
        (("a", 3), b"z"),
        (("c", "e"), b"w"),
    ]


@given(st.binary())
def test_what_is_no_json_raises_nothing(data: bytes) -> None:
    assert all(0 < start <= end < len(data) for _, start, end in strings(data))
