"""Private keys that everybody has."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scanner.detect import published as module
from scanner.detect.matcher import Matcher, Whole
from scanner.detect.proof.keys import private_key
from scanner.detect.published import names, published
from scanner.detect.ruleset import Ruleset

LIST = Path(module.__file__).with_name("published-keys.toml")
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECP256K1 = ec.derive_private_key(1234567, ec.SECP256K1())  # of which SSH knows nothing


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A list with these two keys."""
    known = [name for key in (ED25519, SECP256K1) if (half := private_key(pem(key)).public) for name in names(half)]
    path = tmp_path / "keys.toml"
    path.write_text(f'[[source]]\nwhere = "the tests of Acme"\nkeys = {known}\n')
    monkeypatch.setattr(module, "_FILE", path)
    module._known.cache_clear()
    yield
    module._known.cache_clear()


def test_the_list_holds_fingerprints_each_once_and_nothing_else() -> None:
    sources = tomllib.loads(LIST.read_text())["source"]
    keys = [name for source in sources for name in source["keys"]]

    assert len(keys) > 400
    assert len(keys) == len(set(keys))
    assert not [name for name in keys if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}|SPKI:[0-9a-f]{64}", name)]
    assert b"PRIVATE KEY-----" not in LIST.read_bytes()


@pytest.mark.parametrize("key", [ED25519, SECP256K1])
def test_a_published_key_is_reported_and_does_not_count(listed: None, ruleset: Ruleset, key: PrivateKeyTypes) -> None:
    data = b"\n" + pem(key)

    (hit,) = Matcher(ruleset).scan(data, [Whole(len(data), "srv/server.key")])

    assert hit.downgraded == "a published key (the tests of Acme)"


def test_another_key_is_not_published(listed: None) -> None:
    half = private_key(pem(ed25519.Ed25519PrivateKey.generate())).public

    assert half is not None
    assert published(half) is None
