"""Reading and compiling signatures, and the cache of the compiled database."""

import os
import shutil
from pathlib import Path

import pytest

from scanner.detect.cache import KEPT, Cache
from scanner.detect.matcher import Matcher
from scanner.detect.rulefiles import load
from scanner.detect.ruleset import builtin_folder, compile_ruleset, load_ruleset
from scanner.detect.signature import Example
from scanner.errors import SignatureError
from tests.detect.engine import Part, signature

GOOD = """
[provider]
id = "acme"
name = "Acme"

[[signature]]
id = "acme-token"
name = "Acme token"
severity = "high"
confidence = "medium"
prefilter = 'acme_[a-z]{4}'
pattern = 'acme_[a-z]{8}'
examples = ['TOKEN=«acme_qwhgzkvb» # of the build']
"""


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "acme.toml").write_text(text)
    return tmp_path


def test_an_example_marks_its_secret(tmp_path: Path) -> None:
    (sig,) = load(folder(tmp_path, GOOD)).signatures

    assert sig.examples == (Example("TOKEN=acme_qwhgzkvb # of the build", "acme_qwhgzkvb"),)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (GOOD.replace('severity = "high"', 'severity = "huge"'), "HUGE"),
        (GOOD.replace('severity = "high"', ""), "severity"),
        (GOOD + "colour = 'red'\n", "unknown fields colour"),
        (GOOD.replace("«", ""), "must mark its secret"),
        (GOOD + GOOD.partition("\n\n")[2], "defined twice"),
        (GOOD.replace("[provider]", "[supplier]"), "expected a [provider] table"),
        ("[[[", "acme.toml"),
    ],
)
def test_a_malformed_file_is_named_with_what_is_wrong(broken: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SignatureError) as caught:
        load(folder(tmp_path, broken))

    assert said in str(caught.value)
    assert "acme.toml" in str(caught.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="found none"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prefilter": ("(?=x)acme",)}, "acme-token.*prefilter"),
        ({"filters": ("nonsense",)}, "unknown filter 'nonsense'"),
        ({"proof": "nonsense"}, "unknown proof 'nonsense'"),
    ],
)
def test_what_cannot_run_is_refused_by_name(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=said):
        compile_ruleset((signature(**changes),), tmp_path)


def test_the_same_signatures_have_the_same_digest(tmp_path: Path) -> None:
    assert compile_ruleset((signature(),), tmp_path).digest == compile_ruleset((signature(),), tmp_path).digest


def test_a_changed_signature_changes_the_digest(tmp_path: Path) -> None:
    changed = signature(entropy=1.0)

    assert compile_ruleset((signature(),), tmp_path).digest != compile_ruleset((changed,), tmp_path).digest


def scan(cache: Path) -> int:
    data = b"acme_0123456789"
    return len(Matcher(compile_ruleset((signature(),), cache)).scan(data, [Part(0, len(data))]))


def test_the_database_is_cached_and_works_from_the_cache(tmp_path: Path) -> None:
    first = scan(tmp_path)
    files = list(tmp_path.iterdir())

    assert (first, scan(tmp_path), list(tmp_path.iterdir())) == (1, 1, files)
    assert [file.stat().st_mode & 0o077 for file in files] == [0]


def test_a_damaged_cache_file_is_replaced(tmp_path: Path) -> None:
    scan(tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(b"damaged")

    assert (scan(tmp_path), file.read_bytes() == good) == (1, True)


def test_a_cache_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    assert (scan(tmp_path), list(tmp_path.iterdir())) == (1, [])


def test_a_cache_that_cannot_be_made_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    assert scan(blocked / "cache") == 1


def test_the_built_in_signatures_compile(tmp_path: Path) -> None:
    assert load_ruleset(cache=tmp_path / "c").signatures
    assert os.listdir(tmp_path / "c")


def test_parsed_signatures_are_kept_by_their_content(tmp_path: Path) -> None:
    rules, cache = tmp_path / "rules", tmp_path / "cache"
    rules.mkdir()
    shutil.copy(builtin_folder() / "npm.toml", rules)
    first = load_ruleset(rules, cache=cache)
    (kept,) = cache.glob("*.documents")
    kept.write_text(kept.read_text().replace("npm", "kept"))
    again = load_ruleset(rules, cache=cache)
    kept.write_bytes(b"[1]")
    anew = load_ruleset(rules, cache=cache)
    (rules / "npm.toml").write_text((builtin_folder() / "npm.toml").read_text() + "\n")
    changed = load_ruleset(rules, cache=cache)

    assert again.signatures[0].provider.id == first.signatures[0].provider.id.replace("npm", "kept")
    assert anew.signatures == first.signatures == changed.signatures


def test_the_cache_keeps_a_few_files_of_a_kind(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("other", "0", b"")
    for number in range(KEPT + 3):
        cache.write("kind", str(number), b"")
        os.utime(tmp_path / f"{number}.kind", (number, number))

    assert cache.read("kind", str(KEPT + 2)) == cache.read("other", "0") == b""
    assert (cache.read("kind", "0"), len(list(tmp_path.glob("*.kind")))) == (None, KEPT)
