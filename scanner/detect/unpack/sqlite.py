"""SQLite databases: the values of their rows, which lie in pieces where they do not fit into a page.

What was deleted lies in free pages, and is seen in the file as it is. Source: the file format, sqlite.org/fileformat2.
"""

import sqlite3
from collections.abc import Iterator

from scanner.detect.unpack.inflate import Read
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.member import Context, Member

_LEAST = 8
"""Bytes of a value that could be a secret."""

_STEPS = 100_000
"""Of SQLite's machine, between two looks at the clock."""


def open_sqlite(source: Input, context: Context) -> Iterator[Member]:
    """For each table the texts and blobs in it, a line each."""
    data = b"".join(source.pieces())
    connection = sqlite3.connect(":memory:")
    try:
        # A file in write-ahead mode is read as it was before the log, which a database in memory cannot have.
        connection.deserialize(data[:18] + b"\1\1" + data[20:])
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, context.allowance.limits.held)
        for setting in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
            connection.execute(f"PRAGMA {setting}")
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
        for (name,) in rows.fetchall():
            yield Member(_name(name), Input(more=context.counted(_reader(connection, name, context))))
    finally:
        connection.close()


def _name(name: object) -> str:
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else "table"


def _reader(connection: sqlite3.Connection, name: bytes, context: Context) -> Read:
    """The values of a table, as they come."""
    # A value that never ends to be computed, in a generated column or a view, must not hold the scan up.
    connection.set_progress_handler(context.allowance.late, _STEPS)
    quoted = name.decode("utf-8", "surrogateescape").replace('"', '""')
    rows: sqlite3.Cursor | None = None

    def read(_: int) -> bytes:
        nonlocal rows
        if rows is None:
            rows = connection.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - quoted, and of the file itself
        while (row := rows.fetchone()) is not None:
            values = [value for value in row if isinstance(value, bytes) and len(value) >= _LEAST]
            if values:
                return b"\n".join(values) + b"\n"
        return b""

    return read
