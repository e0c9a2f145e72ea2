"""Gets what a registry wants to see in the Authorization header.

Sources: RFC 7235 and RFC 6750 (challenges), Docker's "Token Authentication Specification" and its OAuth2 variant.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from scanner.errors import TargetError
from scanner.image.registry import transport
from scanner.image.registry.credentials import Credentials
from scanner.image.registry.reference import Reference

_PARAMETER = re.compile(r'([A-Za-z_]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_MAX_TOKEN = 1 << 20


def challenges(header: str) -> dict[str, dict[str, str]]:
    """What a ``WWW-Authenticate`` header asks for: parameters by scheme, both in lower case."""
    found: dict[str, dict[str, str]] = {}
    for match in re.finditer(r"(?:^|,)\s*(basic|bearer)(?=\s|$|,)([^\n]*?)(?=,\s*(?:basic|bearer)\b|$)", header, re.I):
        parameters = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(match[2])}
        found[match[1].lower()] = parameters
    return found


class Tokens:
    """The header for one repository, gotten when the registry first asks for it, and again when it has expired."""

    def __init__(self, session: requests.Session, reference: Reference, credentials: Credentials) -> None:
        """Takes what to ask with, what for, and as whom."""
        self._session = session
        self._reference = reference
        self._credentials = credentials
        self._header: Mapping[str, str] = {}
        self._lock = threading.Lock()

    @property
    def header(self) -> Mapping[str, str]:
        """The header as it is now; empty as long as the registry did not ask."""
        return self._header

    def renew(self, response: requests.Response) -> bool:
        """Gets what the registry asked for when it answered 401.

        Returns:
            Whether there is something to try again with.

        Raises:
            TargetError: the token service refuses or cannot be trusted.
        """
        sent = response.request.headers.get("Authorization")
        with self._lock:
            if self._header and self._header.get("Authorization") != sent:
                return True  # another thread was faster
            asked = challenges(response.headers.get("WWW-Authenticate", ""))
            header = ""
            if "bearer" in asked:
                header = f"Bearer {self._token(asked['bearer'], urlsplit(response.url).scheme)}"
            elif "basic" in asked and self._credentials.username:
                header = self._basic()
            if not header or header == sent:
                return False
            self._header = {"Authorization": header}
            return True

    def _basic(self) -> str:
        pair = f"{self._credentials.username}:{self._credentials.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def _token(self, asked: Mapping[str, str], scheme: str) -> str:
        realm = asked.get("realm", "")
        if urlsplit(realm).scheme not in ("https", scheme):
            raise TargetError(
                f"docker://{self._reference}: the registry's token service has no HTTPS address: {realm[:200]!a}"
            )
        parameters = {"scope": asked.get("scope") or f"repository:{self._reference.repository}:pull"}
        if asked.get("service"):
            parameters["service"] = asked["service"]
        if self._credentials.identity_token:
            form = {
                **parameters,
                "grant_type": "refresh_token",
                "client_id": "layerleak",
                "refresh_token": self._credentials.identity_token,
            }
            response = self._session.post(
                realm, data=form, auth=transport.as_it_is, timeout=transport.TIMEOUT, allow_redirects=False, stream=True
            )
        else:
            headers = {"Authorization": self._basic()} if self._credentials.username else {}
            response = self._session.get(
                realm,
                params=parameters,
                headers=headers,
                auth=transport.as_it_is,
                timeout=transport.TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
        with response:
            if response.status_code != 200:
                reason = "refuses this login" if self._credentials else "wants a login"
                raise TargetError(
                    f"docker://{self._reference}: the token service {reason} (it answered {response.status_code}); "
                    "`docker login` or `podman login` keeps one"
                )
            return self._told(response)

    def _told(self, response: requests.Response) -> str:
        try:
            data = response.raw.read(_MAX_TOKEN, decode_content=True)
            told: Any = json.loads(data)
            token = told.get("token") or told.get("access_token")
        except (ValueError, AttributeError, RecursionError, HTTPError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise TargetError(f"docker://{self._reference}: the token service answered with no token")
        return token
