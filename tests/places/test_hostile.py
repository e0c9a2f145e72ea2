"""A registry that cuts, delays, refuses, lies and ends early: the right result or the right error, nothing lost."""

import gzip
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.errors import LayerleakError
from scanner.finding import ImageReport
from scanner.image.registry import blob, transport
from scanner.image.registry.settings import RegistrySettings
from scanner.image.source import Places
from scanner.scan import Scanner
from tests.conftest import SAMPLES
from tests.image.archives import file_entry, sha256, tar_of
from tests.places.hostile import MANIFEST, Answer, Handler, Hostile, served
from tests.places.servers import PASSWORD, log_in

TOKEN = json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"].encode()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Waits a hundredth of what it would, and sees no login of the user's own."""
    monkeypatch.setattr(blob, "_WAIT", 0.001)
    monkeypatch.setattr(transport, "_BACK_OFF", 0.001)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)


def image(count: int = 2) -> Hostile:
    """An image whose layers each end in a token, behind a megabyte that does not compress."""
    layers = []
    for number in range(count):
        noise = random.Random(number).randbytes(1 << 20)
        entries = [file_entry("noise", noise), file_entry(f"srv/{number}", b"token=" + TOKEN + b"\n")]
        layers.append(tar_of(entries))
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [sha256(data) for data in layers]}}
    return Hostile([gzip.compress(data, 1, mtime=0) for data in layers], json.dumps(config).encode())


def scan(target: str, ruleset: Ruleset, **settings: object) -> ImageReport:
    """The report of the one image of a target."""
    places = Places(registry=RegistrySettings(**settings))  # type: ignore[arg-type]
    (report,) = Scanner(ruleset, b"key", jobs=2, places=places).scan(target)
    return report


def found(report: ImageReport) -> list[str | None]:
    """The files that the token was found in."""
    return [o.path for finding in report.findings for o in finding.occurrences if finding.secret == TOKEN]


def test_an_image_of_a_registry_is_read_whole(ruleset: Ruleset) -> None:
    with served(image()) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == (["srv/0", "srv/1"], ())
    assert (report.platform, report.references) == ("linux/amd64", (target.removeprefix("docker://"),))


def cut_at(count: int) -> Answer:
    """Hangs up after so many bytes of what was asked for."""
    return lambda handler: handler.give(handler.hostile.blob(handler.path) or b"", cut=count)


@pytest.mark.parametrize("each", [1, 100_000, 700_000])
def test_a_connection_that_is_cut_is_taken_up_where_it_was(ruleset: Ruleset, each: int) -> None:
    registry = image()
    registry.behave = lambda path, times: cut_at(each) if "/blobs/" in path and times < 4 else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == (["srv/0", "srv/1"], ())
    assert any("Range" in headers for _, headers in registry.seen)


def test_a_registry_that_knows_no_ranges_sends_the_blob_again(ruleset: Ruleset) -> None:
    registry = image()

    def whole(handler: Handler) -> None:
        del handler.headers["Range"]
        handler.give(registry.blob(handler.path) or b"")

    def behave(path: str, times: int) -> Answer | None:
        if "/blobs/" not in path:
            return None
        return cut_at(300_000) if times == 0 else whole

    registry.behave = behave
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == (["srv/0", "srv/1"], ())


def test_a_registry_that_always_ends_early_costs_what_it_keeps_and_is_told(ruleset: Ruleset) -> None:
    registry = image()
    short = "/blobs/" + sha256(registry.layers[1])

    def never(handler: Handler) -> None:
        if handler.headers.get("Range"):
            handler.give(b"", 500)
        else:
            handler.give(registry.layers[1], cut=500_000)

    registry.behave = lambda path, times: never if path.endswith(short) else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert found(report) == ["srv/0"]
    assert not report.coverage.complete
    assert any("after 500000 of" in skip.reason for skip in report.coverage.skipped)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_asked_again(ruleset: Ruleset, status: int) -> None:
    registry = image()
    registry.behave = lambda path, times: (lambda h: h.give(b"", status, Retry_After="0")) if times < 2 else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == (["srv/0", "srv/1"], ())


def test_one_that_stays_busy_is_given_up(ruleset: Ruleset) -> None:
    registry = image()
    registry.behave = lambda path, times: lambda h: h.give(b"", 429, Retry_After="0")
    with served(registry) as target, pytest.raises(LayerleakError, match="asks for fewer requests"):
        scan(target, ruleset)


def test_a_layer_that_is_not_what_its_digest_says_is_scanned_and_told(ruleset: Ruleset) -> None:
    registry = image()
    honest, other = registry.layers[0], gzip.compress(tar_of([file_entry("etc/x", b"token=" + TOKEN)]), 1)
    path = "/blobs/" + sha256(honest)
    registry.behave = lambda asked, times: (lambda h: h.give(other)) if asked.endswith(path) else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.complete) == (["etc/x", "srv/1"], False)
    assert any("digest does not match" in skip.reason for skip in report.coverage.skipped)


def test_a_manifest_that_is_not_what_its_digest_says_is_told(ruleset: Ruleset) -> None:
    registry = image()
    wrong = "sha256:" + "0" * 64
    registry.behave = lambda path, times: (lambda h: h.give(registry.manifest)) if path.endswith(wrong) else None
    with served(registry) as target:
        report = scan(f"{target.removesuffix(':1')}@{wrong}", ruleset)

    assert (sorted(map(str, found(report))), report.coverage.complete) == (["srv/0", "srv/1"], False)
    assert any("digest does not match" in skip.reason for skip in report.coverage.skipped)


def test_a_slow_registry_is_waited_for(ruleset: Ruleset) -> None:
    registry = image(1)
    registry.behave = lambda path, times: (
        (lambda h: h.drip(registry.layers[0], 1 << 17, 0.02)) if path.endswith(sha256(registry.layers[0])) else None
    )
    with served(registry) as target:
        assert found(scan(target, ruleset)) == ["srv/0"]


def test_a_silent_registry_is_given_up(ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", (0.2, 0.2))
    registry = image()
    registry.behave = lambda path, times: lambda h: h.drip(b"{}", 1, 1.5)
    with served(registry) as target, pytest.raises(LayerleakError, match=r"does not answer|cannot be reached"):
        scan(target, ruleset)


def test_a_missing_layer_costs_that_layer(ruleset: Ruleset) -> None:
    registry = image()
    gone = "/blobs/" + sha256(registry.layers[0])
    registry.behave = lambda path, times: (lambda h: h.give(b"", 404)) if path.endswith(gone) else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (found(report), report.coverage.complete) == (["srv/1"], False)


def test_a_config_that_is_not_what_its_digest_says_is_told(ruleset: Ruleset) -> None:
    registry = image()
    path = "/blobs/" + sha256(registry.config)
    other = registry.config.replace(b"amd64", b"arm64")
    registry.behave = lambda asked, times: (lambda h: h.give(other)) if asked.endswith(path) else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert not report.coverage.complete
    assert any("digest does not match" in skip.reason for skip in report.coverage.skipped)


def test_a_document_whose_connection_is_cut_is_asked_for_again(ruleset: Ruleset) -> None:
    registry = image()
    registry.behave = lambda path, times: cut_at(20) if path.endswith("/manifests/1") and times < 2 else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == (["srv/0", "srv/1"], ())


def test_a_registry_that_sends_another_range_than_asked_for_is_told(ruleset: Ruleset) -> None:
    registry = image()
    layer = registry.layers[1]

    def shifted(handler: Handler) -> None:
        if not handler.headers.get("Range"):
            handler.give(layer, cut=500_000)
            return
        del handler.headers["Range"]
        handler.give(layer[600_000:], 206, Content_Range=f"bytes 600000-{len(layer) - 1}/{len(layer)}")

    registry.behave = lambda path, times: shifted if path.endswith(sha256(layer)) else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert found(report) == ["srv/0"]
    assert any("sends from 600000 on" in skip.reason for skip in report.coverage.skipped)


def test_a_registry_that_gives_a_byte_a_connection_is_given_up(ruleset: Ruleset) -> None:
    registry = image()
    slow = sha256(registry.layers[1])
    registry.behave = lambda path, times: cut_at(1) if path.endswith(slow) else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (found(report), report.coverage.complete) == (["srv/0"], False)
    assert registry.asked(slow) < 20


@pytest.mark.parametrize("after", ["0", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "soon", "-1"])
def test_a_wait_that_is_asked_for_is_bounded(ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    monkeypatch.setattr(transport, "_LONGEST_WAIT", 0.05)
    registry = image()
    registry.behave = lambda path, times: (lambda h: h.give(b"", 429, Retry_After=after)) if times < 2 else None
    started = time.monotonic()
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == (["srv/0", "srv/1"], ())
    assert time.monotonic() - started < 20


def test_a_foreign_layer_is_told_and_its_address_not_asked(ruleset: Ruleset) -> None:
    registry, elsewhere = image(), image()
    with served(registry) as target, served(elsewhere):
        foreign = {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": "sha256:" + "ab" * 32,
            "size": 1000,
            "urls": [f"http://{elsewhere.host}/layer"],
        }
        manifest = json.loads(registry.manifest)
        manifest["layers"].append(foreign)
        data = json.dumps(manifest).encode()
        registry.behave = lambda path, times: (lambda h: h.give(data)) if path.endswith("/manifests/1") else None
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.complete) == (["srv/0", "srv/1"], False)
    assert any("foreign layer" in skip.reason for skip in report.coverage.skipped)
    assert elsewhere.seen == []


def test_a_manifest_of_schema_1_is_told_in_one_line(ruleset: Ruleset) -> None:
    registry = image()
    data = json.dumps({"schemaVersion": 1, "fsLayers": [], "history": []}).encode()
    registry.behave = lambda path, times: (lambda h: h.give(data)) if path.endswith("/manifests/1") else None
    with served(registry) as target, pytest.raises(LayerleakError, match="holds no image: a manifest of schema 1"):
        scan(target, ruleset)


def test_a_digest_that_leads_elsewhere_is_not_asked_for(ruleset: Ruleset) -> None:
    registry = image()
    manifest = json.loads(registry.manifest)
    for digest in ("sha256:../../../../other/image/blobs/" + "a" * 32, "../" * 20 + "x?y=" + "z" * 64):
        manifest["layers"].append({"mediaType": "application/x.tar", "digest": digest, "size": 9})
    data = json.dumps(manifest).encode()
    registry.behave = lambda path, times: (lambda h: h.give(data)) if path.endswith("/manifests/1") else None
    with served(registry) as target:
        report = scan(target, ruleset)

    assert sum("expected a digest" in skip.reason for skip in report.coverage.skipped) == 2
    assert all(path.startswith("/v2/tests/image/") for path, _ in registry.seen)


def test_referrers_are_read_page_by_page(ruleset: Ruleset) -> None:
    registry = image()
    statement = json.dumps({"predicate": {"env": f"token={TOKEN.decode()}"}}).encode()
    layer = {"mediaType": "application/vnd.in-toto+json", "digest": sha256(statement), "size": len(statement)}
    manifest = json.dumps({"layers": [layer], "subject": {"digest": sha256(registry.manifest)}}).encode()
    second = {"manifests": [{"digest": sha256(manifest), "size": len(manifest), "mediaType": MANIFEST}]}

    def behave(path: str, times: int) -> Answer | None:
        known = {sha256(statement): statement, sha256(manifest): manifest}
        if "/referrers/" in path and "?page=2" not in path:
            return lambda h: h.give(b"{}", Link=f'<{path}?page=2>; rel="next"', Content_Type="application/json")
        if "/referrers/" in path:
            return lambda h: h.give(json.dumps(second).encode(), Content_Type="application/json")
        data = known.get(path.rpartition("/")[2])
        return None if data is None else (lambda h: h.give(data))

    registry.behave = behave
    with served(registry) as target:
        report = scan(target, ruleset)

    places = [place.field for finding in report.findings for place in finding.occurrences if place.field]
    assert (places, report.coverage.skipped) == (["/predicate/env"], ())


@pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
def test_a_registry_that_knows_no_referrers_costs_nothing(ruleset: Ruleset, status: int) -> None:
    registry = image()
    registry.behave = lambda path, times: (lambda h: h.give(b"", status)) if "/referrers/" in path else None
    with served(registry) as target:
        assert scan(target, ruleset).coverage.complete


# --- logins -----------------------------------------------------------------------------------------------------------


def bearer(registry: Hostile, realm: str) -> None:
    """Has it ask for a token of a service."""

    def behave(path: str, times: int) -> Answer | None:
        if path.startswith("/token"):
            return lambda h: h.give(json.dumps({"token": "of-the-token-service"}).encode())

        def guard(handler: Handler) -> None:
            if handler.headers.get("Authorization") == "Bearer of-the-token-service":
                data = registry.blob(handler.path)
                handler.give(data or b"", 200 if data else 404)
            else:
                handler.give(b"", 401, WWW_Authenticate=f'Bearer realm="{realm}",service="tests",scope="a:b:pull"')

        return guard

    registry.behave = behave


def test_a_token_is_gotten_with_the_login_and_used(ruleset: Ruleset, tmp_path: Path) -> None:
    registry = image()
    with served(registry) as target:
        bearer(registry, f"http://{registry.host}/token")
        log_in(tmp_path, registry.host, PASSWORD)
        report = scan(target, ruleset)

    asked = [headers for path, headers in registry.seen if path.startswith("/token?scope=a%3Ab%3Apull&service=tests")]
    assert (sorted(map(str, found(report))), len(asked)) == (["srv/0", "srv/1"], 1)
    assert asked[0]["Authorization"].startswith("Basic ")


def sends_away(registry: Hostile, store: Hostile) -> Callable[[str, int], Answer | None]:
    """Wants a login, and sends who has one to a store for the blobs."""

    def behave(path: str, times: int) -> Answer | None:
        def guard(handler: Handler) -> None:
            if not handler.headers.get("Authorization"):
                handler.give(b"", 401, WWW_Authenticate='Basic realm="tests"')
            elif "/blobs/" in handler.path:
                handler.give(b"", 307, Location=f"http://{store.host}{handler.path}?signature=of-the-store")
            else:
                data = registry.blob(handler.path)
                handler.give(data or b"", 200 if data else 404)

        return guard

    return behave


def test_a_redirect_does_not_take_the_login_along(ruleset: Ruleset, tmp_path: Path) -> None:
    registry, store = image(), image()

    def stored(path: str, times: int) -> Answer:
        return lambda h: h.give(store.blob(path.partition("?")[0]) or b"")

    registry.behave, store.behave = sends_away(registry, store), stored
    with served(registry) as target, served(store):
        log_in(tmp_path, registry.host, PASSWORD)
        report = scan(target, ruleset)

    assert sorted(map(str, found(report))) == ["srv/0", "srv/1"]
    assert store.seen
    assert not any("Authorization" in headers for _, headers in store.seen)


def test_a_store_that_is_redirected_to_cannot_ask_for_the_login(ruleset: Ruleset, tmp_path: Path) -> None:
    registry, store = image(), image()
    registry.behave = lambda path, times: (
        (lambda h: h.give(b"", 307, Location=f"http://{store.host}{path}")) if "/blobs/" in path else None
    )
    with served(registry) as target, served(store):
        bearer(store, f"http://{store.host}/token")
        log_in(tmp_path, registry.host, PASSWORD)
        report = scan(target, ruleset)

    assert not report.coverage.complete
    assert not any("Authorization" in headers for _, headers in store.seen)


def test_a_token_that_expires_in_the_middle_of_a_layer_is_gotten_anew_once_for_all(
    ruleset: Ruleset, tmp_path: Path
) -> None:
    registry = image(4)
    lock, given = threading.Lock(), [0]

    def behave(path: str, times: int) -> Answer | None:
        def token(handler: Handler) -> None:
            with lock:
                given[0] += 1
                handler.give(json.dumps({"token": f"of-the-tests-{given[0]}"}).encode())

        def guard(handler: Handler) -> None:
            data = registry.blob(handler.path)
            resumed = handler.headers.get("Range")
            # The first token is good for what is whole, the second for what is taken up.
            if handler.headers.get("Authorization") != f"Bearer of-the-tests-{2 if resumed else 1}":
                if handler.headers.get("Authorization") == "Bearer of-the-tests-2":
                    handler.give(data or b"", 200 if data else 404)
                    return
                handler.give(b"", 401, WWW_Authenticate=f'Bearer realm="http://{registry.host}/token"')
            else:
                layer = data in registry.layers and not resumed
                handler.give(data or b"", 200 if data else 404, cut=300_000 if layer else None)

        return token if path.startswith("/token") else guard

    registry.behave = behave
    with served(registry) as target:
        report = scan(target, ruleset)

    assert (sorted(map(str, found(report))), report.coverage.skipped) == ([f"srv/{n}" for n in range(4)], ())
    assert given == [2]


def test_no_login_and_no_signed_address_is_in_a_log_of_what_went_well(
    ruleset: Ruleset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    registry, store = image(), image()

    registry.behave = sends_away(registry, store)
    store.behave = lambda path, times: (
        (lambda h: h.give(b"", 503)) if times == 0 else lambda h: h.give(store.blob(path.partition("?")[0]) or b"")
    )
    with served(registry) as target, served(store):
        log_in(tmp_path, registry.host, PASSWORD)
        report = scan(target, ruleset)

    assert sorted(map(str, found(report))) == ["srv/0", "srv/1"]
    assert "/blobs/" in caplog.text
    for secret in ("of-the-store", PASSWORD, registry.seen[-1][1]["Authorization"].removeprefix("Basic ")):
        assert secret not in f"{caplog.text}{report}"


def test_no_login_is_in_an_error_or_a_log(ruleset: Ruleset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    registry = image()
    registry.behave = lambda path, times: lambda h: h.give(b"", 401, WWW_Authenticate='Basic realm="tests"')
    with served(registry) as target:
        log_in(tmp_path, registry.host, PASSWORD)
        with pytest.raises(LayerleakError) as caught:
            scan(target, ruleset)

    sent = [headers["Authorization"] for _, headers in registry.seen if "Authorization" in headers]
    assert sent
    for secret in (PASSWORD, sent[0].removeprefix("Basic ")):
        assert secret not in f"{caught.value}{caplog.text}"


def test_a_malformed_login_file_is_told_without_its_content(ruleset: Ruleset, tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"auths": {"host": {"auth": "' + PASSWORD + '" broken')
    with served(image()) as target, pytest.raises(LayerleakError, match="expected registry credentials") as caught:
        scan(target, ruleset)

    assert PASSWORD not in str(caught.value)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper, as docker calls them."""
    program = tmp_path / "docker-credential-tests"
    program.write_text(
        "#!/bin/sh\nread host\n"
        f'echo "{{\\"ServerURL\\": \\"$host\\", \\"Username\\": \\"reader\\", \\"Secret\\": \\"{PASSWORD}\\"}}"\n'
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / ".docker").mkdir()
    return tmp_path / ".docker" / "config.json"


def test_a_credential_helper_is_asked(ruleset: Ruleset, helper: Path) -> None:
    registry = image()
    with served(registry) as target:
        bearer(registry, f"http://{registry.host}/token")
        helper.write_text(json.dumps({"credHelpers": {registry.host: "tests"}}))
        report = scan(target, ruleset)

    asked = [headers["Authorization"] for path, headers in registry.seen if path.startswith("/token")]
    assert (len(found(report)), len(asked)) == (2, 1)
