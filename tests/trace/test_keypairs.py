"""Private keys of which the image holds the other half, with real files of openssl and ssh-keygen."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from scanner import pipeline
from scanner.detect import published
from scanner.detect.proof.ssh import fingerprint
from scanner.detect.ruleset import Ruleset
from scanner.finding import ImageReport
from scanner.scan import Scanner
from tests.image.archives import docker_archive, tar_of_files, write_tar

pytestmark = pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("ssh-keygen")), reason="no openssl here")


def made(folder: Path, command: str, *files: str) -> list[bytes]:
    """What files a command wrote."""
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, timeout=60)
    return [(folder / name).read_bytes() for name in files]


def scanned(tmp_path: Path, ruleset: Ruleset, *layers: dict[str, bytes]) -> ImageReport:
    files = docker_archive((["a:1"], [tar_of_files(layer) for layer in layers]))
    (image,) = Scanner(ruleset, b"k").scan(str(write_tar(tmp_path / "image.tar", files)))
    return image


def proof(tmp_path: Path, ruleset: Ruleset, *layers: dict[str, bytes]) -> str:
    (finding,) = scanned(tmp_path, ruleset, *layers).findings
    return finding.proof or ""


REQUEST = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 9000 -subj /CN=app.acme.invalid"


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_key_matches_a_certificate_in_another_layer(tmp_path: Path, ruleset: Ruleset, form: str) -> None:
    key, cert = made(tmp_path, f"{REQUEST} -outform {form}", "key", "cert")

    told = proof(tmp_path, ruleset, {"srv/key": key}, {"srv/other": b"x"}, {"etc/ssl/app": cert})

    assert ", matches the certificate for app.acme.invalid in /etc/ssl/app (layer 2) (self-signed, valid until " in told


def test_a_key_matches_a_request_and_a_public_key(tmp_path: Path, ruleset: Ruleset) -> None:
    (key,) = made(tmp_path, "openssl genpkey -algorithm ed25519 -out key", "key")
    (public,) = made(tmp_path, "openssl pkey -in key -pubout -out public", "public")
    (request,) = made(tmp_path, "openssl req -new -key key -subj /CN=app.acme.invalid -out request", "request")

    told = proof(tmp_path, ruleset, {"key": key, "etc/a.csr": request, "etc/b.pem": public})

    assert told.endswith(
        ", matches the certificate request for app.acme.invalid in /etc/a.csr (layer 0); "
        "matches the public key in /etc/b.pem (layer 0)"
    )


@pytest.mark.parametrize(
    ("options", "passphrase"),
    [
        *((kind, phrase) for kind in ("-t ed25519", "-t ecdsa", "-t rsa -b 2048") for phrase in ("", "8jd6s2kq")),
        ("-t rsa -b 2048 -m PEM", ""),  # with a passphrase nothing of it can be read
    ],
)
def test_a_key_is_accepted_by_a_list_of_keys(tmp_path: Path, ruleset: Ruleset, options: str, passphrase: str) -> None:
    command = ["ssh-keygen", "-q", *options.split(), "-N", passphrase, "-f", "id"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    key, public = (tmp_path / "id").read_bytes(), (tmp_path / "id.pub").read_bytes()

    told = proof(
        tmp_path, ruleset, {"root/.ssh/id": key, "root/.ssh/id.pub": public}, {"home/ops/.ssh/authorized_keys": public}
    )

    assert told.endswith(
        ", is accepted by /home/ops/.ssh/authorized_keys (layer 1); "
        "matches the public key in /root/.ssh/id.pub (layer 0)"
    )


def test_a_list_of_keys_that_is_gone_accepted_the_key(tmp_path: Path, ruleset: Ruleset) -> None:
    key, cert = made(tmp_path, REQUEST, "key", "cert")

    told = proof(tmp_path, ruleset, {"srv/key": key, "srv/cert": cert}, {"srv/.wh.cert": b""})

    assert "in /srv/cert (layer 0, gone since) (" in told


def test_one_certificate_in_several_places_is_told_once(tmp_path: Path, ruleset: Ruleset) -> None:
    key, cert = made(tmp_path, REQUEST, "key", "cert")

    told = proof(tmp_path, ruleset, {"key": key, **{f"c{n}": cert for n in range(6)}})

    assert told.count("matches the certificate") == 1
    assert "in /c0 (layer 0), /c1 (layer 0), /c2 (layer 0), /c3 (layer 0) and 2 more (self-signed" in told


def test_the_certificate_of_another_key_is_none_of_it(tmp_path: Path, ruleset: Ruleset) -> None:
    (cert,) = made(tmp_path, REQUEST, "cert")
    (key,) = made(tmp_path, REQUEST, "key")

    assert "matches" not in proof(tmp_path, ruleset, {"key": key, "cert": cert})


def test_what_is_too_much_to_be_kept_is_told_where_there_is_a_private_key(
    tmp_path: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "MAX_PUBLIC", 2)
    key, cert = made(tmp_path, REQUEST, "key", "cert")
    certs = {f"c{n}": cert for n in range(5)}

    with_key, without = (scanned(tmp_path, ruleset, {**first, **certs}) for first in ({"key": key}, {"k": b"x"}))

    reason = "3 certificates and public keys too many to be compared with private keys"
    assert [skip.reason for skip in with_key.coverage.skipped] == [reason]
    assert with_key.coverage.complete
    assert without.coverage.skipped == ()


@pytest.mark.parametrize(
    ("path", "reason"), [("id.pub", "a published key (Acme)"), ("root/.ssh/authorized_keys", None)]
)
def test_a_published_key_counts_where_the_image_lets_it_log_in(
    tmp_path: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, path: str, reason: str | None
) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    key, public = (tmp_path / "id").read_bytes(), (tmp_path / "id.pub").read_bytes()
    name = fingerprint(base64.b64decode(public.split()[1]))
    monkeypatch.setattr(published, "_known", lambda: {name: "Acme"})

    (finding,) = scanned(tmp_path, ruleset, {"srv/id": key, path: public}).findings

    assert finding.downgraded == reason
