"""Values that everybody knows: credentials from vendors' own documentation.

They are reported, with the reason, and count for nothing; dropping them would hide a mistake of this list.
"""

import re

_DOCUMENTED = {
    b"AKIAIOSFODNN7EXAMPLE": "AWS documentation's example key id",
    b"AKIAI44QH8DHBEXAMPLE": "AWS documentation's example key id",
    b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "AWS documentation's example secret key",
    b"je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY": "AWS documentation's example secret key",
    b"2YotnFZFEjr1zCsicMWpAA": "RFC 6749's example access token",
    b"tGzv3JOkF0XG5Qx2TlKWIA": "RFC 6749's example refresh token",
    b"czZCaGRSa3F0MzpnWDFmQmF0M2JW": "RFC 6749's example client credentials",
    b"mF_9.B5f-4.1JqM": "RFC 6750's example bearer token",
    b"QWxhZGRpbjpvcGVuIHNlc2FtZQ==": "RFC 7617's example user and password",
    b"uXFGweU9l35qcif": "the example of kubectl's help text",
}
_DOCUMENTED_JWT = re.compile(
    # The claims {"sub":"1234567890","name": of jwt.io and {"some":"payload"} of PyJWT's manual.
    rb"eyJ[\w-]+\.eyJ(?:zdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6|zb21lIjoicGF5bG9hZCJ9\.)[\w.-]+"
)
_AWS_EXAMPLE = re.compile(rb"A[KS]IA[A-Z0-9]{9}EXAMPLE|[A-Za-z0-9/+]{30}EXAMPLEKEY")


def known_public(secret: bytes) -> str | None:
    """Why a value is public knowledge, or None."""
    if reason := _DOCUMENTED.get(secret):
        return reason
    if _AWS_EXAMPLE.fullmatch(secret):
        return "AWS marks its example credentials so"
    if b"PRIVATE KEY-----" in secret and b"EXAMPLE" in secret:
        return "a key in somebody's documentation, marked as an example"
    if _DOCUMENTED_JWT.fullmatch(secret):
        return "the example token of jwt.io or of a library's manual"
    return None
