"""Tells people what signatures make of a text: where each got to, and what stopped it."""

from collections.abc import Iterable, Iterator

from scanner.detect.explain import Explanation, Step
from scanner.finding import redact
from scanner.report.text import plural, safe
from scanner.report.words import secret_text

_VERDICTS = {True: "yes", False: "no", None: "-"}


def lines(explanations: Iterable[Explanation], *, show_secrets: bool) -> Iterator[str]:
    """Explanations for people, line by line.

    Args:
        explanations: as `explain` gives them.
        show_secrets: print the secrets in the place of their previews.
    """
    explanations = tuple(explanations)
    touched = [one for one in explanations if one.steps[0].passed]
    near = [one for one in explanations if not one.steps[0].passed]
    for one in touched:
        yield f"{one.signature.id}: {'found' if one.found else 'not found'}"
        for step in one.steps:
            yield f"  {step.name:20} {_VERDICTS[step.passed]:4} {_told(step, show_secrets=show_secrets)}"
        yield ""
    if near:
        yield "their prefilters match nowhere, so these look no closer:"
        for one in near:
            yield f"  {one.signature.id}: {'; '.join(_briefly(step) for step in one.steps[1:])}"
        yield ""
    found = sum(one.found for one in touched)
    yield f"{plural(found, 'secret')} found; {plural(len(touched) - found, 'candidate')} refused"


def _told(step: Step, *, show_secrets: bool) -> str:
    value = ""
    if step.secret is not None:
        value = f": {secret_text(step.secret) if show_secrets else redact(step.secret)}"
    return safe(f"{step.told}{value}")


def _briefly(step: Step) -> str:
    return safe(f"{step.name} {step.told}")
