"""Keys that the cryptography package reads: PKCS#1, PKCS#8, SEC 1, and OpenSSH's without a passphrase.

The package takes a while to import, which only scans that find a key need to wait for. Of damaged keys it raises more
than it documents (internal errors of OpenSSL, things not implemented), which callers have to expect.
"""

import base64
import re
from typing import TYPE_CHECKING

from scanner.detect.proof import ssh
from scanner.detect.proof.verdict import PublicHalf, Verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_BLOCKS = dict.fromkeys(("DES", "BF", "RC2", "IDEA", "CAST5"), 8)
"""Bytes in a block of a cipher, where it is not 16."""

_DIFFIE_HELLMAN = (bytes.fromhex("06092a864886f70d010301"), bytes.fromhex("06072a8648ce3e0201"))
"""The object identifiers of its two kinds of keys, which the package only reads with a complaint on stderr."""

_FAMILY = re.compile(r"([A-Za-z0-9]+?)PrivateKey")


def der_key(data: bytes) -> Verdict | None:
    """Reads a key in DER; None if it does not parse.

    Args:
        data: PKCS#1, PKCS#8 or SEC 1.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    if any(oid in data[:64] for oid in _DIFFIE_HELLMAN):
        return Verdict(True, "Diffie-Hellman key, not encrypted")
    try:
        # Whether p and q are prime takes seconds for a large key; that they fit is checked below.
        return _verdict(load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True))
    except TypeError:
        return Verdict(True, "encrypted key (PKCS#8)")
    except UnsupportedAlgorithm:
        return Verdict(True, "parses as a key of a rare kind")
    except ValueError:
        return None


def openssh_key(data: bytes) -> Verdict | None:
    """Reads a key in OpenSSH's container; None if it does not parse.

    Args:
        data: the container.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        blob, encrypted = ssh.openssh_public(data)
        kind = ssh.kind(blob)
        if not encrypted and not kind.startswith("DSA"):  # which it reads with a complaint
            armor = b"-----BEGIN OPENSSH PRIVATE KEY-----\n%b-----END OPENSSH PRIVATE KEY-----"
            load_ssh_private_key(armor % base64.encodebytes(data), None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        pass  # a kind of key that lives in a security token, or a retired one
    except (ValueError, TypeError):
        return None
    text = f"{kind}, {'encrypted' if encrypted else 'not encrypted'}, {ssh.fingerprint(blob)}"
    return Verdict(True, text, PublicHalf(ssh_spki(blob), blob))


def ssh_spki(blob: bytes) -> bytes:
    """The SubjectPublicKeyInfo, in DER, of a public key as SSH has it; empty for kinds that have none.

    Args:
        blob: the public key as it goes over the wire.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

    try:
        name, _ = ssh.string(blob, 0)
        if name == b"ssh-dss":  # which it reads with a complaint
            return b""
        key = load_ssh_public_key(name + b" " + base64.b64encode(blob))
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return b""


def encrypted_key(label: str, cipher: str, data: bytes) -> Verdict | None:
    """Judges a key of the kind that PEM itself encrypts (RFC 1421); None if it cannot be one.

    Args:
        label: what stands before ``PRIVATE KEY``.
        cipher: the one its header names.
        data: the ciphertext.
    """
    if not data or len(data) % _BLOCKS.get(cipher.partition("-")[0], 16):
        return None
    family = f"{label} " if label in ("RSA", "EC", "DSA") else ""
    return Verdict(True, f"{family}key, encrypted ({cipher})")


def _verdict(key: "PrivateKeyTypes") -> Verdict | None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    family = _FAMILY.search(type(key).__name__)
    text = f"{family[1] if family else 'private'} key"
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        if numbers.p * numbers.q != numbers.public_numbers.n:
            return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        text = f"EC key on {_CURVES.get(key.curve.name, key.curve.name)}"
    elif size := getattr(key, "key_size", 0):
        text += f" of {size} bits"
    blob = _public_blob(key)
    text = f"{text}, not encrypted, {ssh.fingerprint(blob)}" if blob else f"{text}, not encrypted"
    return Verdict(True, text, PublicHalf(_spki(key), blob or b""))


def _spki(key: "PrivateKeyTypes") -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (AttributeError, ValueError, TypeError, UnsupportedAlgorithm):
        return b""


def _public_blob(key: "PrivateKeyTypes") -> bytes | None:
    """The public half as SSH has it; None for kinds that SSH has no use for."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, dsa.DSAPrivateKey):  # here, too, the package would complain
        public = key.public_key().public_numbers()
        parameters = public.parameter_numbers
        return ssh.dsa_blob(parameters.p, parameters.q, parameters.g, public.y)
    try:
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except (AttributeError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return base64.b64decode(line.split()[1])
