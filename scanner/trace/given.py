"""A Dockerfile that the user gives: read from a file, with the stage and the arguments of the build."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scanner.errors import DockerfileError
from scanner.image.dockerfile import MAX_DOCKERFILE, Dockerfile, parse_dockerfile


@dataclass(frozen=True)
class Given:
    """A Dockerfile that the user gives.

    Attributes:
        dockerfile: the file.
        target: stage that was built; the one that fits, or else the last, if empty.
        args: build arguments that are known.
    """

    dockerfile: Dockerfile
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict, repr=False)


def load_given(path: Path, target: str = "", args: tuple[str, ...] = ()) -> Given:
    """Reads a Dockerfile that an image is said to have been built from.

    Args:
        path: of the file.
        target: stage that was built, by name or number; empty for whatever fits.
        args: build arguments, each ``NAME=VALUE``.

    Raises:
        DockerfileError: it cannot be read, is none, or has no such stage; or an argument is none.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_DOCKERFILE + 1)
    except OSError as error:
        raise DockerfileError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_DOCKERFILE:
        raise DockerfileError(f"{path}: expected a Dockerfile, of at most {MAX_DOCKERFILE} bytes")
    dockerfile = parse_dockerfile(data.decode("utf-8", "replace"), str(path))
    if not dockerfile.stages:
        raise DockerfileError(f"{path}: expected a Dockerfile, but it has no FROM")
    if target and dockerfile.stage(target) is None:
        known = ", ".join(str(stage.label) for stage in dockerfile.stages[:20])
        raise DockerfileError(f"{path}: has no stage {target!r}, but {known}")
    pairs = [arg.partition("=") for arg in args]
    if any(not name or not equals for name, equals, _ in pairs):
        raise DockerfileError("a build argument is NAME=VALUE")
    return Given(dockerfile, target, {name: value for name, _, value in pairs})
