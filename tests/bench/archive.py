"""Writes image archives as Docker since 25 saves them: an OCI layout with a ``manifest.json``, for readers of both."""

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from tests.bench.trees import MIB

FORMS = ("gzip", "zstd", "plain")
"""How layers are stored."""
ALONE = "one layer"
"""The form of an image that has only the largest layer, as gzip."""
_SUFFIX = {"gzip": "+gzip", "zstd": "+zstd", "plain": ""}


def regular(name: str, size: int = 0) -> tarfile.TarInfo:
    """A regular file's header."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            yield chunk


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _gzip(tar: Path) -> Path:
    target = tar.with_suffix(".gz")
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    with target.open("wb") as file:
        for chunk in _chunks(tar):
            file.write(packer.compress(chunk))
        file.write(packer.flush())
    return target


def _zstd(tar: Path) -> Path:
    target = tar.with_suffix(".zst")
    with tar.open("rb") as source, target.open("wb") as file:
        zstandard.ZstdCompressor(level=3).copy_stream(source, file)
    return target


COMPRESS: dict[str, Callable[[Path], Path]] = {"gzip": _gzip, "zstd": _zstd, "plain": lambda tar: tar}


def save(path: Path, form: str, config: bytes, layers: list[Path]) -> None:
    """Writes an archive: OCI layout and ``manifest.json``.

    Args:
        path: of the archive.
        form: of its layers.
        config: the image's.
        layers: files that hold them, base first, in that form.
    """
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes) -> None:
            tar.addfile(regular(name, len(data)), io.BytesIO(data))

        def blob(data: bytes, kind: str) -> dict[str, object]:
            digest = hashlib.sha256(data).hexdigest()
            add(f"blobs/sha256/{digest}", data)
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

        descriptors: list[dict[str, object]] = []
        for layer in layers:
            digest, size = sha256(layer), layer.stat().st_size
            with layer.open("rb") as file:
                tar.addfile(regular(f"blobs/sha256/{digest}", size), file)
            kind = f"application/vnd.oci.image.layer.v1.tar{_SUFFIX[form]}"
            descriptors.append({"mediaType": kind, "digest": f"sha256:{digest}", "size": size})
        described = blob(config, "config.v1+json")
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described,
            "layers": descriptors,
        }
        name = "layerleak-bench:latest"
        pointer = blob(json.dumps(manifest).encode(), "manifest.v1+json")
        pointer["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "latest"}
        add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add("index.json", json.dumps({"schemaVersion": 2, "manifests": [pointer]}).encode())
        saved = {
            "Config": _blob_path(described),
            "RepoTags": [name],
            "Layers": [_blob_path(descriptor) for descriptor in descriptors],
        }
        add("manifest.json", json.dumps([saved]).encode())


def _blob_path(descriptor: dict[str, object]) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")
