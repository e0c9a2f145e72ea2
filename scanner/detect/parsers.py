"""Formats of files that are read as a whole, since only their structure tells which of their values are secrets."""

from collections.abc import Callable, Iterator, Mapping

from scanner.detect.terraform import state_secrets

MAX_FILE = 8 << 20
"""Bytes of the largest file that is read so; parsed, it takes some ten times as much memory."""

Parser = Callable[[bytes], Iterator[tuple[int, int, str]]]
"""Takes all of a file; for each secret, the offset of its first byte, that behind its last, and what it is there.

It must find nothing in a part of a file, and raise nothing, whatever it is given."""

PARSERS: Mapping[str, Parser] = {
    "terraform-state": state_secrets,
}
"""Parsers by the name that signatures use."""
