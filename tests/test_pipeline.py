"""Layers over several threads: the same result whatever their number, and no failure lost."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pytest

from scanner.detect.matcher import Matcher
from scanner.detect.ruleset import Ruleset
from scanner.image.oci import Image, Skip
from scanner.pipeline import Pipeline
from scanner.profile import Profile
from tests.conftest import SAMPLES

TOKEN = json.loads((SAMPLES / "arg" / "expected.json").read_text())["findings"][0]["secret"].encode()


def layer(number: int, megabytes: int) -> bytes:
    """A layer of files of text, every third of which holds a token."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for file in range(megabytes * 4):
            text = b"some words of layer %d, file %d\n" % (number, file) * 8000
            text += b"token=" + TOKEN + b"\n" if file % 3 == 0 else b""
            member = tarfile.TarInfo(f"srv/{number}/{file}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return out.getvalue()


@dataclass
class Blobs:
    """A source of these layers that notes how many of them are open at once."""

    layers: list[bytes]
    concurrent: bool = True
    vouched: bool = False
    size: int = 0
    handed_out: list["_Noted"] = field(default_factory=list)
    most_unread: int = 0  # streams not read to their ends when one more was asked for

    def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
        for number, data in enumerate(self.layers):
            self.most_unread = max(self.most_unread, sum(not stream.ended for stream in self.handed_out))
            self.handed_out.append(_Noted(data))
            yield f"blob{number}", self.handed_out[-1]

    def images(self) -> tuple[list[Image], list[Skip]]:
        return [], []

    def again(self, name: str) -> BinaryIO | None:
        return None


class _Noted(io.BytesIO):
    """A stream that knows whether it was read to its end."""

    ended = False

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self.ended = self.ended or not count
        return count


def run(source: Blobs, ruleset: Ruleset, jobs: int) -> object:
    scans = Pipeline(ruleset, jobs, lambda read, total: None, None).run(source)
    return {
        name: (
            s.digest,
            s.diff_id,
            s.stored,
            s.bytes,
            s.members,
            s.problems,
            [(h.path, h.offset, h.line) for h in s.hits],
        )
        for name, s in scans.items()
    }


LAYERS = [layer(number, megabytes) for number, megabytes in enumerate((6, 1, 3, 0, 1, 1, 2))]


@pytest.mark.parametrize("jobs", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_scans(jobs: int, ruleset: Ruleset) -> None:
    assert run(Blobs(LAYERS), ruleset, jobs) == run(Blobs(LAYERS), ruleset, 1)


def test_every_layer_is_scanned_whole(ruleset: Ruleset) -> None:
    scans = Pipeline(ruleset, 4, lambda read, total: None, None).run(Blobs(LAYERS))

    assert {name: scan.bytes for name, scan in scans.items()} == {f"blob{n}": len(d) for n, d in enumerate(LAYERS)}
    assert [len(scans[f"blob{n}"].hits) for n in range(len(LAYERS))] == [8, 2, 4, 0, 2, 2, 3]


def test_a_source_that_goes_by_once_is_never_asked_ahead(ruleset: Ruleset) -> None:
    source = Blobs(LAYERS, concurrent=False)

    run(source, ruleset, 4)

    assert source.most_unread == 0


def test_a_source_that_can_be_sought_in_feeds_all_threads(ruleset: Ruleset) -> None:
    asked_for_another = threading.Event()

    class Patient(_Noted):
        def readinto(self, buffer: Any) -> int:
            assert asked_for_another.wait(timeout=30)
            return super().readinto(buffer)

    class Source(Blobs):
        def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
            yield "patient", Patient(LAYERS[1])
            asked_for_another.set()
            yield "next", _Noted(LAYERS[2])

    # Looking at a blob's first bytes is what opens it, so the thread that does waits; another must go on.
    scans = Pipeline(ruleset, 2, lambda read, total: None, None).run(Source([]))

    assert {name: scan.bytes for name, scan in scans.items()} == {"patient": len(LAYERS[1]), "next": len(LAYERS[2])}


def test_all_streams_are_closed(ruleset: Ruleset) -> None:
    source = Blobs(LAYERS)

    run(source, ruleset, 3)

    assert [stream.closed for stream in source.handed_out] == [True] * len(LAYERS)


def test_progress_adds_up_to_the_bytes_of_the_blobs(ruleset: Ruleset) -> None:
    told: list[int] = []

    Pipeline(ruleset, 3, lambda read, total: told.append(read), None).run(Blobs(LAYERS))

    assert sum(told) == sum(len(data) for data in LAYERS)


def test_without_layers_there_is_nothing_to_do(ruleset: Ruleset) -> None:
    assert run(Blobs([]), ruleset, 4) == {}


class _Failing(io.BytesIO):
    def readinto(self, buffer: Any) -> int:
        raise RuntimeError("nobody expected this")


@pytest.mark.parametrize("jobs", [1, 4])
def test_what_nobody_expected_reaches_the_caller_and_stops_all_threads(jobs: int, ruleset: Ruleset) -> None:
    class Source(Blobs):
        def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
            yield from super().blobs()
            yield "failing", _Failing()

    before = threading.active_count()

    with pytest.raises(RuntimeError, match="nobody expected this"):
        run(Source(LAYERS), ruleset, jobs)

    assert threading.active_count() == before


def test_a_profile_adds_up_what_was_read_and_matched(ruleset: Ruleset) -> None:
    profile = Profile()

    Pipeline(ruleset, 2, lambda read, total: None, profile).run(Blobs(LAYERS))

    size = sum(len(data) for data in LAYERS)
    assert profile.bytes["read"] == profile.bytes["walk"] == size
    assert profile.bytes["match"] >= size
    assert profile.candidates["npm-access-token"] == 21
    assert next(line for line in profile.lines() if line.startswith("npm-access-token")).split()[1] == "21"


def test_a_failure_while_matching_lets_go_the_threads_that_wait_for_their_turn(
    ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = threading.Lock()

    def find(*_: object) -> list[tuple[int, int]]:
        if first.acquire(blocking=False):  # and is never released: the block of this thread will not be hashed
            raise RuntimeError("nobody expected this")
        return []

    monkeypatch.setattr("scanner.detect.matcher.Matcher.find", find)
    before = threading.active_count()

    with pytest.raises(RuntimeError, match="nobody expected this"):
        run(Blobs([layer(1, 20)]), ruleset, 4)

    assert threading.active_count() == before


@pytest.mark.parametrize("slow", [0, 1], ids=["the first is through last", "the second is through last"])
def test_of_two_blobs_of_one_name_the_later_counts_whichever_is_through_first(
    slow: int, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = [layer(number, 1) for number in (1, 2)]
    other_is_through = threading.Event()
    find = Matcher.find

    class Telling(io.BytesIO):
        def close(self) -> None:
            super().close()
            other_is_through.set()

    class Source(Blobs):
        concurrent = True

        def blobs(self) -> Iterator[tuple[str, BinaryIO]]:
            for number, data in enumerate(copies):
                yield "same", io.BytesIO(data) if number == slow else Telling(data)

    def finding(matcher: Matcher, data: bytes) -> list[tuple[int, int]]:
        if b"some words of layer %d" % (slow + 1) in data:
            assert other_is_through.wait(timeout=30)
        return find(matcher, data)

    monkeypatch.setattr(Matcher, "find", finding)

    scans = Pipeline(ruleset, 2, lambda read, total: None, None).run(Source([]))

    assert [hit.path.split("/")[1] for hit in scans["same"].hits] == ["2", "2"]
