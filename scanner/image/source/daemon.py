"""Images of a local engine: Docker's, or podman's by the same API, out of the stream that it exports.

Nothing is stored on the way. An export may end with the documents that say what its members are, so it goes by once,
as a compressed archive does.
"""

import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from scanner.errors import TargetError
from scanner.image.oci import Image, Skip
from scanner.image.source.archive import layer_blobs, resolve
from scanner.image.source.container import StreamedTar

_CHUNK = 1 << 20
_TIMEOUT = 60
"""Seconds to wait for the engine's next bytes; it may take a while to collect a large image."""

_NO_ENGINE = "no engine answers"

_PASSWORD = re.compile(r":[^/@:]*@")
"""Of an address that holds one."""


@dataclass(frozen=True)
class LocalImage:
    """An image that an engine has.

    Attributes:
        id: its image id.
        references: names and tags it goes by.
    """

    id: str
    references: tuple[str, ...]


class Engine:
    """A connection to a container engine's API (Docker Engine API, "Image")."""

    def __init__(self, client: Any, address: str) -> None:
        """Takes a client of the docker package, and what to call it in messages."""
        self._client = client
        self.address = address

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()

    def images(self) -> list[LocalImage]:
        """Every image it has, intermediate ones left out, as ``docker images`` does.

        Raises:
            TargetError: it does not answer.
        """
        with _told(self.address, ""):
            listed = self._client.images()
        return [
            LocalImage(str(entry["Id"]), tuple(tag for tag in entry.get("RepoTags") or () if tag != "<none>:<none>"))
            for entry in listed
        ]

    def find(self, name: str) -> LocalImage | None:
        """The image of a name or an id; None if there is none.

        Raises:
            TargetError: it does not answer.
        """
        from docker.errors import ImageNotFound, NotFound

        with _told(self.address, name):
            try:
                entry = self._client.inspect_image(name)
            except (ImageNotFound, NotFound):
                return None
        return LocalImage(str(entry["Id"]), tuple(entry.get("RepoTags") or ()))

    def export(self, name: str) -> BinaryIO:
        """The archive that ``docker save`` would write.

        Raises:
            TargetError: it does not answer, or lacks the image.
        """
        with _told(self.address, name):
            return cast(BinaryIO, _Chunks(self._client.get_image(name, chunk_size=_CHUNK)))


def connect(environment: Mapping[str, str], *, podman: bool = False) -> Engine:
    """Connects to the engine that the user's ``docker`` command would talk to.

    ``DOCKER_HOST`` decides, then ``DOCKER_CONTEXT`` and the current context, then whichever of the usual sockets of
    Docker and podman is there.

    Args:
        environment: of the process.
        podman: whether podman's sockets come first, and Docker's context does not count.

    Raises:
        TargetError: there is none, or it does not answer.
    """
    import docker
    from docker.constants import DEFAULT_DOCKER_API_VERSION
    from docker.errors import DockerException
    from requests import RequestException

    host, tls = _endpoint(environment, podman=podman)

    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).is_socket():
        raise TargetError(f"{host}: {_NO_ENGINE}: nobody listens there")

    def client(version: str) -> Any:
        ssh = host.startswith("ssh://")
        made = docker.APIClient(base_url=host, tls=tls, version=version, timeout=_TIMEOUT, use_ssh_client=ssh)
        # A bundle that the environment names for the web would be trusted in place of the engine's own authority.
        made.trust_env = not tls
        return made

    address = _PASSWORD.sub("@", host)
    if host.startswith("ssh://") and shutil.which("ssh") is None:
        raise TargetError(f"{address}: {_NO_ENGINE}: ssh is not installed")

    try:
        # Asked for here, since a client that asks by itself leaves its connection open where that fails.
        with closing(client(DEFAULT_DOCKER_API_VERSION)) as first:
            spoken = first.version(api_version=False)["ApiVersion"]
        return Engine(client(spoken), address)
    except (DockerException, RequestException, OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(f"{address}: {_NO_ENGINE}: {_reason(error)}") from None


def _endpoint(environment: Mapping[str, str], *, podman: bool) -> tuple[str, Any]:
    from docker.context import ContextAPI
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    host = environment.get("CONTAINER_HOST") if podman else ""
    if not host and environment.get("DOCKER_HOST"):
        try:
            known = kwargs_from_env(environment=dict(environment))
        except (DockerException, OSError) as error:
            raise TargetError(f"DOCKER_HOST: {_reason(error)}") from None
        return known.get("base_url") or environment["DOCKER_HOST"], known.get("tls") or False
    if not host and not podman:
        try:
            context = ContextAPI.get_context(environment.get("DOCKER_CONTEXT") or None)
        except (DockerException, OSError, ValueError, KeyError) as error:
            raise TargetError(f"the current docker context: {_reason(error)}") from None
        if context is None:
            raise TargetError(f"DOCKER_CONTEXT: there is no context {environment.get('DOCKER_CONTEXT')}")
        if context.name != "default" and context.Host:
            return context.Host, context.TLSConfig or False
    sockets = _sockets(environment)
    if podman:
        sockets.reverse()
    there = [path for path in sockets if path.exists()]
    return host or f"unix://{(there or sockets)[0]}", False


def _sockets(environment: Mapping[str, str]) -> list[Path]:
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    docker = [Path("/var/run/docker.sock"), runtime / "docker.sock"]
    home = environment.get("HOME")
    docker += [Path(home) / ".docker" / "run" / "docker.sock"] if home else []
    return [*docker, Path("/run/podman/podman.sock"), runtime / "podman" / "podman.sock"]


@contextmanager
def _told(address: str, name: str) -> Iterator[None]:
    from docker.errors import DockerException, NotFound
    from requests import RequestException

    where = f"docker-daemon:{name}" if name else address
    try:
        yield
    except NotFound:
        raise TargetError(f"{where}: the engine at {address} has no such image") from None
    except (DockerException, RequestException, OSError) as error:
        raise TargetError(f"{where}: {address}: {_reason(error)}") from None


_REASONS = {
    "Connection refused": "nobody listens there",
    "No such file": "nobody listens there",
    "Not supported URL scheme": "nobody listens there",
    "Permission denied": "permission denied",
    "Failed to resolve": "no such host",
    "Name or service not known": "no such host",
    "timed out": "does not answer",
    "RemoteDisconnected": "hung up",
    "Connection reset": "hung up",
    "Connection broken": "hung up",
}
"""What errors of the libraries below say, and what that means."""


def _reason(error: Exception) -> str:
    text = str(getattr(error, "explanation", None) or error)
    told = next((reason for part, reason in _REASONS.items() if part in text), None)
    return told or _PASSWORD.sub("@", " ".join(text.split()))[:200]


class _Chunks(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while not self._piece:
            try:
                self._piece = memoryview(next(self._pieces))
            except StopIteration:
                return 0
            except Exception as error:  # of requests or urllib3, which a reader of bytes knows nothing of
                raise OSError(f"the engine broke off: {_reason(error)}") from None
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        closing = getattr(self._pieces, "close", None)
        if closing is not None:
            closing()
        super().close()


class DaemonSource:
    """One image of an engine."""

    concurrent = False
    vouched = False
    size = 0  # what an export comes to is known when it has gone by

    def __init__(self, engine: Engine, image: LocalImage, name: str) -> None:
        """Takes the image and the name it was asked for by."""
        self._engine = engine
        self._image = image
        self._name = name
        self._container = StreamedTar(f"docker-daemon:{name}", engine.export(name))
        self._resolved: tuple[list[Image], list[Skip]] | None = None

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every member of the export that may be a layer."""
        yield from layer_blobs(self._container)
        self._resolved = resolve(self._container)

    def images(self) -> tuple[list[Image], list[Skip]]:
        """The images that the documents which went by describe."""
        images, skips = self._resolved or ([], [])
        return images, [*self._container.skips, *skips]

    def again(self, name: str) -> BinaryIO | None:
        """A layer out of another export of the image."""
        try:
            container = StreamedTar(f"docker-daemon:{self._name}", self._engine.export(self._image.id))
        except TargetError:
            return None
        return next((stream for found, stream in container.blobs() if found == name), None)
