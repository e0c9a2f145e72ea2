"""PuTTY's key files, versions 2 and 3 ("PPK file format", appendix C of its manual)."""

import hashlib
import hmac
import re

from scanner.detect.proof import pem, ssh
from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import PublicHalf, Verdict

_LINE_END = re.compile(rb"(?:\\{1,8}[nr]|[\r\n])[\s\"',]*")
_FILE = re.compile(
    rb"PuTTY-User-Key-File-(?P<version>[23]): (?P<kind>[^\n]*)\n"
    rb"Encryption: (?P<cipher>[^\n]*)\n"
    rb"Comment: (?P<comment>[^\n]*)\n"
    rb"Public-Lines: \d{1,3}\n(?P<public>[A-Za-z0-9+/=\n]*)\n"
    rb"(?:(?:Key-Derivation|Argon2-\w{1,20}): [^\n]*\n)*"
    rb"Private-Lines: \d{1,3}\n(?P<private>[A-Za-z0-9+/=\n]*)\n"
    rb"Private-MAC: (?P<mac>[0-9a-f]{40,64})"
)


def putty_key(secret: bytes) -> Verdict | None:
    """Reads a file; None if it does not parse, or if it was changed.

    Args:
        secret: the file, wrapped and escaped as source files have it.
    """
    match = _FILE.search(re.sub(rb"\n+", b"\n", _LINE_END.sub(b"\n", secret)))
    if match is None:
        return None
    try:
        public, private = (unbase64(match[name].replace(b"\n", b"")) for name in ("public", "private"))
        text = f"{ssh.kind(public)}, {{}}, {ssh.fingerprint(public)}"
    except ValueError:
        return None
    if match["cipher"] != b"none":
        return Verdict(True, text.format("encrypted"), PublicHalf(pem.ssh_spki(public), public))
    parts = (match["kind"], match["cipher"], match["comment"], public, private)
    signed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    if match["version"] == b"2":
        key = hashlib.sha1(b"putty-private-key-file-mac-key", usedforsecurity=False).digest()
        mac = hmac.new(key, signed, "sha1").hexdigest()
    else:
        mac = hmac.new(b"", signed, "sha256").hexdigest()
    if mac.encode() != match["mac"]:
        return None
    return Verdict(True, text.format("not encrypted"), PublicHalf(pem.ssh_spki(public), public))
