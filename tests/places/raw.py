"""Pushes what no builder makes, by the distribution API, and what it is made of."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

import requests

from tests.image.archives import sha256, tar_of_files
from tests.places.hostile import MANIFEST

INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"

Descriptor = dict[str, Any]


def layer_of(**files: bytes) -> bytes:
    """A compressed layer."""
    return gzip.compress(tar_of_files(files), mtime=0)


@dataclass(frozen=True)
class Repository:
    """A repository of an open registry."""

    host: str
    name: str

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://{self.host}/v2/{self.name}"

    def target(self, tag: str) -> str:
        """What to scan."""
        return f"docker://{self.host}/{self.name}:{tag}"

    def blob(self, data: bytes, media_type: str, **annotations: str) -> Descriptor:
        """Pushes a blob; gives its descriptor."""
        place = requests.post(f"{self.url}/blobs/uploads/", timeout=20).headers["Location"]
        headers = {"Content-Type": "application/octet-stream"}
        done = requests.put(place, params={"digest": sha256(data)}, data=data, headers=headers, timeout=20)
        assert done.status_code == 201
        more = {"annotations": annotations} if annotations else {}
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **more}

    def document(self, tag: str, media_type: str, **members: object) -> Descriptor:
        """Pushes a manifest or an index; gives its descriptor."""
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **members}).encode()
        headers = {"Content-Type": media_type}
        done = requests.put(f"{self.url}/manifests/{tag}", data=data, headers=headers, timeout=20)
        assert done.status_code == 201, done.text
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    def artifact(self, tag: str, *layers: Descriptor, config: Descriptor | None = None, **more: object) -> Descriptor:
        """Pushes a manifest of some layers."""
        config = config or self.blob(b"{}", EMPTY)
        return self.document(tag, MANIFEST, config=config, layers=layers, **more)

    def image(self, tag: str, *layers: bytes, architecture: str = "amd64") -> Descriptor:
        """Pushes an image."""
        ids = [sha256(gzip.decompress(data)) for data in layers]
        config = {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": ids}}
        pushed = [self.blob(data, LAYER) for data in layers]
        manifest = self.artifact(tag, *pushed, config=self.blob(json.dumps(config).encode(), CONFIG))
        return {**manifest, "platform": {"os": "linux", "architecture": architecture}}
