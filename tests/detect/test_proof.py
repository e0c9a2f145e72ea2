"""What can be proven of a secret offline."""

import base64
import json

from scanner.detect.proof import crc32_base62, crc32_hex, jwt, user_password
from scanner.detect.ruleset import Ruleset


def examples(ruleset: Ruleset, proof: str) -> list[bytes]:
    return [example.secret.encode() for s in ruleset.signatures if s.proof == proof for example in s.examples]


def test_checksums_of_the_examples_hold(ruleset: Ruleset) -> None:
    assert [s for s in examples(ruleset, "crc32-base62") if not crc32_base62(s).holds] == []
    assert [s for s in examples(ruleset, "crc32-hex") if not crc32_hex(s).holds] == []


def test_one_changed_character_breaks_a_checksum(ruleset: Ruleset) -> None:
    for secret in examples(ruleset, "crc32-base62"):
        changed = secret[:8] + (b"x" if secret[8:9] != b"x" else b"y") + secret[9:]
        assert not crc32_base62(changed).holds


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def test_a_jwt_tells_algorithm_issuer_and_expiry() -> None:
    token = b".".join([part({"alg": "HS256"}), part({"iss": "auth.example", "exp": 2051222400}), b"c2ln"])

    assert jwt(token).text == "decodes: alg HS256, iss auth.example, exp 2051222400"


def test_three_parts_that_are_no_json_are_no_jwt() -> None:
    assert not jwt(b"eyJhbGci.eyJzdWIi.c2ln").holds


def test_basic_auth_decodes_to_user_and_password() -> None:
    assert user_password(base64.b64encode(b"build:pw")).holds
    assert not user_password(base64.b64encode(b"nothing else")).holds
    assert not user_password(base64.b64encode(b"\xff:\xfe")).holds
