"""Many files as one stream: each hit is told where it is in its own file, and once."""

from pathlib import Path

import pytest

from scanner.detect import flow as module
from scanner.detect.flow import Flow, FlowHit
from scanner.detect.matcher import LOOKAHEAD, LOOKBEHIND
from tests.detect.engine import matcher, signature

TOKEN = b"acme_0123456789"


def places(hits: list[FlowHit]) -> list[tuple[int, tuple[str, ...], int, int]]:
    return [(hit.owner, hit.inner, hit.offset, hit.line) for hit in hits]


def test_a_hit_has_the_offset_and_line_in_its_own_file(tmp_path: Path) -> None:
    flow = Flow(matcher(tmp_path, signature()))
    for number in range(3):
        flow.owner = number
        flow.begin((f"{number}",))
        flow.feed(b"\n" * number)
        flow.feed(b"key " + TOKEN)
        flow.end()

    assert places(flow.hits()) == [(number, (f"{number}",), number + 4, number + 1) for number in range(3)]
    assert flow.hits() == []


def test_files_do_not_see_each_other(tmp_path: Path) -> None:
    flow = Flow(matcher(tmp_path, signature()))
    for piece in (b"word", TOKEN, b"word", TOKEN[:8], TOKEN[8:]):
        flow.begin(("file",))
        flow.feed(piece)
        flow.end()

    assert places(flow.hits()) == [(0, ("file",), 0, 1)]


@pytest.mark.parametrize("shift", [-16, -15, -8, -1, 0, 1, 8])
@pytest.mark.parametrize("size", [1000, 50_000])
def test_a_secret_is_found_once_wherever_the_engine_is_called(
    size: int, shift: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP", LOOKBEHIND + LOOKAHEAD + 20_000)
    content = bytearray(b"x\n" * 300_000)
    offsets = [20_000 * number + shift for number in range(1, 29)]
    for offset in offsets:
        content[offset - 1 : offset + len(TOKEN) + 1] = b"\n" + TOKEN + b"\n"
    flow = Flow(matcher(tmp_path, signature()))
    flow.begin(("before",))
    flow.feed(TOKEN)
    flow.begin(("a", "b"))
    for start in range(0, len(content), size):
        flow.feed(bytes(content[start : start + size]))

    wanted = [(0, ("a", "b"), offset, content[:offset].count(b"\n") + 1) for offset in offsets]
    assert places(flow.hits()) == [(0, ("before",), 0, 1), *wanted]


def test_what_is_no_text_has_no_lines(tmp_path: Path) -> None:
    flow = Flow(matcher(tmp_path, signature()))
    flow.begin(("binary",))
    flow.feed(b"\0\n" + TOKEN)

    assert places(flow.hits()) == [(0, ("binary",), 2, 0)]
