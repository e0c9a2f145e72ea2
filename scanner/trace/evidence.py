"""Finds the instruction by content where the history does not say: paths it names, values it holds."""

import posixpath
import re
from collections.abc import Sequence

from scanner.image.history import Step

_QUOTED_LIST = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Evidence:
    """Weighs the instructions of one image against what was found in it."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Takes the whole history, which says in what directory each step ran."""
        self._workdirs: dict[int, str] = {}
        here = "/"
        for step in steps:
            self._workdirs[step.index] = here
            if step.keyword == "WORKDIR":
                here = posixpath.join(here, step.text[len("WORKDIR") :].strip().strip("\"'"))

    def best(self, candidates: Sequence[Step], path: str, secret: str) -> Step | None:
        """The candidate that most likely wrote a file.

        Args:
            candidates: the steps to choose from.
            path: of the file, without a leading slash.
            secret: what was found in it.

        Returns:
            The best supported candidate, the earliest of equals; None if there is none.
        """

        def support(step: Step) -> tuple[float, int]:
            return _support(step, self._workdirs[step.index], path, secret), -step.index

        return max(candidates, key=support, default=None)


def _support(step: Step, workdir: str, path: str, secret: str) -> float:
    support = 0.0
    if secret and secret in step.text:
        support += 8
    for arg in step.args:
        if len(arg.value) >= 4 and arg.value in secret and re.search(rf"\$\{{?{re.escape(arg.name)}\b", step.text):
            support += 8
    if step.keyword in ("COPY", "ADD"):
        support += _copied(_target(step.text), workdir, path)
    else:
        support += _written(step.text, path)
    return support


def _written(command: str, path: str) -> float:
    """How well a shell command explains a file: one that it names as a target better than one it only names."""
    named = re.escape(path) + "|" + re.escape(posixpath.basename(path))
    ends = rf"\S*(?:{named})['\"]?\s*(?:$|[;&|])"  # the last operand; those before it are only read
    redirected = rf"(?:>\s*|\btee\s(?:-a\s)?|\s-[oO]\s?)\S*(?:{named})"
    if re.search(rf"{redirected}|\b(?:cp|mv|ln|install)\s[^;&|]*\s{ends}", command):
        return 6 if f"/{path}" in command else 5
    if f"/{path}" in command:
        return 2
    return 1.5 if posixpath.basename(path) in command else 0


def _target(text: str) -> str:
    quoted = _QUOTED_LIST.findall(text)
    if text.rstrip().endswith("]") and quoted:
        return str(quoted[-1])
    return text.split()[-1] if text.split() else "/"


def _copied(target: str, workdir: str, path: str) -> float:
    """How well a COPY to ``target`` explains a file at ``path``; the deeper the directory, the better."""
    full = posixpath.normpath(posixpath.join(workdir, target)).strip("/")
    if full == path:
        return 6
    if not full:
        return 1
    return 3 + min(len(full), 999) / 1000 if path.startswith(full + "/") else 0
