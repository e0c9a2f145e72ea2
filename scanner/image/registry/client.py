"""Reads manifests and blobs from a registry, with the patience that public ones ask for.

Source: OCI distribution-spec v1.1 ("Pull", "Listing Referrers"); Docker's registry token specification. What a
well-kept library does is left to it: connections, proxies, TLS, retries with back-off and ``Retry-After`` are
urllib3's by way of requests. Redirects are followed here, since they must not take the Authorization header along.
"""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urljoin, urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from scanner.errors import FormatError, SettingError, TargetError
from scanner.image.oci import MAX_DOCUMENT
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

TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes on it."""

_TRIES = 5
_BACK_OFF = 0.5
_LONGEST_WAIT = 60
"""Seconds; of a back-off, and of what a ``Retry-After`` may ask for."""

_WAITED_FOR = (429, 500, 502, 503, 504)
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class MissingError(TargetError):
    """What a registry does not have."""


class Registry:
    """One repository of a registry. Its methods may be called from several threads."""

    def __init__(self, reference: Reference, settings: RegistrySettings | None = None) -> None:
        """Takes what to read; nothing is contacted yet.

        Raises:
            SettingError: the user's credentials cannot be read.
        """
        self.reference = reference
        self._settings = settings or RegistrySettings()
        self._local = _is_local(reference.host)
        self._session = self._new_session()
        found = find_credentials(reference, self._settings.environment)
        self._tokens = Tokens(self._session, reference, found)

    @cached_property
    def _base(self) -> str:
        return f"{self._scheme()}://{self.reference.host}/v2/{self.reference.repository}/"

    def _scheme(self) -> str:
        """HTTPS, unless the user says otherwise; on this machine, as for Docker, HTTP where nobody speaks TLS."""
        if self._settings.plain_http:
            return "http"
        if self._local:
            try:
                with requests.Session() as session:
                    session.trust_env = False
                    session.mount("https://", _Adapter(Retry(0), self._tls()))
                    session.get(f"https://{self.reference.host}/v2/", timeout=TIMEOUT).close()
            except requests.exceptions.SSLError as error:
                return "https" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "http"
            except requests.RequestException:
                return "http"
        return "https"

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = not self._local  # a proxy does not know what this machine calls localhost
        session.headers["User-Agent"] = "layerleak"
        session.headers["Accept-Encoding"] = "identity"  # bytes as they are stored, or Range means nothing
        retry = Retry(
            total=_TRIES,
            connect=2,
            other=0,  # a certificate that is not trusted will not be in a second either
            redirect=0,
            status_forcelist=_WAITED_FOR,
            allowed_methods=None,
            backoff_factor=_BACK_OFF,
            backoff_max=_LONGEST_WAIT,
            backoff_jitter=_BACK_OFF,
            raise_on_status=False,
            retry_after_max=_LONGEST_WAIT,
        )
        adapter = _Adapter(retry, self._tls())
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def _tls(self) -> ssl.SSLContext:
        """Trusts what the system trusts, what requests brings, and what the user or docker's folder adds."""
        settings, folder = self._settings, Path("/etc/docker/certs.d") / self.reference.host
        bundle = settings.environment.get("REQUESTS_CA_BUNDLE")
        named = [settings.ca_file] if settings.ca_file else []
        ca_files = [*([Path(bundle)] if bundle else []), *named, *sorted(folder.glob("*.crt"))]
        pairs = [(path, path.with_suffix(".key")) for path in sorted(folder.glob("*.cert"))]
        if settings.client_certificate:
            pairs.append((settings.client_certificate, settings.client_key or settings.client_certificate))
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        for path in ca_files:
            _load(path, partial(context.load_verify_locations, path))
        for path, key in pairs:
            _load(path, partial(context.load_cert_chain, path, key))
        return context

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
        with self._get(f"manifests/{version}", {"Accept": ", ".join(MANIFEST_TYPES)}) as response:
            return _document(response, str(self.reference)), response.headers.get("Content-Type", "")

    def blob(self, digest: str, size: int = -1) -> BinaryIO:
        """A blob as a stream, which goes on where it was when the connection breaks.

        Args:
            digest: which.
            size: as its descriptor has it; -1 where that is unknown.

        Raises:
            FormatError: the registry does not have it.
        """
        try:
            return cast(BinaryIO, Blob(lambda at: self._open(digest, at), size))
        except TargetError as error:
            raise FormatError(str(error)) from None

    def _open(self, digest: str, at: int) -> Opened:
        headers = {"Range": f"bytes={at}-"} if at else {}
        response = self._get(f"blobs/{digest}", headers, expected=(200, 206))
        whole = response.status_code == 200
        length = response.headers.get("Content-Length", "")
        return Opened(response.raw, 0 if whole else at, int(length) if length.isdecimal() else -1, response.close)

    def referrers(self, digest: str) -> bytes | None:
        """The index of what refers to a manifest; None where there is none.

        Falls back to the tag that clients keep for registries without the API (distribution-spec, "Referrers Tag
        Schema").

        Raises:
            TargetError: the registry does not give it away.
        """
        for path in (f"referrers/{digest}", f"manifests/{digest.replace(':', '-', 1)}"):
            try:
                with self._get(path, {"Accept": MANIFEST_TYPES[0]}) as response:
                    return _document(response, str(self.reference))
            except MissingError:
                continue
        return None

    def has(self, version: str) -> bool:
        """Whether there is a manifest of this tag or digest; asked in a way that no quota counts.

        Raises:
            TargetError: the registry does not say.
        """
        try:
            self._get(f"manifests/{version}", {"Accept": ", ".join(MANIFEST_TYPES)}, method="HEAD").close()
        except MissingError:
            return False
        return True

    def tags(self) -> Iterator[str]:
        """The repository's tags, page by page."""
        path: str | None = "tags/list"
        while path:
            with self._get(path) as response:
                page = json.loads(_document(response, str(self.reference)))
                path = response.links.get("next", {}).get("url")
            names = page.get("tags") if isinstance(page, dict) else None
            yield from (name for name in names or () if isinstance(name, str))

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
            own = _origin(response.url) == _origin(url)
            if response.status_code == 401 and own and self._tokens.renew(response):
                response.close()
                response = self._request(method, url, headers or {})
        except (requests.RequestException, ValueError) as error:
            raise TargetError(f"{self.reference}: {self.reference.host}: {explain(error)}") from None
        if response.status_code not in expected:
            response.close()
            kind = MissingError if response.status_code == 404 else TargetError
            raise kind(f"{self.reference}: {_reason(response, path)}")
        return response

    def _request(self, method: str, url: str, headers: Mapping[str, str]) -> requests.Response:
        """A request that follows redirects, with the Authorization header for this registry's own address only."""
        own = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            authorised = {**headers, **(self._tokens.header if _origin(url) == own else {})}
            response = self._session.request(
                method, url, headers=authorised, auth=_as_it_is, stream=True, timeout=TIMEOUT, allow_redirects=False
            )
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            target = urljoin(url, response.headers["Location"])
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise ValueError("redirects from HTTPS to another scheme, which is not followed")
            url = target
        raise ValueError(f"redirects more than {_MAX_REDIRECTS} times")


class _Adapter(HTTPAdapter):
    """An adapter with a TLS context of ours, which says whom to trust."""

    def __init__(self, retry: Retry, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=retry, pool_maxsize=32)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        pass  # it would have one bundle of certificates overrule the context


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An "authentication" that adds nothing: without one, requests adds what .netrc has for the host."""
    return request


def _document(response: requests.Response, where: str) -> bytes:
    parts: list[bytes] = []
    left = MAX_DOCUMENT
    try:
        for part in response.iter_content(1 << 16):
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise TargetError(f"{where}: a document is larger than {MAX_DOCUMENT} bytes")
    except requests.RequestException as error:
        raise TargetError(f"{where}: {explain(error)}") from None
    return b"".join(parts)


def _load(path: Path, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:
        raise SettingError(f"{path}: expected certificates in PEM: {error.strerror or error}") from None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_local(host: str) -> bool:
    """Whether a registry is on this machine, where Docker too speaks HTTP."""
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")


def _reason(response: requests.Response, path: str) -> str:
    what = "no such image" if path.startswith("manifests/") else f"{path}: not there"
    known = {
        401: "the registry wants a login, and there is none it accepts; `docker login` or `podman login` keeps one",
        403: "the registry forbids it to this login",
        404: what,
        429: "the registry asks for fewer requests, and did so after several waits",
    }
    return known.get(response.status_code, f"{path}: the registry answered {response.status_code}")


def explain(error: Exception) -> str:
    """A failed request in a few words, without the URL, which may hold a signature or a token."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it speaks no TLS"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return "does not answer"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached, or hung up"
    return str(error) if type(error) is ValueError else type(error).__name__
