"""Key stores: which keys they hold."""

from scanner.detect.keystores import entries
from scanner.detect.proof.verdict import Verdict, said

_MOST_TOLD = 4


def java_keystore(data: bytes) -> Verdict | None:
    """Says which keys a store holds, by their aliases.

    Args:
        data: the file from its first byte, or the beginning of it.
    """
    aliases = []
    try:
        for entry in entries(data):
            if entry.is_key and entry.alias not in aliases:
                aliases.append(entry.alias)
    except ValueError:
        pass  # cut off, or nobody knows how long the entry is
    if not aliases:
        return None
    more = f" and {len(aliases) - _MOST_TOLD} more" if len(aliases) > _MOST_TOLD else ""
    return Verdict(True, f"holds the keys of {', '.join(said(alias) for alias in aliases[:_MOST_TOLD])}{more}")
