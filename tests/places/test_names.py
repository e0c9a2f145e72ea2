"""What a target without a transport is taken for, and that one which fails stops no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.errors import LayerleakError
from scanner.image.source import Places, RegistrySettings, open_source
from tests.image.archives import SMALL_DOCKER_ARCHIVE
from tests.places.hostile import Hostile, served


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def refused(name: str) -> str:
    """What is said of a target that leads nowhere; a proxy sees whether anybody was asked."""
    asked = Hostile([], b"")
    with served(asked), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", f"http://{asked.host}")
        places = Places(registry=RegistrySettings(plain_http=True))
        with pytest.raises(LayerleakError) as caught, open_source(name, places):
            pass
    assert asked.seen == []
    return str(caught.value)


@pytest.mark.parametrize("name", ["image.tra", "shop.tar.old", "build/imgae", "./shop", "shop.tar", "build/", "/x", ""])
def test_what_looks_like_a_path_is_asked_of_no_registry(name: str, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()

    assert "o such file" in refused(name) or "found a folder" in refused(name)


def test_what_would_have_been_asked_is_said() -> None:
    assert "no registry was asked, as docker://image.tra does" in refused("image.tra")


def test_a_bare_name_that_is_a_folder_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()

    assert "found a folder without index.json" in refused("nginx")


def test_a_bare_name_is_asked_of_the_registry_and_said_so(tmp_path: Path) -> None:
    registry = Hostile([], json.dumps({"rootfs": {"diff_ids": []}}).encode())
    told: list[str] = []
    with served(registry) as target:
        name = target.removeprefix("docker://")
        with open_source(name, Places(tell=told.append)) as source:
            images, _ = source.images()

    assert len(images) == 1
    assert told == [f"{name}: taken from the registry, as {name}"]


def layerleak(*arguments: str, listed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from scanner.cli import main; main()", "scan", "--format", "json", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(command, input=listed, env=environment, capture_output=True, text=True)


def test_targets_that_fail_stop_no_other(tmp_path: Path) -> None:
    listed = f"# a list\nnot-there.tar\n\ndocker-daemon:x\ndocker://127.0.0.1:1/x\n{SMALL_DOCKER_ARCHIVE}\n"
    done = layerleak("--all-local", "--from-file", "-", "none.tar", listed=listed)
    report = json.loads(done.stdout)

    assert (done.returncode, len(report["images"]), report["summary"]["failures"]) == (1, 1, 5)
    told = [line for line in done.stderr.splitlines() if line.startswith("layerleak: ")]
    assert len(told) == 5
    assert "Traceback" not in done.stderr


def test_only_targets_that_fail_are_an_exit_code_of_their_own() -> None:
    done = layerleak("--all-local")

    assert (done.returncode, json.loads(done.stdout)["images"]) == (3, [])
