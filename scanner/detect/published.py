"""Private keys that are public knowledge: those in the tests and examples of widely used software, and in its defaults.

They are known by the fingerprint of their public half; the keys themselves are not here. They are reported, with the
place where they are published, and count for nothing.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from scanner.detect.proof import PublicHalf
from scanner.detect.proof.ssh import fingerprint

_FILE = Path(__file__).with_name("published-keys.toml")


def published(half: PublicHalf) -> str | None:
    """Where a private key is published, as a reason; None if it is not known to be.

    Args:
        half: its public half.
    """
    known = _known()
    return next((f"a published key ({known[name]})" for name in names(half) if name in known), None)


def names(half: PublicHalf) -> tuple[str, ...]:
    """What a key may be called in the list: as OpenSSH does, or where SSH has no use for it, by its DER's SHA-256."""
    ssh = (fingerprint(half.ssh),) if half.ssh else ()
    return (*ssh, f"SPKI:{hashlib.sha256(half.spki).hexdigest()}") if half.spki else ssh


@cache
def _known() -> Mapping[str, str]:
    # On first use: only images with a private key need it.
    sources = tomllib.loads(_FILE.read_text("utf-8"))["source"]
    return {name: source["where"] for source in sources for name in source["keys"]}
