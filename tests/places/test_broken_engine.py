"""An engine that hangs, refuses, or dies in the middle of an export: told, and nothing that came is lost."""

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.errors import LayerleakError
from scanner.image.source import daemon
from scanner.scan import Scanner
from tests.image.archives import SMALL_DOCKER_ARCHIVE

Answer = Callable[[str], bytes | None]


def http(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


@contextmanager
def engine(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An engine that answers by path; None is silence. Gives the paths that it was asked for."""
    asked: list[str] = []
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                path = connection.recv(1 << 16).decode().split(" ")[1]
                asked.append(path)
                data = answer(path)
                if data is None:
                    held.append(connection)
                    continue
                connection.sendall(data)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        yield asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for connection in held:
        connection.close()


def usual(path: str, export: bytes | None) -> bytes | None:
    """What an engine with one image says."""
    if path.endswith("/version"):
        return http(json.dumps({"ApiVersion": "1.44"}).encode())
    if path.endswith("/get"):
        return export
    return http(json.dumps({"Id": "sha256:" + "ab" * 32, "RepoTags": ["shop:1"]}).encode())


def chunked(body: bytes, *, whole: bool) -> bytes:
    pieces = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    data = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return http(data + (b"0\r\n\r\n" if whole else b""), "Transfer-Encoding: chunked")


def saved(*, index_last: bool) -> bytes:
    """The sample's archive with its documents at its beginning or end."""
    with tarfile.open(SMALL_DOCKER_ARCHIVE) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        order = sorted(members, key=lambda pair: pair[0].name.endswith(".json") is index_last)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as copy:
            for member, file in order:
                copy.addfile(member, file)
    return out.getvalue()


@pytest.mark.parametrize("index_last", [True, False])
def test_an_export_is_read_in_whatever_order_it_comes(
    ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, index_last: bool
) -> None:
    data = chunked(saved(index_last=index_last), whole=True)
    with engine(lambda path: usual(path, data), monkeypatch):
        (report,) = Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:shop:1")
    (expected,) = Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE))

    assert report.coverage == expected.coverage
    assert [finding.secret for finding in report.findings] == [finding.secret for finding in expected.findings] != []


@pytest.mark.parametrize("framed", [True, False])
def test_an_engine_that_dies_in_the_middle_of_an_export_is_told(
    ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, framed: bool
) -> None:
    whole = saved(index_last=False)
    part = whole[: len(whole) * 2 // 3]
    data = chunked(part, whole=False) if framed else http(part)
    with engine(lambda path: usual(path, data), monkeypatch):
        reports = Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:shop:1")

    assert not any(report.coverage.complete for report in reports)


def test_an_engine_that_is_silent_is_given_up(ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "_TIMEOUT", 0.2)
    with (
        engine(lambda path: None, monkeypatch),
        pytest.raises(LayerleakError, match="no engine answers: does not answer"),
    ):
        Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:shop:1")


def test_an_engine_that_falls_silent_in_an_export_is_given_up(
    ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "_TIMEOUT", 0.2)
    with (
        engine(lambda path: usual(path, None), monkeypatch),
        pytest.raises(LayerleakError, match="does not answer"),
    ):
        Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:shop:1")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("tcp://127.0.0.1:1", "nobody listens there"),
        ("tcp://no-such-host.invalid:1", "no such host"),
        ("npipe:////./pipe", "no engine answers"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_in_one_line(
    ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, host: str, reason: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(LayerleakError, match=reason):
        Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:shop:1")


def test_ssh_that_leads_nowhere_is_told_in_one_line() -> None:
    # In a process of its own: the docker package forgets about the ssh that it started.
    command = [sys.executable, "-c", "from scanner.cli import main; main()", "scan", "docker-daemon:shop:1"]
    environment = {**os.environ, "DOCKER_HOST": "ssh://nobody:of-the-tests@127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if line.startswith("layerleak: ")]

    assert (done.returncode, len(told)) == (3, 1)
    assert "no engine answers" in told[0]
    assert "of-the-tests" not in done.stderr
    assert "Traceback" not in done.stderr


def test_no_temporary_file_is_written(ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))  # where nothing can be written
    data = chunked(saved(index_last=True), whole=True)
    with engine(lambda path: usual(path, data), monkeypatch):
        (report,) = Scanner(ruleset, b"key", jobs=2).scan("docker-daemon:shop:1")

    assert report.findings
    assert list(tmp_path.iterdir()) == []
