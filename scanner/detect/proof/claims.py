"""Tokens that carry JSON which anybody can read: what they say of themselves."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import Verdict, said

Object = Mapping[str, Any]


def decoded(text: bytes) -> Object:
    """The JSON object that some base64 holds.

    Args:
        text: base64, of the common or the URL's alphabet, padded or not.

    Raises:
        ValueError: it is no base64, or what it holds is no JSON object.
    """
    try:
        value = json.loads(unbase64(text))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def expiry(seconds: object, now: datetime) -> str:
    """Says when something expires or did.

    Args:
        seconds: since 1970, as it stands in the token.
        now: what it is compared with.
    """
    if not isinstance(seconds, int | float):
        return "of unknown expiry"
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "of unknown expiry"
    return f"{'expired' if moment <= now else 'expires'} on {moment:%Y-%m-%d}"


def jwt(secret: bytes, now: datetime | None = None) -> Verdict:
    """Header and claims are JSON objects (RFC 7519, section 3).

    Says algorithm, issuer, audience, expiry and the kind of subject; of the claims nothing else, since the rest may
    be of a person.

    Args:
        secret: the token.
        now: what its expiry is compared with; this moment, if None.
    """
    try:
        header, claims = (decoded(part) for part in (*secret.split(b".")[:2], b"")[:2])
    except ValueError:
        return Verdict(False, "does not decode to a JSON Web Token")
    algorithm = said(header.get("alg"))
    if not algorithm:
        return Verdict(False, "does not decode to a JSON Web Token")
    told = ["not signed (alg none)" if algorithm.lower() == "none" else f"alg {algorithm}"]
    told += [f"{name} {text}" for key, name in (("iss", "issuer"), ("aud", "audience")) if (text := _one(claims, key))]
    told += [_subject(claims)] if _subject(claims) else []
    told.append(expiry(claims["exp"], now or datetime.now(UTC)) if "exp" in claims else "without expiry")
    return Verdict(True, "decodes: " + ", ".join(told))


def _one(claims: Object, key: str) -> str:
    value = claims.get(key)
    return said(value[0] if isinstance(value, list) and value else value)


def _subject(claims: Object) -> str:
    """What kind of subject a token is for, where the form of its name tells and it is no person."""
    subject = claims.get("sub")
    if isinstance(subject, str) and subject.startswith("system:serviceaccount:"):
        return "for a Kubernetes service account"
    if isinstance(subject, str) and subject.endswith(".gserviceaccount.com"):
        return "for a Google service account"
    if claims.get("iss") == "supabase" and (role := said(claims.get("role"))):
        return f"role {role}"
    return ""


def _told(text: bytes, fields: Mapping[str, str]) -> Verdict:
    """Decodes an object and says some of its fields.

    Args:
        text: the object in base64.
        fields: by their path in the object, what to call those that may be said.
    """
    try:
        claims = decoded(text)
    except ValueError:
        return Verdict(False, "does not decode to JSON")
    told = []
    for path, name in fields.items():
        value: Any = claims
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if text_of := said(value):
            told.append(f"{name} {text_of}")
    return Verdict(bool(told), "decodes: " + ", ".join(told) if told else "decodes to other JSON than it should")


def grafana_cloud(secret: bytes) -> Verdict | None:
    """Behind the prefix: JSON with the organization's number and, within ``m``, the region."""
    text = secret.partition(b"_")[2]
    return _told(text, {"o": "organization", "m.r": "region"}) if text.startswith(b"eyJ") else None


def grafana_api_key(secret: bytes) -> Verdict:
    """JSON with the key, its name and the organization's number (``pkg/components/apikeygen`` of Grafana)."""
    return _told(secret, {"id": "organization"})


def discord_bot(secret: bytes) -> Verdict | None:
    """Before the first dot: the number of the bot, in base64 ("Reference" in Discord's developer documentation).

    Tokens of users with a second factor have none.
    """
    if secret.startswith(b"mfa."):
        return None
    try:
        number = unbase64(secret.partition(b".")[0])
    except ValueError:
        number = b""
    if not (number.isdigit() and len(number) <= 20):
        return Verdict(False, "does not decode to the number of a bot")
    return Verdict(True, f"bot {number.decode()}")


def jfrog_reference(secret: bytes, now: datetime | None = None) -> Verdict:
    """The base64 of ``reftkn``, a version, the expiry in seconds since 1970, and a random part.

    Args:
        secret: the token.
        now: what its expiry is compared with; this moment, if None.
    """
    try:
        name, version, until, rest = unbase64(secret).split(b":", 3)
    except ValueError:
        return Verdict(False, "does not decode to a reference token")
    if name != b"reftkn" or not (version.isdigit() and until.isdigit() and rest):
        return Verdict(False, "does not decode to a reference token")
    told = f", {expiry(int(until), now or datetime.now(UTC))}" if int(until) else ""
    return Verdict(True, f"decodes to a reference token{told}")


def mapbox(secret: bytes) -> Verdict:
    """Between the dots: JSON with the account."""
    return _told(secret.partition(b".")[2].partition(b".")[0], {"u": "account"})


def onepassword(secret: bytes) -> Verdict:
    """Behind the prefix: JSON with the address of the account."""
    return _told(secret.partition(b"_")[2], {"signInAddress": "address"})


def sentry_organization(secret: bytes) -> Verdict:
    """Between the underscores: JSON with organization and region (``orgauthtoken_token.py`` of Sentry)."""
    return _told(secret.partition(b"_")[2].partition(b"_")[0], {"org": "organization", "region_url": "at"})
