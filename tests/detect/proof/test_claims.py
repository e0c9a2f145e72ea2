"""Tokens that say something of themselves."""

import base64
import json
from datetime import UTC, datetime

import pytest

from scanner.detect.proof import PROOFS, Context, Verdict
from scanner.detect.proof.claims import discord_bot, jfrog_reference, jwt
from scanner.detect.proof.logins import user_password
from scanner.detect.proof.macaroon import macaroon

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_JWT = Verdict(False, "does not decode to a JSON Web Token")


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def token(claims: object, header: object = None) -> bytes:
    return b".".join([part(header or {"alg": "HS256"}), part(claims), b"c2ln"])


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({}, "alg HS256, without expiry"),
        ({"iss": "auth.example", "exp": 2051222400}, "alg HS256, issuer auth.example, expires on 2035-01-01"),
        ({"exp": 1735689600}, "alg HS256, expired on 2025-01-01"),
        ({"exp": 1e999}, "alg HS256, of unknown expiry"),
        ({"exp": "tomorrow"}, "alg HS256, of unknown expiry"),
        ({"aud": ["api.example", "b"]}, "alg HS256, audience api.example, without expiry"),
        (
            {"sub": "system:serviceaccount:prod:deployer"},
            "alg HS256, for a Kubernetes service account, without expiry",
        ),
        (
            {"sub": "ci@widgets.iam.gserviceaccount.com"},
            "alg HS256, for a Google service account, without expiry",
        ),
        ({"iss": "supabase", "role": "anon"}, "alg HS256, issuer supabase, role anon, without expiry"),
        ({"iss": "a\x1b[31m" + "b" * 200}, f"alg HS256, issuer a?[31m{'b' * 73}…, without expiry"),
    ],
)
def test_a_jwt_tells_who_issued_it_and_until_when(claims: object, text: str) -> None:
    assert jwt(token(claims), NOW) == Verdict(True, f"decodes: {text}")


def test_a_jwt_does_not_tell_of_persons() -> None:
    claims = {"sub": "erika", "email": "erika@example.com", "name": "Erika", "role": "admin"}

    assert jwt(token(claims), NOW) == Verdict(True, "decodes: alg HS256, without expiry")


def test_a_jwt_that_is_not_signed_says_so() -> None:
    assert jwt(token({}, {"alg": "none"}), NOW) == Verdict(True, "decodes: not signed (alg none), without expiry")


def test_the_moment_of_the_scan_is_what_an_expiry_is_compared_with() -> None:
    assert jwt(token({"exp": 0})) == Verdict(True, "decodes: alg HS256, expired on 1970-01-01")


@pytest.mark.parametrize(
    "secret",
    [
        b"eyJhbGci.eyJzdWIi.c2ln",
        b"",
        b"....",
        token([1], {"alg": "HS256"}),
        token({}, {"typ": "JWT"}),
        token({}, {"alg": ["HS256"]}),
        part({"alg": "HS256"}) + b"." + base64.urlsafe_b64encode(b"[" * 100_000),
    ],
)
def test_what_is_no_jwt_is_said_to_be_none(secret: bytes) -> None:
    assert jwt(secret) == NO_JWT


@pytest.mark.parametrize(
    ("login", "text"),
    [
        (b"ci-bot:hunter2hunter2", "decodes to user ci-bot and a password"),
        (b"$oauthtoken:x7", "decodes to user $oauthtoken and a password"),
        (b"<token>:x7", "decodes to user <token> and a password"),
        (b"ops@widgets.example:x7", "decodes to user ops@widgets.example and a password"),
        (b'_json_key:{\n "type": "service_account"\n}', "decodes to user _json_key and a password"),
        # The secret is the user here.
        (b"tok_5gIUFFcTZKTL8UpsIyl2qQ:x-oauth-basic", "decodes to user:password"),
        (b"two words:pw", "decodes to user:password"),
        (b":pw", "decodes to user:password"),
    ],
)
def test_basic_auth_tells_the_user_and_never_the_password(login: bytes, text: str) -> None:
    assert user_password(base64.b64encode(login)) == Verdict(True, text)


@pytest.mark.parametrize("login", [b"nothing else", b"\xff:\xfe", b"user:", b"us\x00er:pw", b""])
def test_what_is_no_login_is_said_to_be_none(login: bytes) -> None:
    assert user_password(base64.b64encode(login)) == Verdict(False, "does not decode to user:password")


def pypi(caveats: int, signature: bytes = b"s" * 32) -> bytes:
    limits = b"".join(b"\x02\x02[]\x00" for _ in range(caveats))
    data = b"\x02\x01\x08pypi.org\x02\x03abc\x00" + limits + b"\x00\x06" + bytes([len(signature)]) + signature
    return b"pypi-" + base64.urlsafe_b64encode(data).rstrip(b"=")


@pytest.mark.parametrize(
    ("caveats", "text"), [(0, "not limited"), (1, "limited by 1 caveat"), (2, "limited by 2 caveats")]
)
def test_a_macaroon_tells_its_place_and_its_limits(caveats: int, text: str) -> None:
    assert macaroon(pypi(caveats)) == Verdict(True, f"macaroon for pypi.org, {text}")


@pytest.mark.parametrize("secret", [pypi(1)[:-8], pypi(1, b"short"), b"pypi-", b"pypi-AAAA", b"pypi-AgEIcHlwaS5vcmc"])
def test_half_a_macaroon_does_not_parse(secret: bytes) -> None:
    assert macaroon(secret) == Verdict(False, "does not parse as a macaroon")


@pytest.mark.parametrize(
    ("proof", "secret", "text"),
    [
        (
            "grafana-cloud",
            b"glc_" + part({"o": "17", "n": "ci", "k": "s", "m": {"r": "eu"}}),
            "organization 17, region eu",
        ),
        ("grafana-api-key", part({"k": "s", "n": "ci", "id": 3}), "organization 3"),
        ("mapbox", b"sk." + part({"u": "widgets", "a": "x"}) + b".sig", "account widgets"),
        ("onepassword", b"ops_" + part({"signInAddress": "a.1password.com", "muk": {}}), "address a.1password.com"),
        (
            "sentry-organization",
            b"sntrys_" + part({"iat": 1.5, "org": "widgets", "region_url": "https://de.sentry.io"}) + b"_s",
            "organization widgets, at https://de.sentry.io",
        ),
    ],
)
def test_json_in_a_token_tells_whose_it_is(proof: str, secret: bytes, text: str) -> None:
    assert PROOFS[proof](secret, Context()) == Verdict(True, f"decodes: {text}")
    assert PROOFS[proof](secret[:13], Context()) == Verdict(False, "does not decode to JSON")


@pytest.mark.parametrize(
    ("until", "text"),
    [(b"0000000000", ""), (b"1735689600", ", expired on 2025-01-01"), (b"2051222400", ", expires on 2035-01-01")],
)
def test_a_reference_token_tells_its_expiry(until: bytes, text: str) -> None:
    secret = base64.b64encode(b"reftkn:01:%b:random" % until)

    assert jfrog_reference(secret, NOW) == Verdict(True, f"decodes to a reference token{text}")


@pytest.mark.parametrize(
    "plain", [b"reftkn:01", b"reftkn:01:soon:x", b"reftkn:01:0000000000:", b"other:01:1:x", b"\xff"]
)
def test_other_base64_is_no_reference_token(plain: bytes) -> None:
    assert jfrog_reference(base64.b64encode(plain)) == Verdict(False, "does not decode to a reference token")


def test_a_bots_token_tells_its_number() -> None:
    assert discord_bot(base64.b64encode(b"123456789012345678") + b".abcdef.x") == Verdict(
        True, "bot 123456789012345678"
    )
    assert discord_bot(base64.b64encode(b"12345678901234567x") + b".abcdef.x") == Verdict(
        False, "does not decode to the number of a bot"
    )
    assert discord_bot(b"mfa.abc") is None


def test_other_json_than_it_should_be_proves_nothing() -> None:
    assert PROOFS["mapbox"](b"sk." + part({"a": "x"}) + b".sig", Context()) == Verdict(
        False, "decodes to other JSON than it should"
    )
