"""Finds out what the user means by a target: something on disk, an image of a local engine, or one of a registry."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scanner.errors import TargetError
from scanner.image.registry.settings import RegistrySettings
from scanner.image.source.archive import TRANSPORTS, open_archive
from scanner.image.source.selection import Selected, Source, by_platform

# What speaks HTTP takes longer to import than a small archive takes to scan, so it is imported where it is needed.
if TYPE_CHECKING:
    from scanner.image.source.daemon import Engine

_REGISTRY = "docker://"
_ENGINES = {"docker-daemon:": False, "podman:": True}

_LIKE_A_PATH = re.compile(r"[./~]|.*(?:\.(?:tar|tgz|gz|zst|xz|bz2|oci)|/)$", re.IGNORECASE)
"""Names that nobody gives to an image of a registry, or should not want to have looked up there."""


def _say_nothing(_message: str) -> None:
    pass


@dataclass(frozen=True)
class Places:
    """Where images may be, and which of them are wanted.

    Attributes:
        platform: the only one to scan, ``os/architecture[/variant]``; all if empty.
        registry: how registries are spoken to; as `RegistrySettings` has it if None.
        tell: is told where a bare name was found.
    """

    platform: str = ""
    registry: RegistrySettings | None = None
    tell: Callable[[str], None] = field(default=_say_nothing)


@contextmanager
def open_source(target: str, places: Places | None = None) -> Iterator[Source]:
    """Opens a target.

    Args:
        target: a path, with one of skopeo's transports or without; ``docker-daemon:NAME`` or ``podman:NAME`` for what
            an engine has; ``docker://NAME`` for what a registry has. A bare name is a path if there is one, then the
            engine's, then the registry's.
        places: where to look, and for which platform.

    Raises:
        TargetError: there is no such thing, or nothing in it that is an image.
    """
    places = places or Places()
    with ExitStack() as stack:
        yield _chosen(_opened(target, places, stack), target, places)


def _opened(target: str, places: Places, stack: ExitStack) -> Source:
    if target.startswith(_REGISTRY):
        return _registry(target.removeprefix(_REGISTRY), places, stack)
    for transport, podman in _ENGINES.items():
        if target.startswith(transport) and not os.path.exists(target):
            return _engine(target.removeprefix(transport), stack.enter_context(_engine_at(podman=podman)))
    if os.path.lexists(target) or target.startswith(TRANSPORTS) or _LIKE_A_PATH.match(target):
        return stack.enter_context(open_archive(target))
    return _named(target, places, stack)


def local_images() -> list[str]:
    """A target for every image that the local engine has.

    Raises:
        TargetError: no engine answers.
    """
    with _engine_at() as engine:
        return [f"docker-daemon:{(image.references or (image.id,))[0]}" for image in engine.images()]


@contextmanager
def _engine_at(*, podman: bool = False) -> "Iterator[Engine]":
    from scanner.image.source.daemon import connect

    with closing(connect(os.environ, podman=podman)) as engine:
        yield engine


def _engine(name: str, engine: "Engine") -> Source:
    from scanner.image.source.daemon import DaemonSource

    image = engine.find(name)
    if image is None:
        raise TargetError(f"{name}: the engine at {engine.address} has no such image")
    return DaemonSource(engine, image, name)


def _registry(name: str, places: Places, stack: ExitStack) -> Source:
    from scanner.image.registry.client import Registry
    from scanner.image.registry.reference import parse_reference
    from scanner.image.source.registry import RegistrySource

    registry = stack.enter_context(closing(Registry(parse_reference(name), places.registry)))
    return RegistrySource(registry, places.platform)


def _named(name: str, places: Places, stack: ExitStack) -> Source:
    """An image by a bare name: the engine's if it has one of that name, else the registry's."""
    from scanner.image.registry.reference import parse_reference

    try:
        reference = parse_reference(name)
    except TargetError:
        raise TargetError(f"{name}: no such file, and no name of an image") from None
    try:
        engine = stack.enter_context(_engine_at())
        image = engine.find(name)
    except TargetError as error:
        missing = str(error)
    else:
        if image is not None:
            from scanner.image.source.daemon import DaemonSource

            places.tell(f"{name}: taken from the engine at {engine.address}")
            return DaemonSource(engine, image, name)
        missing = f"the engine at {engine.address} has no such image"
    if reason := _rather_a_path(name):
        raise TargetError(
            f"{name}: no such file; {missing}; {reason}, so no registry was asked, as docker://{name} does"
        )
    try:
        source = _registry(name, places, stack)
    except TargetError as error:
        raise TargetError(f"{name}: no such file; {missing}; {error}") from None
    places.tell(f"{name}: taken from the registry, as {reference}")
    return source


def _rather_a_path(name: str) -> str:
    """Why a bare name is more likely a path with a mistake in it than an image that others are to hear of; or empty."""
    folder, _, last = name.rpartition("/")
    if folder and os.path.isdir(folder):
        return f"there is a folder {folder}"
    if not folder and "." in last.partition(":")[0]:
        return "no image of Docker Hub's own has a dot in its name"
    return ""


def _chosen(source: Source, target: str, places: Places) -> Source:
    return Selected(source, by_platform(target, places.platform)) if places.platform else source
