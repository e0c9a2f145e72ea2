"""Starts real servers for one test session, each with a folder and a port or socket of its own."""

import base64
import contextlib
import datetime
import hashlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import docker
import pytest
import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "reader", "correct-horse-of-the-tests"
FAR = "registry.test"
"""A name that only a proxy knows."""

_PATIENCE = 30


def need(*programs: str, root: bool = False) -> None:
    """Skips the test, with the reason, where a server is not installed or may not be started."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if root and os.getuid():
        pytest.skip(f"{programs[0]} needs root to start")


@contextlib.contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A server, from when it is ready until the block ends."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass(frozen=True)
class Served:
    """A registry that runs.

    Attributes:
        host: its address, as in an image's name.
        ca: the certificate to trust, or None.
        client: certificate and key that it asks for, or None.
    """

    host: str
    ca: Path | None = None
    client: tuple[Path, Path] | None = None

    def push(self, archive: str, name: str, *options: str) -> str:
        """Pushes an archive with skopeo; gives back the target to scan."""
        login = ["--dest-creds", f"{USER}:{PASSWORD}"]
        if self.client is not None:
            folder = self.client[0].parent / "skopeo"
            folder.mkdir(exist_ok=True)
            shutil.copy(self.client[0], folder / "client.cert")
            shutil.copy(self.client[1], folder / "client.key")
            login += ["--dest-cert-dir", str(folder)]
        command = ["skopeo", "copy", "-q", *options, "--dest-tls-verify=false", *login, archive]
        subprocess.run([*command, f"docker://{self.host}/{name}"], check=True)
        return f"docker://{self.host}/{name}"


@contextlib.contextmanager
def registry(folder: Path, *, login: bool = False, tls: bool = False, client: bool = False) -> Iterator[Served]:
    """A ``docker-registry`` on a port of its own."""
    need("docker-registry", "skopeo")
    host = f"127.0.0.1:{free_port()}"
    config: dict[str, object] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
    }
    http: dict[str, object] = {"addr": host}
    ca = certificate = key = None
    if tls:
        ca, certificate, key = make_certificates(folder)
        http["tls"] = {"certificate": str(certificate), "key": str(key)}
        if client:  # which the server's own certificate does for as well
            http["tls"] = {"certificate": str(certificate), "key": str(key), "clientcas": [str(ca)]}
    if login:
        entry = f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n"
        (folder / "htpasswd").write_text(entry)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    config["http"] = http
    (folder / "config.yml").write_text(yaml.safe_dump(config))

    def ready() -> bool:
        with contextlib.suppress(requests.RequestException):
            url = f"http{'s' if tls else ''}://{host}/v2/"
            shown = (str(certificate), str(key)) if client else None
            answer = requests.get(url, timeout=5, verify=str(ca) if ca else True, cert=shown)
            return answer.status_code in (200, 401)
        return False

    with running(["docker-registry", "serve", str(folder / "config.yml")], folder / "log", ready):
        yield Served(host, ca, (certificate, key) if client and certificate and key else None)


@contextlib.contextmanager
def docker_engine(folder: Path) -> Iterator[str]:
    """A ``dockerd`` with a socket and a data root of its own; its address."""
    need("dockerd", root=True)
    address = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--storage-driver", "vfs", "--bridge", "none", "--iptables=false", "-H", address]
    command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-p", f"{folder}/pid"]
    with running(command, folder / "log", lambda: answers(address)):
        yield address


@dataclass(frozen=True)
class Behind:
    """An engine that speaks TLS, and asks for a certificate.

    Attributes:
        address: where.
        socket: where it listens without.
        ca: what to trust.
        certificate: to show.
        key: of that.
    """

    address: str
    socket: str
    ca: Path
    certificate: Path
    key: Path


@contextlib.contextmanager
def docker_engine_behind_tls(folder: Path) -> Iterator[Behind]:
    """As `docker_engine`, with a second address."""
    need("dockerd", root=True)
    port, socket_ = free_port(), f"unix://{folder}/docker.sock"
    files = make_certificates(folder)
    command = ["dockerd", "--storage-driver", "vfs", "--bridge", "none", "--iptables=false", "-H", socket_]
    command += ["-H", f"tcp://127.0.0.1:{port}", "--tlsverify", f"--tlscacert={files[0]}", f"--tlscert={files[1]}"]
    command += [f"--tlskey={files[2]}", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    with running([*command, "-p", f"{folder}/pid"], folder / "log", lambda: answers(socket_)):
        yield Behind(f"tcp://127.0.0.1:{port}", socket_, *files)


def name_of(context: str) -> str:
    """The folder that docker keeps a context in."""
    return hashlib.sha256(context.encode()).hexdigest()


@contextlib.contextmanager
def podman_service(folder: Path) -> Iterator[str]:
    """A ``podman system service`` with a socket and a store of its own; its address."""
    need("podman", root=True)
    address = f"unix://{folder}/podman.sock"
    command = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
    with running([*command, "system", "service", "--time=0", address], folder / "log", lambda: answers(address)):
        yield address


def answers(address: str) -> bool:
    """Whether an engine is there."""
    with socket.socket(socket.AF_UNIX) as probe:  # the client of the docker package leaves its own open if it fails
        try:
            probe.connect(address.removeprefix("unix://"))
        except OSError:
            return False
    with contextlib.closing(docker.APIClient(base_url=address, version="auto")) as client:
        return bool(client.ping())


def load(address: str, archive: Path) -> None:
    """Has an engine load a docker archive."""
    with archive.open("rb") as file, contextlib.closing(docker.DockerClient(base_url=address)) as client:
        client.images.load(file)


def log_in(home: Path, host: str, password: str) -> None:
    """Writes what ``docker login`` would."""
    (home / ".docker").mkdir(exist_ok=True)
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def make_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate authority for the tests, and what it issued for 127.0.0.1: two certificates and a key."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _issued("tests", ca_key, None, ca_key)
    server = _issued("server", key, authority, ca_key)
    paths = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(server.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def _issued(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate | None, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    named = [x509.DNSName("localhost"), x509.DNSName(FAR)]
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *named])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
