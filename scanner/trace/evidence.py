"""Finds the instruction by content where the history does not say: paths it names, values it holds."""

import posixpath
import re
from collections.abc import Iterator, Sequence

from scanner.image.history import Step

_Move = tuple[list[str], str]  # sources and target of a cp, mv, ln or install

ENOUGH = 2.0
"""Support below which a step is no explanation of a file: a COPY to the root explains everything."""

_MAX_MOVES = 16
_QUOTED_LIST = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Evidence:
    """Weighs the instructions of one image against what was found in it."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Takes the whole history, which says in what directory each step ran."""
        self._workdirs: dict[int, str] = {}
        self._moves: dict[int, tuple[_Move, ...]] = {}
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

        def order(step: Step) -> tuple[float, int]:
            return self.support(step, path, secret), -step.index

        return max(candidates, key=order, default=None)

    def support(self, step: Step, path: str, secret: str) -> float:
        """How much speaks for a step as the one that wrote a file; 0 for nothing."""
        if step.index not in self._moves:
            self._moves[step.index] = tuple(_moves(step.text)) if step.keyword not in ("COPY", "ADD") else ()
        return _support(step, self._moves[step.index], self._workdirs[step.index], path, secret)

    def rivals(self, candidates: Sequence[Step], step: Step, path: str, secret: str) -> int:
        """How many other candidates have as much to speak for them as a step has.

        Args:
            candidates: the steps that come into question.
            step: one of them.
            path: of the file, without a leading slash.
            secret: what was found in it.
        """
        support = self.support(step, path, secret)
        return sum(1 for other in candidates if other is not step and self.support(other, path, secret) == support)

    def source(self, candidates: Sequence[Step], step: Step, path: str, secret: str) -> Step:
        """The step that wrote the file which another moved, copied or linked to a path; else that other one.

        Args:
            candidates: the steps to choose from.
            step: the one that wrote the path.
            path: of the file, without a leading slash.
            secret: what was found in it.
        """
        for _ in range(_MAX_MOVES):
            if step.keyword != "RUN" or secret in step.text:
                break
            before = [candidate for candidate in candidates if candidate.index < step.index]
            found = self._moved(before, moved_from(step.text, self.workdir(step.index), path)[:_MAX_MOVES], secret)
            if found is None:
                break
            step, path = found
        return step

    def _moved(self, before: Sequence[Step], paths: Sequence[str], secret: str) -> tuple[Step, str] | None:
        for path in paths:
            best = self.best(before, path, secret)
            if best is not None and self.support(best, path, secret) >= ENOUGH:
                return best, path
        return None

    def workdir(self, index: int) -> str:
        """The directory that a step ran in."""
        return self._workdirs.get(index, "/")


def _support(step: Step, moves: Sequence[_Move], workdir: str, path: str, secret: str) -> float:
    support = 0.0
    if secret and secret in step.text:
        support += 8
    for arg in step.args:
        if len(arg.value) >= 4 and arg.value in secret and re.search(rf"\$\{{?{re.escape(arg.name)}\b", step.text):
            support += 8
    if step.keyword in ("COPY", "ADD"):
        support += _copied(step.text, workdir, path)
    else:
        support += _written(step.text, moves, workdir, path)
    return support


def _written(command: str, moves: Sequence[_Move], workdir: str, path: str) -> float:
    """How well a shell command explains a file: one that it names as a target better than one it only names."""
    moved = max((_placed(*move, workdir, path) for move in moves), default=0.0)
    if posixpath.basename(path) not in command:
        return moved  # without a look at the expressions below, which are made anew for each file
    named = re.escape(path) + "|" + re.escape(posixpath.basename(path))
    ends = rf"\S*(?:{named})['\"]?\s*(?:$|[;&|])"  # the last operand; those before it are only read
    redirected = rf"(?:>\s*|\btee\s(?:-a\s)?|\s-[oO]\s?)\S*(?:{named})"
    if re.search(rf"{redirected}|\b(?:cp|mv|ln|install)\s[^;&|]*\s{ends}", command):
        return 6 if f"/{path}" in command else 5
    return max(moved, 2 if f"/{path}" in command else 1.5)


_FILE_SOURCE = re.compile(r"file:[0-9a-f]{64} in ")
"""What the classic builder and buildah print for a COPY of one file, instead of its name."""


def _words(text: str) -> list[str]:
    """What a COPY takes, and where to."""
    quoted = _QUOTED_LIST.findall(text)
    if text.rstrip().endswith("]") and quoted:
        return [str(word) for word in quoted]
    return [word for word in text.split()[1:] if not word.startswith("--")] or ["/"]


def _copied(text: str, workdir: str, path: str) -> float:
    """How well a COPY explains a file at a path: its very target best, then one of its name, then deep directories."""
    *sources, target = _words(text)
    placed = _placed(sources, target, workdir, path)
    if placed >= _BY_NAME or not _FILE_SOURCE.search(text):
        return placed
    rest = path[len(posixpath.normpath(posixpath.join(workdir, target)).strip("/")) :].strip("/")
    return placed if "/" not in rest else 0


_BY_NAME = 5


def _placed(sources: Sequence[str], target: str, workdir: str, path: str) -> float:
    full = posixpath.normpath(posixpath.join(workdir, target)).strip("/")
    if full == path:
        return 6
    if full and not path.startswith(full + "/"):
        return 0
    if path[len(full) :].strip("/") in (posixpath.basename(source.rstrip("/")) for source in sources):
        return _BY_NAME
    return 3 + min(len(full), 999) / 1000 if full else 1


_MOVE = re.compile(r"\b(?:cp|mv|ln|install)\s([^;&|\n]{1,4096})")


def _moves(command: str) -> Iterator[_Move]:
    """What a shell command copies, moves or links, and where to."""
    for match in _MOVE.finditer(command):
        words = [word.strip("\"'") for word in match[1].split() if not word.startswith("-")]
        if len(words) >= 2:
            yield words[:-1], words[-1]


_CAT = re.compile(r"\bcat\s([^;&|\n<>]{1,4096})>{1,2}\s*([^;&|\s<>]{1,4096})")


def moved_from(command: str, workdir: str, path: str) -> list[str]:
    """Paths of files that a shell command copies, moves or links to a path.

    Args:
        command: what the shell ran.
        workdir: where it started.
        path: the one in question, without a leading slash.

    Returns:
        Paths without a leading slash, the likeliest first.
    """
    found: list[str] = []
    for sources, target in _moves(command):
        found += copied_from([posixpath.join(workdir, source) for source in sources], target, path, workdir)
    for match in _CAT.finditer(command):
        if posixpath.normpath(posixpath.join(workdir, match[2].strip("\"'"))).strip("/") == path:
            words = [word.strip("\"'") for word in match[1].split() if not word.startswith("-")]
            found += [posixpath.normpath(posixpath.join(workdir, word)).strip("/") for word in words]
    return found


def copied_from(sources: Sequence[str], target: str, path: str, workdir: str = "/") -> list[str]:
    """Paths that a file at a path may have had before these sources were copied to a target.

    Args:
        sources: files or directories; wildcards are understood in their last part.
        target: file or directory.
        path: of the copy, without a leading slash.
        workdir: that the target is relative to.

    Returns:
        Paths without a leading slash, the likeliest first.
    """
    full = posixpath.normpath(posixpath.join(workdir, target)).strip("/")
    found: list[str] = []
    for source in sources:
        clean = posixpath.normpath(posixpath.join("/", source)).strip("/")
        if full == path and not target.endswith("/"):
            found.append(clean)
        elif not full or path.startswith(full + "/"):
            rest = path[len(full) :].strip("/")
            name = posixpath.basename(clean)
            if re.search(r"[*?\[]", name):
                found.append(posixpath.join(posixpath.dirname(clean), rest))
            elif name == rest:
                found += (clean, posixpath.join(clean, rest))
            elif rest.startswith(f"{name}/"):  # `cp -r` and `mv` keep a directory's name, COPY does not
                found += (posixpath.join(posixpath.dirname(clean), rest), posixpath.join(clean, rest))
            else:
                found.append(posixpath.join(clean, rest))
    return found
