"""Repositories that git itself made: what deleted commits hold is found, and whose they were."""

import os
import random
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from scanner.detect.unpack import git
from scanner.detect.unpack.git_history import Commit, Repository
from scanner.detect.unpack.input import Input
from scanner.detect.unpack.limits import Budget, Limits
from scanner.detect.unpack.member import Trouble
from scanner.detect.unpack.walk import unpack
from tests.detect.unpack.opening import Collected, Files, opened

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

FIRST = b"".join(b"setting %d = %d\n" % (number, number * number) for number in range(500))
SECOND = FIRST + b"token = second\n"
THIRD = b"# a new beginning\n" + FIRST.replace(b"setting 17 = 289", b"setting 17 = third")


class Git:
    """A repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._time = 1_700_000_000
        folder.mkdir()
        self("init", "--quiet", "--initial-branch=main")

    def __call__(self, *arguments: str) -> str:
        own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": str(self.folder)}
        people = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "A U Thor"), ("EMAIL", "thor@example.com"), ("DATE", f"{self._time} +0100"))
        }
        environment = {**os.environ, **own, **people}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, path: str, content: bytes, message: str = "change") -> str:
        self._time += 60
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content)
        self("add", "-A")
        self("commit", "--quiet", "-m", message)
        return self("rev-parse", "HEAD")

    def files(self, pattern: str) -> list[Path]:
        return sorted((self.folder / ".git" / "objects").glob(pattern))

    def pack(self, *options: str) -> bytes:
        self("repack", "-adfq", *options)
        (path,) = self.files("pack/*.pack")
        return path.read_bytes()


@pytest.fixture
def repository(tmp_path: Path) -> Git:
    made = Git(tmp_path / "made")
    for content in (FIRST, SECOND, THIRD):
        made.commit("conf/settings.ini", content)
    return made


def look(*files: bytes) -> tuple[Files, list[Trouble], Repository]:
    sink, noted, troubles = Collected(), Repository(), list[Trouble]()
    for data in files:
        troubles += unpack("x", Input(data), len(data), Budget(), sink, noted)
    return {inner: bytes(content) for inner, content in sink.files}, troubles, noted


def blob(made: Git, content: bytes) -> str:
    (made.folder / "content").write_bytes(content)
    return f"blob {made('hash-object', 'content')}"


def test_loose_objects_are_read_and_called_by_their_names(repository: Git) -> None:
    files, troubles, _ = look(*(path.read_bytes() for path in repository.files("??/*")))

    wanted = {(blob(repository, content),): content for content in (FIRST, SECOND, THIRD)}
    assert {inner: content for inner, content in files.items() if inner[0].startswith("blob")} == wanted
    assert sum(inner[0].startswith("commit") for inner in files) == 3
    assert troubles == []


@pytest.mark.parametrize("options", [(), ("--depth=0",), ("--depth=50", "--window=50")])
def test_every_object_of_a_pack_is_read_deltas_too(options: tuple[str, ...], repository: Git) -> None:
    files, troubles, _ = look(repository.pack(*options))

    wanted = {(blob(repository, content),): content for content in (FIRST, SECOND, THIRD)}
    assert {inner: content for inner, content in files.items() if inner[0].startswith("blob")} == wanted
    assert troubles == []


def test_deltas_to_a_name_are_applied(repository: Git) -> None:
    names = repository("rev-list", "--objects", "--all").split("\n")
    listed = "\n".join(name.partition(" ")[0] for name in names)
    done = subprocess.run(
        ["git", "pack-objects", "--stdout", "--no-reuse-delta", "-q"],
        cwd=repository.folder,
        input=listed.encode(),
        check=True,
        capture_output=True,
    )
    files, troubles, _ = look(done.stdout)

    assert {files[(blob(repository, content),)] for content in (FIRST, SECOND, THIRD)} == {FIRST, SECOND, THIRD}
    assert troubles == []


def test_long_chains_of_deltas_are_followed(tmp_path: Path) -> None:
    made = Git(tmp_path / "made")
    versions = [FIRST + b"version %d\n" % number * (number + 1) for number in range(60)]
    for content in versions:
        made.commit("a", content)
    files, troubles, _ = look(made.pack("--depth=50", "--window=60"))

    assert set(versions) <= set(files.values())
    assert troubles == []


def test_the_earliest_commit_that_has_a_file_is_named_with_its_author(repository: Git) -> None:
    second = repository("rev-parse", "HEAD~1")
    repository.commit("other.txt", b"another file")
    _, _, noted = look(repository.pack())

    assert noted.commit_of(blob(repository, SECOND)) == Commit(
        second, "A U Thor <thor@example.com>", "2023-11-14T22:15:20Z", "conf/settings.ini"
    )
    assert noted.commit_of(f"commit {second}") == Commit(
        second, "A U Thor <thor@example.com>", "2023-11-14T22:15:20Z", ""
    )
    assert noted.commit_of("blob " + "0" * 40) is None


def test_a_stash_and_a_commit_that_was_taken_back_are_found(repository: Git) -> None:
    gone = repository.commit("key", b"taken back")
    repository("reset", "--quiet", "--hard", "HEAD~1")
    (repository.folder / "conf" / "settings.ini").write_bytes(b"stashed")
    repository("stash", "--quiet")
    files, _, noted = look(*(path.read_bytes() for path in repository.files("??/*")))

    assert b"taken back" in files.values()
    commit = noted.commit_of(blob(repository, b"taken back"))
    assert commit is not None
    assert (commit.id, commit.path) == (gone, "key")
    stash = noted.commit_of(blob(repository, b"stashed"))
    assert stash is not None
    assert stash.path == "conf/settings.ini"


def test_an_archive_in_a_repository_is_opened(tmp_path: Path) -> None:
    from tests.detect.unpack.test_archives import zipped

    made = Git(tmp_path / "made")
    archive = zipped({"in/side": b"found"})
    made.commit("a.zip", archive)
    files, _, _ = look(made.pack())

    assert files[(blob(made, archive), "in/side")] == b"found"


def test_an_object_larger_than_is_held_is_handed_on_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "_WHOLE", 1000)
    large = random.Random(0).randbytes(4000).hex().encode()
    (loose,), _ = opened(zlib.compress(b"blob %d\0" % len(large) + large))
    made = Git(tmp_path / "made")
    made.commit("large", large)
    files, _, _ = look(made.pack())

    assert loose == ("blob",)
    assert large in files.values()


def test_of_a_pack_that_is_not_held_the_deltas_are_told(repository: Git) -> None:
    pack = repository.pack("--depth=50")
    files, troubles = opened(pack, limits=Limits(held=100))

    assert sum(inner[0].startswith("blob") for inner in files) == 1
    assert [trouble.reason.partition(" ")[2] for trouble in troubles] == [
        "objects are deltas, and the pack is larger than 100 bytes"
    ]


def test_a_pack_that_was_cut_short_gives_what_it_has(repository: Git) -> None:
    pack = repository.pack("--depth=0")
    files, troubles = opened(pack[: len(pack) * 2 // 3])

    assert files
    assert [trouble.reason.partition(":")[0] for trouble in troubles] == ["damaged pack"]


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_a_damaged_pack_raises_nothing(at: int, repository: Git) -> None:
    pack = bytearray(repository.pack("--depth=50"))
    pack[at % len(pack)] ^= 0x55
    files, troubles = opened(bytes(pack))

    assert isinstance(files, dict)
    assert all(trouble.reason for trouble in troubles)
