"""Certificates and public keys are collected, in all the ways they are written; what only looks like one is not."""

import base64
import datetime
from collections.abc import Sequence
from time import process_time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.matcher import Matcher, Region, Whole
from scanner.detect.proof.x509 import described, spki
from scanner.detect.publickeys import PublicKey
from scanner.detect.ruleset import Ruleset
from tests.detect.engine import Part

EC = ec.derive_private_key(1234567, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.acme.invalid")])
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def certificate(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = EC,
) -> x509.Certificate:
    names = [x509.DNSName(name) for name in ("app.acme.invalid", *(f"{n}.acme.invalid" for n in range(6)))]
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 77, START, START + datetime.timedelta(days=90))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


REQUEST = x509.CertificateSigningRequestBuilder(NAME).sign(EC, SHA256())
CERTIFICATE = certificate()
PEM, DER = CERTIFICATE.public_bytes(Encoding.PEM), CERTIFICATE.public_bytes(Encoding.DER)
SPKI = EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SSH = ED25519.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
BLOB = base64.b64decode(SSH.split()[1])


def found(ruleset: Ruleset, data: bytes, regions: Sequence[Region] = (), low: int = 0) -> list[PublicKey]:
    matcher = Matcher(ruleset)
    parts = regions or [Whole(len(data))]
    return list(matcher.public_keys(data, parts, matcher.find(data), low, len(data)))


@pytest.mark.parametrize(
    ("data", "kind", "body"),
    [
        (PEM, "certificate", DER),
        (PEM.replace(b"\n", b"\r\n"), "certificate", DER),
        (b'"' + PEM.replace(b"\n", b"\\n") + b'"', "certificate", DER),
        (PEM.replace(b" CERT", b" TRUSTED CERT"), "certificate", DER),
        (b"client-certificate-data: " + base64.b64encode(PEM), "certificate", DER),
        (b"\0\0" + DER + b"\0\0", "certificate", DER),
        (REQUEST.public_bytes(Encoding.PEM), "request", REQUEST.public_bytes(Encoding.DER)),
        (EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "spki", SPKI),
        (b"restrict " + SSH + b" ops@acme", "ssh", BLOB),
        (b"bastion.acme.invalid " + SSH, "ssh", BLOB),
    ],
)
def test_what_is_public_is_found_however_it_is_written(ruleset: Ruleset, data: bytes, kind: str, body: bytes) -> None:
    assert [(key.kind, key.body) for key in found(ruleset, data)] == [(kind, body)]


@pytest.mark.parametrize("key", [EC, RSA, ED25519])
def test_the_key_is_cut_out_of_a_certificate_as_the_cryptography_package_does(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    expected = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert spki("certificate", certificate(key).public_bytes(Encoding.DER)) == expected


def test_the_key_is_cut_out_of_requests_and_public_keys() -> None:
    rsa_spki = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert spki("request", REQUEST.public_bytes(Encoding.DER)) == SPKI
    assert spki("spki", SPKI) == SPKI
    assert spki("rsa", RSA.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)) == rsa_spki


@given(st.binary(max_size=200) | st.integers(0, len(DER)).map(lambda size: DER[:size]))
def test_what_is_cut_off_or_no_certificate_raises_nothing(body: bytes) -> None:
    assert isinstance(spki("certificate", body), bytes)
    assert isinstance(spki("request", body), bytes)
    assert described("certificate", body)[0].startswith("certificate")


def test_a_certificate_says_whose_it_is_and_until_when() -> None:
    assert described("certificate", DER) == (
        "certificate for app.acme.invalid",
        "self-signed, also for 0.acme.invalid, 1.acme.invalid, 2.acme.invalid, 3.acme.invalid and 2 more, "
        "valid until 2026-04-01",
    )


@pytest.mark.parametrize(
    "data",
    [
        b"-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----",
        PEM[:200],
        DER[:100],
        b"ssh-rsa AAAA...",
        b"ssh-ed25519 AAAA key goes here",
    ],
)
def test_what_only_looks_like_one_is_not_taken(ruleset: Ruleset, data: bytes) -> None:
    assert found(ruleset, data) == []


def test_one_that_goes_on_in_another_file_is_none(ruleset: Ruleset) -> None:
    assert found(ruleset, DER, [Part(0, 300, "a"), Part(300, len(DER), "b")]) == []


def test_what_the_block_before_had_is_not_taken_again(ruleset: Ruleset) -> None:
    data = PEM + SSH

    assert [key.kind for key in found(ruleset, data, low=len(PEM))] == ["ssh"]


@pytest.mark.parametrize(
    "part",
    [
        b"ssh-rsa AAAA",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n",
        base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIBB"),
        b"0\x82\x3f\x000\x82\x3e\x00\xa0\x03\x02\x01\x02\x02",
    ],
)
def test_twice_as_many_beginnings_take_twice_as_long(ruleset: Ruleset, part: bytes) -> None:
    matcher = Matcher(ruleset)

    def seconds(size: int) -> float:
        data = part * (size // len(part))
        anchors, regions = matcher.find(data), [Whole(len(data))]
        started = process_time()
        assert len(list(matcher.public_keys(data, regions, anchors, 0, len(data)))) < size / 1000
        return process_time() - started

    seconds(1 << 17)
    assert seconds(1 << 19) < 12 * seconds(1 << 17) + 0.1
