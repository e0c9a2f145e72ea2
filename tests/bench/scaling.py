"""Does the cost grow in proportion? Doubles bytes, members, hits, candidates and layers, and prints CPU seconds.

    python tests/bench/scaling.py [--only NAME...]

Each row is one kind of growth; each column doubles it. The last column is what the last doubling multiplied the cost by
(start-up apart, which is subtracted): about 2 is linear, 4 would be quadratic.
"""

import argparse
import io
import json
import os
import random
import resource
import string
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

STEPS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Growth:
    """One way in which an image can grow.

    Attributes:
        name: in the table.
        unit: what one step adds.
        layers: makes the layers of an image of so many steps.
    """

    name: str
    unit: str
    layers: Callable[[int], Iterator[bytes]]
    run: Callable[[int], str] | None = None  # a RUN instruction in the history


def tar(files: Iterator[tuple[str, bytes]]) -> bytes:
    """A layer with these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _random(seed: int) -> random.Random:
    return random.Random(seed)


def _text(size: int) -> bytes:
    words = [b"return", b"value", b"const", b"function", b"import", b"self", b"options", b"{", b"}", b"(", b");"]
    line = b" ".join(_random(1).choices(words, k=400)) + b"\n"
    return (line * (size // len(line) + 1))[:size]


def _minified(size: int) -> bytes:
    return _text(size).replace(b"\n", b";")


def _tokens(count: int, name: bytes) -> bytes:
    random_ = _random(2)
    alphabet = string.ascii_letters + string.digits
    return b"\n".join(name + b"ghp_" + "".join(random_.choices(alphabet, k=36)).encode() for _ in range(count))


GROWTHS = (
    Growth("bytes", "64 MB of text", lambda n: iter([tar((f"f{i}", _text(1 << 26)) for i in range(n))])),
    Growth("one line", "12.5 MB of it", lambda n: iter([tar(iter([("app.min.js", _minified(n * 12_500_000))]))])),
    Growth(
        "members", "12,500 tiny files", lambda n: iter([tar((f"d{i % 97}/f{i}", b"x=1\n") for i in range(12_500 * n))])
    ),
    Growth("hits, one file", "1,000 secrets", lambda n: iter([tar(iter([("s", _tokens(1000 * n, b"T="))]))])),
    Growth(
        "hits, many files",
        "1,000 files with one",
        lambda n: iter([tar((f"d/{i}", _tokens(1, b"T%d=" % i)) for i in range(1000 * n))]),
    ),
    Growth(
        "candidates",
        "62,500 that are none",
        lambda n: iter([tar(iter([("c", b"password = changeme1234\n" * (62_500 * n))]))]),
    ),
    Growth("layers", "32 layers", lambda n: (tar(iter([(f"l{i}", _text(1000))])) for i in range(32 * n))),
    Growth(
        "hits in layers",
        "32 layers, a secret each",
        lambda n: (tar(iter([("etc/s", _tokens(1, b"T%d=" % i))])) for i in range(32 * n)),
    ),
    Growth(
        "hits, one instruction",
        "a RUN with 100 more",
        lambda _: iter([tar(iter([("empty", b"")]))]),
        lambda n: "RUN /bin/sh -c deploy " + _tokens(100 * n, b"T=").decode().replace("\n", " ") + " # buildkit",
    ),
)


def write_image(path: Path, layers: Iterator[bytes], run: str = "") -> None:
    """A docker archive of these layers, with a history entry for each, and one for ``run``."""
    with tarfile.open(path, "w") as archive:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

        names = []
        for index, data in enumerate(layers):
            names.append(f"{index:064x}.tar")
            add(names[-1], data)
        history: list[dict[str, object]] = [
            {"created_by": f"COPY l{index} / # buildkit"} for index in range(len(names))
        ]
        if run:
            history.append({"created_by": run, "empty_layer": True})
        # Without diff_ids nothing is compared, which costs nothing either way: they are hashed all the same.
        add("config.json", json.dumps({"history": history, "rootfs": {"type": "layers", "diff_ids": []}}).encode())
        add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": [], "Layers": names}]).encode())


def cpu_seconds(path: Path) -> float:
    """CPU seconds of a scan with one thread, the better of two."""
    command = [
        sys.executable,
        "-c",
        "from scanner.cli import main; main()",
        "scan",
        "--no-fail",
        "--format",
        "json",
        "-j1",
    ]
    best = float("inf")
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "-o", os.devnull, path], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="names of growths to measure")
    chosen = parser.parse_args().only
    print("| growth | one step | " + " | ".join(f"{n}x" for n in STEPS) + " | 16x to 8x |")
    print("|---|---|" + "---|" * (len(STEPS) + 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tar"
        write_image(path, iter([tar(iter([("empty", b"")]))]))
        start = cpu_seconds(path)
        for growth in GROWTHS:
            if chosen and growth.name not in chosen:
                continue
            seconds = []
            for steps in STEPS:
                write_image(path, growth.layers(steps), growth.run(steps) if growth.run else "")
                seconds.append(cpu_seconds(path) - start)
            ratio = seconds[-1] / max(seconds[-2], 1e-3)
            row = " | ".join(f"{s:.2f} s" for s in seconds)
            print(f"| {growth.name} | {growth.unit} | {row} | {ratio:.2f} |", flush=True)
        print(f"\nCPU seconds of one thread, without the {start:.2f} s that starting takes.")


if __name__ == "__main__":
    main()
