from dataclasses import replace

import pytest

from scanner.finding import Ignored, Occurrence
from scanner.report.summary import is_recoverable, summarize

from .factory import (
    DELETED,
    DOWNGRADED,
    IN_ENV,
    IN_HISTORY,
    LEAKED_KEY,
    MARK,
    PUBLIC,
    RULE,
    finding,
    ignored,
    image,
    report,
)

OLD_CONFIG = replace(IN_ENV, document="v1", path="0/json")
UNKNOWN = replace(PUBLIC, state=None)


@pytest.mark.parametrize(
    ("places", "recoverable"),
    [
        ((DELETED,), True),
        ((IN_HISTORY,), True),
        ((OLD_CONFIG,), True),
        ((replace(DELETED, state="overwritten"), replace(DELETED, state="hidden")), True),
        ((PUBLIC,), False),
        ((UNKNOWN,), False),
        ((IN_ENV,), False),
        ((DELETED, PUBLIC), False),
        ((DELETED, IN_ENV), False),
    ],
)
def test_a_secret_is_recoverable_when_only_the_image_still_has_it(
    places: tuple[Occurrence, ...], recoverable: bool
) -> None:
    assert is_recoverable(image(), finding(*places)) is recoverable


def test_nothing_is_hidden_from_a_container_where_there_is_none() -> None:
    assert not is_recoverable(image(kind="build-cache"), finding(DELETED))


def test_what_was_downgraded_is_counted_apart() -> None:
    told = summarize(report(image(LEAKED_KEY, DOWNGRADED)))

    assert (told.findings, told.secrets, told.downgraded, told.recoverable) == (1, 1, 1, 1)


def test_a_failure_makes_a_report_incomplete() -> None:
    assert summarize(report(image())).complete
    assert not summarize(report(image(), failures=(("x", "y"),))).complete


def test_what_is_ignored_is_counted_by_what_ignores_it() -> None:
    other = replace(RULE, source="team.toml")
    both = Ignored(finding(PUBLIC, DELETED), (RULE, MARK), partial=False)
    told = summarize(
        report(
            image(LEAKED_KEY, ignored=(ignored(RULE), ignored(other), both)),
            image(ignored=(ignored(RULE), ignored(MARK, partial=True))),
        )
    )

    assert (told.findings, told.leaking, told.ignored, told.ignored_in_part) == (1, 1, 4, 1)
    assert told.ignored_by == ((".layerleakignore", 2), ("team.toml", 1), (None, 1))


def test_a_secret_that_an_ignored_place_shows_is_not_called_invisible() -> None:
    hidden = image(finding(DELETED), ignored=(ignored(RULE, replace(DELETED, state="hidden"), partial=True),))
    shown = image(finding(DELETED), ignored=(ignored(RULE, PUBLIC, partial=True),))

    assert summarize(report(hidden)).recoverable == 1
    assert summarize(report(shown)).recoverable == 0
