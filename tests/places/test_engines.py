"""Docker Engine and podman's service, as they are installed here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from scanner.detect.ruleset import Ruleset
from scanner.errors import LayerleakError
from scanner.image.source import local_images
from scanner.scan import Scanner
from tests.image.archives import SMALL_DOCKER_ARCHIVE, members_of, write_tar
from tests.places import servers
from tests.places.comparison import told

NAME = "layerleak-sample-env:1"


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an engine that has one image."""
    start = {"docker": servers.docker_engine, "podman": servers.podman_service}[request.param]
    # A socket's path may not be longer than 107 bytes.
    folder = Path(os.path.relpath(tmp_path_factory.mktemp(request.param)))
    with start(folder.resolve()) as address:
        servers.load(address, SMALL_DOCKER_ARCHIVE)
        yield address


@pytest.fixture(autouse=True)
def _talk_to_it(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine)
    monkeypatch.setenv("CONTAINER_HOST", engine)


def name_of(archive: Path, ruleset: Ruleset) -> str:
    (report,) = Scanner(ruleset, b"key", jobs=2).scan(str(archive))
    return report.references[0]


@pytest.mark.parametrize("transport", ["docker-daemon:", "podman:", ""])
def test_an_image_is_the_same_from_archive_and_engine(ruleset: Ruleset, transport: str) -> None:
    from_archive = Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE))
    from_engine = Scanner(ruleset, b"key", jobs=2).scan(transport + from_archive[0].references[0])

    assert told(from_engine, digests=False) == told(from_archive, digests=False) != []
    assert all(report.coverage.complete for report in from_engine)


def test_all_its_images_are_targets(ruleset: Ruleset) -> None:
    (target,) = local_images()

    assert told(Scanner(ruleset, b"key", jobs=2).scan(target), digests=False) == told(
        Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE)), digests=False
    )


def test_an_image_is_found_by_its_id_and_by_a_part_of_it(ruleset: Ruleset, engine: str) -> None:
    expected = told(Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE)), digests=False)
    with closing(docker.APIClient(base_url=engine, version="auto")) as client:
        image_id = client.images()[0]["Id"].removeprefix("sha256:")

    for name in (image_id, f"sha256:{image_id}", image_id[:12]):
        assert told(Scanner(ruleset, b"key", jobs=2).scan(f"docker-daemon:{name}"), digests=False) == expected


def test_an_image_without_a_name_is_a_target_too(ruleset: Ruleset, engine: str, tmp_path: Path) -> None:
    expected = told(Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE)), digests=False)
    files = members_of(SMALL_DOCKER_ARCHIVE)
    (manifest,) = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps([{**manifest, "RepoTags": None}]).encode()
    files.pop("repositories", None)
    with closing(docker.APIClient(base_url=engine, version="auto")) as client:
        image_id = client.images()[0]["Id"]
        client.remove_image(image_id, force=True)
        servers.load(engine, write_tar(tmp_path / "unnamed.tar", files))
        try:
            (target,) = local_images()
            found = told(Scanner(ruleset, b"key", jobs=2).scan(target), digests=False)
        finally:
            client.remove_image(image_id, force=True)
            servers.load(engine, SMALL_DOCKER_ARCHIVE)

    assert target == f"docker-daemon:{image_id}"
    assert found == expected


def test_an_image_that_it_lacks_is_told(ruleset: Ruleset) -> None:
    with pytest.raises(LayerleakError, match="has no such image"):
        Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:not/there:1")


def test_an_engine_that_does_not_answer_is_told(
    ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(LayerleakError, match="no engine answers: nobody listens there"):
        Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:any:1")


SSH = """#!{python}
import os, socket, sys, threading
behind = socket.socket(socket.AF_UNIX)
behind.connect({path!r})
def ask():
    while data := os.read(0, 1 << 16):
        behind.sendall(data)
    behind.shutdown(socket.SHUT_WR)
threading.Thread(target=ask, daemon=True).start()
try:
    while data := behind.recv(1 << 16):
        os.write(1, data)
except BrokenPipeError:
    pass
"""


def test_an_engine_is_reached_through_ssh(engine: str, tmp_path: Path) -> None:
    # In a process of its own: the docker package leaves the ssh that it started to the collector of garbage.
    program = tmp_path / "ssh"
    program.write_text(SSH.format(python=sys.executable, path=engine.removeprefix("unix://")))
    program.chmod(0o700)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-c", "from scanner.cli import main; main()", "scan", "--all-local", "--format", "json"]
    environment = {**os.environ, "PATH": path, "DOCKER_HOST": "ssh://user@far.invalid"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    (image,) = json.loads(done.stdout)["images"]

    assert (done.returncode, "layerleak:" in done.stderr) == (1, False)
    assert (len(image["findings"]) > 0, image["coverage"]["complete"]) == (True, True)
