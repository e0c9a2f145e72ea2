"""Only decompresses the layers of an image archive: the least that any scanner of it has to do.

Usage: ``python floor.py ARCHIVE THREADS``. Layers lie in the archive as blobs and are read in place, each into a buffer
that is reused: gzip with isal, zstd with zstandard, plain with read. Threads take a layer each, the largest first.
"""

import io
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import zstandard
from isal import isal_zlib

BUFFER = 1 << 20


class _Part(io.RawIOBase):
    """A range of a file."""

    def __init__(self, file: io.FileIO, start: int, size: int) -> None:
        self._file, self._left = file, size
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def drain(archive: Path, start: int, size: int) -> int:
    """Decompresses one blob; returns how many bytes came out."""
    buffer = bytearray(BUFFER)
    total = 0
    with archive.open("rb", buffering=0) as file:
        magic = _Part(file, start, size).read(4)
        raw: Any = _Part(file, start, size)
        stream = raw
        if magic[:2] == b"\x1f\x8b":
            # What igzip.GzipFile reads with inside: without its second buffer that is 7 % faster.
            stream = isal_zlib._GzipReader(raw, BUFFER)
        elif magic == b"\x28\xb5\x2f\xfd":
            unpacker = zstandard.ZstdDecompressor(max_window_size=2**31)
            stream = unpacker.stream_reader(raw, read_size=BUFFER, read_across_frames=True)
        while count := stream.readinto(buffer):
            total += count
    return total


def main() -> None:
    """Decompresses all blobs of an archive."""
    archive, threads = Path(sys.argv[1]), int(sys.argv[2])
    with tarfile.open(archive) as tar:
        blobs = sorted((m.size, m.offset_data) for m in tar if m.isreg() and "/sha256/" in m.name)
    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(lambda blob: drain(archive, blob[1], blob[0]), reversed(blobs)))
    sys.stdout.write(f'{{"bytes": {total}}}\n')


if __name__ == "__main__":
    main()
