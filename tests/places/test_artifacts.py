"""What is in a registry beside images: caches, statements, charts, files; and several images in one."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.finding import ImageReport
from scanner.image.registry.settings import RegistrySettings
from scanner.image.source import Places, open_source
from scanner.scan import Scanner
from tests.conftest import SAMPLES
from tests.image.archives import BUILD_CACHE
from tests.places import servers
from tests.places.comparison import told
from tests.places.raw import INDEX, Repository, layer_of

TOKEN = json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"]
STATEMENT = {"_type": "https://in-toto.io/Statement/v1", "predicate": {"env": f"token={TOKEN}"}}
IN_TOTO = "application/vnd.in-toto+json"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an open registry."""
    with servers.registry(tmp_path_factory.mktemp("registry")) as served:
        yield served.host


@pytest.fixture
def repository(host: str, request: pytest.FixtureRequest) -> Repository:
    """A repository of the test's own."""
    return Repository(host, request.node.name.partition("[")[0].lower()[:100])


def scan(target: str, ruleset: Ruleset, home: Path, platform: str = "") -> tuple[ImageReport, ...]:
    places = Places(platform, RegistrySettings(environment={"HOME": str(home)}))
    return Scanner(ruleset, b"key", jobs=2, places=places).scan(target)


def places_of(report: ImageReport) -> list[str]:
    """Where the token is, in a report: files by path, fields by pointer."""
    places = [place for finding in report.findings for place in finding.occurrences]
    return sorted(str(place.field or place.path) for place in places)


@pytest.mark.parametrize("shape", ["manifest", "index"])
def test_a_build_cache_is_the_same_from_a_folder_and_a_registry(
    ruleset: Ruleset, repository: Repository, tmp_path: Path, shape: str
) -> None:
    def blob(digest: str) -> bytes:
        return (BUILD_CACHE / "blobs" / digest.replace(":", "/")).read_bytes()

    top = json.loads((BUILD_CACHE / "index.json").read_text())["manifests"][0]
    cache = json.loads(blob(top["digest"]))
    for descriptor in (*cache["layers"], cache["config"]):
        repository.blob(blob(descriptor["digest"]), descriptor["mediaType"])
    if shape == "manifest":
        repository.document("buildcache", top["mediaType"], config=cache["config"], layers=cache["layers"])
    else:
        repository.document("buildcache", INDEX, manifests=[*cache["layers"], cache["config"]])
    (report,) = scan(repository.target("buildcache"), ruleset, tmp_path)

    assert (report.kind, report.coverage.complete) == ("build-cache", True)
    assert told([report]) == told(Scanner(ruleset, b"key", jobs=2).scan(str(BUILD_CACHE))) != []


def test_what_cosign_keeps_beside_an_image_is_read_as_the_image_s(
    ruleset: Ruleset, repository: Repository, tmp_path: Path
) -> None:
    image = repository.image("1", layer_of(a=b"nothing"))
    beside = image["digest"].replace(":", "-")
    envelope = {
        "payloadType": "application/vnd.in-toto+json",
        "payload": base64.b64encode(json.dumps(STATEMENT).encode()).decode(),
        "signatures": [],
    }
    for suffix, media_type, value in (
        ("att", "application/vnd.dsse.envelope.v1+json", envelope),
        ("sig", "application/vnd.dev.cosign.simplesigning.v1+json", {"optional": {"key": f"token={TOKEN}"}}),
        ("sbom", "text/spdx+json", {"packages": [{"comment": f"token={TOKEN}"}]}),
    ):
        note = {"org.example.note": f"token={TOKEN}"} if suffix == "sig" else {}
        repository.artifact(f"{beside}.{suffix}", repository.blob(json.dumps(value).encode(), media_type, **note))
    (report,) = scan(repository.target("1"), ruleset, tmp_path)

    assert report.coverage.skipped == ()
    assert places_of(report) == [
        "/layers/0/annotations/org.example.note",
        "/optional/key",
        "/packages/0/comment",
        "/predicate/env",
    ]


def test_what_refers_to_a_platform_of_an_inner_index_is_read(
    ruleset: Ruleset, repository: Repository, tmp_path: Path
) -> None:
    layer = layer_of(a=f"token={TOKEN}".encode())
    images = [repository.image(name, layer, architecture=name) for name in ("amd64", "arm64", "s390x")]
    inner = repository.document("inner", INDEX, manifests=images[1:])
    repository.document("1", INDEX, manifests=[images[0], inner])
    statement = repository.artifact(
        "statement", repository.blob(json.dumps(STATEMENT).encode(), IN_TOTO), subject=images[2]
    )
    repository.document(images[2]["digest"].replace(":", "-"), INDEX, manifests=[statement])
    reports = scan(repository.target("1"), ruleset, tmp_path)

    assert [(report.platform, places_of(report)) for report in reports] == [
        ("linux/amd64", ["a"]),
        ("linux/arm64", ["a"]),
        ("linux/s390x", ["/predicate/env", "a"]),
    ]
    with open_source(repository.target("1")) as source:
        assert len([stream.close() for _, stream in source.blobs()]) == 1


def test_a_chart_is_scanned_as_files(ruleset: Ruleset, repository: Repository, tmp_path: Path) -> None:
    secret = f"token={TOKEN}"
    config = repository.blob(json.dumps({"description": secret}).encode(), "application/vnd.cncf.helm.config.v1+json")
    chart = layer_of(**{"shop/values.yaml": secret.encode()})
    layer = repository.blob(chart, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    repository.artifact("1", layer, config=config)
    (report,) = scan(repository.target("1"), ruleset, tmp_path)

    assert (report.kind, report.coverage.skipped) == ("artifact", ())
    assert places_of(report) == ["/description", "shop/values.yaml"]


def test_files_that_are_layers_are_scanned_under_their_names(
    ruleset: Ruleset, repository: Repository, tmp_path: Path
) -> None:
    secret = f"token={TOKEN}\n".encode()
    named = repository.blob(secret, "text/plain", **{"org.opencontainers.image.title": "notes.txt"})
    unnamed = repository.blob(b"again " + secret, "application/x-notes")
    repository.artifact("1", named, unnamed, config=repository.blob(b"no JSON " + secret, "application/x-config"))
    (report,) = scan(repository.target("1"), ruleset, tmp_path)

    assert (report.kind, report.coverage.skipped) == ("artifact", ())
    assert places_of(report) == ["application/x-notes", "config", "notes.txt"]


def test_a_layer_that_should_be_a_tar_and_is_none_is_told(
    ruleset: Ruleset, repository: Repository, tmp_path: Path
) -> None:
    repository.image("1", layer_of(a=b"nothing"))
    layer = repository.blob(f"token={TOKEN}\n".encode(), "application/vnd.oci.image.layer.v1.tar")
    repository.artifact("1", layer)
    (report,) = scan(repository.target("1"), ruleset, tmp_path)

    assert (len(report.findings), report.coverage.complete) == (1, False)
    assert "not a tar" in report.coverage.skipped[0].reason
