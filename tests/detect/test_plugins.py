"""detect-secrets' plugins as signatures: that they find what detect-secrets finds, and what is said of the rest."""

import hashlib
import json
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scanner.detect.matcher import Matcher, Whole
from scanner.detect.rulefiles.plugins import classes
from scanner.detect.ruleset import Ruleset, load_ruleset
from scanner.errors import SignatureError

DRAW = random.Random(20)  # the same values each time; none was ever anybody's
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def draw(length: int, chars: str = ALNUM) -> str:
    return "".join(DRAW.choices(chars, k=length))


PLUGIN = """
import re
from detect_secrets.plugins.base import RegexBasedDetector

class AcmeDetector(RegexBasedDetector):
    secret_type = "Acme Token"
    denylist = [re.compile(r"acme_[a-z0-9]{20}\\b")]
"""

FILES = {
    "srv/app.py": f"""
password = "{draw(14)}!x"
aws_key = "AKIA{draw(16, string.ascii_uppercase)}"
digest = '{draw(40, HEX)}'
blob = "{draw(44)}"
slack = "xoxb-{draw(12, string.digits)}-{draw(12, string.digits)}-{draw(24)}"
github = "ghp_{draw(36)}"
npm = 1 # //registry.example/:_authToken=npm_{draw(36)}
url = "https://bob:{draw(12)}@db.acme.io/x"
stripe = "sk_live_{draw(24)}"
mail = "{draw(32, HEX)}-us5"
bot = "{draw(9, string.digits)}:{draw(35)}"
user_id = "{draw(40, HEX)}"
token = get_token("{draw(40, HEX)}")
service = "https://8.8.4.{DRAW.randrange(1, 250)}/"
""",
    "etc/app.yml": f"db:\n  password: {draw(18)}\n  other: '{draw(40, HEX)}'\n  plain: {draw(40, HEX)}\n",
    "etc/app.ini": f"[db]\npassword = {draw(18)}\nkey={draw(48)}\n",
    "root/id_rsa": f"-----BEGIN RSA PRIVATE KEY-----\n{draw(64)}\n",
    "app/yarn.lock": f'password = "{draw(18)}"\n',
    "app/logo.svg": f'secret = "{draw(18)}"\n',
}


def found(ruleset: Ruleset, files: dict[str, str] = FILES) -> set[tuple[str, str]]:
    """Files, and SHA-1 of what is found in each."""
    matcher = Matcher(ruleset)
    return {
        (name, hashlib.sha1(hit.secret, usedforsecurity=False).hexdigest())
        for name, text in files.items()
        for hit in matcher.scan(text.encode(), [Whole(len(text.encode()), name)])
    }


def theirs(folder: Path, *options: str) -> dict[str, Any]:
    """What `detect-secrets scan` says of the same files."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "detect_secrets", "-c", "1", "scan", "--all-files", "--no-verify", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    baseline: dict[str, Any] = json.loads(done.stdout)
    return baseline


def test_every_plugin_of_detect_secrets_becomes_a_signature() -> None:
    ruleset = load_ruleset(plugins=True)

    assert len(ruleset.signatures) == len(classes()) > 20
    assert ruleset.unhonoured == ()


def test_its_plugins_find_what_it_finds_itself(tmp_path: Path) -> None:
    baseline = theirs(tmp_path)
    path = tmp_path / ".secrets.baseline"
    path.write_text(json.dumps(baseline))

    ours = found(load_ruleset(path))

    expected = {(file, entry["hashed_secret"]) for file, entries in baseline["results"].items() for entry in entries}
    # Of GitHub's and GitLab's tokens detect-secrets tells the prefix, which says nothing; here it is all of the token.
    prefixes = {("srv/app.py", hashlib.sha1(b"ghp").hexdigest())}
    assert len(expected) > 10
    assert ours == expected - prefixes


def test_a_plugin_of_the_users_own_is_executed_and_used(tmp_path: Path) -> None:
    path = tmp_path / "acme.py"
    path.write_text(PLUGIN)
    secret = "acme_" + draw(20, string.ascii_lowercase)

    ruleset = load_ruleset(path)

    assert [sig.id for sig in ruleset.signatures] == ["detect-secrets-acme-token"]
    assert found(ruleset, {"a": f"x {secret} y"}) == {("a", hashlib.sha1(secret.encode()).hexdigest())}


def test_python_files_in_a_folder_are_not_executed(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")

    with pytest.raises(SignatureError, match="expected signature files"):
        load_ruleset(tmp_path)


def test_the_plugins_of_a_baseline_have_its_limits(tmp_path: Path) -> None:
    value = "00112233445566aa"  # eight characters, each as often: three bits
    path = tmp_path / "b.json"

    def count(limit: float) -> int:
        plugins = [{"name": "HexHighEntropyString", "limit": limit}]
        path.write_text(json.dumps({"plugins_used": plugins, "filters_used": [], "results": {}}))
        return len(found(load_ruleset(path), {"a.py": f"x = '{value}'"}))

    assert (count(2.9), count(3.0)) == (1, 0)


def test_the_filters_of_a_baseline_are_honoured_or_told(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    root = "detect_secrets.filters."
    filters = [
        {"path": f"{root}regex.should_exclude_file", "pattern": ["^skip/"]},
        {"path": f"{root}regex.should_exclude_line", "pattern": ["harmless"]},
        {"path": f"{root}regex.should_exclude_secret", "pattern": ["^zz"]},
        {"path": f"{root}wordlist.should_exclude_secret", "file_name": "words"},
        {"path": f"{root}common.is_ignored_due_to_verification_policies", "min_level": 2},
    ]
    path.write_text(json.dumps({"plugins_used": [{"name": "KeywordDetector"}], "filters_used": filters}))
    line = f'password = "{draw(12)}"'
    ruleset = load_ruleset(path)

    files = {"skip/a.py": line, "keep.py": line, "b.py": f"{line} # harmless", "c.py": 'password = "zzTop77"'}
    assert {name for name, _ in found(ruleset, files)} == {"keep.py"}
    assert [str(item) for _, item in ruleset.unhonoured] == [
        "wordlist.should_exclude_secret: is not asked, so more is found",
        "common.is_ignored_due_to_verification_policies: no secret is checked with its provider",
    ]


def test_what_of_a_plugin_is_not_done_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        PLUGIN
        + """
    def analyze_string(self, string):
        yield from (value for value in super().analyze_string(string) if "7" in value)

    def verify(self, secret):
        raise AssertionError("nothing is contacted")

class Anything(RegexBasedDetector):
    secret_type = "Anything"
    denylist = [re.compile("[a-z]+")]

class NoList(RegexBasedDetector.__mro__[1]):
    secret_type = "No list"
    def analyze_string(self, string):
        yield from string.split()
"""
    )

    ruleset = load_ruleset(path)

    assert [(item.rule, str(item)) for _, item in ruleset.unhonoured] == [
        ("AcmeDetector", "analyze_string: is only asked about lines on which its denylist may match"),
        ("AcmeDetector", "verify: no secret is checked with its provider"),
        ("Anything", "left out, its regex is not sure of 3 characters in a row to look for"),
        ("NoList", "left out, it has no denylist, so nothing says on which of all lines to ask it"),
    ]
    seven, none = "acme_" + "a7" * 10, "acme_" + "ab" * 10
    assert len(found(ruleset, {"a": f"{seven}\n{none}\n"})) == 1


def test_a_plugin_that_fails_ends_the_scan_without_quoting_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN + "\n    def analyze_string(self, string):\n        raise ValueError(string)\n")
    secret = "acme_" + draw(20, string.ascii_lowercase)

    with pytest.raises(SignatureError) as caught:
        found(load_ruleset(path), {"a": secret})

    assert str(caught.value) == "plugin AcmeDetector of detect-secrets failed: ValueError"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.py", "import nothing_of_that_name", "fails: ModuleNotFoundError"),
        ("a.py", "x = 1", "holds no plugin"),
        ("a.py", "raise SystemExit(3)", "fails: SystemExit"),
        ("b.json", '{"plugins_used": [{"name": "Nobody"}]}', "has no plugin 'Nobody'"),
        ("b.json", '{"plugins_used": 3}', "expected a list of tables with a name"),
        ("b.json", '{"plugins_used": [{"name": "HexHighEntropyString", "limit": 9}]}', "ValueError: The limit"),
        ("b.json", '{"plugins_used": [], "filters_used": ["x"]}', "filters_used: expected a list"),
        ("b.json", '{"plugins_used": [{"name": "X", "path": "file:///nowhere/x.py"}]}', "fails: FileNotFoundError"),
        ("b.json", '{"results": {}}', "a baseline of detect-secrets, found results"),
    ],
)
def test_what_cannot_be_used_is_told(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(SignatureError, match=said):
        load_ruleset(tmp_path / name)


def test_binary_lines_and_broken_text_are_passed_over() -> None:
    ruleset = load_ruleset(plugins=True)
    matcher = Matcher(ruleset)
    line = f'password = "{draw(16)}"'.encode()

    for data in (b"\xff" + line, b"\0\1" + line):
        assert matcher.scan(data, [Whole(len(data), "a.py")]) == []


def test_detect_secrets_is_not_imported_by_who_does_not_ask_for_it() -> None:
    code = "import sys; from scanner.detect.ruleset import load_ruleset; load_ruleset(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not [name for name in done.stdout.split() if name.startswith("detect_secrets")]
