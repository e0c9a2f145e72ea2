"""Rule files of other scanners: what they find, and what is said of the rest."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from scanner.detect.matcher import Matcher
from scanner.detect.rulefiles import load
from scanner.detect.rulefiles.formats import FORMATS
from scanner.detect.ruleset import compile_ruleset, load_ruleset
from scanner.detect.selftest import check_examples
from scanner.detect.signature import Confidence, Severity, Signature
from scanner.errors import SignatureError
from tests.detect.engine import Part, found

RULES = Path(__file__).parent / "rules"
LOWER, MIXED, HEX = "9t8ccb2tjibkpyx2gbdtldsw", "MWFLhY88X9mdplprrGY6ZYDx", "f97692bcc031afabe1212f3705f44d7f"


def signatures(name: str) -> Mapping[str, Signature]:
    return {sig.id: sig for sig in load(RULES / name).signatures}


def said(path: Path) -> list[str]:
    return [f"{item.rule}|{item}" for _, item in load(path).unhonoured]


def scan(name: str, text: str, path: str, cache: Path) -> list[tuple[str, bytes]]:
    data = text.encode()
    engine = Matcher(compile_ruleset(load(RULES / name).signatures, cache))
    return found(engine.scan(data, [Part(0, len(data), path)]))


ZENTARA = f"zen_{LOWER}"


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        # regex and secretGroup
        ("gitleaks.toml", f"TOKEN={ZENTARA}\n", "app/.env", [("zentara-token", LOWER)]),
        ("gitleaks.toml", f"TOKEN={ZENTARA}", "", [("zentara-token", LOWER)]),
        # entropy, stopwords, and allowlists of the file
        ("gitleaks.toml", "zen_aaaaaaaaaaaaaaaaaaaaaaaa\n", "a", []),
        ("gitleaks.toml", "zen_9t8ccexampletokendtldsw2\n", "a", []),
        ("gitleaks.toml", f"TOKEN={ZENTARA}\n", "test/fixtures/a", []),
        ("gitleaks.toml", f"TOKEN={ZENTARA}\n", "test/nofixtures/a", [("zentara-token", LOWER)]),
        # an allowlist of which all conditions have to hold
        ("gitleaks.toml", f"Revoked: {ZENTARA}\n", "a.md", []),
        ("gitleaks.toml", f"Revoked: {ZENTARA}\n", "a.txt", [("zentara-token", LOWER)]),
        ("gitleaks.toml", f"Used: {ZENTARA}\n", "a.md", [("zentara-token", LOWER)]),
        # a keyword beside the match, and a path
        ("gitleaks.toml", f"# Zentara\nSECRET={HEX}\n", "app/prod.YAML", [("zentara-secret", HEX)]),
        ("gitleaks.toml", f"# Zentara\nSECRET={HEX}\n", "app/prod.txt", []),
        ("gitleaks.toml", f"# nobody's\nSECRET={HEX}\n", "app/prod.yaml", []),
        # the first group, where secretGroup is not given
        ("gitleaks.toml", "my.ZENTARA_pass: 'q7!kd-83kZ2#'\n", "", [("zentara-generic", "q7!kd-83kZ2#")]),
        # Betterleaks' filters
        ("betterleaks.toml", f"key: qln-{MIXED}\n", "a", [("quillon-token", f"qln-{MIXED}")]),
        ("betterleaks.toml", f"key: qln-{MIXED}\n", "a.SVG", []),
        ("betterleaks.toml", f"key: qln-{MIXED}\n", "a.lock", []),
        ("betterleaks.toml", "key: qln-abababababababababababab\n", "a", []),
        ("betterleaks.toml", f"Placeholder: qln-{MIXED}\n", "a", []),
        ("betterleaks.toml", f"Example || sample: qln-{MIXED}\n", "a", []),
        # Nosey Parker's verbose patterns, groups and end of text
        ("noseyparker.yml", f"k = brv_{MIXED}", "", [("np.brevik.1", f"brv_{MIXED}")]),
        ("noseyparker.yml", f"k = brv_{MIXED}x\n", "", []),
        ("noseyparker.yml", "BREVIK-TENANT = 4829173", "", [("np.brevik.2", "4829173")]),
        ("noseyparker.yml", "BREVIK-TENANT = 4829173\n", "", []),
        ("noseyparker.yml", "brevik_user='harald' brevik_pass='q7!kd-8'", "", [("np.brevik.4", "q7!kd-8")]),
        # Kingfisher's demands
        ("kingfisher.yml", f"ostrava:\n  token: {MIXED}", "", [("custom.ostrava.1", MIXED)]),
        ("kingfisher.yml", f"ostrava:\n  token: {LOWER}", "", []),
        ("kingfisher.yml", "ostrava:\n  token: MWFLhYSamplemdplprrGY6Z8", "", []),
        ("kingfisher.yml", "ostrava:\n  token: MWMWMWMWMWMWmWMWMWMWMW88", "", []),
        ("kingfisher.yml", "osk.wa8vcB6HoUaWSaq$JMfByTOA", "", [("custom.ostrava.3", "osk.wa8vcB6HoUaWSaq$JMfByTOA")]),
        ("kingfisher.yml", "osk.wa8vcB6HoUaWSaqJMfByTOAx", "", []),
        ("kingfisher.yml", "db.ostrava.example", "", []),
        # Trufflehog's keywords, exclusions and validations
        ("trufflehog.yml", f"VELMA={HEX}", "", [("VelmaToken", HEX)]),
        ("trufflehog.yml", f"WILMA={HEX}", "", []),
        ("trufflehog.yml", "velma=f97692bcc031DEADBEEF212f3705f44d".lower(), "", []),
        ("trufflehog.yml", "velma=0000" + HEX[4:], "", []),
        ("trufflehog.yml", "velma=" + HEX[4:] + "ffff", "", []),
        ("trufflehog.yml", "velma=97692310319412123705447902836154", "", []),
        (
            "trufflehog.yml",
            f"velma vid-48291730 vsec-{MIXED}",
            "",
            [("VelmaPair.id", "48291730"), ("VelmaPair.secret", MIXED)],
        ),
        ("trufflehog.yml", f"wilma vid-48291730 vsec-{MIXED}", "", []),
        ("trufflehog.yml", f"velma vsec-{LOWER}", "", []),
    ],
)
def test_rules_find_what_they_say(
    name: str, text: str, path: str, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert scan(name, text, path, tmp_path) == [(rule, secret.encode()) for rule, secret in expected]


def test_gitleaks_says_what_is_not_done() -> None:
    assert said(RULES / "gitleaks.toml") == [
        "|extend.useDefault: that project's own rules are not part of layerleak; name their file",
        "|extend.path: ../base.toml is not followed; name that file too",
        "|extend.disabledRules: nothing is extended, so nothing is disabled",
        "zentara-token|required: other rules that must match nearby are not asked for",
        "zentara-token|allowlist.commits: an image has no commits, so none is allowed",
        "zentara-account|left out, skipReport says that it only serves other rules",
        "zentara-key-file|left out, it has no regex: file names alone are no secrets",
        "zentara-secret|keywords: looked for within 1024 bytes of the match, not in all of the file",
        "zentara-nothing|left out, its regex is not sure of 3 characters in a row to look for, and it has no keywords",
        "zentara-greedy|left out, its regex has the flag 'U' (swaps greed)",
    ]


def test_betterleaks_says_what_is_not_done() -> None:
    assert said(RULES / "betterleaks.toml") == [
        "|prefilter: not evaluated",
        "quillon-token|tokenEfficiency: not measured",
        "quillon-token|validate: no secret is checked with its provider",
        'quillon-token|filter: not evaluated: (finding["secret"] == "qln-" && filter.failsTokenEfficien...',
    ]


def test_nosey_parker_says_what_is_not_done() -> None:
    assert said(RULES / "noseyparker.yml") == [
        "|rulesets: brevik chooses no rules here, all that are given are used",
        "np.brevik.2|regex: sees no more than 8192 bytes behind the text it is found by",
        "np.brevik.3|left out, its regex has the class operator &&",
        "np.brevik.4|regex: sees no more than 8192 bytes behind the text it is found by",
        "np.brevik.4|regex: of its 2 groups only the last that holds something is told",
    ]


def test_kingfisher_says_what_is_not_done() -> None:
    assert said(RULES / "kingfisher.yml") == [
        "custom.ostrava.1|validation: no secret is checked with its provider",
        "custom.ostrava.1|revocation: no secret is revoked",
        "custom.ostrava.1|depends_on_rule: other rules' values are only used to check a secret, which is not done",
        "custom.ostrava.1|pattern_requirements.checksum: not computed",
        "custom.ostrava.2|left out, visible: false says that its values are not to be told",
    ]


def test_trufflehog_says_what_is_not_done() -> None:
    near = "keywords: looked for within 1024 bytes of the match, not in all of the file"
    assert said(RULES / "trufflehog.yml") == [
        "VelmaToken|verify: no secret is checked with its provider",
        f"VelmaToken|{near}",
        "VelmaPair|regex: its regexes are looked for one by one, not asked for together",
        f"VelmaPair.id|{near}",
        f"VelmaPair.secret|{near}",
    ]


def test_words_about_a_rule_are_kept() -> None:
    key, tenant = signatures("noseyparker.yml")["np.brevik.1"], signatures("noseyparker.yml")["np.brevik.2"]
    token = signatures("kingfisher.yml")["custom.ostrava.1"]

    assert (key.name, key.origin, key.remediation) == (
        "Brevik API key",
        "Nosey Parker",
        "https://docs.brevik.example/keys",
    )
    assert (tenant.severity, tenant.confidence, tenant.generic) == (Severity.LOW, Confidence.LOW, True)
    assert (token.confidence, token.origin, token.entropy) == (Confidence.HIGH, "Kingfisher", 3.2)
    assert signatures("gitleaks.toml")["zentara-token"].name == "Zentara token"


def test_their_examples_are_run(tmp_path: Path) -> None:
    assert list(check_examples(compile_ruleset(load(RULES).signatures, tmp_path))) == []


def test_an_example_that_a_rule_does_not_match_fails(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text("rules:\n- {id: a.1, name: A, pattern: 'acme_[a-z]{4}', examples: ['acme_12']}\n")

    (failure,) = check_examples(compile_ruleset(load(file).signatures, tmp_path / "cache"))

    assert (failure.signature, failure.reason) == ("a.1", "expected 'acme_12' by a.1, found []")


def test_another_rule_may_find_the_same_bytes_of_an_example(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(
        "rules:\n- {id: a.1, name: A, pattern: 'acme_[a-z]{4}', examples: ['acme_abcd_9']}\n"
        "- {id: a.2, name: A, pattern: 'acme_[a-z]{4}_[0-9]'}\n"
    )

    assert list(check_examples(compile_ruleset(load(file).signatures, tmp_path / "cache"))) == []


@pytest.mark.parametrize(
    ("regex", "text", "secret"),
    [
        (r"""(['"])(acme_[a-z]{6})\1""", "x='acme_qwhgzk' y", "acme_qwhgzk"),
        (r"""(['"])(acme_[a-z]{6})\1""", "x='acme_qwhgzk\" y", None),
        ("(?<!my_)acme_[a-z]{6}(?![a-z])", "acme_qwhgzk", "acme_qwhgzk"),
        ("(?<!my_)acme_[a-z]{6}(?![a-z])", "my_acme_qwhgzk", None),
        ("(?<=key=)(?=.{0,9}[0-9])acme_[a-z0-9]{6}", "key=acme_qwh7zk", "acme_qwh7zk"),
        ("(?<=key=)(?=.{0,9}[0-9])acme_[a-z0-9]{6}", "key=acme_qwhgzk", None),
        (r"acme_(?P<half>[a-z]{3})-(?P=half)", "acme_qwh-qwh", "acme_qwh-qwh"),
        (r"acme_(?P<half>[a-z]{3})-(?P=half)", "acme_qwh-gzk", None),
    ],
)
def test_look_arounds_and_back_references_work(regex: str, text: str, secret: str | None, tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    group = "secretGroup = 2" if r"\1" in regex else ""
    file.write_text(f"[[rules]]\nid = 'acme'\nregex = '''{regex}'''\n{group}\n")
    data = text.encode()
    if not group and secret:
        secret = secret[5:8] if "half" in regex else secret  # a named group is a group

    hits = Matcher(compile_ruleset(load(file).signatures, tmp_path / "cache")).scan(data, [Part(0, len(data))])

    assert found(hits) == ([("acme", secret.encode())] if secret else [])


@pytest.mark.parametrize("name", ["rules.txt", "rules", "rules.yaml"])
def test_a_format_is_found_by_content_and_not_by_name(name: str, tmp_path: Path) -> None:
    for file in RULES.iterdir():
        copy = tmp_path / name
        copy.write_bytes(file.read_bytes())

        assert load(copy).signatures == load(file).signatures


def test_a_folder_mixes_formats_with_layerleaks_own(tmp_path: Path) -> None:
    for file in RULES.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "acme.toml").write_text(
        "[provider]\nid = 'acme'\nname = 'Acme'\n[[signature]]\nid = 'acme-token'\nname = 'Acme token'\n"
        "severity = 'high'\nconfidence = 'high'\nprefilter = 'acme_[a-z]{4}'\npattern = 'acme_[a-z]{8}'\n"
    )

    origins = {sig.origin for sig in load(tmp_path).signatures}

    assert origins == {"", "Gitleaks", "Nosey Parker", "Kingfisher", "Trufflehog"}


GITLEAKS = "[[rules]]\nid = 'a'\nregex = 'acme_[a-z]{9}'\n"
KINGFISHER = "rules:\n- {id: a, name: A, pattern: 'acme_[a-z]{9}', min_entropy: 3}\n"
TRUFFLEHOG = "detectors:\n- {name: a, keywords: [acme], regex: {t: 'acme_[a-z]{9}'}}\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[[rules", "expected TOML: "),
        ("a.yml", "rules: [", "expected TOML or YAML: "),
        ("a.yml", "- a\n", "expected a table of rules, found list"),
        ("a.yml", "# nothing\n--- \n", "expected a table of rules, found nothing"),
        (
            "a.yml",
            "color: red\n",
            "expected rules or detectors, of Trufflehog or Kingfisher or Nosey Parker, found color",
        ),
        (
            "a.toml",
            "color = 'red'\n",
            "expected [provider] and [[signature]] tables, of layerleak's own, Gitleaks, found color",
        ),
        ("a.toml", "[[rules]]\nregex = 'x'\n", "Gitleaks: rule 1: expected an id"),
        ("a.toml", GITLEAKS + "entropy = 'high'\n", "rule 'a': entropy: expected a number, found 'high'"),
        ("a.toml", GITLEAKS + "keywords = [1]\n", "rule 'a': keywords: expected a list of texts, found [1]"),
        ("a.toml", GITLEAKS + "description = 1\n", "rule 'a': description: expected text, found 1"),
        ("a.toml", GITLEAKS + "allowlists = 1\n", "rule 'a': allowlists: expected a list of tables, found 1"),
        (
            "a.toml",
            GITLEAKS + "[rules.allowlist]\nregexTarget = 'file'\n",
            "expected secret, match or line, found 'file'",
        ),
        ("a.toml", GITLEAKS + "[rules.allowlist]\ncondition = 'XOR'\n", "expected OR or AND, found 'XOR'"),
        ("a.toml", "extend = 1\n", "[extend]: expected a table, found 1"),
        ("a.toml", GITLEAKS + GITLEAKS, "signature 'a' is defined twice"),
        ("a.yml", "rules:\n- {name: A}\n", "Nosey Parker: rule 1: expected an id and a pattern"),
        ("a.yml", "rules: 7\n", "Nosey Parker: the file: rules: expected a list of tables, found 7"),
        ("a.yml", KINGFISHER.replace("id: a, ", ""), "Kingfisher: rule 1: expected an id and a pattern"),
        ("a.yml", KINGFISHER.replace("3}", "3, confidence: huge}"), "expected low, medium or high, found 'huge'"),
        ("a.yml", KINGFISHER.replace("3}", "3, pattern_requirements: 1}"), "pattern_requirements: expected a table"),
        ("a.yml", "detectors:\n- {name: a}\n", "Trufflehog: detector 1: expected a name and a map of regexes"),
        ("a.yml", TRUFFLEHOG.replace("name: a", "name: a, validations: 1"), "validations: expected a table, found 1"),
    ],
)
def test_a_malformed_file_is_named_with_what_was_expected(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(SignatureError) as caught:
        load(tmp_path)

    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GITLEAKS + "colour = 1\n", ["a|colour: unknown here, so without effect"]),
        (GITLEAKS + "secretGroup = 2\n", ["a|group: the regex has no group 2; all of the match is the secret"]),
        (GITLEAKS + "path = '[é]'\n", ["a|left out, its path has 'é' in a class, which is of bytes here"]),
        (GITLEAKS.replace("acme_[a-z]{9}", "(?:acme)?"), ["a|left out, its regex matches nothing at all"]),
        (
            GITLEAKS + "[rules.allowlist]\nregexes = ['(?U)x']\n",
            ["a|allowlist: not applied, it has the flag 'U' (swaps greed)"],
        ),
        (
            GITLEAKS.replace("acme_", "") + "keywords = ['ac', 'acme']\n",
            ["a|left out, neither its regex nor each of its keywords is sure of 3 characters to look for"],
        ),
        (
            GITLEAKS.replace("acme_", "(?i)key") + "keywords = ['key']\n",
            ["a|regex: what it can be found by is short and common, which slows the scan"],
        ),
        (GITLEAKS.replace("acme_", "^acme_"), ["a|regex: ^ also matches at the start of a line"]),
        (
            GITLEAKS.replace("acme_", ".*acme_").replace("{9}", "+"),
            ["a|regex: sees no more than 1024 bytes before and 8192 bytes behind the text it is found by"],
        ),
        (
            "[extend]\nurl = 'https://a.example/b.toml'\n",
            ["|extend.url: https://a.example/b.toml is not followed; name that file too"],
        ),
        (
            TRUFFLEHOG.replace("name: a", "name: a, exclude_regexes_match: ['(?U)x']"),
            ["a|exclude_regexes_match: not applied, it has the flag 'U' (swaps greed)"],
        ),
    ],
)
def test_what_cannot_be_honoured_is_said_rule_by_rule(text: str, expected: list[str], tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(text)

    assert said(file) == expected


def test_a_rule_found_by_a_weak_literal_is_looked_for_by_its_longer_keywords(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(GITLEAKS.replace("acme_", "(?i)key") + "keywords = ['acmecorp']\n")

    (sig,) = load(file).signatures

    assert (sig.prefilter, sig.near) == (("[Aa][Cc][Mm][Ee][Cc][Oo][Rr][Pp]",), 1024)


def test_each_format_knows_its_own_documents() -> None:
    names = {form.name for forms in FORMATS.values() for form in forms}

    assert names == {"Gitleaks", "Nosey Parker", "Kingfisher", "Trufflehog", "a baseline of detect-secrets"}


def test_a_built_in_signature_gives_way_to_another_of_its_id(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(GITLEAKS.replace("'a'", "'npm-access-token'"))

    ruleset = load_ruleset(file, builtin=True, cache=tmp_path / "cache")

    assert [sig.origin for sig in ruleset.signatures if sig.id == "npm-access-token"] == ["Gitleaks"]
    assert len(ruleset.signatures) == len(load_ruleset(cache=tmp_path / "cache").signatures)


def test_files_of_which_nothing_can_be_used_are_an_error_that_says_why(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(GITLEAKS.replace("acme_", "(?U)"))

    with pytest.raises(SignatureError, match=r"found none that can be used: a: left out, its regex has the flag 'U'"):
        load_ruleset(file, cache=tmp_path)
