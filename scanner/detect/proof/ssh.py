"""Keys as SSH programs keep them: what their public half says, OpenSSH's container and ssh.com's.

Formats: RFC 4253, section 6.6; ``PROTOCOL.key`` of OpenSSH; for ssh.com's, ``sshkey`` of PuTTY's import.
"""

import base64
import hashlib

from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import said

_MAGIC = b"openssh-key-v1\0"
_SSH2_MAGIC = b"\x3f\x6f\xf9\xeb"
_CURVES = {"nistp256": "P-256", "nistp384": "P-384", "nistp521": "P-521"}


def string(data: bytes, at: int) -> tuple[bytes, int]:
    """A string with its length before it, and the offset behind it.

    Args:
        data: where it is.
        at: the offset of its length.

    Raises:
        ValueError: it is cut off.
    """
    end = at + 4 + int.from_bytes(data[at : at + 4], "big")
    if at + 4 > len(data) or end > len(data):
        raise ValueError("a string is cut off")
    return data[at + 4 : end], end


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key as OpenSSH shows it.

    Args:
        blob: the public key as it goes over the wire.
    """
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()


def dsa_blob(*numbers: int) -> bytes:
    """A public DSA key as it goes over the wire.

    Args:
        numbers: p, q, g and y.
    """
    # A number's first bit is its sign, so that one octet more is needed where the bits fill the last.
    parts = [b"ssh-dss", *(number.to_bytes(number.bit_length() // 8 + 1, "big") for number in numbers)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def kind(blob: bytes) -> str:
    """What kind of key a public key is of, in words.

    Args:
        blob: the public key as it goes over the wire.

    Raises:
        ValueError: it is cut off.
    """
    name_bytes, at = string(blob, 0)
    name = said(name_bytes.decode("ascii", "replace"))
    if name == "ssh-ed25519":
        return "Ed25519 key"
    if name in ("ssh-rsa", "ssh-dss"):
        first, at = string(blob, at)  # RSA's exponent stands before its modulus; DSA's modulus stands first
        modulus = string(blob, at)[0] if name == "ssh-rsa" else first
        return f"{'RSA' if name == 'ssh-rsa' else 'DSA'} key of {int.from_bytes(modulus, 'big').bit_length()} bits"
    if name.startswith("ecdsa-sha2-"):
        curve = name.removeprefix("ecdsa-sha2-")
        return f"EC key on {_CURVES.get(curve, curve)}"
    return f"{name} key"


def openssh_public(data: bytes) -> tuple[bytes, bool]:
    """The public half in a private key's container, where it stands in the clear, and whether the rest is encrypted.

    Args:
        data: the container.

    Raises:
        ValueError: it is no container of OpenSSH's, or cut off.
    """
    if not data.startswith(_MAGIC):
        raise ValueError("not a key of OpenSSH's")
    cipher, at = string(data, len(_MAGIC))
    for _ in ("key derivation", "its options"):
        _, at = string(data, at)
    blob, at = string(data, at + 4)
    string(data, at)
    return blob, cipher != b"none"


def ssh2_kind(text: bytes) -> str:
    """Kind and protection of a key of ssh.com's.

    Args:
        text: its base64.

    Raises:
        ValueError: it is none, or cut off.
    """
    data = unbase64(text)
    if not data.startswith(_SSH2_MAGIC) or int.from_bytes(data[4:8], "big") > len(data):
        raise ValueError("not a key of ssh.com's")
    name, at = string(data, 8)
    cipher, _ = string(data, at)
    family = "RSA" if b"rsa" in name else "DSA" if b"dsa" in name else "ssh.com"
    return f"{family} key, {'not encrypted' if cipher == b'none' else 'encrypted'}"
