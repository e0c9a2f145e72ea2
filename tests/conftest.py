"""What the tests share: the built-in ruleset, compiled once, and nothing of the user's own."""

import json
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset, load_ruleset

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_images"


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the tests out of the user's cache and key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("LAYERLEAK_KEY", "a key of the tests that nobody guesses")
        yield


@pytest.fixture(scope="session")
def ruleset(_own_folders: None) -> Ruleset:
    """The built-in signatures."""
    return load_ruleset()


@pytest.fixture
def make_filesystem() -> Callable[..., Path]:
    """Writes a tar of large files, the last of which ends in the npm token of the ``arg`` sample."""
    token = json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"]

    def make(path: Path, megabytes: int) -> Path:
        with tarfile.open(path, "w") as tar:
            for number in range(megabytes // 16):
                data = b"all work and no play\n" * (16 * 50_000) + f"token={token}\n".encode()
                member = tarfile.TarInfo(f"srv/file{number}")
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
        return path

    return make
