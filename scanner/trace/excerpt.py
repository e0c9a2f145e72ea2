"""The piece of a Dockerfile that shows an instruction, with the lines that leak marked."""

from collections.abc import Iterator

from scanner.finding import Excerpt, Instruction
from scanner.image.dockerfile import Command, Dockerfile, command_at

_MAX_LINES = 1000
"""Lines of an instruction that are kept; a heredoc may be any file."""


def excerpt(dockerfile: Dockerfile | None, instruction: Instruction | None, secrets: frozenset[str]) -> Excerpt | None:
    """The lines of an instruction, with those around it.

    Args:
        dockerfile: that instructions are told from.
        instruction: one of its instructions, or of anything else.
        secrets: what is leaked; the lines that hold it are marked, or else all of the instruction.

    Returns:
        The excerpt; None where the instruction is not of this Dockerfile, or is longer than anybody reads.
    """
    lines = instruction.dockerfile if instruction else None
    if dockerfile is None or lines is None or lines.path != dockerfile.path:
        return None
    start, end = lines.start_line, min(lines.end_line, len(dockerfile.lines))
    if not 0 < start <= end < start + _MAX_LINES:
        return None
    own = dockerfile.lines[start - 1 : end]
    marked = tuple(start + at for at, line in enumerate(own) if any(secret in line for secret in secrets))
    before, after = _beside(dockerfile, start - 1), _beside(dockerfile, end + 1)
    return Excerpt(
        dockerfile.path,
        start - len(before),
        (*before, *own, *after),
        marked or tuple(_telling(own, start)),
    )


def _beside(dockerfile: Dockerfile, line: int) -> tuple[str, ...]:
    """The line before or after, unless it is part of something longer, which could be half a secret."""
    if not 0 < line <= len(dockerfile.lines):
        return ()
    command: Command | None = command_at(dockerfile.commands, line)
    if command is not None and command.start_line != command.end_line:
        return ()
    text = dockerfile.lines[line - 1]
    return (text,) if text.strip() else ()


def _telling(lines: tuple[str, ...], start: int) -> Iterator[int]:
    for at, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            yield start + at
