"""Names of images in registries, with the abbreviations that Docker made customary.

Source: distribution, reference/reference.go (the grammar) and normalize.go (Docker Hub's short names).
"""

import re
from dataclasses import dataclass

from scanner.errors import TargetError

HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"
_HUB_NAMES = (HUB, "index.docker.io", _HUB_HOST)

_HOST = (
    r"(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?"
)
_MAX_NAME = 255


@dataclass(frozen=True)
class Reference:
    """An image of a registry, or of a repository that is yet to be gone through.

    Attributes:
        registry: as users call it: ``docker.io``, ``ghcr.io``, ``localhost:5000``.
        repository: the full path in it, ``library/`` included.
        tag: or empty.
        digest: of a manifest or index, or empty; it decides where both are given.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def host(self) -> str:
        """Where its API is."""
        return _HUB_HOST if self.registry == HUB else self.registry

    @property
    def version(self) -> str:
        """What the manifest is asked for by."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_reference(text: str) -> Reference:
    """Reads a name as ``docker pull`` would.

    Args:
        text: ``[REGISTRY/]NAME[:TAG][@DIGEST]``; without a tag and a digest, ``latest`` is meant.

    Raises:
        TargetError: it is no such name.
    """
    match = _REFERENCE.fullmatch(_with_host(text))
    if match is None or len(match["path"]) > _MAX_NAME:
        raise TargetError(f"{text}: expected an image name, [REGISTRY/]NAME[:TAG][@DIGEST]{_hint(text)}")
    registry, path = match["host"] or HUB, match["path"]
    if registry in _HUB_NAMES:
        registry = HUB
        path = path if "/" in path else f"library/{path}"
    tag, digest = match["tag"] or "", match["digest"] or ""
    return Reference(registry, path, tag or ("" if digest else "latest"), digest)


def _with_host(text: str) -> str:
    """The first part of a name is a host only if it looks like one: ``nginx/nginx`` is two words of Docker Hub's."""
    first, slash, _ = text.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    return text if is_host else f"{HUB}/{text}"


def _hint(text: str) -> str:
    return "; repositories are in lower case" if text != text.lower() else ""
