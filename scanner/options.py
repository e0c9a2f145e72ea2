"""Options that several commands share; each group reaches a command as one object. Prints nothing, ends nothing."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from scanner.errors import LayerleakError

SEVERITIES = ("low", "medium", "high", "critical")

_Command = Callable[..., None]


class Chosen(NamedTuple):
    """Which signatures to use: of the paths and detect-secrets' plugins; the built-in ones if neither, or if asked."""

    paths: tuple[Path, ...]
    with_builtin: bool
    plugins: bool = False


class Ignored(NamedTuple):
    """What does not count.

    Attributes:
        files: of rules; None for the one in the current folder, if it is there.
        baselines: of detect-secrets.
        marks: whether comments in the image count.
    """

    files: tuple[Path, ...] | None
    baselines: tuple[Path, ...]
    marks: bool


show_secrets_option = click.option("--show-secrets", is_flag=True, help="Print the secrets themselves, not previews.")
color_option = click.option("--color/--no-color", default=None, help="Colours; by default only on a terminal.")
targets_argument = click.argument("targets", nargs=-1, required=True, metavar="TARGET...")


def signature_options(command: _Command) -> _Command:
    """Which signatures to use: options that reach a command as one ``chosen``."""

    @click.option(
        "--signatures",
        "paths",
        multiple=True,
        metavar="PATH",
        type=click.Path(exists=True, path_type=Path),
        help="File or folder of signatures to use instead of the built-in ones: layerleak's own, or rules of Gitleaks, "
        "Betterleaks, Nosey Parker, Kingfisher or Trufflehog, or plugins of detect-secrets: a .py file, which is "
        "executed, or a baseline that lists them; may be given again.",
    )
    @click.option(
        "--detect-secrets-plugins",
        "plugins",
        is_flag=True,
        help="Use the plugins that come with detect-secrets instead of the built-in signatures.",
    )
    @click.option("--with-builtin", is_flag=True, help="Use the built-in signatures as well.")
    @wraps(command)
    def chosen(*arguments: Any, paths: tuple[Path, ...], with_builtin: bool, plugins: bool, **options: Any) -> None:
        command(*arguments, chosen=Chosen(paths, with_builtin, plugins), **options)

    return chosen


def place_options(command: _Command) -> _Command:
    """Where images are looked for: options that reach a command as one ``places``."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)

    @click.option(
        "--platform", default="", metavar="OS/ARCH", help="Scan the images for one platform only; by default for all."
    )
    @click.option("--plain-http", is_flag=True, help="Speak HTTP to registries that are not on this machine, too.")
    @click.option("--registry-ca", type=file, help="Certificates to trust besides the system's, for registries.")
    @click.option("--registry-cert", type=file, help="Client certificate for registries that ask for one.")
    @click.option("--registry-key", type=file, help="Its key, if that is in another file.")
    @wraps(command)
    def placed(
        *arguments: Any,
        platform: str,
        plain_http: bool,
        registry_ca: Path | None,
        registry_cert: Path | None,
        registry_key: Path | None,
        **options: Any,
    ) -> None:
        from scanner.image.source import Places, RegistrySettings

        settings = RegistrySettings(plain_http, registry_ca, registry_cert, registry_key)
        command(*arguments, places=Places(platform, settings), **options)

    return placed


def dockerfile_options(command: _Command) -> _Command:
    """What the images were built from: three options, which reach a command as one ``given``."""

    @click.option(
        "--dockerfile",
        "dockerfile",
        type=click.Path(path_type=Path),
        help="Dockerfile that the images were built from; findings then name its lines.",
    )
    @click.option("--target", "stage", default="", metavar="STAGE", help="Stage of it that was built.")
    @click.option(
        "--build-arg",
        "build_args",
        multiple=True,
        metavar="NAME=VALUE",
        help="Argument of that build; may be given again.",
    )
    @wraps(command)
    def given(
        *arguments: Any, dockerfile: Path | None, stage: str, build_args: tuple[str, ...], **options: Any
    ) -> None:
        if dockerfile is None and (stage or build_args):
            raise click.BadParameter("--target and --build-arg need it", param_hint="--dockerfile")
        from scanner.trace.given import load_given

        try:
            loaded = load_given(dockerfile, stage, build_args) if dockerfile is not None else None
        except LayerleakError as error:
            raise click.BadParameter(str(error), param_hint="--dockerfile") from None
        command(*arguments, given=loaded, **options)

    return given


def ignore_options(command: _Command) -> _Command:
    """What does not count: options that reach a command as one ``ignored``."""

    @click.option(
        "--ignore-file",
        "ignore_files",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Rules for what to ignore; by default .layerleakignore of the current folder; may be given again.",
    )
    @click.option("--no-ignore-file", is_flag=True, help="Read no such rules.")
    @click.option(
        "--baseline",
        "baselines",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Baseline of detect-secrets: what it lists does not count, unless an audit says that it is a secret; may "
        "be given again.",
    )
    @click.option("--no-inline-ignore", is_flag=True, help="Count also what a comment in the image marks as no secret.")
    @wraps(command)
    def ignored(
        *arguments: Any,
        ignore_files: tuple[Path, ...],
        no_ignore_file: bool,
        baselines: tuple[Path, ...],
        no_inline_ignore: bool,
        **options: Any,
    ) -> None:
        if ignore_files and no_ignore_file:
            raise click.BadParameter("cannot be given together with --ignore-file", param_hint="--no-ignore-file")
        files = () if no_ignore_file else ignore_files or None
        command(*arguments, ignored=Ignored(files, baselines, not no_inline_ignore), **options)

    return ignored
