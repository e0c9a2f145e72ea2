"""Dockerfiles as BuildKit reads them: instructions with their lines, stages, scopes of variables.

Source: Dockerfile reference. Knows nothing of images; `scanner.trace` ties the two together.
"""

from scanner.image.dockerfile.command import KEYWORDS, Command, Heredoc, Mount
from scanner.image.dockerfile.parse import MAX_DOCKERFILE, Dockerfile, Stage, command_at, parse_dockerfile
from scanner.image.dockerfile.scope import Scope, Variable

__all__ = [
    "KEYWORDS",
    "MAX_DOCKERFILE",
    "Command",
    "Dockerfile",
    "Heredoc",
    "Mount",
    "Scope",
    "Stage",
    "Variable",
    "command_at",
    "parse_dockerfile",
]
