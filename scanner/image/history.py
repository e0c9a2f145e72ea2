"""Reads an image's history as the instructions it came from.

What each builder writes was measured on BuildKit, Docker's classic builder and buildah; entries of others are
kept as they are, with no keyword where the text does not say one. Source: OCI image-spec v1.1, config.md,
"history".
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from scanner.image.dockerfile import KEYWORDS

CONTENT = frozenset({"ADD", "COPY", "RUN", "WORKDIR"})
"""Those that can change the file system and so make a layer."""


@dataclass(frozen=True, slots=True)
class BuildArg:
    """An ARG's value, as a RUN entry's ``|N`` prefix shows it.

    Attributes:
        name: the ARG.
        start: offset of the value in ``created_by``.
        value: its text.
    """

    name: str
    start: int
    value: str = field(repr=False)

    @property
    def end(self) -> int:
        """Offset behind the value."""
        return self.start + len(self.value)


@dataclass(frozen=True, slots=True)
class Step:
    """One history entry, read as an instruction.

    Attributes:
        index: its place in ``history``.
        keyword: the instruction's, upper case; empty where the entry names none.
        text: the instruction as a Dockerfile would have it, as far as the entry tells: without the builder's
            prefixes, suffixes and argument values.
        created_by: the entry's own text.
        created: RFC 3339 time, or empty.
        builder: ``buildkit``, ``classic``, ``buildah``, ``kaniko`` or empty.
        empty: whether the entry claims to have made no layer.
        args: build arguments in force, with their values.
        names: for an ARG, the names it declares; for an ENV, those it sets.
    """

    index: int
    keyword: str
    text: str = field(repr=False)
    created_by: str = field(repr=False)
    created: str
    builder: str
    empty: bool
    args: tuple[BuildArg, ...]
    names: tuple[str, ...]


_NOP = "#(nop)"
_BUILDKIT_END = " # buildkit"
_BUILDAH_OPTION = re.compile(r"(?:inheritLabels|unsetLabel|force-mtime|unsetAnnotation|inheritAnnotations)=\S*$")
_MOUNTS_END = re.compile(r":(?:sha256:)?[0-9a-f]{64}$")
_SHELL = re.compile(
    r"(?:/\S*/)?(?:ba|da|a|z|k|mk)?sh(?: --?[a-z]{1,12}(?: pipefail| extglob)?){0,8} -[a-z]{0,8}c |"
    r"(?:\S*[\\/])?cmd(?:\.exe)? /S /C |"
    r"(?:\S*[\\/])?(?:powershell|pwsh)(?:\.exe)?(?: -(?!Command )\w{1,24}(?: (?!-)\w{1,24})?){0,8} -Command ",
    re.IGNORECASE,
)
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=")
_FOLLOWING = re.compile(rf" (?={_PAIR.pattern})")
_MAX_ENDS = 5000
"""Places in an entry that may be the end of an argument's value; no build has so many arguments."""

_ASSIGNED = re.compile(r"""(?:^|\s)("[^"]*"|'[^']*'|[^\s=]+)=(?:"(?:[^"\\]|\\.)*"|'[^']*')?""")


def parse_history(history: Any) -> tuple[Step, ...]:
    """Reads the ``history`` array of an image config.

    Args:
        history: the parsed JSON value; entries that are no objects become steps without text.

    Returns:
        One step an entry, in their order.
    """
    steps: list[Step] = []
    declared: dict[str, str | None] = {}
    for index, raw in enumerate(history if isinstance(history, list) else []):
        step = _parse(index, raw if isinstance(raw, Mapping) else {}, declared)
        if step.keyword == "ARG":
            value = step.text.partition("=")[2] if len(step.names) == 1 and "=" in step.text else None
            declared.update((name, value) for name in step.names if value is not None or name not in declared)
        elif step.keyword == "FROM":
            declared.clear()
        steps.append(step)
    return tuple(steps)


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _parse(index: int, raw: Mapping[str, Any], declared: Mapping[str, str | None]) -> Step:
    created_by, comment, author = _text(raw, "created_by"), _text(raw, "comment"), _text(raw, "author")
    builder = _builder(created_by, comment, author)
    text = created_by
    if text.endswith(_BUILDKIT_END):
        text = text[: -len(_BUILDKIT_END)]
    text = _without_options(text)
    if builder == "buildah" and " --mount=" in text:
        text = _MOUNTS_END.sub("", text)
    keyword = ""
    args: tuple[BuildArg, ...] = ()
    prefix = re.match(r"(?:RUN )?\|(\d{1,3}) ", text)
    if prefix:
        keyword = "RUN"
        args, at = _split_args(text, prefix.end(), int(prefix[1]), declared, exact=builder == "buildkit")
        text = "RUN " + _without_shell(text[at:])
    elif 0 < text.find("#") == text.find(_NOP):
        text = text.partition(_NOP)[2].strip()
    elif text.startswith("RUN "):
        text = "RUN " + _without_shell(text[4:])
    elif _SHELL.match(text):
        text = "RUN " + _without_shell(text)
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    if word.upper() in KEYWORDS and (word.isupper() or builder):
        keyword = word.upper()
        text = f"{keyword} {text.split(maxsplit=1)[1].strip()}" if len(text.split(maxsplit=1)) > 1 else keyword
    if not text.strip():
        text = comment or author
    return Step(
        index=index,
        keyword=keyword,
        text=text.strip(),
        created_by=created_by,
        created=_text(raw, "created"),
        builder=builder,
        empty=raw.get("empty_layer") is True,
        args=args,
        names=tuple(_names(keyword, text)),
    )


def _builder(created_by: str, comment: str, author: str) -> str:
    if comment.startswith("buildkit.") or created_by.endswith(_BUILDKIT_END):
        return "buildkit"
    if author == "kaniko":
        return "kaniko"
    if comment.startswith("FROM ") or _without_options(created_by) != created_by:
        return "buildah"
    return "classic" if "#(nop)" in created_by else ""


def _without_options(text: str) -> str:
    """An entry of buildah without the options that it puts behind a bar each."""
    for _ in range(16):  # more than there are; a hostile text may have any number
        head, _bar, tail = text.rpartition("|")
        if not head or not _BUILDAH_OPTION.match(tail):
            break
        text = head.rstrip()
    return text


def _without_shell(text: str) -> str:
    match = _SHELL.match(text)
    return text[match.end() :] if match else text


def _split_args(
    text: str, at: int, count: int, declared: Mapping[str, str | None], *, exact: bool
) -> tuple[tuple[BuildArg, ...], int]:
    """Cuts ``A=v B=w x /bin/sh -c …`` at what is known so far, since values are not quoted and may hold blanks.

    Args:
        text: the entry.
        at: where the first argument starts.
        count: how many there are; buildah counts the words of their values instead.
        declared: values that the ARG entries before gave, by name.
        exact: whether the count is one of arguments.

    Returns:
        The arguments, and where the command starts.
    """
    args: list[BuildArg] = []
    shell = next((m.start() for m in re.finditer(rf"(?<=\s)(?:{_SHELL.pattern})", text[at:], re.IGNORECASE)), None)
    ends = deque((at + m.start(), m[1]) for m in islice(_FOLLOWING.finditer(text[at:]), _MAX_ENDS))
    command = len(text) if shell is None else at + shell
    left = set(declared)
    for number in range(count):
        pair = _PAIR.match(text, at)
        if pair is None or (at >= command and not exact):
            break
        left.discard(pair[1])
        start = pair.end()
        while ends and ends[0][0] < start:
            ends.popleft()
        if number == count - 1:
            end = command - 1 if shell is not None and command > start else -1
        else:
            end = _end_of_value(text, start, ends, left, declared.get(pair[1]))
        if not exact and start <= command < len(text) and not 0 <= end < command:
            end = command - 1
        if end < 0:
            end = _end_at_blank(text, start, declared.get(pair[1]))
        args.append(BuildArg(pair[1], start, text[start:end]))
        at = end + 1
    if len(args) < count and command < len(text):
        at = max(at, command)
    return tuple(args), at


def _end_of_value(text: str, start: int, ends: deque[tuple[int, str]], left: set[str], known: str | None) -> int:
    """Where a value ends that another argument follows; -1 where none is found."""
    if known is not None and text.startswith(known + " ", start):
        end = start + len(known)
        if any(at == end for at, _ in ends):
            return end
    declared = (at for at, name in ends if name in left)
    return next(declared, ends[0][0] if ends else -1)


def _end_at_blank(text: str, start: int, known: str | None) -> int:
    if known is not None and text.startswith(known + " ", start):
        return start + len(known)
    blank = text.find(" ", start)
    return blank if blank >= 0 else len(text)


def _names(keyword: str, text: str) -> Iterator[str]:
    words = text[len(keyword) :].split()
    if keyword == "ARG":
        # Bare words are names up to the first value (buildah writes all names so far); after it they may be its own.
        for word in words:
            if "=" in word:
                break
            yield word
        yield from (word.partition("=")[0] for word in words if _PAIR.match(word))
    elif keyword in {"ENV", "LABEL"} and words:
        if "=" in words[0] or words[0][0] in "\"'":
            yield from (name.strip("\"'") for name in _ASSIGNED.findall(text[len(keyword) :].strip()))
        else:
            yield words[0]  # `ENV NAME value`


@dataclass(frozen=True, slots=True)
class Made:
    """Which steps may have made a layer.

    Attributes:
        candidates: in the order of the history; one where it is sure.
        sure: whether the history says so itself.
    """

    candidates: tuple[Step, ...]
    sure: bool


def map_layers(steps: Sequence[Step], count: int) -> tuple[Made, ...]:
    """Ties layers to the steps that made them.

    Entries that are not empty stand for layers, in order, but only where their counts match (OCI image-spec,
    config.md); and a builder that squashes leaves one such entry for many steps.

    Args:
        steps: the history.
        count: how many layers the image has.

    Returns:
        One `Made` a layer; without candidates where the history is no help.
    """
    made = [step for step in steps if not step.empty]
    if len(made) != count:
        able = tuple(step for step in steps if step.keyword in CONTENT or not step.keyword)
        return (Made(able, False),) * count
    mapped = []
    before = 0
    for step in made:
        group = steps[before : step.index]
        before = step.index + 1
        mapped.append(_made(step, group))
    return tuple(mapped)


def _made(step: Step, group: Sequence[Step]) -> Made:
    # A RUN that changed nothing is an empty entry of the classic builder and means nothing; an empty COPY or ADD,
    # or a layer made by a CMD, can only come from a squash.
    squashed = any(s.keyword in {"ADD", "COPY"} for s in group) or (step.keyword in KEYWORDS - CONTENT)
    if not squashed:
        return Made((step,), True)
    able = [s for s in group if s.keyword in CONTENT]
    if step.keyword in CONTENT or not able:
        able.append(step)
    return Made(tuple(able), len(able) == 1)
