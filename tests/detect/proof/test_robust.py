"""No proof raises, whatever it is given."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.proof import PROOFS, Context, Verdict
from scanner.detect.ruleset import Ruleset
from tests.detect.proof.test_keys import ED25519, ED25519_BLOB, P256, RSA, container, putty

LABELS = [b"", b"RSA ", b"EC ", b"DSA ", b"ENCRYPTED ", b"OPENSSH ", b"PGP ", b"SSH2 ENCRYPTED "]
STARTS = [
    b"eyJ", b"eyJhbGciOiJIUzI1NiJ9.", b"glpat-", b"glc_eyJ", b"sk.eyJ", b"ops_eyJ", b"sntrys_eyJ",
    b"pypi-AgEIcHlwaS5vcmc",
    b"AKIA", b"ABSK", b"bedrock-api-key-", b"cflt", b"cfut_", b"AGE-SECRET-KEY-1", b"PuTTY-User-Key-File-3: ssh-rsa\n",
    b"LS0tLS1CRUdJTi",
    b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,0011223344556677\n\n",
]  # fmt: skip
DATA = st.binary(max_size=300)
TEXT = st.text(alphabet="ABCDEFabcdef0123456789+/-_=.\\n\n \"',", max_size=300).map(str.encode)


def armored(label: bytes, data: bytes) -> bytes:
    return b"-----BEGIN %bPRIVATE KEY-----\n%b-----END %bPRIVATE KEY-----" % (label, base64.encodebytes(data), label)


def judged(proof: str, secret: bytes, context: Context | None = None) -> None:
    verdict = PROOFS[proof](secret, context or Context())

    assert verdict is None or (isinstance(verdict, Verdict) and verdict.text and verdict.text.isprintable())


@pytest.mark.parametrize("proof", PROOFS)
@given(
    secret=DATA | TEXT | st.builds(lambda start, end: start + end, st.sampled_from(STARTS), DATA | TEXT), around=DATA
)
@settings(deadline=None)
def test_no_proof_raises_on_any_bytes(proof: str, secret: bytes, around: bytes) -> None:
    judged(proof, secret, Context(around, around))


@given(label=st.sampled_from(LABELS), data=DATA)
@settings(deadline=None)
def test_no_proof_raises_on_armor_around_any_bytes(label: bytes, data: bytes) -> None:
    judged("private-key", armored(label, data))
    judged("private-key", base64.b64encode(armored(label, data)))
    judged("private-key", armored(b"OPENSSH ", b"openssh-key-v1\0" + data))
    judged("private-key", armored(b"PGP ", b"\x94\xff" + data))
    judged(
        "gcp-service-account",
        armored(label, data),
        Context(b'{"type": "service_account", "client_email": "' + data, b'"}'),
    )


@given(secret=st.sampled_from([RSA, P256, ED25519, container(ED25519_BLOB), putty(3)]), data=st.data())
@settings(deadline=None)
def test_no_proof_raises_on_a_damaged_key(secret: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(secret) - 1))
    judged("private-key", secret[:at] + data.draw(st.binary(max_size=3)) + secret[at + data.draw(st.integers(0, 3)) :])


@given(data=st.data())
@settings(deadline=None)
def test_no_proof_raises_on_a_damaged_example(ruleset: Ruleset, data: st.DataObject) -> None:
    examples = [(s.proof, e.secret.encode()) for s in ruleset.signatures if s.proof for e in s.examples]
    proof, secret = data.draw(st.sampled_from(examples))
    at = data.draw(st.integers(0, len(secret)))
    judged(proof, secret[:at] + data.draw(st.binary(max_size=3)) + secret[at + data.draw(st.integers(0, 3)) :])
