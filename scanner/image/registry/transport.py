"""Connections to a registry: whom to trust, through which proxy, how long to wait, what of it may be logged.

What a well-kept library does is left to it: connections, proxies, TLS, retries with back-off and ``Retry-After`` are
urllib3's by way of requests. Sources: dockerd's "Verify repository client with certificates" and containers-certs.d(5)
for the folders of certificates.
"""

import logging
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from scanner.errors import SettingError
from scanner.image.registry.reference import Reference
from scanner.image.registry.settings import RegistrySettings

TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes on it."""

CERTIFICATES = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))
"""Folders that hold, in one named after a registry, authorities (.crt) and client certificates (.cert, .key)."""

_TRIES = 5
_BACK_OFF = 0.5
_LONGEST_WAIT = 60
"""Seconds; of a back-off, and of what a ``Retry-After`` may ask for."""

_WAITED_FOR = (429, 500, 502, 503, 504)

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "PACKET_LENGTH", "UNEXPECTED_EOF")
"""What OpenSSL calls it when the other side answers in plain HTTP, or hangs up at what is not."""


def is_local(host: str) -> bool:
    """Whether a registry is on this machine, where Docker too speaks HTTP."""
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")


def new_session(reference: Reference, settings: RegistrySettings) -> requests.Session:
    """A session for a registry and for what it redirects to.

    Raises:
        SettingError: a certificate cannot be read.
    """
    session = requests.Session()
    session.trust_env = not is_local(reference.host)  # a proxy does not know what this machine calls localhost
    session.headers["User-Agent"] = "layerleak"
    session.headers["Accept-Encoding"] = "identity"  # bytes as they are stored, or Range means nothing
    retry = _Patience(
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
    )
    others = _Adapter(retry, _tls(reference, settings))
    session.mount("https://", others)
    session.mount("http://", others)
    # The client certificate says who the user is, which is nobody's business but this registry's.
    session.mount(f"https://{reference.host}/", _Adapter(retry, _tls(reference, settings, client=True)))
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_without_queries)
    return session


def scheme_of(reference: Reference, settings: RegistrySettings) -> str:
    """HTTPS, unless the user says otherwise; on this machine, as for Docker, HTTP where nobody speaks TLS."""
    if settings.plain_http:
        return "http"
    if not is_local(reference.host):
        return "https"
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", _Adapter(Retry(0), _tls(reference, settings, client=True)))
            session.get(f"https://{reference.host}/v2/", timeout=TIMEOUT, auth=as_it_is, allow_redirects=False).close()
    except requests.exceptions.SSLError as error:
        return "http" if any(sign in str(error).upper().replace(" ", "_") for sign in _NO_TLS) else "https"
    except requests.exceptions.ReadTimeout:
        return "https"
    except requests.RequestException:
        return "http"
    return "https"


def as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An "authentication" that adds nothing: without one, requests adds what .netrc has for the host."""
    return request


def explain(error: Exception) -> str:
    """A failed request in a few words, without the URL, which may hold a signature or a token."""
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "its certificate is not trusted; --registry-ca names a file with the authority's"
        if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text or "BAD_CERTIFICATE" in text:
            return "it wants a client certificate, or another one (--registry-cert, --registry-key)"
        return "it speaks no TLS, or none that is spoken here"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer, or refuses"
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return "does not answer"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached, or hung up"
    return text if type(error) is ValueError else type(error).__name__


class _Patience(Retry):
    """Retries that wait as a ``Retry-After`` says, within bounds, and take a malformed one for none."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            asked = super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            return None
        return None if asked is None else min(asked, _LONGEST_WAIT)


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


def _tls(reference: Reference, settings: RegistrySettings, *, client: bool = False) -> ssl.SSLContext:
    """Trusts what the system trusts, what requests brings, and what the user or docker's folder adds."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    for path in _authorities(reference, settings):
        _load(path, partial(context.load_verify_locations, path))
    for path, key in _client_certificates(reference, settings) if client else ():
        # Without a password to try, OpenSSL would ask for one on the terminal.
        _load(path, partial(context.load_cert_chain, path, key, password=""))
    return context


def _authorities(reference: Reference, settings: RegistrySettings) -> Iterator[Path]:
    if bundle := settings.environment.get("REQUESTS_CA_BUNDLE"):
        yield Path(bundle)
    if settings.ca_file:
        yield settings.ca_file
    for folder in CERTIFICATES:
        yield from sorted((folder / reference.host).glob("*.crt"))


def _client_certificates(reference: Reference, settings: RegistrySettings) -> Iterator[tuple[Path, Path]]:
    for folder in CERTIFICATES:
        for path in sorted((folder / reference.host).glob("*.cert")):
            yield path, path.with_suffix(".key")
    if settings.client_certificate:
        yield settings.client_certificate, settings.client_key or settings.client_certificate


def _load(path: Path, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingError(f"{path}: expected certificates in PEM, with a key that has no password: {reason}") from None


def _without_queries(record: logging.LogRecord) -> bool:
    """Cuts the query off every URL: where a blob store is redirected to, it holds what opens the store."""
    if isinstance(record.args, tuple):
        record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
    return True
