"""The errors layerleak raises on purpose, each of which explains itself in one line.

They carry what was read, where, and what was expected; who prints them and which exit code follows is
decided in ``cli``.
"""


class LayerleakError(Exception):
    """Root of every expected failure; ``str(error)`` is one line fit for a user."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class TargetError(LayerleakError):
    """A target that cannot be read at all: missing, unreadable, or no image in any known form."""


class SettingError(LayerleakError):
    """Something in the user's environment that cannot be used: where it is, what was expected."""


class IgnoreError(LayerleakError):
    """An ignore file that cannot be used: where it is, which rule, what was expected."""


class FormatError(LayerleakError):
    """Bytes that are not what their place says they are (a tar header, a JSON document, a gzip stream)."""


class SignatureError(LayerleakError):
    """A signature file that cannot be used: where it is, which signature, what was expected."""


class DockerfileError(LayerleakError):
    """A Dockerfile given by the user cannot be read, or does not have what was asked for."""
