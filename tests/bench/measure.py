"""Measures one run of a program: wall and CPU seconds, peak memory, with a time limit and without a network."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_LAUNCH = Path(__file__).with_name("launch.py")
_DEAD = "http://127.0.0.1:9"
"""Nothing listens on the discard port."""


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        wall: seconds.
        cpu: seconds of processor, user and system, of the program and all it started and waited for.
        peak: bytes of memory; `launch` says how that is measured.
        code: exit code; negative where a signal ended it.
        timed_out: whether the time limit ended it.
    """

    wall: float
    cpu: float
    peak: int
    code: int
    timed_out: bool


@dataclass(frozen=True)
class Measured:
    """The runs of one program on one input.

    Attributes:
        runs: all of them.
        failure: why there is nothing to tell, or the empty string.
    """

    runs: tuple[Run, ...]
    failure: str = ""

    @property
    def wall(self) -> float:
        """Median wall seconds."""
        return median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median processor seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        """Greatest memory of any run, in bytes."""
        return max(run.peak for run in self.runs)

    @property
    def timed_out(self) -> bool:
        """Whether any run was ended by the limit."""
        return any(run.timed_out for run in self.runs)


@functools.cache
def isolation() -> tuple[str, ...]:
    """What to put before a command so that it has no network: empty where the machine does not let us."""
    for command in (("unshare", "-n"), ("unshare", "-r", "-n")):
        if shutil.which("unshare") and not subprocess.run((*command, "true"), capture_output=True).returncode:
            return command
    return ()


def run(command: Sequence[str], home: Path, output: Path, limit: float) -> Run:
    """Runs a program once.

    Args:
        command: the program and its arguments.
        home: folder that it takes for the user's home, for its caches.
        output: file for its standard output; its standard error goes beside it, to ``.log``.
        limit: seconds after which it is ended.
    """
    result = output.with_suffix(".measured")
    words = [sys.executable, "-I", "-S", str(_LAUNCH), str(result), str(limit)]
    words += [str(output), str(output.with_suffix(".log")), *isolation(), *command]
    subprocess.run(words, env=_environment(home), cwd=home, check=True, stdin=subprocess.DEVNULL)
    told = json.loads(result.read_text())
    return Run(told["wall"], told["cpu"], told["peak"], told["code"], told["timed_out"])


_NOT_INHERITED = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
"""Settings of a builder's shell that slow every program in Python down, ours and others."""


def _environment(home: Path) -> dict[str, str]:
    """The user's, with a home of the benchmark's and proxies that lead nowhere."""
    own = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "LAYERLEAK_KEY": "of the benchmark"}
    own |= {f"XDG_{name}_HOME": str(home / f".{name.lower()}") for name in ("CACHE", "DATA", "CONFIG", "STATE")}
    own |= {name: _DEAD for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (proxy, proxy.lower())}
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {**inherited, **own}


def warm(path: Path) -> None:
    """Reads a file, or all files of a folder, so that they are in the page cache."""
    buffer = bytearray(1 << 20)
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            with file.open("rb", buffering=0) as stream:
                while stream.readinto(buffer):
                    pass
