"""How a registry is reached: certificates, proxies, this machine by its names; and which login goes along."""

import base64
import contextlib
import json
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from scanner.detect.ruleset import Ruleset
from scanner.errors import LayerleakError
from scanner.finding import ImageReport
from scanner.image.registry import transport
from scanner.image.registry.credentials import Credentials, find_credentials
from scanner.image.registry.reference import parse_reference
from scanner.image.registry.settings import RegistrySettings
from scanner.image.source import Places
from scanner.scan import Scanner
from tests.image.archives import SMALL_OCI_ARCHIVE
from tests.places import servers
from tests.places.hostile import Hostile, served

NAME = "tests/image:1"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Served]:
    """A registry that asks for a client certificate."""
    with servers.registry(tmp_path_factory.mktemp("strict"), tls=True, client=True) as registry:
        registry.push(f"oci-archive:{SMALL_OCI_ARCHIVE}", NAME, "--all")
        yield registry


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Served]:
    """A registry with TLS."""
    with servers.registry(tmp_path_factory.mktemp("secure"), tls=True) as registry:
        registry.push(f"oci-archive:{SMALL_OCI_ARCHIVE}", NAME, "--all")
        yield registry


def scan(host: str, ruleset: Ruleset, home: Path, **options: object) -> tuple[ImageReport, ...]:
    settings = RegistrySettings(environment={"HOME": str(home)}, **options)  # type: ignore[arg-type]
    scanner = Scanner(ruleset, b"key", jobs=2, places=Places(registry=settings))
    return scanner.scan(f"docker://{host}/{NAME}")


# --- certificates -----------------------------------------------------------------------------------------------------


def test_a_client_certificate_is_shown_to_who_asks_for_one(
    ruleset: Ruleset, strict: servers.Served, tmp_path: Path
) -> None:
    assert strict.client is not None
    with pytest.raises(LayerleakError, match="wants a client certificate"):
        scan(strict.host, ruleset, tmp_path, ca_file=strict.ca)
    certificate, key = strict.client

    (report,) = scan(strict.host, ruleset, tmp_path, ca_file=strict.ca, client_certificate=certificate, client_key=key)
    assert report.coverage.complete


def test_certificates_are_found_in_docker_s_folder(
    ruleset: Ruleset, strict: servers.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert strict.client is not None
    assert strict.ca is not None
    folder = tmp_path / "certs.d" / strict.host
    folder.mkdir(parents=True)
    for source, name in ((strict.ca, "ca.crt"), (strict.client[0], "client.cert"), (strict.client[1], "client.key")):
        shutil.copy(source, folder / name)
    monkeypatch.setattr(transport, "CERTIFICATES", (tmp_path / "certs.d",))

    assert scan(strict.host, ruleset, tmp_path)


def test_a_key_with_a_password_is_told_and_nobody_asked(
    ruleset: Ruleset, strict: servers.Served, tmp_path: Path
) -> None:
    assert strict.client is not None
    key = serialization.load_pem_private_key(strict.client[1].read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a password of the tests"),
        )
    )
    with pytest.raises(LayerleakError, match="with a key that has no password"):
        scan(
            strict.host,
            ruleset,
            tmp_path,
            ca_file=strict.ca,
            client_certificate=strict.client[0],
            client_key=locked,
        )


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_this_machine_is_spoken_to_with_tls_where_it_speaks_it(
    ruleset: Ruleset, secure: servers.Served, tmp_path: Path, name: str
) -> None:
    host = secure.host.replace("127.0.0.1", name)
    with pytest.raises(LayerleakError, match="certificate is not trusted"):
        scan(host, ruleset, tmp_path)

    assert scan(host, ruleset, tmp_path, ca_file=secure.ca)


# --- proxies ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tunnels_to(host: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy that knows CONNECT and leads to one address, whatever it is asked for; its URL, and what it was told."""
    name, _, port = host.partition(":")
    asked: list[str] = []

    def relay(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((name, int(port))) as behind:
            asked.append(client.recv(1 << 16).decode())
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=relay, args=(behind, client), daemon=True)
            back.start()
            relay(client, behind)
            back.join()

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://proxied:of-the-proxy@127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def test_a_registry_is_reached_through_a_tunnel(
    ruleset: Ruleset, secure: servers.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tunnels_to(secure.host) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert scan(f"{servers.FAR}:443", ruleset, tmp_path, ca_file=secure.ca)

    assert all(text.startswith(f"CONNECT {servers.FAR}:443 ") for text in asked)
    assert "Proxy-Authorization: Basic " in asked[0]


def test_a_registry_without_tls_is_asked_through_a_proxy(
    ruleset: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Hostile([], json.dumps({"rootfs": {"diff_ids": []}}).encode())
    with served(proxy):
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        assert scan(servers.FAR, ruleset, tmp_path, plain_http=True)

    assert all(path.startswith(f"http://{servers.FAR}/v2/tests/image/") for path, _ in proxy.seen)


def test_a_proxy_that_does_not_answer_is_told_without_its_login(
    ruleset: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF", 0.001)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxied:of-the-proxy@127.0.0.1:1")
    with pytest.raises(LayerleakError, match="the proxy does not answer") as caught:
        scan(servers.FAR, ruleset, tmp_path)

    assert "of-the-proxy" not in str(caught.value)


# --- logins -----------------------------------------------------------------------------------------------------------


def auth(password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"reader:{password}".encode()).decode()}


def found(home: Path, name: str, document: Mapping[str, object], **environment: str) -> Credentials:
    """The credentials for an image, of a docker configuration."""
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(json.dumps(document))
    told = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), **environment}
    return find_credentials(parse_reference(name), told)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("alpine", "https://index.docker.io/v1/"),
        ("alpine", "docker.io"),
        ("acme/shop", "docker.io/acme"),
        ("ghcr.io/acme/shop", "ghcr.io"),
        ("ghcr.io/acme/shop", "https://ghcr.io"),
        ("ghcr.io/acme/shop", "ghcr.io/acme/shop"),
    ],
)
def test_a_login_is_found_under_whatever_it_is_filed(tmp_path: Path, name: str, key: str) -> None:
    assert found(tmp_path, name, {"auths": {key: auth("x")}}) == Credentials("reader", "x")


def test_the_closest_login_counts_and_a_stranger_s_does_not(tmp_path: Path) -> None:
    auths = {"ghcr.io": auth("host"), "ghcr.io/acme": auth("space"), "ghcr.io/acme-other": auth("other")}

    assert found(tmp_path, "ghcr.io/acme/shop", {"auths": auths}).password == "space"
    assert found(tmp_path, "ghcr.io/acm/shop", {"auths": auths}).password == "host"
    assert not found(tmp_path, "ghcr.io.example/acme/shop", {"auths": auths})


def test_podman_s_file_comes_before_docker_s(tmp_path: Path) -> None:
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / "auth.json").write_text(json.dumps({"auths": {"ghcr.io": auth("podman's")}}))

    assert found(tmp_path, "ghcr.io/a/b", {"auths": {"ghcr.io": auth("docker's")}}).password == "podman's"


def test_an_identity_token_is_found(tmp_path: Path) -> None:
    document = {"auths": {"ghcr.io": {"auth": base64.b64encode(b"00000000:").decode(), "identitytoken": "of-tests"}}}

    assert found(tmp_path, "ghcr.io/a/b", document).identity_token == "of-tests"


def test_a_store_is_asked_for_docker_hub_under_docker_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker-credential-store-of-tests"
    program.write_text(
        '#!/bin/sh\nread host\n[ "$host" = https://index.docker.io/v1/ ] || {\n'
        "  echo credentials not found in native keychain; exit 1; }\n"
        'echo \'{"ServerURL": "", "Username": "<token>", "Secret": "of-the-store"}\'\n'
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    document = {"credsStore": "store-of-tests", "auths": {"https://index.docker.io/v1/": {}}}

    assert found(tmp_path, "alpine", document).identity_token == "of-the-store"
    assert not found(tmp_path, "ghcr.io/a/b", document)


def test_a_helper_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LayerleakError, match="docker-credential-none-of-tests"):
        found(tmp_path, "ghcr.io/a/b", {"credHelpers": {"ghcr.io": "none-of-tests"}})
