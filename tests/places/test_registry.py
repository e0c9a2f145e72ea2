"""A real registry, with and without a login and TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.errors import LayerleakError
from scanner.image.registry.client import Registry
from scanner.image.registry.reference import parse_reference
from scanner.image.registry.settings import RegistrySettings
from scanner.image.source import Places
from scanner.scan import Scanner
from tests.image.archives import OCI_ARCHIVE, SMALL_DOCKER_ARCHIVE, SMALL_OCI_ARCHIVE
from tests.places import servers
from tests.places.comparison import told


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Served]:
    with servers.registry(tmp_path_factory.mktemp("open")) as served:
        yield served


@pytest.fixture(scope="module")
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Served]:
    with servers.registry(tmp_path_factory.mktemp("closed"), login=True, tls=True) as served:
        yield served


def settings(home: Path, **options: Path | None) -> RegistrySettings:
    return RegistrySettings(environment={"HOME": str(home)}, **options)  # type: ignore[arg-type]


def scanner(ruleset: Ruleset, settings: RegistrySettings) -> Scanner:
    return Scanner(ruleset, b"key", jobs=2, places=Places(registry=settings))


@pytest.mark.parametrize("archive", [OCI_ARCHIVE, SMALL_OCI_ARCHIVE])
def test_an_image_with_its_attestations_is_the_same_from_archive_and_registry(
    ruleset: Ruleset, open_registry: servers.Served, tmp_path: Path, archive: Path
) -> None:
    target = open_registry.push(f"oci-archive:{archive}", "same/oci:1", "--all")
    from_archive = Scanner(ruleset, b"key", jobs=2).scan(str(archive))
    from_registry = scanner(ruleset, settings(tmp_path)).scan(target)

    assert told(from_registry) == told(from_archive) != []
    assert all(report.coverage.complete for report in from_registry)


def test_a_docker_archive_is_the_same_from_a_registry_but_for_its_compression(
    ruleset: Ruleset, open_registry: servers.Served, tmp_path: Path
) -> None:
    target = open_registry.push(f"docker-archive:{SMALL_DOCKER_ARCHIVE}", "same/docker:1")
    from_archive = Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_DOCKER_ARCHIVE))
    from_registry = scanner(ruleset, settings(tmp_path)).scan(target)

    assert told(from_registry, digests=False) == told(from_archive, digests=False) != []


def test_one_platform_is_chosen_and_a_wrong_one_told(
    ruleset: Ruleset, open_registry: servers.Served, tmp_path: Path
) -> None:
    target = open_registry.push(f"oci-archive:{SMALL_OCI_ARCHIVE}", "one/platform:1", "--all")

    def scan(platform: str) -> list[str]:
        places = Places(platform, settings(tmp_path))
        return [report.platform for report in Scanner(ruleset, b"key", jobs=2, places=places).scan(target)]

    assert scan("linux/amd64") == ["linux/amd64"]
    with pytest.raises(LayerleakError, match="no image for linux/s390x; there is linux/amd64"):
        scan("linux/s390x")


def test_tags_are_listed(open_registry: servers.Served, tmp_path: Path) -> None:
    for tag in ("a", "b"):
        open_registry.push(f"docker-archive:{SMALL_DOCKER_ARCHIVE}", f"two/tags:{tag}")
    reference = parse_reference(f"{open_registry.host}/two/tags")

    assert sorted(Registry(reference, settings(tmp_path)).tags()) == ["a", "b"]


def test_a_login_and_an_own_authority(
    ruleset: Ruleset, closed_registry: servers.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = closed_registry.push(f"oci-archive:{SMALL_OCI_ARCHIVE}", "closed/image:1", "--all")
    files = {"ca_file": closed_registry.ca}
    with pytest.raises(LayerleakError, match="its certificate is not trusted"):
        scanner(ruleset, settings(tmp_path)).scan(target)
    with pytest.raises(LayerleakError, match="wants a login"):
        scanner(ruleset, settings(tmp_path, **files)).scan(target)
    servers.log_in(tmp_path, closed_registry.host, "wrong")
    with pytest.raises(LayerleakError, match="wants a login, and there is none it accepts"):
        scanner(ruleset, settings(tmp_path, **files)).scan(target)
    servers.log_in(tmp_path, closed_registry.host, servers.PASSWORD)

    assert told(scanner(ruleset, settings(tmp_path, **files)).scan(target)) == told(
        Scanner(ruleset, b"key", jobs=2).scan(str(SMALL_OCI_ARCHIVE))
    )


def test_an_image_that_is_not_there(ruleset: Ruleset, open_registry: servers.Served, tmp_path: Path) -> None:
    with pytest.raises(LayerleakError, match="no such image"):
        scanner(ruleset, settings(tmp_path)).scan(f"docker://{open_registry.host}/not/there:1")
