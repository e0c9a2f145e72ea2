"""Names of images, as docker pull reads them."""

import pytest

from scanner.errors import LayerleakError
from scanner.image.registry.reference import Reference, parse_reference
from scanner.image.registry.tokens import challenges

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpine", Reference("docker.io", "library/alpine", "latest")),
        ("alpine:3.20", Reference("docker.io", "library/alpine", "3.20")),
        ("nginx/nginx", Reference("docker.io", "nginx/nginx", "latest")),
        ("index.docker.io/alpine", Reference("docker.io", "library/alpine", "latest")),
        ("ghcr.io/acme/shop:1", Reference("ghcr.io", "acme/shop", "1")),
        ("localhost/shop", Reference("localhost", "shop", "latest")),
        ("localhost:5000/a/b/c:x_Y.z-1", Reference("localhost:5000", "a/b/c", "x_Y.z-1")),
        ("[::1]:5000/shop", Reference("[::1]:5000", "shop", "latest")),
        (f"ghcr.io/acme/shop@{DIGEST}", Reference("ghcr.io", "acme/shop", "", DIGEST)),
        (f"ghcr.io/acme/shop:1@{DIGEST}", Reference("ghcr.io", "acme/shop", "1", DIGEST)),
        ("a__b/c--d.e:1", Reference("docker.io", "a__b/c--d.e", "1")),
    ],
)
def test_a_name_is_read_as_docker_does(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


def test_docker_hub_is_asked_at_its_own_address() -> None:
    assert (parse_reference("alpine").host, parse_reference("ghcr.io/a/b").host) == ("registry-1.docker.io", "ghcr.io")


@pytest.mark.parametrize("text", ["", "/a", "a//b", "a:", "a b", "ghcr.io/A", "a@sha256:12", "../a", "a" * 300, "-a/b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(LayerleakError, match="expected an image name"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', {"basic": {"realm": "x"}}),
        (
            'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push"',
            {"bearer": {"realm": "https://auth.example/token", "service": "reg", "scope": "repository:a/b:pull,push"}},
        ),
        ('bearer realm=r, Basic realm="s"', {"bearer": {"realm": "r"}, "basic": {"realm": "s"}}),
        ("Negotiate", {}),
        ("", {}),
    ],
)
def test_a_challenge_is_read(header: str, expected: dict[str, dict[str, str]]) -> None:
    assert challenges(header) == expected
