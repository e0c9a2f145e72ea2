"""What the benchmark's images are filled with: file trees as ordinary package clients install them.

Each recipe makes one tree in a folder of its own. A client that is missing or fails is a `Skipped`, never a crash:
the benchmark then runs on what there is, and says so.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


class ClientError(Exception):
    """A package client is missing, or did not do what it was asked."""


@dataclass(frozen=True)
class Tree:
    """A file tree that becomes a layer.

    Attributes:
        name: of the recipe, and of the layer.
        folder: holds the files.
        prefix: where the files lie in the image.
    """

    name: str
    folder: Path
    prefix: str


@dataclass(frozen=True)
class Skipped:
    """A tree, or a program, that could not be had, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Recipe:
    """How a tree is made.

    Attributes:
        name: of the tree.
        prefix: where its files lie in the image.
        make: fills the folder; the second folder is for its downloads.
        packages: what is asked of the client, by size.
    """

    name: str
    prefix: str
    make: Callable[[Path, Path, tuple[str, ...]], None]
    packages: dict[str, tuple[str, ...]]


def run_client(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Runs a package client; its output is shown only where it fails.

    Raises:
        ClientError: it is not installed, or failed.
    """
    if shutil.which(command[0]) is None:
        raise ClientError(f"{Path(command[0]).name} is not installed")
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise ClientError(f"{Path(command[0]).name} {command[1]} failed ({done.returncode}): {said[-1]}")


def _debian(folder: Path, scratch: Path, packages: tuple[str, ...]) -> None:
    """Downloads packages and all they depend on with apt, as if nothing was installed, and unpacks them."""
    if shutil.which("dpkg-deb") is None:
        raise ClientError("dpkg-deb is not installed")
    for needed in ("state/lists/partial", "cache/archives/partial"):
        (scratch / needed).mkdir(parents=True, exist_ok=True)
    status = scratch / "state" / "status"
    status.touch()
    own = (
        *("-o", f"Dir::State={scratch / 'state'}", "-o", f"Dir::State::status={status}"),
        *("-o", f"Dir::Cache={scratch / 'cache'}", "-o", "Debug::NoLocking=1"),
        *("-o", "APT::Keep-Downloaded-Packages=1", "-o", "APT::Sandbox::User="),
    )
    run_client("apt-get", "-q", *own, "update")
    run_client("apt-get", "-qy", *own, "--no-install-recommends", "--download-only", "install", *packages)
    for archive in sorted((scratch / "cache" / "archives").glob("*.deb")):
        run_client("dpkg-deb", "-x", str(archive), str(folder))


def _pip(folder: Path, packages: tuple[str, ...]) -> None:
    """Installs wheels for one fixed platform, so that every machine gets the same files."""
    platforms = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux1_x86_64")
    wanted = [word for platform in platforms for word in ("--platform", platform)]
    run_client(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
        *("--only-binary=:all:", "--implementation=cp", "--python-version=3.11", *wanted),
        *("--target", str(folder), *packages),
    )


def _python(folder: Path, _scratch: Path, packages: tuple[str, ...]) -> None:
    _pip(folder, packages)


def _huge(folder: Path, scratch: Path, packages: tuple[str, ...]) -> None:
    """Keeps only the big shared libraries and programs of some wheels."""
    _pip(scratch / "wheels", packages)
    for path in sorted((scratch / "wheels").rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size >= 15 * MIB:
            target = folder / path.relative_to(scratch / "wheels")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)


FILES = 50_000
"""How many files node_modules holds at most."""


def _node(folder: Path, scratch: Path, packages: tuple[str, ...]) -> None:
    """Installs with npm, without running anybody's scripts, and keeps the first 50,000 files."""
    manifest = {"name": "bench", "private": True, "version": "1.0.0"}
    (folder / "package.json").write_text(json.dumps(manifest))
    cache = f"--cache={scratch / 'cache'}"
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-bin-links", "--legacy-peer-deps", cache)
    run_client("npm", "install", *flags, *packages, cwd=folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files[FILES:]:
        path.unlink()


RECIPES = (
    Recipe(
        "rootfs",
        "",
        _debian,
        {"small": ("?essential",), "full": ("?essential", "default-jdk-headless", "build-essential", "git", "vim")},
    ),
    Recipe(
        "python",
        "usr/lib/python3/site-packages",
        _python,
        {
            "small": ("django==5.1.4",),
            "full": (
                *("django==5.1.4", "sqlalchemy==2.0.36", "boto3==1.35.80", "sympy==1.13.3", "numpy==2.1.3"),
                *("pandas==2.2.3", "scipy==1.14.1", "matplotlib==3.9.3"),
            ),
        },
    ),
    Recipe(
        "node",
        "srv/web",
        _node,
        {
            "small": ("lodash@4.17.21", "rxjs@7.8.1"),
            "full": (
                *("lodash@4.17.21", "rxjs@7.8.1", "date-fns@3.6.0", "core-js@3.39.0", "typescript@5.7.2"),
                *("next@14.2.20", "aws-sdk@2.1692.0", "@mui/material@5.16.9", "@mui/icons-material@5.16.9"),
                *("@babel/preset-env@7.26.0", "webpack@5.97.1", "eslint@8.57.1", "googleapis@144.0.0"),
            ),
        },
    ),
    Recipe(
        "huge",
        "opt",
        _huge,
        {
            "small": ("libclang==18.1.1",),
            "full": ("jaxlib==0.4.36", "polars==1.17.1", "pyarrow==18.1.0", "duckdb==1.1.3", "libclang==18.1.1"),
        },
    ),
)
"""From the base of the image upwards."""


def build(size: str, work: Path) -> list[Tree | Skipped]:
    """The trees of a size, made where they are not there yet.

    Args:
        size: ``small`` or ``full``.
        work: folder that they are kept in between runs.
    """
    return [_build(recipe, size, work) for recipe in RECIPES]


def _build(recipe: Recipe, size: str, work: Path) -> Tree | Skipped:
    folder = work / "trees" / f"{recipe.name}-{size}"
    tree = Tree(recipe.name, folder, recipe.prefix)
    if folder.is_dir():
        return tree
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    scratch = folder.with_name(f"{making.name}.scratch")
    for path in (making, scratch):
        path.mkdir(parents=True)
    try:
        recipe.make(making, scratch, recipe.packages[size])
        making.rename(folder)
    except (ClientError, OSError) as error:
        return Skipped(recipe.name, str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(making, ignore_errors=True)
    return tree
