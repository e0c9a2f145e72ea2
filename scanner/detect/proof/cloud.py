"""Credentials of clouds that name the account they belong to."""

import base64
import re
from urllib.parse import parse_qs

from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.keys import private_key
from scanner.detect.proof.verdict import Context, Verdict, said

_FIELD = re.compile(
    rb"""\\{0,4}"(type|project_id|private_key_id|client_email)\\{0,4}"\s{0,8}:\s{0,8}\\{0,4}"([^"\\{}]{1,200})\\{0,4}\""""
)
_PEM = re.compile(rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]*-----END [A-Z ]{0,20}PRIVATE KEY-----")
_BEDROCK_USER = re.compile(rb"BedrockAPIKey-[^:]{1,40}-at-([0-9]{12})(?:\D|$)")


def account(key_id: bytes) -> str | None:
    """The account number that an AWS access key id holds; None for ids of the kind before 2019, which hold none.

    Behind the prefix, and the bit that tells the newer kind, stand 40 bits of account in base 32 (Aidan Steele,
    "AWS Access Key ID formats", 2020).

    Raises:
        ValueError: it is no base 32, or no account can have that number.
    """
    number = int.from_bytes(base64.b32decode(key_id[4:20])[:6], "big")
    if not number >> 47:
        return None
    number = (number & 0x7FFFFFFFFF80) >> 7
    if number >= 10**12:
        raise ValueError("an account has twelve digits")
    return f"{number:012d}"


def aws_access_key_id(secret: bytes) -> Verdict | None:
    """Says the account of an access key id."""
    try:
        number = account(secret)
    except ValueError:
        return Verdict(False, "does not decode to an account")
    return Verdict(True, f"account {number}") if number else None


def aws_bedrock_key(secret: bytes) -> Verdict | None:
    """Says the account of a Bedrock API key, which holds in base64 the user it was made for, or a signed URL."""
    try:
        plain = unbase64(secret.removeprefix(b"ABSK").removeprefix(b"bedrock-api-key-"))
    except ValueError:
        return Verdict(False, "does not decode")
    if match := _BEDROCK_USER.match(plain):
        return Verdict(True, f"account {match[1].decode()}")
    signed = parse_qs(plain.decode("latin-1").partition("?")[2])
    key_id = (signed.get("X-Amz-Credential") or [""])[0].partition("/")[0]
    return aws_access_key_id(key_id.encode("latin-1")) if re.fullmatch("A[A-Z]{3}[A-Z2-7]{16}", key_id) else None


def gcp_service_account(secret: bytes, context: Context) -> Verdict:
    """The private key in a service account's file: it parses, and the file names the account it is for.

    Args:
        secret: the key, in PEM.
        context: the rest of the file.
    """
    verdict = private_key(secret)
    if not verdict.holds:
        return verdict
    # The JSON object that the key stands in; none nests in it.
    around = context.before[context.before.rfind(b"{") + 1 :] + b"\n" + context.after.partition(b"}")[0]
    fields = {key.decode(): said(value.decode("utf-8", "replace")) for key, value in _FIELD.findall(around)}
    if fields.get("type") != "service_account" or "client_email" not in fields:
        return Verdict(False, f"not a whole key file: lacks client_email or type; {verdict.text}")
    told = [fields["client_email"]]
    told += [
        f"{name} {fields[key]}" for key, name in (("project_id", "project"), ("private_key_id", "key")) if key in fields
    ]
    return Verdict(True, ", ".join((*told, verdict.text)), verdict.public)


def gcp_service_account_base64(secret: bytes) -> Verdict:
    """The same in base64, the whole file."""
    try:
        plain = unbase64(secret)
    except ValueError:
        plain = b""
    match = _PEM.search(plain)
    if match is None:
        return Verdict(False, "does not decode to a key file")
    return gcp_service_account(match[0], Context(plain[: match.start()], plain[match.end() :]))
