"""Builds the sample images anew: ``python sample_images/rebuild.py [LESSON...]``.

Each lesson is built by the builder that shows it best (see the README beside this file), as root and
without a network or a registry, and replaces the image file in its folder. The expectations in
``expected.json`` hold no digests and no dates, so they stay as they are.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import docker
from docker.errors import BuildError, DockerException

_HERE = Path(__file__).resolve().parent
_BASE = "layerleak-samples/base"
_COMPILE = [
    *("gcc", "-std=c11", "-Os", "-static", "-nostdlib", "-s", "-no-pie", "-fno-pie", "-fno-builtin"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none,-z,noseparate-code"),
]
_PACKAGES = {"buildah": "buildah", "dockerd": "docker.io", "gcc": "gcc", "skopeo": "skopeo"}
_DAEMON_SECONDS = 60


class RecipeError(Exception):
    """What stops the recipe, said to the person who runs it."""


@dataclass(frozen=True)
class Lesson:
    """How one sample image is made.

    Attributes:
        builder: "buildkit" and "classic" are the two builders inside a dockerd.
        image: the file it is committed as; ".gz" gzips the whole archive.
        options: more for ``docker build``; the files it names are relative to the lesson's folder.
        zstd: whether skopeo makes an OCI archive with zstd layers of what ``docker save`` wrote.
    """

    builder: Literal["buildkit", "classic", "buildah"]
    image: str = "image.tar.gz"
    options: Sequence[str] = ()
    zstd: bool = False

    @property
    def programs(self) -> set[str]:
        """The programs that this lesson cannot be built without."""
        return {"buildah"} if self.builder == "buildah" else {"dockerd", "gcc", *(["skopeo"] * self.zstd)}


LESSONS = {
    "arg": Lesson("buildkit", options=["--build-arg", "NPM_TOKEN=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"]),
    "env": Lesson("classic", image="image.tar"),
    "copy": Lesson("buildah", image="image.tar"),
    "deleted": Lesson("buildkit"),
    "overwritten": Lesson("buildkit", image="image.tar", zstd=True),
    "multi-stage": Lesson("buildkit"),
    "secret-mount": Lesson("buildkit", options=["--secret", "id=npmrc,src=npmrc"]),
}


def _run(*command: str | Path, cwd: Path | None = None, **environment: str) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RecipeError(f"{command[0]} failed with exit code {done.returncode}:\n{done.stdout.strip()}")


def _docker_command() -> str:
    """The first docker on PATH that speaks to BuildKit: any before 23, later ones with the buildx plugin."""
    for folder in os.get_exec_path():
        found = shutil.which("docker", path=folder)
        if found and not subprocess.call(
            [found, "build", "--help"],
            env=os.environ | {"DOCKER_BUILDKIT": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ):
            return found
    raise RecipeError("no docker command on PATH can build with BuildKit: install docker.io 20.10 or docker-buildx")


def _make_alike(folder: Path) -> Path:
    """Gives a build context the modes and dates that make two builds of it the same."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() or path.name == "sh" else 0o644)
        os.utime(path, (0, 0))
    return folder


class Dockerd:
    """A docker daemon: both of Docker's builders, and ``docker save``."""

    def __init__(self, host: str, command: str, client: docker.DockerClient) -> None:
        self._host = host
        self._command = command
        self._client = client

    def build_buildkit(self, tag: str, dockerfile: Path, context: Path, options: Sequence[str] = ()) -> None:
        """Builds with BuildKit, which only the command line speaks to."""
        command = [self._command, "--host", self._host, "build", "--network", "none", "--tag", tag, *options]
        _run(*command, "--file", dockerfile, context, cwd=dockerfile.parent, DOCKER_BUILDKIT="1")

    def build_classic(self, tag: str, dockerfile: Path, context: Path) -> None:
        """Builds with the classic builder, which is what the daemon's build API is."""
        try:
            self._client.images.build(
                path=str(context), dockerfile=str(dockerfile), tag=tag, rm=True, network_mode="none"
            )
        except BuildError as error:
            raise RecipeError(f"the classic builder failed: {error}") from error

    def save(self, tag: str, into: Path) -> None:
        """Writes the archive that ``docker save`` writes."""
        with into.open("wb") as archive:
            archive.writelines(self._client.images.get(tag).save(named=True))


@contextmanager
def _dockerd(work: Path) -> Iterator[Dockerd]:
    """A daemon of our own, which keeps everything in `work` and is gone afterwards; it has the base image."""
    command, host, log = _docker_command(), f"unix://{work}/docker.sock", work / "dockerd.log"
    start = [
        "dockerd",
        "--host",
        host,
        "--pidfile",
        f"{work}/docker.pid",
        "--bridge",
        "none",
        "--iptables=false",
    ]
    # On overlay2 a directory made anew is opaque, as on nearly every machine that builds images.
    start += ["--data-root", f"{work}/data", "--exec-root", f"{work}/exec", "--storage-driver", "overlay2"]
    with log.open("wb") as output:
        daemon = subprocess.Popen(start, stdout=output, stderr=subprocess.STDOUT)
    try:
        dockerd = Dockerd(host, command, _connect(host, daemon, log))
        base = work / "base"
        base.mkdir()
        _run(*_COMPILE, "-o", base / "sh", _HERE / "base" / "sh.c")
        dockerd.build_buildkit(_BASE, _HERE / "base" / "Dockerfile", _make_alike(base))
        yield dockerd
    finally:
        daemon.terminate()
        daemon.wait(_DAEMON_SECONDS)


def _connect(host: str, daemon: subprocess.Popen[bytes], log: Path) -> docker.DockerClient:
    end = time.monotonic() + _DAEMON_SECONDS
    while time.monotonic() < end and daemon.poll() is None:
        try:
            return docker.DockerClient(base_url=host)
        except DockerException:
            time.sleep(0.2)
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise RecipeError(f"dockerd did not start: {''.join(last) or 'it said nothing'}")


def _build_with_buildah(name: str, context: Path, work: Path, archive: Path) -> None:
    tag = f"layerleak-samples/{name}"
    buildah = [
        "buildah",
        "--storage-driver",
        "vfs",
        "--root",
        str(work / "root"),
        "--runroot",
        str(work / "run"),
    ]
    build = [
        "build",
        "--layers",
        "--timestamp",
        "0",
        "--tag",
        tag,
        "--file",
        str(_HERE / name / "Dockerfile"),
    ]
    _run(*buildah, *build, context)
    _run(*buildah, "push", tag, f"oci-archive:{archive}:{tag}:latest")


def _build_with_docker(dockerd: Dockerd, name: str, context: Path, work: Path, archive: Path) -> None:
    lesson, tag, dockerfile = LESSONS[name], f"layerleak-samples/{name}", _HERE / name / "Dockerfile"
    if lesson.builder == "classic":
        dockerd.build_classic(tag, dockerfile, context)
    else:
        dockerd.build_buildkit(tag, dockerfile, context, lesson.options)
    if lesson.zstd:
        saved = work / f"{name}.saved.tar"
        dockerd.save(tag, saved)
        target = f"oci-archive:{archive}:{tag}:latest"
        _run("skopeo", "copy", "--dest-compress-format", "zstd", f"docker-archive:{saved}", target)
    else:
        dockerd.save(tag, archive)


def _replace(image: Path, archive: Path) -> None:
    if image.suffix == ".gz":
        image.write_bytes(gzip.compress(archive.read_bytes(), mtime=0))
    else:
        shutil.copyfile(archive, image)


def rebuild(names: Sequence[str]) -> None:
    """Builds the lessons of these names and replaces their image files.

    Raises:
        RecipeError: a program is missing, or a builder failed.
    """
    for program in sorted(set().union(*(LESSONS[name].programs for name in names))):
        if not shutil.which(program):
            raise RecipeError(f"{program} is not on PATH (Debian has it in the package {_PACKAGES[program]})")
    if os.geteuid() != 0:
        raise RecipeError("the builders need root here: run it as root")
    with tempfile.TemporaryDirectory(prefix="samples-") as folder, ExitStack() as stack:
        work, dockerd = Path(folder), None
        for name in names:
            context, archive = work / f"{name}.context", work / f"{name}.tar"
            context.mkdir()
            if (_HERE / name / "context").is_dir():
                shutil.copytree(_HERE / name / "context", context, dirs_exist_ok=True)
            _make_alike(context)
            if LESSONS[name].builder == "buildah":
                _build_with_buildah(name, context, work, archive)
            else:
                dockerd = dockerd or stack.enter_context(_dockerd(work))
                _build_with_docker(dockerd, name, context, work, archive)
            image = _HERE / name / LESSONS[name].image
            _replace(image, archive)
            print(f"{name}/{image.name}: {image.stat().st_size:,} bytes")


def main() -> int:
    """Reads the command line; says what was built, or in one line why it was not."""
    parser = argparse.ArgumentParser(description="Build the sample images anew, as root.")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help=f"{', '.join(LESSONS)} (default: all)")
    lessons = parser.parse_args().lessons or list(LESSONS)
    unknown = [name for name in lessons if name not in LESSONS]
    if unknown:
        parser.error(f"no lesson is called {unknown[0]}; there are {', '.join(LESSONS)}")
    try:
        rebuild(lessons)
    except RecipeError as error:
        print(f"rebuild.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
