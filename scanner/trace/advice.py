"""What to write instead of an ARG or ENV that holds a secret: the instructions that use it, with a secret mount.

Source: Dockerfile reference, "RUN --mount=type=secret"; the ``env`` option needs Dockerfile syntax 1.10. Where each
package manager keeps its credentials is its own documentation's.
"""

import posixpath
import re
from collections.abc import Iterator

from scanner.image.dockerfile import Command, Scope
from scanner.image.dockerfile.words import name_of, references

_MOST = 3
"""Instructions that are rewritten for one secret."""

_LONGEST = 2000
"""Characters of an instruction that is rewritten; a longer one nobody wants to read twice."""

_CREDENTIALS = {
    ".npmrc": "npmrc",
    ".yarnrc.yml": "yarnrc",
    ".netrc": "netrc",
    "pip.conf": "pip_conf",
    ".pypirc": "pypirc",
    ".git-credentials": "git_credentials",
    "settings.xml": "maven_settings",
    "credentials.toml": "cargo_credentials",
    "credentials": "credentials",
    "auth.conf": "apt_auth",
    "config.json": "config_json",
}
"""Files in which npm, yarn, curl, git and go, pip, twine, maven, cargo, apt and docker have credentials, with ids."""

_REDIRECT = re.compile(r">>?\s*([^\s;&|]+)")
_PART = re.compile(r"\s*&&\s*")
_SHELL = re.compile(r"[;|`\n]|\$\(")
"""What makes a command more than its parts, so that none of them can be left out."""


def advice(scope: Scope, at: int, secret: str) -> tuple[str, ...]:
    """What to write instead of an instruction that sets a variable to a secret.

    Args:
        scope: the stage.
        at: position of the ARG or ENV.
        secret: the value.

    Returns:
        Sentences and instructions, in order; none for other instructions. They may hold other secrets.
    """
    command = scope.commands[at]
    name = _variable(command, secret)
    if not name:
        return ()
    used = [later for later in scope.commands[at + 1 :] if later.keyword == "RUN" and _uses(later, name)]
    if not used and command.keyword == "ENV":
        return (f"leave {name} out of the image, and give it to the container that needs it: docker run --env {name}",)
    if not used:
        return (f"no RUN of this stage names {name}: remove the ARG",)
    written = [line for run in used[:_MOST] if len(run.text) <= _LONGEST for line in _rewritten(run, name)]
    return (f"remove {command.keyword} {name}", *dict.fromkeys(written))


def _variable(command: Command, secret: str) -> str:
    """The variable of an ARG or ENV that has the secret: the one whose value does, or the only one."""
    if command.keyword not in ("ARG", "ENV"):
        return ""
    holding = [name for name, value in command.pairs if value and secret in value]
    names = holding or [name for name, _ in command.pairs]
    return names[0] if len(names) == 1 else ""


def _uses(command: Command, name: str) -> bool:
    return any(name_of(match) == name for match in references(command.mentions))


def _rewritten(run: Command, name: str) -> Iterator[str]:
    ident = name.lower()
    flags = "".join(f"--{flag}={value} " for flag, value in run.flags)
    if run.heredocs or run.body.startswith("["):
        yield f"RUN --mount=type=secret,id={ident},env={name} {flags}…, line {run.start_line} as it is"
        yield _given(ident, f"env={name}")
        return
    parts = _PART.split(run.body)
    target = next((path for part in parts if (path := _credentials(part, name))), "")
    if not target:
        yield f"RUN --mount=type=secret,id={ident},env={name} {flags}{run.body}"
        yield _given(ident, f"env={name}")
        return
    # The package manager's own file is the secret: mounted, it need be neither written nor removed.
    ident = _CREDENTIALS[posixpath.basename(target)]
    kept = [part for part in parts if _credentials(part, name) != target and not _removes(part, target)]
    where = target.replace("~", "/root", 1) if target.startswith("~/") else target
    mount = f"--mount=type=secret,id={ident},target={where}"
    if kept and (_SHELL.search(run.body) or any(part.count(quote) % 2 for part in parts for quote in "\"'")):
        yield f"in line {run.start_line}, neither write nor remove {where}: RUN {mount} {flags}…"
    elif kept:
        yield f"RUN {mount} {flags}{' && '.join(kept)}"
    else:
        yield f"remove line {run.start_line}, and where {where} is read: RUN {mount} …"
    yield _given(ident, f"src={posixpath.basename(target)}")


def _credentials(part: str, name: str) -> str:
    """The package manager's file that a piece of a shell command writes a variable to; empty if it does not."""
    redirect = _REDIRECT.search(part)
    if redirect is None or not any(name_of(match) == name for match in references(part)):
        return ""
    path = redirect[1].strip("\"'")
    return path if posixpath.basename(path) in _CREDENTIALS else ""


def _removes(part: str, target: str) -> bool:
    words = part.split()
    return bool(words) and words[0] == "rm" and words[-1].strip("\"'") == target


def _given(ident: str, source: str) -> str:
    return f"docker build --secret id={ident},{source} …"
