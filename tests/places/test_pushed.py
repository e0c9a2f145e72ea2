"""One image by whatever tool it came into a registry, and an engine behind TLS."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from scanner.detect.ruleset import Ruleset
from scanner.errors import LayerleakError
from scanner.scan import Scanner
from tests.image.archives import SMALL_DOCKER_ARCHIVE
from tests.places import servers
from tests.places.comparison import told


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Served]:
    with servers.registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="module")
def tls_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Behind]:
    with servers.docker_engine_behind_tls(tmp_path_factory.mktemp("engine")) as behind:
        servers.load(behind.socket, SMALL_DOCKER_ARCHIVE)
        yield behind


def by_buildah(served: servers.Served, folder: Path, _engine: servers.Behind) -> str:
    servers.need("buildah", root=True)
    store = ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
    pulled = subprocess.run(
        ["buildah", *store, "pull", "-q", f"docker-archive:{SMALL_DOCKER_ARCHIVE}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[-1]
    name = f"{served.host}/pushed/by-buildah:1"
    subprocess.run(["buildah", *store, "push", "-q", "--tls-verify=false", pulled, f"docker://{name}"], check=True)
    return f"docker://{name}"


def by_docker(served: servers.Served, _folder: Path, engine: servers.Behind) -> str:
    with contextlib.closing(docker.DockerClient(base_url=engine.socket)) as client:
        image = client.images.list()[0]
        image.tag(f"{served.host}/pushed/by-docker", "1")
        answers = client.images.push(f"{served.host}/pushed/by-docker", "1", stream=True, decode=True)
        assert [answer["error"] for answer in answers if "error" in answer] == []
        client.images.remove(f"{served.host}/pushed/by-docker:1")
    return f"docker://{served.host}/pushed/by-docker:1"


def by_skopeo(served: servers.Served, _folder: Path, _engine: servers.Behind) -> str:
    return served.push(f"docker-archive:{SMALL_DOCKER_ARCHIVE}", "pushed/by-skopeo:1")


@pytest.mark.parametrize("push", [by_buildah, by_docker, by_skopeo])
def test_an_image_is_the_same_whoever_pushed_it(
    push: Callable[[servers.Served, Path, servers.Behind], str],
    ruleset: Ruleset,
    registry: servers.Served,
    tls_engine: servers.Behind,
    tmp_path: Path,
) -> None:
    target = push(registry, tmp_path, tls_engine)
    expected = told(Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE)), digests=False)

    assert told(Scanner(ruleset, b"key", jobs=2).scan(target), digests=False) == expected != []


def test_an_engine_behind_tls_is_reached_by_the_current_context(
    ruleset: Ruleset, tls_engine: servers.Behind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tmp_path / "contexts"
    meta, tls = context / "meta" / servers.name_of("far"), context / "tls" / servers.name_of("far") / "docker"
    meta.mkdir(parents=True)
    tls.mkdir(parents=True)
    endpoint = {"Host": tls_engine.address, "SkipTLSVerify": False}
    (meta / "meta.json").write_text(json.dumps({"Name": "far", "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    for name, file in {"ca.pem": tls_engine.ca, "cert.pem": tls_engine.certificate, "key.pem": tls_engine.key}.items():
        (tls / name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    expected = Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE))
    target = f"docker-daemon:{expected[0].references[0]}"

    assert told(Scanner(ruleset, b"key", jobs=2).scan(target), digests=False) == told(expected, digests=False)
    (tls / "ca.pem").unlink()
    (tls / "cert.pem").unlink()
    (tls / "key.pem").unlink()
    with pytest.raises(LayerleakError, match="no engine answers"):
        Scanner(ruleset, b"key", jobs=2).scan(target)


def test_an_engine_behind_tls_is_reached_by_the_environment(
    ruleset: Ruleset, tls_engine: servers.Behind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in {"ca.pem": tls_engine.ca, "cert.pem": tls_engine.certificate, "key.pem": tls_engine.key}.items():
        (tmp_path / name).write_bytes(file.read_bytes())
    monkeypatch.setenv("DOCKER_HOST", tls_engine.address)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    expected = Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE))
    target = f"docker-daemon:{expected[0].references[0]}"

    assert told(Scanner(ruleset, b"key", jobs=2).scan(target), digests=False) == told(expected, digests=False)
