"""Where the time of a scan goes, stage by stage and signature by signature."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

STAGES = ("read", "digest", "decompress", "walk", "unpack", "match", "confirm", "trace", "report")
"""In the order in which bytes go through them."""


@dataclass
class Profile:
    """Adds up seconds and bytes; several threads may add to one.

    Attributes:
        seconds: by stage, summed over all threads.
        bytes: by stage, what went into it.
        signatures: by signature id, seconds spent in confirming its candidates.
        candidates: by signature id, how many prefilter matches there were.
    """

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    bytes: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    signatures: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    candidates: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, stage: str, seconds: float, count: int = 0) -> None:
        """Adds to a stage."""
        with self._lock:
            self.seconds[stage] += seconds
            self.bytes[stage] += count

    def add_signature(self, name: str, seconds: float) -> None:
        """Adds one candidate of a signature."""
        with self._lock:
            self.signatures[name] += seconds
            self.candidates[name] += 1

    def lines(self) -> Iterator[str]:
        """The profile as text: a line a stage, and the ten signatures that cost most to confirm.

        Seconds are summed over all threads, and include those that a thread waited for the interpreter.
        """
        yield f"{'stage':12} {'seconds':>9} {'MB':>10} {'MB/s':>9}"
        for stage in STAGES:
            seconds, megabytes = self.seconds[stage], self.bytes[stage] / 1e6
            rate = f"{megabytes / seconds:9.0f}" if megabytes and seconds else f"{'-':>9}"
            yield f"{stage:12} {seconds:9.3f} {megabytes:10.1f} {rate}"
        yield f"{'signature':40} {'candidates':>10} {'seconds':>9}"
        for name in sorted(self.signatures, key=self.signatures.__getitem__, reverse=True)[:10]:
            yield f"{name:40} {self.candidates[name]:10} {self.signatures[name]:9.3f}"

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a piece of work as a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self.add(name, perf_counter() - started)
