"""Private keys. All are made from fixed numbers; the fingerprints are those that ``ssh-keygen -l`` shows for them."""

import base64
import hashlib
import hmac
import subprocess
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from scanner.detect.proof import Verdict
from scanner.detect.proof.keys import private_key, wireguard_key

PKCS8, LEGACY, OPENSSH = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH
BROKEN = Verdict(False, "does not parse as a key")

P = (
    0xEBAD6BE28E7AA6E99F19950499DD251DE512148239292D22E255ACCB1A466884F3F49249DC28FF90A5AEC7978306D03BF38B2FFC80A4DF5A51C9BC701E7EA419
    + 440
)
Q = (
    0xD83B13A872F3C117ED53969444A65715E7B979AD4DEC4EBD62850A03F890F3437BA1BC8BE198A91260D9E44B98781C19650F9D581E86D7110C0CEB6563874535
    + 74
)
OPEN = NoEncryption()


def rsa_key() -> rsa.RSAPrivateKey:
    d = pow(65537, -1, (P - 1) * (Q - 1))
    public = rsa.RSAPublicNumbers(65537, P * Q)
    return rsa.RSAPrivateNumbers(P, Q, d, d % (P - 1), d % (Q - 1), pow(Q, -1, P), public).private_key()


def pem(key: PrivateKeyTypes, form: PrivateFormat, encryption: KeySerializationEncryption = OPEN) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption)


def der(key: PrivateKeyTypes, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.DER, form, NoEncryption())


ED25519_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256_KEY = ec.derive_private_key(1234567, ec.SECP256R1())
PASSPHRASE = BestAvailableEncryption(b"not tried here")

RSA, RSA_TEXT = (
    pem(rsa_key(), PKCS8),
    "RSA key of 1024 bits, not encrypted, SHA256:fwaEEpYlfxPuE5koNZrAb8u9u7Bl3MHAPZTLznrKsaI",
)
ED25519, ED25519_TEXT = (
    pem(ED25519_KEY, PKCS8),
    "Ed25519 key, not encrypted, SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg",
)
P256, P256_TEXT = (
    pem(P256_KEY, LEGACY),
    "EC key on P-256, not encrypted, SHA256:g76d9ZTs9D3PBj8VoROIVZGv8UNH12TZbRiQ3BPfluU",
)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (RSA, RSA_TEXT),
        (pem(rsa_key(), LEGACY), RSA_TEXT),
        (pem(rsa_key(), OPENSSH), RSA_TEXT),
        (P256, P256_TEXT),
        (pem(P256_KEY, PKCS8), P256_TEXT),
        (pem(P256_KEY, OPENSSH), P256_TEXT),
        (ED25519, ED25519_TEXT),
        (pem(ED25519_KEY, OPENSSH), ED25519_TEXT),
        (pem(ec.derive_private_key(7, ec.SECP256K1()), PKCS8), "EC key on secp256k1, not encrypted"),
        (pem(x25519.X25519PrivateKey.from_private_bytes(bytes(32)), PKCS8), "X25519 key, not encrypted"),
        (pem(ed448.Ed448PrivateKey.from_private_bytes(bytes(57)), PKCS8), "Ed448 key, not encrypted"),
    ],
)
def test_a_key_says_its_kind_and_whose_it_is(secret: bytes, text: str) -> None:
    assert private_key(secret) == Verdict(True, text)


def legacy(cipher: bytes, length: int) -> bytes:
    header = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: %b,0011223344556677\n\n" % cipher
    return header + base64.encodebytes(b"x" * length) + b"-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (pem(rsa_key(), PKCS8, PASSPHRASE), "encrypted key (PKCS#8)"),
        (pem(rsa_key(), LEGACY, PASSPHRASE), "RSA key, encrypted (AES-256-CBC)"),
        (pem(P256_KEY, LEGACY, PASSPHRASE), "EC key, encrypted (AES-256-CBC)"),
        (pem(P256_KEY, LEGACY, PASSPHRASE).replace(b"EC PRIVATE", b"ANY PRIVATE"), "key, encrypted (AES-256-CBC)"),
        (legacy(b"DES-EDE3-CBC", 24), "RSA key, encrypted (DES-EDE3-CBC)"),
    ],
)
def test_a_key_with_a_passphrase_says_so(secret: bytes, text: str) -> None:
    assert private_key(secret) == Verdict(True, text)


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def container(blob: bytes, cipher: bytes = b"aes256-ctr") -> bytes:
    options = string(string(b"s" * 16) + (16).to_bytes(4, "big"))
    parts = string(cipher) + string(b"bcrypt") + options + (1).to_bytes(4, "big") + string(blob) + string(b"x" * 64)
    return armored("OPENSSH", b"openssh-key-v1\0" + parts)


def armored(label: str, data: bytes) -> bytes:
    return (
        f"-----BEGIN {label} PRIVATE KEY-----\n".encode()
        + base64.encodebytes(data)
        + f"-----END {label} PRIVATE KEY-----".encode()
    )


ED25519_BLOB = string(b"ssh-ed25519") + string(ED25519_KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize(
    ("blob", "text"),
    [
        (ED25519_BLOB, ED25519_TEXT.replace("not encrypted", "encrypted")),
        (
            string(b"ssh-rsa") + string(b"\1\0\1") + string(b"\0" + (P * Q).to_bytes(128, "big")),
            RSA_TEXT.replace("not encrypted", "encrypted"),
        ),
        (
            string(b"ssh-dss") + string(b"\0" + b"\xff" * 128),
            "DSA key of 1024 bits, encrypted, SHA256:mjQ2GtxTNBv5L1KuOQTe/w6TAEerrOimJ7GnYeG7YoQ",
        ),
        (
            string(b"ecdsa-sha2-nistp384") + string(b"nistp384") + string(b"\4" * 97),
            "EC key on P-384, encrypted, SHA256:p7eU5b4xQdJnAo+H4hz18x8tZxas3k1NR6NpILUJou0",
        ),
        (
            string(b"sk-ssh-ed25519@openssh.com"),
            "sk-ssh-ed25519@openssh.com key, encrypted, SHA256:Mv6OcEx2Q9TRYRspL86cN5ffDYAx81IqnbCHZPml+P8",
        ),
    ],
)
def test_an_openssh_key_says_whose_it_is_without_its_passphrase(blob: bytes, text: str) -> None:
    assert private_key(container(blob)) == Verdict(True, text)


def dsa_pem() -> bytes:
    p = 0xBC379755832D24D62EAB27D73C1633E014C31F00FA9FBFAEC9EAB492508CF55E0828E6B42CCD404F7A79647E9150E83838048ADD74C2DDE9FC37E5CE7B6F0F8A75A1602946D3DC6B56F1CB74692BB404FADAC4C0BB45985CDAB750C4DB3D5EC0A2ECBDC8314E4236712C0054B643BB903599E0C46577262B96F371B82C8F672D  # noqa: E501
    q = 0xAD74A4DCF68A44B56738D0033F26E3248D570661
    g = 0x6302BB29DCA425035714C072DBA51A681ADD121277AC3F70B8120BD4E40D308A3A03B2EC3E0ECE7A19DEACD67B72DBF40392A23CB97DBBEEBF136061C5BF1F2B4F64100B1D72B1937AF26C8B57B4F6B7D90D7D707A950B7C6E3D51275B1698A69DF49BCBFF1617F7D328F0E4CD66AEEC7A0964C0F42A8565AFD08A402984A985  # noqa: E501
    y = pow(g, 99, p)
    numbers = dsa.DSAPrivateNumbers(99, dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)))
    return pem(numbers.private_key(), LEGACY)


def test_a_dsa_key_says_whose_it_is_and_nothing_on_stderr() -> None:
    assert private_key(dsa_pem()) == Verdict(
        True, "DSA key of 1024 bits, not encrypted, SHA256:2LsRqJskkpf4wrN8HIfV6moNAd7FZlM5Sn+oFadDgl0"
    )


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "escaped": lambda text: text.replace(b"\n", b"\\n"),
    "escaped twice": lambda text: text.replace(b"\n", b"\\\\n"),
    "escaped for Windows": lambda text: text.replace(b"\n", b"\\r\\n"),
    "Windows line ends": lambda text: text.replace(b"\n", b"\r\n"),
    "indented": lambda text: text.replace(b"\n", b"\n      "),
    "source code": lambda text: text.replace(b"\n", b'\\n",\n    "'),
    "one line": lambda text: text.replace(b"\n", b" "),
    "base64": base64.b64encode,
    "base64 without padding": lambda text: base64.b64encode(text).rstrip(b"="),
    "without its end": lambda text: text.partition(b"-----END")[0],
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(
    ("secret", "text"),
    [(RSA, RSA_TEXT), (P256, P256_TEXT), (pem(ED25519_KEY, OPENSSH), ED25519_TEXT)],
    ids=["RSA", "EC", "OpenSSH"],
)
def test_a_key_parses_however_it_is_wrapped(wrapping: str, secret: bytes, text: str) -> None:
    assert private_key(WRAPPINGS[wrapping](secret.strip())) == Verdict(True, text)


def test_an_encrypted_key_parses_in_one_line_too() -> None:
    secret = pem(P256_KEY, LEGACY, PASSPHRASE).replace(b"\n", b"\\n")

    assert private_key(secret) == Verdict(True, "EC key, encrypted (AES-256-CBC)")


@pytest.mark.parametrize(
    "secret",
    [
        RSA[: len(RSA) // 2],
        P256.replace(b"M", b"N", 1),
        RSA.replace(b"PRIVATE KEY-----\n", b"PRIVATE KEY-----\n?", 1),
        armored("RSA", der(rsa_key(), LEGACY).replace(Q.to_bytes(64, "big"), (Q + 2).to_bytes(64, "big"))),
        pem(ED25519_KEY, OPENSSH)[:200],
        container(b"\0\0\0\xff"),
        pem(P256_KEY, LEGACY, PASSPHRASE).replace(b"AES-256-CBC", b"AES-256-CBC,00", 1),
        legacy(b"AES-256-CBC", 24),
        armored("OPENSSH", b"something else"),
        armored("ENCRYPTED", b"something else"),
        armored("PGP", b"something else"),
        b"-----BEGIN PRIVATE KEY-----",
        b"LS0tLS1CRUdJTi!",
        b"PuTTY-User-Key-File-3: ",
        b"",
    ],
)
def test_what_is_no_key_is_said_to_be_none(secret: bytes) -> None:
    assert private_key(secret) == BROKEN


@pytest.mark.parametrize("secret", [RSA, P256, ED25519, pem(ED25519_KEY, OPENSSH), dsa_pem()])
def test_no_part_of_a_key_is_said(secret: bytes) -> None:
    said = private_key(secret).text
    body = b"".join(secret.split(b"-----")[2].split()).decode()

    assert [body[at : at + 12] for at in range(len(body) - 12) if body[at : at + 12] in said] == []


def putty(version: int, cipher: str = "none", comment: str = "ops@build") -> bytes:
    private = string(bytes(range(32)))
    signed = b"".join(map(string, (b"ssh-ed25519", cipher.encode(), comment.encode(), ED25519_BLOB, private)))
    digest = "sha1" if version == 2 else "sha256"
    key = hashlib.sha1(b"putty-private-key-file-mac-key", usedforsecurity=False).digest() if version == 2 else b""
    return (
        f"PuTTY-User-Key-File-{version}: ssh-ed25519\nEncryption: {cipher}\nComment: {comment}\nPublic-Lines: 2\n"
        f"{base64.encodebytes(ED25519_BLOB).decode()}"
        + ("" if cipher == "none" else "Key-Derivation: Argon2id\nArgon2-Memory: 8192\nArgon2-Salt: 00ff\n")
        + f"Private-Lines: 1\n{base64.b64encode(private).decode()}\n"
        f"Private-MAC: {hmac.new(key, signed, digest).hexdigest()}"
    ).encode()


@pytest.mark.parametrize("version", [2, 3])
def test_a_putty_file_says_whose_it_is_unless_it_was_changed(version: int) -> None:
    secret = putty(version)

    assert private_key(secret) == Verdict(True, ED25519_TEXT)
    assert private_key(secret.replace(b"\n", b"\\r\\n")) == Verdict(True, ED25519_TEXT)
    assert private_key(secret.replace(b"ops@build", b"dev@build")) == BROKEN


def test_a_putty_file_with_a_passphrase_says_so() -> None:
    assert private_key(putty(3, "aes256-cbc")) == Verdict(True, ED25519_TEXT.replace("not encrypted", "encrypted"))


@pytest.mark.parametrize(("cipher", "text"), [(b"none", "RSA key, not encrypted"), (b"3des-cbc", "RSA key, encrypted")])
def test_a_key_of_ssh_coms_says_whether_it_is_encrypted(cipher: bytes, text: str) -> None:
    body = string(b"if-modn{sign{rsa-pkcs1-sha1}}") + string(cipher) + string(b"x" * 40)
    data = base64.encodebytes(b"\x3f\x6f\xf9\xeb" + (len(body) + 8).to_bytes(4, "big") + body)
    lines = b'---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nSubject: ops\nComment: "ops@build"\n%b---- END SSH2'

    assert private_key(lines % data) == Verdict(True, text)
    assert private_key((lines % data).replace(b"\n", b"\\n")) == Verdict(True, text)


def crc24(data: bytes) -> bytes:
    crc = 0xB704CE
    for bit in (octet >> 7 - shift & 1 for octet in data for shift in range(8)):
        carry = crc >> 23 ^ bit
        crc = crc << 1 & 0xFFFFFF ^ (0x864CFB if carry & 1 else 0)
    return crc.to_bytes(3, "big")


def number(value: int) -> bytes:
    return value.bit_length().to_bytes(2, "big") + value.to_bytes((value.bit_length() + 7) // 8, "big")


def pgp(public: bytes, usage: int, checksum: bytes | None = None) -> bytes:
    content = b"\4\0\0\0\1" + public + bytes([usage]) + b"private numbers"
    data = b"\x94" + bytes([len(content)]) if len(content) < 256 else b"\x95" + len(content).to_bytes(2, "big")
    data += content
    check = base64.b64encode(crc24(data) if checksum is None else checksum)
    return (
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\nComment: of ops\n\n"
        + base64.encodebytes(data) + b"=" + check + b"\n-----END PGP PRIVATE KEY BLOCK-----"
    )  # fmt: skip


PGP_RSA = b"\1" + number((1 << 2047) + 1) + number(65537)


@pytest.mark.parametrize(
    ("public", "name"),
    [
        (PGP_RSA, "RSA key of 2048 bits"),
        (b"\x11" + number((1 << 1023) + 1) + number(5) * 3, "DSA key of 1024 bits"),
        (b"\x16\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01" + number((64 << 256) + 1), "EdDSA key"),
        (b"\x12\x01\x00" + number(9) + b"\3\1\10\7", "ECDH key"),
        (b"\x1b" + bytes(32), "Ed25519 key"),
    ],
)
def test_a_pgp_key_says_its_kind_and_fingerprint(public: bytes, name: str) -> None:
    whole = b"\4\0\0\0\1" + public
    fingerprint = (
        hashlib.sha1(b"\x99" + len(whole).to_bytes(2, "big") + whole, usedforsecurity=False).hexdigest().upper()
    )

    assert private_key(pgp(public, 0)) == Verdict(True, f"{name}, not encrypted, fingerprint {fingerprint}")
    assert private_key(pgp(public, 254)) == Verdict(True, f"{name}, encrypted, fingerprint {fingerprint}")
    assert private_key(pgp(public, 0).replace(b"\n", b"\\n")).holds
    assert private_key(base64.b64encode(pgp(public, 0))).holds


def test_a_pgp_key_with_a_wrong_checksum_says_so() -> None:
    verdict = private_key(pgp(PGP_RSA, 0, b"abc"))

    assert not verdict.holds
    assert verdict.text.endswith("; checksum does not match")


def test_a_wireguard_key_says_its_peer() -> None:
    assert wireguard_key(base64.b64encode(b"\0" * 31 + b"\x40")) == Verdict(
        True, "public key L+V9o0fNYkMVKNqsX7spBzD/9oSvxM/C7ZCZX1jLO3Q="
    )


def test_a_preshared_wireguard_key_has_no_peer() -> None:
    assert wireguard_key(base64.b64encode(b"\xff" * 32)) is None


def test_cryptography_is_imported_only_once_a_key_is_found() -> None:
    asks = "import sys, scanner.detect.proof; print('cryptography' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)

    assert answer.stdout == "False\n"
