"""Recipes of tars, compressed streams and image archives, and of what a layer's blocks must add up to."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard

from scanner.codec.tar import Member
from scanner.image import layer as layer_module
from scanner.image.layer import Block, Layer, Lines

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_images"
DATA = ROOT / "tests" / "data"
OCI_ARCHIVE = DATA / "npm-arg" / "buildkit-max-v1.tar"
BUILD_CACHE = DATA / "multi-stage" / "buildkit-cache"
SMALL_OCI_ARCHIVE = SAMPLES / "copy" / "image.tar"
SMALL_DOCKER_ARCHIVE = SAMPLES / "env" / "image.tar"

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": bz2.compress,
}


def sha256(data: bytes) -> str:
    """A digest as descriptors write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- tars -----------------------------------------------------------------------------------------------------------


def file_entry(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member for `tar_of`."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar_of(entries: Iterable[tuple[tarfile.TarInfo, bytes]], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these members, in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format, encoding="utf-8", errors="surrogateescape") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tar_of_files(files: Mapping[str, bytes]) -> bytes:
    """A tar of regular files."""
    return tar_of(file_entry(name, data) for name, data in files.items())


def header(
    name: bytes,
    size: bytes = b"00000000000\0",
    *,
    kind: bytes = b"0",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    signed: bool = False,
) -> bytes:
    """A raw tar header with the right checksum, whatever its fields say."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = size.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257 : 257 + len(magic)] = magic
    block[345 : 345 + len(prefix)] = prefix
    total = sum(byte - 256 if signed and byte >= 0x80 else byte for byte in block)
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def padded(data: bytes) -> bytes:
    """Filled up to whole blocks."""
    return data + bytes(-len(data) % 512)


def octal(size: int) -> bytes:
    """A size field."""
    return b"%011o\0" % size


END = bytes(1024)


class Entry(NamedTuple):
    """What a layer and tarfile must agree on."""

    path: str
    kind: bytes
    size: int
    content: bytes


def simplified(name: bytes) -> bytes:
    """The path of a member, computed the plain way."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def entries_by_tarfile(data: bytes, *, ignore_zeros: bool = False) -> list[Entry]:
    """What Python's tarfile sees; of a sparse file the data that is stored."""
    entries = []
    with tarfile.open(
        fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape", ignore_zeros=ignore_zeros
    ) as tar:
        for info in tar:
            path = simplified(info.name.encode("utf-8", "surrogateescape")).decode("utf-8", "backslashreplace")
            kind = b"0" if info.isreg() else info.type
            pieces = cast("list[tuple[int, int]]", info.sparse or [])
            size = sum(length for _, length in pieces) if info.issparse() else info.size
            if kind in b"123456":
                size = 0
            content = data[info.offset_data : info.offset_data + size]
            entries.append(Entry(path, kind, size, content))
    return entries


class Trickle(io.RawIOBase):
    """A stream that gives fewer bytes than it is asked for, as pipes and sockets do."""

    def __init__(self, data: bytes, seed: int = 0, most: int = 5000) -> None:
        self._data = memoryview(data)
        self._random = random.Random(seed)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), len(self._data), self._random.randint(1, self._most))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


@dataclass
class Reassembled:
    """A layer put together again from its blocks, everything they promise checked on the way."""

    layer: Layer
    entries: list[Entry]
    members: list[Member]
    lines: dict[int, list[tuple[int, int]]]
    blocks: int

    @property
    def reasons(self) -> list[str]:
        """What went wrong, in words."""
        return [problem.reason for problem in self.layer.problems]


def reassemble(blob: bytes | BinaryIO, plain: bytes, lookbehind: int = 512, lookahead: int = 512) -> Reassembled:
    """Reads a layer and checks every block against the uncompressed tar, ``plain``."""
    stream = io.BytesIO(blob) if isinstance(blob, bytes) else blob
    layer = Layer(stream, lookbehind, lookahead)
    members: list[Member] = []
    contents: dict[int, bytearray] = {}
    lines: dict[int, list[tuple[int, int]]] = {}
    fresh = shown = blocks = 0
    shown_after = lookahead
    for block in layer.blocks():
        blocks += 1
        assert shown_after >= lookahead  # of the block before, which was not the last
        shown_after = len(block.data) - block.high
        assert shown == block.offset + block.fresh
        shown = block.offset + len(block.data)
        fresh = _check_block(block, plain, fresh, lookbehind)
        members += block.members
        for span in block.spans:
            content = contents.setdefault(span.member.ordinal, bytearray())
            start, end = max(span.start, block.low), min(span.end, block.high)
            if start < end:
                assert block.offset + start == span.member.offset + len(content)
                content += block.data[start:end]
            lines.setdefault(span.member.ordinal, []).append(
                (block.offset + span.start, Lines(block).at(span, span.start))
            )
    assert (fresh, 0) == (layer.bytes, shown_after)
    assert [member.ordinal for member in members] == list(range(layer.members))
    entries = [
        Entry(member.path, member.kind, member.size, bytes(contents.get(member.ordinal, b""))) for member in members
    ]
    return Reassembled(layer, entries, members, lines, blocks)


def _check_block(block: Block, plain: bytes, fresh: int, lookbehind: int) -> int:
    """Checks a block by itself and as the one that follows; returns where what it is answerable for ends."""
    shown = bytes(block.data)
    assert block.low <= block.fresh <= len(shown)
    assert shown == plain[block.offset : block.offset + len(shown)]
    assert block.offset + block.low == fresh  # every position belongs to one block
    assert 0 <= block.low <= block.high <= len(shown)
    assert block.low >= min(lookbehind, fresh)
    ends = [0, *(span.end for span in block.spans)]
    assert all(before <= span.start < span.end for before, span in zip(ends, block.spans, strict=False))
    return block.offset + block.high


def lines_by_counting(plain: bytes, result: Reassembled) -> dict[int, list[tuple[int, int]]]:
    """For every span the line on which it starts, counted from its member's first byte."""
    return {
        ordinal: [(at, plain.count(b"\n", result.members[ordinal].offset, at) + 1) for at, _ in spans]
        for ordinal, spans in result.lines.items()
    }


class SmallBlocks:
    """Makes a layer's blocks small, so that a small file is cut by many of them."""

    def __init__(self, step: int) -> None:
        self._step = step

    def __enter__(self) -> None:
        self._before = layer_module.STEP
        layer_module.STEP = self._step

    def __exit__(self, *_: object) -> None:
        layer_module.STEP = self._before


# --- images ---------------------------------------------------------------------------------------------------------


def members_of(archive: Path | bytes) -> dict[str, bytes]:
    """The files of an archive, by name; links are not followed."""
    data = archive.read_bytes() if isinstance(archive, Path) else archive
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: cast(Any, tar.extractfile(info)).read() for info in tar if info.isreg()}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Files in a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    """Files in a tar."""
    path.write_bytes(tar_of_files(files))
    return path


class Layout:
    """Composes an OCI layout, blob by blob."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.manifests: list[dict[str, Any]] = []

    def blob(self, data: bytes, media_type: str = "application/octet-stream", **fields: Any) -> dict[str, Any]:
        """Adds a blob; its descriptor."""
        digest = sha256(data)
        self.files["blobs/" + digest.replace(":", "/")] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **fields}

    def document(self, value: Any, media_type: str = "application/json", **fields: Any) -> dict[str, Any]:
        """Adds a JSON document; its descriptor."""
        return self.blob(json.dumps(value).encode(), media_type, **fields)

    def image(self, *tars: bytes, layers: list[dict[str, Any]] | None = None, **config: Any) -> dict[str, Any]:
        """Adds an image of these layers; the descriptor of its manifest."""
        config = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
            **config,
        }
        layer_type = "application/vnd.oci.image.layer.v1.tar"
        value = {
            "schemaVersion": 2,
            "config": self.document(config, "application/vnd.oci.image.config.v1+json"),
            "layers": layers if layers is not None else [self.blob(tar, layer_type) for tar in tars],
        }
        return self.document(value, "application/vnd.oci.image.manifest.v1+json")

    def done(self, *manifests: dict[str, Any]) -> dict[str, bytes]:
        """All files of the layout, with an index of these manifests."""
        index = {"schemaVersion": 2, "manifests": list(manifests)}
        return {**self.files, "index.json": json.dumps(index).encode()}


def docker_archive(*images: tuple[list[str], list[bytes]]) -> dict[str, bytes]:
    """The files of a ``docker save`` of these images, each given as its tags and layers."""
    files: dict[str, bytes] = {}
    manifest = []
    for tags, layers in images:
        config = json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "config": {"Labels": {"tags": " ".join(tags)}},
                "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
            }
        ).encode()
        names = [f"{hashlib.sha256(layer).hexdigest()}/layer.tar" for layer in layers]
        files |= dict(zip(names, layers, strict=True))
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        files[config_name] = config
        manifest.append({"Config": config_name, "RepoTags": tags, "Layers": names})
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """Cut into pieces."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
