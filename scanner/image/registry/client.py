"""Reads manifests and blobs from a registry, with the patience that public ones ask for.

Source: OCI distribution-spec v1.1 ("Pull", "Listing Referrers", "Listing Tags"). Redirects are followed here and not by
requests, since they must not take the Authorization header along.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import BinaryIO, cast
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from scanner.errors import FormatError, TargetError
from scanner.image.oci import MAX_DOCUMENT
from scanner.image.registry import transport
from scanner.image.registry.blob import Blob, Opened
from scanner.image.registry.credentials import find_credentials
from scanner.image.registry.reference import Reference
from scanner.image.registry.settings import RegistrySettings
from scanner.image.registry.tokens import Tokens

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1",
    "*/*;q=0.1",
)

_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_CUT = 3
"""How often a document is asked for whose connection breaks."""

_MAX_PAGES = 1000
_NO_REFERRERS = (400, 404, 405, 406, 501)
"""What registries answer that do not know the referrers API; the specification has them say 404."""

_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]{32,256}")


class RefusedError(TargetError):
    """What a registry did not give.

    Attributes:
        status: that it answered with.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Registry:
    """One repository of a registry. Its methods may be called from several threads."""

    def __init__(self, reference: Reference, settings: RegistrySettings | None = None) -> None:
        """Takes what to read; nothing is contacted yet.

        Raises:
            SettingError: the user's credentials cannot be read.
        """
        self.reference = reference
        self._settings = settings or RegistrySettings()
        self._session = transport.new_session(reference, self._settings)
        found = find_credentials(reference, self._settings.environment)
        self._tokens = Tokens(self._session, reference, found)

    @cached_property
    def _base(self) -> str:
        scheme = transport.scheme_of(self.reference, self._settings)
        return f"{scheme}://{self.reference.host}/v2/{self.reference.repository}/"

    def close(self) -> None:
        """Ends its connections."""
        self._session.close()

    def manifest(self, version: str) -> tuple[bytes, str]:
        """A manifest or index, and its media type.

        Args:
            version: tag or digest.

        Raises:
            TargetError: it is not there, or the registry does not give it away.
        """
        if ":" in version:
            _check(version)
        data, response = self._document(f"manifests/{version}", ", ".join(MANIFEST_TYPES))
        return data, response.headers.get("Content-Type", "")

    def blob(self, digest: str, size: int = -1) -> BinaryIO:
        """A blob as a stream, which goes on where it was when the connection breaks.

        Args:
            digest: which.
            size: as its descriptor has it; -1 where that is unknown.

        Raises:
            FormatError: the registry does not have it.
        """
        try:
            _check(digest)
            return cast(BinaryIO, Blob(lambda at: self._open(digest, at), size))
        except TargetError as error:
            raise FormatError(str(error)) from None

    def _open(self, digest: str, at: int) -> Opened:
        headers = {"Range": f"bytes={at}-"} if at else {}
        response = self._get(f"blobs/{digest}", headers, expected=(200, 206))
        whole = response.status_code == 200
        length = response.headers.get("Content-Length", "")
        said = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
        start = 0 if whole else int(said[1]) if said else at
        if start > at:
            response.close()
            raise TargetError(
                f"docker://{self.reference}: asked for the bytes from {at} on, the registry sends from {start} on"
            )
        return Opened(response.raw, start, int(length) if length.isdecimal() else -1, response.close)

    def referrers(self, digest: str) -> list[bytes]:
        """The indexes of what refers to a manifest, one for each page; none where nothing does.

        Falls back to the tag that clients keep for registries without the API (distribution-spec, "Referrers Tag
        Schema").

        Raises:
            TargetError: the registry does not give them away.
        """
        _check(digest)
        try:
            pages = list(self._pages(f"referrers/{digest}", MANIFEST_TYPES[0]))
            if all("json" in response.headers.get("Content-Type", "json") for _, response in pages):
                return [data for data, _ in pages]
        except RefusedError as error:
            if error.status not in _NO_REFERRERS:
                raise
        try:
            return [self.manifest(digest.replace(":", "-", 1))[0]]
        except RefusedError as error:
            if error.status != 404:
                raise
            return []

    def has(self, version: str) -> bool:
        """Whether there is a manifest of this tag or digest; asked in a way that no quota counts.

        Raises:
            TargetError: the registry does not say.
        """
        try:
            self._get(f"manifests/{version}", {"Accept": ", ".join(MANIFEST_TYPES)}, method="HEAD").close()
        except RefusedError as error:
            if error.status != 404:
                raise
            return False
        return True

    def tags(self) -> Iterator[str]:
        """The repository's tags, page by page.

        Raises:
            TargetError: the registry does not give them away.
        """
        for data, _ in self._pages("tags/list", "application/json"):
            try:
                page = json.loads(data)
            except (ValueError, RecursionError):
                raise TargetError(
                    f"docker://{self.reference}: expected a list of tags in JSON, found other data"
                ) from None
            names = page.get("tags") if isinstance(page, dict) else None
            yield from (name for name in names or () if isinstance(name, str))

    def _pages(self, path: str, accepted: str) -> Iterator[tuple[bytes, requests.Response]]:
        """A document, and those that each names as the next."""
        following = path
        for _ in range(_MAX_PAGES):
            data, response = self._document(following, accepted)
            yield data, response
            named = response.links.get("next", {}).get("url")
            if not named:
                return
            following = urljoin(response.url, named)
        raise TargetError(f"docker://{self.reference}: more than {_MAX_PAGES} pages of {path}")

    def _document(self, path: str, accepted: str) -> tuple[bytes, requests.Response]:
        """A document whole, and the response that it came with; asked for again where the connection breaks."""
        for left in reversed(range(_CUT)):
            with self._get(path, {"Accept": accepted}) as response:
                try:
                    return _read(response, f"docker://{self.reference}"), response
                except (requests.RequestException, HTTPError) as error:
                    if not left:
                        raise TargetError(f"docker://{self.reference}: {transport.explain(error)}") from None
        raise AssertionError("unreachable")

    def _get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        expected: tuple[int, ...] = (200,),
        method: str = "GET",
    ) -> requests.Response:
        url = urljoin(self._base, path)
        try:
            response = self._request(method, url, headers or {})
            # Only this registry may ask: an address that it redirects to has no business with the user's login.
            own = _origin(response.url) == _origin(self._base)
            if response.status_code == 401 and own and self._tokens.renew(response):
                response.close()
                response = self._request(method, url, headers or {})
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise TargetError(f"docker://{self.reference}: {self.reference.host}: {transport.explain(error)}") from None
        if response.status_code not in expected:
            response.close()
            raise RefusedError(f"docker://{self.reference}: {_reason(response, path)}", response.status_code)
        return response

    def _request(self, method: str, url: str, headers: Mapping[str, str]) -> requests.Response:
        """A request that follows redirects, with the Authorization header for this registry's own address only."""
        own = _origin(self._base)
        for _ in range(_MAX_REDIRECTS + 1):
            authorised = {**headers, **(self._tokens.header if _origin(url) == own else {})}
            response = self._session.request(
                method,
                url,
                headers=authorised,
                auth=transport.as_it_is,
                stream=True,
                timeout=transport.TIMEOUT,
                allow_redirects=False,
            )
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            target = urljoin(url, response.headers["Location"])
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise ValueError("redirects from HTTPS to another scheme, which is not followed")
            url = target
        raise ValueError(f"redirects more than {_MAX_REDIRECTS} times")


def _read(response: requests.Response, where: str) -> bytes:
    parts: list[bytes] = []
    left = MAX_DOCUMENT
    for part in response.iter_content(1 << 16):
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise TargetError(f"{where}: a document is larger than {MAX_DOCUMENT} bytes")
    return b"".join(parts)


def _check(digest: str) -> None:
    """Sees to it that what an image says is a digest leads nowhere else when it becomes a part of a URL."""
    if not _DIGEST.fullmatch(digest):
        raise TargetError(f"expected a digest, found {digest[:80]!a}")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _reason(response: requests.Response, path: str) -> str:
    what = "no such image" if path.startswith("manifests/") else f"{path}: not there"
    known = {
        401: "the registry wants a login, and there is none it accepts; `docker login` or `podman login` keeps one",
        403: "the registry forbids it to this login",
        404: what,
        429: "the registry asks for fewer requests, and did so after several waits",
    }
    return known.get(response.status_code, f"{path}: the registry answered {response.status_code}")
