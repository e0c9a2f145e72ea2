"""Finds the user's credentials for a registry where docker, podman and skopeo keep them.

Sources: containers-auth.json(5) for the files and for keys that name a repository; docker's credential helper protocol,
as the docker package speaks it.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.errors import SettingError
from scanner.image.registry.reference import HUB, Reference

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")
"""What docker files credentials for Docker Hub under."""

_TOKEN_USER = "<token>"  # noqa: S105 - the user name by which a helper says that it gave an identity token


@dataclass(frozen=True)
class Credentials:
    """What a user logs in with.

    Attributes:
        username: empty if there is only a token.
        password: empty if there is only a token.
        identity_token: to be exchanged for access tokens, or empty.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token)


def find_credentials(reference: Reference, environment: Mapping[str, str]) -> Credentials:
    """The user's credentials for an image; empty ones where there are none.

    Args:
        reference: the image.
        environment: of the process: it says where the files are.

    Raises:
        SettingError: a file is malformed, or a credential helper fails.
    """
    for path in _files(environment):
        if os.path.isfile(path) and (found := _from_file(path, reference)):
            return found
    return Credentials()


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """In the order in which podman and skopeo look, docker's own last."""
    home = Path(environment.get("HOME") or "~").expanduser()
    if named := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    yield Path(runtime) / "containers" / "auth.json"
    if not os.getuid():
        yield Path("/run/containers/0/auth.json")
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    docker = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    yield docker / "config.json"
    yield home / ".dockercfg"


def _from_file(path: Path, reference: Reference) -> Credentials | None:
    # Here and not at the top: an image on disk needs none of it.
    from docker.auth import load_config
    from docker.errors import DockerException

    try:
        # Read once by hand, since the package takes a file that is no JSON for an empty one.
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError(f"expected an object, found {type(document).__name__}")
        config = load_config(config_dict=document) if document else None
    except (OSError, ValueError, DockerException) as error:
        reason = (
            getattr(error, "strerror", None) or type(error).__name__
        )  # the message may quote what it could not read
        raise SettingError(f"{path}: expected registry credentials in JSON: {reason}") from None
    return next(filter(None, (_entry(path, config, key) for key in _keys(reference))), None) if config else None


def _keys(reference: Reference) -> Iterator[str]:
    """What an entry may be filed under, the closest first."""
    parts = reference.repository.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join((reference.registry, *parts[:count]))
    yield reference.registry
    if reference.registry == HUB:
        yield from _HUB_KEYS
    else:
        yield f"https://{reference.registry}"
        yield f"http://{reference.registry}"


def _entry(path: Path, config: Any, key: str) -> Credentials | None:
    helper = config.cred_helpers.get(key) or (config.creds_store if "/" not in key or "//" in key else None)
    if helper:
        found = _from_helper(path, helper, key)
        if found:
            return found
    for name in (key, f"{key}/"):
        entry = config.auths.get(name)
        if entry:
            return Credentials(
                entry.get("username") or "", entry.get("password") or "", entry.get("IdentityToken") or ""
            )
    return None


def _from_helper(path: Path, helper: str, key: str) -> Credentials | None:
    from docker.credentials import CredentialsNotFound, Store, StoreError

    if shutil.which(f"docker-credential-{helper}") is None:
        raise SettingError(f"{path}: credentials for {key}: docker-credential-{helper} is not installed")
    try:
        told = Store(helper).get(key)  # type: ignore[no-untyped-call]
    except CredentialsNotFound:
        return None
    except (StoreError, ValueError, KeyError, OSError) as error:
        reason = f"docker-credential-{helper} failed: {type(error).__name__}"
        raise SettingError(f"{path}: credentials for {key}: {reason}") from None
    if told["Username"] == _TOKEN_USER:
        return Credentials(identity_token=told["Secret"])
    return Credentials(told["Username"], told["Secret"])
