"""Keeps what is costly to work out between runs, compiled databases and parsed signatures, in the user's folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

KEPT = 8
"""Files of one kind that stay; a changed ruleset leaves the one before it behind."""


def user_cache() -> Path:
    """The cache folder that the system has for the user."""
    return platformdirs.user_cache_path("layerleak")


@dataclass(frozen=True)
class Cache:
    """Files by kind and key. What cannot be kept or read costs the next run the work and nothing else.

    Databases are read by native code, so a file is only trusted in a folder that is the user's own and closed to
    others.

    Attributes:
        folder: made on first use.
    """

    folder: Path

    def read(self, kind: str, key: str) -> bytes | None:
        """What was kept under a key, or None.

        Args:
            kind: the file's suffix.
            key: hexadecimal, made of all that the content depends on.
        """
        try:
            return (self.folder / f"{key}.{kind}").read_bytes() if self._private() else None
        except OSError:
            return None

    def write(self, kind: str, key: str, data: bytes) -> None:
        """Keeps data under a key, atomically; arguments as for `read`."""
        with suppress(OSError):
            if not self._private():
                return
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=key, delete=False) as file:
                file.write(data)
            os.replace(file.name, self.folder / f"{key}.{kind}")
            for path in self._surplus(kind):
                path.unlink(missing_ok=True)

    def _private(self) -> bool:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.folder.stat()
        return status.st_uid == os.getuid() and not status.st_mode & 0o022

    def _surplus(self, kind: str) -> Iterator[Path]:
        files = sorted(self.folder.glob(f"*.{kind}"), key=lambda path: path.stat().st_mtime, reverse=True)
        yield from files[KEPT:]
