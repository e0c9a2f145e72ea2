"""The key that fingerprints of secrets are made with: the user's own, kept out of every report."""

import os
import secrets
from pathlib import Path

import platformdirs

from scanner.errors import SettingError

VARIABLE = "LAYERLEAK_KEY"
"""Environment variable that may hold the key: any text that nobody can guess."""

LEAST = 16
"""Shortest key, in bytes. With one that can be guessed, a fingerprint gives a weak password away."""


def fingerprint_key() -> bytes | None:
    """The key: from the environment, else from a file of the user's, made at first use.

    Returns:
        The key; None where there is no place to keep one (no home directory, or a read-only one).

    Raises:
        SettingError: the key that is there is too short to be one.
    """
    if value := os.environ.get(VARIABLE):
        return _checked(value.encode(), VARIABLE)
    path = platformdirs.user_data_path("layerleak") / "fingerprint.key"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, secrets.token_bytes(32))
        key = path.read_bytes()
    except OSError:
        return None
    return _checked(key, str(path))


def _checked(key: bytes, where: str) -> bytes:
    if len(key) < LEAST:
        raise SettingError(f"{where}: expected a key of {LEAST} bytes or more, found {len(key)}")
    return key


def _create(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    try:
        os.link(temporary, path)  # unlike a rename, this never replaces the key of a run that was quicker
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
