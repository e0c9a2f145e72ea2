"""Users and passwords that are only encoded."""

import re

from scanner.detect.proof.encoding import unbase64
from scanner.detect.proof.verdict import Verdict, said

_FAILED = Verdict(False, "does not decode to user:password")
_NAME = re.compile(r"(?=.{1,64}$)[A-Za-z0-9][A-Za-z0-9._@+$-]*|[$<_][A-Za-z0-9_>-]{1,63}")


def user_password(secret: bytes) -> Verdict:
    """The base64 of ``user:password`` (RFC 7617, section 2), as in HTTP basic auth and docker's config.json."""
    try:
        user, colon, password = unbase64(secret).decode().partition(":")
    except ValueError:
        return _FAILED
    # A password may have lines: a registry of Google's takes a whole key file for one.
    if not (colon and password.strip() and (user + "".join(password.split())).isprintable()):
        return _FAILED
    named = _is_name(user)
    return Verdict(True, f"decodes to user {said(user)} and a password" if named else "decodes to user:password")


def _is_name(user: str) -> bool:
    """Whether it is safe to say: some services take a token for the user, and anything for the password."""
    if not _NAME.fullmatch(user):
        return False
    return "@" in user or len(user) < 20 or not any(c.isdigit() for c in user)
