"""Accounts that credentials of clouds name."""

import base64
import json

import pytest

from scanner.detect.proof import PROOFS, Context, Verdict
from tests.detect.proof.test_keys import ED25519, ED25519_TEXT, RSA, RSA_TEXT

EMAIL = "ci@widgets.iam.gserviceaccount.com"
FILE = {
    "type": "service_account",
    "project_id": "widgets",
    "private_key_id": "c0ffee",
    "private_key": RSA.decode(),
    "client_email": EMAIL,
}


def key_id(account: int, prefix: bytes = b"AKIA") -> bytes:
    return prefix + base64.b32encode(((1 << 47) + (account << 7) + 5).to_bytes(6, "big") + b"rest")


def test_a_key_id_names_its_account() -> None:
    assert PROOFS["aws-access-key-id"](b"AKIA5P3HJHL5RL5K5NXL", Context()) == Verdict(True, "account 927392676603")
    assert PROOFS["aws-access-key-id"](key_id(1234567, b"ASIA"), Context()) == Verdict(True, "account 000001234567")


def test_a_key_id_of_the_old_kind_names_none() -> None:
    assert PROOFS["aws-access-key-id"](b"AKIAI" + b"Q" * 15, Context()) is None


@pytest.mark.parametrize("secret", [key_id(10**12), b"AKIA5P3H", b"AKIA0189"])
def test_a_number_that_no_account_has_fails(secret: bytes) -> None:
    assert PROOFS["aws-access-key-id"](secret, Context()) == Verdict(False, "does not decode to an account")


def test_bedrock_keys_name_their_account() -> None:
    long = b"ABSK" + base64.b64encode(b"BedrockAPIKey-ab12-at-123456789012:c2VjcmV0")
    url = b"bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential=" + key_id(7, b"ASIA") + b"%2F20260301"
    short = b"bedrock-api-key-" + base64.b64encode(url)

    assert PROOFS["aws-bedrock-key"](long, Context()) == Verdict(True, "account 123456789012")
    assert PROOFS["aws-bedrock-key"](short, Context()) == Verdict(True, "account 000000000007")
    assert PROOFS["aws-bedrock-key"](b"ABSKQUJDRA==", Context()) is None


@pytest.mark.parametrize("escape", ["%s", '"%s"'], ids=["a file", "JSON in JSON"])
def test_a_service_accounts_file_names_the_account(escape: str) -> None:
    text = json.dumps(FILE, indent=2)
    text = json.dumps(text) if escape != "%s" else text
    before, _, rest = text.partition("-----BEGIN")
    secret, _, after = rest.partition('"') if escape == "%s" else rest.partition('\\"')

    verdict = PROOFS["gcp-service-account"](
        b"-----BEGIN" + secret.encode(), Context(b'{"type": "other"} ' + before.encode(), after.encode())
    )

    assert verdict == Verdict(True, f"{EMAIL}, project widgets, key c0ffee, {RSA_TEXT}")


def test_a_service_accounts_file_in_base64_names_the_account() -> None:
    whole = base64.b64encode(json.dumps(FILE).encode())

    assert PROOFS["gcp-service-account-base64"](whole, Context()) == Verdict(
        True, f"{EMAIL}, project widgets, key c0ffee, {RSA_TEXT}"
    )
    assert PROOFS["gcp-service-account-base64"](whole[:400], Context()) == Verdict(
        False, "does not decode to a key file"
    )


def test_a_service_accounts_file_without_its_account_is_no_whole_file() -> None:
    assert PROOFS["gcp-service-account"](ED25519, Context(b'{"type": "service_account",', b"}")) == Verdict(
        False, f"not a whole key file: lacks client_email or type; {ED25519_TEXT}"
    )


def test_a_service_accounts_key_that_does_not_parse_is_said_to() -> None:
    assert PROOFS["gcp-service-account"](
        ED25519[:60], Context(b'{"type": "service_account", "client_email": "a@b",', b"}")
    ) == Verdict(False, "does not parse as a key")
