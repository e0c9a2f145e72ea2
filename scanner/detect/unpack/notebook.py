"""Jupyter notebooks: what the cells say and have said, without the escapes of JSON.

Source: nbformat's format description, version 4.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member

_START = re.compile(rb'\s*\{\s*"(?:cells|metadata|nbformat|nbformat_minor|worksheets)"\s*:')
_MOST = 16 << 20
"""Bytes of a notebook that is parsed: the objects of JSON take many times as much."""


def is_notebook(head: bytes) -> bool:
    """Whether a file may be a notebook, by its first key."""
    return _START.match(head) is not None


def open_notebook(source: Input, context: Context) -> Iterator[Member]:
    """The source of each cell, and the texts it put out."""
    data = b"".join(source.pieces())
    if len(data) > _MOST:
        context.tell("", f"a notebook larger than {_MOST} bytes, read with its escapes", 0)
        return
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        return  # not JSON; it is read as it is
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        return
    for number, cell in enumerate(_cells(notebook)):
        context.allowance.member()
        if said := _text(cell.get("source", cell.get("input"))):
            yield Member(f"cell {number}", Input(said))
        outputs = cell.get("outputs")
        for place, output in enumerate(outputs if isinstance(outputs, list) else ()):
            if isinstance(output, dict) and (said := b"\n".join(_texts(output))):
                yield Member(f"output {place} of cell {number}", Input(said))


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    sheets = notebook.get("worksheets")
    for holder in (notebook, *(sheets if isinstance(sheets, list) else ())):
        cells = holder.get("cells") if isinstance(holder, dict) else None
        yield from (cell for cell in (cells if isinstance(cells, list) else ()) if isinstance(cell, dict))


def _texts(output: dict[str, Any]) -> Iterator[bytes]:
    data = output.get("data")
    parts = [output.get("text"), *(data.values() if isinstance(data, dict) else ()), output.get("traceback")]
    yield from filter(None, map(_text, parts))


def _text(lines: object) -> bytes:
    """A text that may be a list of lines."""
    if isinstance(lines, list):
        lines = "".join(line for line in lines if isinstance(line, str))
    return lines.encode("utf-8", "surrogatepass") if isinstance(lines, str) else b""
