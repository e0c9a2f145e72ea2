"""What is ignored by which rule or mark, and that nothing is lost."""

from dataclasses import replace

import pytest

from scanner.finding import ImageReport, Mark, Rule
from scanner.trace.ignore import Ignoring, path_glob
from tests.report.factory import DELETED, IN_ENV, LEAKED_KEY, LEAKED_TOKEN, PUBLIC, finding, image

MARKED = replace(PUBLIC, mark="gitleaks:allow")


def rule(**fields: object) -> Rule:
    return Rule(".layerleakignore", 1, "known", **fields)  # type: ignore[arg-type] # as the fields ask


def outcome(given: ImageReport, *rules: Rule, marks: bool = True) -> tuple[list[int], list[tuple[int, bool]]]:
    """Places that are left of each finding that counts; and how many of each that is ignored, and whether in part."""
    told = Ignoring(rules, marks=marks).apply(given)
    return (
        [len(one.occurrences) for one in told.findings],
        [(len(one.finding.occurrences), one.partial) for one in told.ignored],
    )


def test_without_rules_and_marks_nothing_changes() -> None:
    given = image(LEAKED_KEY, LEAKED_TOKEN)

    assert Ignoring().apply(given) == given


def test_a_fingerprint_ignores_a_finding_with_all_its_places() -> None:
    by = rule(fingerprint="e" * 32)

    told = Ignoring((by,)).apply(image(LEAKED_KEY, LEAKED_TOKEN))

    assert told.findings == (LEAKED_KEY,)
    assert [(one.finding, one.causes, one.partial) for one in told.ignored] == [(LEAKED_TOKEN, (by, by), False)]


@pytest.mark.parametrize(
    ("by", "ignores"),
    [
        (rule(path="app/.env"), True),
        (rule(path="/app/*"), True),
        (rule(path="**/.env"), True),
        (rule(path="*"), False),
        (rule(path=".env"), False),
        (rule(signature="acme-*"), True),
        (rule(signature="acme"), False),
        (rule(layer="sha256:" + "b" * 64), True),
        (rule(layer="sha256:" + "c" * 64), False),
        (rule(fingerprint="f" * 32), True),
        (rule(fingerprint="0" * 32), False),
        (rule(path="**", image="registry.example/shop/*"), True),
        (rule(path="**", image="*:1.5"), False),
        (rule(path="**", image="sha256:" + "a" * 64), True),
        (rule(path="**", image="sha256:" + "1f0c8e2d9a7b4455" * 4), True),
        (rule(path="**", signature="acme-key", fingerprint="f" * 32, layer="sha256:" + "b" * 64), True),
        (rule(path="**", signature="other", fingerprint="f" * 32), False),
        (rule(path="**", expired=True), False),
    ],
)
def test_a_rule_applies_where_all_that_it_names_is_so(by: Rule, ignores: bool) -> None:
    assert outcome(image(finding(DELETED)), by) == (([], [(1, False)]) if ignores else ([1], []))


def test_a_layer_is_known_by_its_diff_id_too() -> None:
    assert outcome(image(finding(PUBLIC)), rule(layer="sha256:" + "c" * 64)) == ([], [(1, False)])


def test_a_path_is_that_of_a_file_and_not_of_a_document() -> None:
    assert outcome(image(finding(replace(IN_ENV, path="blobs/x"))), rule(path="**")) == ([1], [])


def test_a_path_names_an_archive_with_all_in_it_or_one_of_its_members() -> None:
    nested = image(finding(replace(PUBLIC, path="opt/a.jar", inner=("b.zip", "key"))))

    assert outcome(nested, rule(path="opt/*.jar")) == ([], [(1, False)])
    assert outcome(nested, rule(path="opt/a.jar!b.zip!key")) == ([], [(1, False)])
    assert outcome(nested, rule(path="opt/a.jar!key")) == ([1], [])


def test_a_finding_stays_with_the_places_that_no_rule_covers() -> None:
    by = rule(path="usr/share/**")

    told = Ignoring((by,)).apply(image(finding(PUBLIC, DELETED)))

    assert told.findings == (finding(DELETED),)
    assert [(one.finding, one.causes, one.partial) for one in told.ignored] == [(finding(PUBLIC), (by,), True)]


def test_a_mark_ignores_its_own_place_only() -> None:
    told = Ignoring().apply(image(finding(DELETED, MARKED)))

    assert told.findings == (finding(DELETED),)
    assert [(one.causes, one.partial) for one in told.ignored] == [((Mark("gitleaks:allow"),), True)]


def test_marks_are_not_honoured_when_not_asked_for() -> None:
    assert outcome(image(finding(MARKED)), marks=False) == ([1], [])


def test_the_users_own_rule_is_named_before_a_mark_and_the_first_rule_before_others() -> None:
    first, second = rule(signature="*"), rule(path="**")

    (ignored,) = Ignoring((first, second)).apply(image(finding(MARKED))).ignored

    assert ignored.causes == (first,)


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("a/*.pem", "a/b.pem", True),
        ("a/*.pem", "a/b/c.pem", False),
        ("a/**/*.pem", "a/b/c.pem", True),
        ("a/**/*.pem", "a/c.pem", True),
        ("a/**", "a/b/c", True),
        ("a/**", "ab", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("pages/[id].js", "pages/[id].js", True),
        ("pages/[id].js", "pages/i.js", False),
        ("/etc/key", "etc/key", True),
        ("a.b", "axb", False),
        ("*", "a\nb", True),
    ],
)
def test_globs_know_slashes(glob: str, path: str, matches: bool) -> None:
    assert bool(path_glob(glob).fullmatch(path)) is matches
