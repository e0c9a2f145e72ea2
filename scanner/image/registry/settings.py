"""How the user wants registries to be spoken to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RegistrySettings:
    """How registries are spoken to.

    Attributes:
        plain_http: whether to use HTTP where a registry is not on this machine too.
        ca_file: certificates to trust besides the system's, or None.
        client_certificate: with its key in the same or the next file, or None.
        client_key: or None.
        environment: of the process: proxies, and where credentials are.
    """

    plain_http: bool = False
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
