"""A small registry that misbehaves as it is told to: real ones do all of this, but not on demand."""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Hostile:
    """An image, and how it is served.

    Attributes:
        layers: as stored.
        config: of the image.
        behave: is asked at every request, with the path and how often it was asked for before; gives a function that
            answers in place of the registry, or None.
        seen: path and headers of every request.
        host: where it listens.
    """

    layers: list[bytes]
    config: bytes
    behave: "Callable[[str, int], Answer | None]" = lambda path, times: None
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    host: str = ""

    @property
    def manifest(self) -> bytes:
        """The image's manifest."""
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor("application/vnd.oci.image.config.v1+json", self.config),
                "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", data) for data in self.layers],
            }
        ).encode()

    def blob(self, path: str) -> bytes | None:
        """What a path stands for."""
        if "/manifests/" in path:
            version = path.rpartition("/")[2]
            return self.manifest if version in ("1", _digest(self.manifest)) else None
        known = {_digest(data): data for data in (self.config, *self.layers)}
        return known.get(path.rpartition("/")[2])

    def asked(self, part: str) -> int:
        """How many requests had this in their path."""
        return sum(part in path for path, _ in self.seen)


class Handler(BaseHTTPRequestHandler):
    """Answers as the registry would, or as it is told to."""

    hostile: Hostile
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """As a GET without a body."""
        self.answer()

    def do_GET(self) -> None:
        """A manifest or a blob, whole or from an offset on."""
        self.answer()

    def answer(self) -> None:
        """What `Hostile.behave` says, else the truth."""
        times = self.hostile.asked(self.path)
        self.hostile.seen.append((self.path, dict(self.headers)))
        special = self.hostile.behave(self.path, times)
        if special is not None:
            special(self)
            return
        data = self.hostile.blob(self.path)
        if data is None:
            self.give(b"", 404)
        else:
            self.give(data)

    def give(self, data: bytes, status: int = 200, *, cut: int | None = None, **headers: str) -> None:
        """Sends data, from the offset that was asked for; only ``cut`` bytes of it, if that is given."""
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0]) if status == 200 else 0
        self.send_response(206 if start else status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if "/manifests/" in self.path and status == 200:
            self.send_header("Content-Type", MANIFEST)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[start:] if cut is None else data[start : start + cut])
        if cut is not None:
            self.close_connection = True

    def drip(self, data: bytes, piece: int, wait: float) -> None:
        """Sends data a piece at a time."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), piece):
            self.wfile.write(data[at : at + piece])
            self.wfile.flush()
            time.sleep(wait)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Nothing."""


Answer = Callable[[Handler], None]


@contextlib.contextmanager
def served(hostile: Hostile) -> Iterator[str]:
    """The registry, listening; a target for its image."""
    handler = type("Handler", (Handler,), {"hostile": hostile})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hostile.host = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield f"docker://{hostile.host}/tests/image:1"
    finally:
        server.shutdown()
        server.server_close()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}
