"""Files that are secrets by what they are, made by the tools they belong to, under names that say nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scanner.detect.matcher import Matcher, Whole
from scanner.detect.ruleset import Ruleset

VALUE = "rV7kQm2Lz9Xt"


def run(folder: Path, *command: str) -> bytes:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120).stdout


def ids(ruleset: Ruleset, data: bytes) -> list[str]:
    # In a layer, other bytes lie before a file.
    before = b"\0" * 512
    region = Whole(len(before) + len(data), "srv/blob", len(before))
    return [hit.signature.id for hit in Matcher(ruleset).scan(before + data, [region])]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program} here")


@needs("openssl")
@pytest.mark.parametrize("options", [("-6",), ("-5",), ("-1",), ("-apr1",)])
@pytest.mark.parametrize("rest", [b"", b":19811:0:99999:7:::"])
def test_an_entry_of_a_user_database(ruleset: Ruleset, tmp_path: Path, options: tuple[str, ...], rest: bytes) -> None:
    digest = run(tmp_path, "openssl", "passwd", *options, VALUE).strip()

    assert ids(ruleset, b"ops:" + digest + rest + b"\n") == ["password-hash-entry"]


@needs("keytool")
@pytest.mark.parametrize(("kind", "found"), [("JKS", "java-keystore"), ("PKCS12", "pkcs12-private-key")])
def test_a_key_store(ruleset: Ruleset, tmp_path: Path, kind: str, found: str) -> None:
    passwords = ("-storepass", VALUE, "-keypass", VALUE)
    names = ("-alias", "app", "-dname", "CN=app.acme.invalid", "-keystore", "store")
    run(tmp_path, "keytool", "-genkeypair", "-keyalg", "EC", "-storetype", kind, *names, *passwords)

    assert ids(ruleset, (tmp_path / "store").read_bytes()) == [found]


@needs("kubectl")
@pytest.mark.parametrize("login", [("--token", VALUE), ("--username=admin", f"--password={VALUE}")])
def test_a_kubeconfig(ruleset: Ruleset, tmp_path: Path, login: tuple[str, ...]) -> None:
    run(tmp_path, "kubectl", "--kubeconfig=config", "config", "set-credentials", "ops", *login)

    assert ids(ruleset, (tmp_path / "config").read_bytes()) == ["kubeconfig-user"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_an_option_file_of_mysql(ruleset: Ruleset, quote: str) -> None:
    data = f"[client]\nuser = ops\npassword = {quote}{VALUE}{quote}\n".encode()

    assert ids(ruleset, data) == ["mysql-option-file-password"]
